"""A damaged folder is one clear line."""

import json
from pathlib import Path

import numpy as np
import pytest

from reports import ReportError
from reports.data import read_run


@pytest.fixture
def run(tmp_path: Path, make_story, make_fault, save_run) -> Path:
    return save_run(tmp_path / "before", make_story(20), [make_fault("leak", -1, 14, 16)])


def complaint(folder: Path) -> str:
    with pytest.raises(ReportError) as caught:
        read_run(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def rewrite(folder: Path, **changed: object) -> None:
    with np.load(folder / "series.npz") as file:
        arrays = dict(file)
    np.savez(folder / "series.npz", **{k: v for k, v in (arrays | changed).items() if v is not None})


def test_a_run_is_read_back(run: Path) -> None:
    read = read_run(run)
    assert (read.scenario, read.variant, len(read.series), read.series.total) == ("tail", "before", 20, 1000)
    assert read.outcome.verdicts[0].cause is not None
    assert read.outcome.verdicts[0].cause.event == 14


def test_a_scenario_says_what_it_is_about(run: Path) -> None:
    (run / "scenario.yaml").write_text("about: a retried turn leaves a slot behind\n")
    assert read_run(run).about == "a retried turn leaves a slot behind"


@pytest.mark.parametrize("content", ["", "[", "about: [", "- 1", "about: 3", "\x00"])
def test_a_scenario_file_that_says_nothing_does_no_harm(run: Path, content: str) -> None:
    (run / "scenario.yaml").write_text(content)
    assert read_run(run).about == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "verdicts.json:1:1: not JSON"),
        ('{"scenario":', "verdicts.json:1:13: not JSON"),
        ("[]", "verdicts.json:1:1: the document is not what a run writes;"),
        ('{"scenario": "x", "variants": {}}', "verdicts.json:1:1: variants is not what a run writes;"),
        ('{"scenario": "x", "variants": {"a": {"release": "r"}}}', "verdicts.json:1:1: variants.a.events is missing;"),
        ('{"variants": {}}', "verdicts.json:1:1: scenario is missing;"),
    ],
)
def test_a_damaged_verdict_file_is_named_with_the_place(run: Path, content: str, said: str) -> None:
    (run / "verdicts.json").write_text(content)
    assert said in complaint(run)


def test_a_verdict_file_that_is_no_text_is_named(run: Path) -> None:
    (run / "verdicts.json").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in complaint(run)


@pytest.mark.parametrize("size", ["one", 1 << 53, -(1 << 53), 0.5])
def test_a_verdict_of_the_wrong_type_is_named_with_its_place(run: Path, size: object) -> None:
    document = json.loads((run / "verdicts.json").read_text())
    document["variants"]["before"]["verdicts"][0]["size"] = size
    (run / "verdicts.json").write_text(json.dumps(document))
    assert "variants.before.verdicts.0.size" in complaint(run)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_series_that_was_cut_off_is_named(run: Path, keep: int) -> None:
    whole = (run / "series.npz").read_bytes()
    (run / "series.npz").write_bytes(whole[:keep])
    assert "series.npz:1:1: this is no archive" in complaint(run)


def test_a_series_of_objects_is_not_unpickled(run: Path) -> None:
    rewrite(run, lost=np.array([{}] * 20, dtype=object))
    assert "series.npz:1:1: this is no archive" in complaint(run)


@pytest.mark.parametrize("name", ["event", "t", "full", "delta", "lost", "extra", "full_total"])
def test_a_missing_array_is_named(run: Path, name: str) -> None:
    rewrite(run, **{name: None})
    assert f"the array {name!r} is missing" in complaint(run)


def test_arrays_of_unequal_length_are_named(run: Path) -> None:
    rewrite(run, delta=np.zeros(19, dtype=np.int64))
    assert "'delta' has shape (19,) instead of (20,)" in complaint(run)


def test_text_where_numbers_belong_is_named(run: Path) -> None:
    rewrite(run, lost=np.array(["x"] * 20))
    assert "'lost' holds no plain numbers" in complaint(run)


def test_events_that_go_back_are_named(run: Path) -> None:
    rewrite(run, event=np.arange(20, 0, -1))
    assert "event numbers do not rise" in complaint(run)


def test_options_that_are_no_object_are_named(run: Path) -> None:
    (run / "meta.json").write_text("[1]")
    assert "meta.json:1:1: the document is not what a run writes" in complaint(run)


def test_options_are_not_needed(run: Path) -> None:
    (run / "meta.json").unlink()
    assert read_run(run).meta == {}
