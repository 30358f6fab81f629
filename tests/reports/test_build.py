"""report.html: one file that opens with the verdict, from any of the three kinds of folder."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.looked import look_inside, save_slots

import reports
from reports import ReportError

NASTY = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Every tag, attribute and text of a page; void elements do not nest."""

    VOID = ("meta", "br", "path", "use", "rect", "circle", "line", "image")

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def built(path: Path, out: Path | None = None) -> str:
    return reports.build([path], out).read_text(encoding="utf-8")


def test_a_run_folder_a_scenario_folder_and_an_output_folder_give_a_page(scenario_of_four: Path) -> None:
    for path, runs in ((scenario_of_four / "leak", 1), (scenario_of_four, 4), (scenario_of_four.parent, 4)):
        page = reports.build([path])
        assert page == path / "report.html"
        assert f"{runs} run" in Page(page.read_text()).words


def test_figures_lie_beside_the_page_as_svg_and_png(scenario_of_four: Path, tmp_path: Path) -> None:
    page = reports.build([scenario_of_four / "leak"], tmp_path / "elsewhere")
    names = sorted(path.name for path in (page.parent / "figures").iterdir())
    assert names == ["tail-leak.png", "tail-leak.svg", "tail.png", "tail.svg"]
    assert (page.parent / "figures" / "tail.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def four_scenarios(tmp_path: Path, make_story, save_run) -> Path:
    for number in range(4):
        save_run(tmp_path / "out" / f"s{number}" / "v", make_story(20), scenario=f"s{number}")
    return tmp_path / "out"


def test_of_many_scenarios_figures_are_svg_only_and_the_page_the_same_on_one_process_or_two(
    four_scenarios: Path, tmp_path: Path
) -> None:
    one = reports.build([four_scenarios], tmp_path / "one")
    two = reports.build([four_scenarios], tmp_path / "two", jobs=2)
    assert one.read_bytes() == two.read_bytes()
    for page in (one, two):
        names = {path.name for path in (page.parent / "figures").iterdir()}
        assert {f"s{number}-v.svg" for number in range(4)} <= names
        assert [name for name in names if name.endswith(".png")] == ["all-scenarios.png"]


def test_a_page_of_many_scenarios_opens_with_what_was_found_the_unexpected_first(
    tmp_path: Path, make_story, make_fault, save_run
) -> None:
    for name, unmet in (("calm", ()), ("wild", ("clean was expected, found leak -1",))):
        save_run(tmp_path / name / "after", make_story(20), scenario=name)
        faults = [make_fault("false-alarm", 6, 5, 5), make_fault("leak", -1, 7, 9)]
        for variant in ("before", "reverted"):
            save_run(tmp_path / name / variant, make_story(20), faults, scenario=name, unmet=unmet)
    content = built(tmp_path)
    page = Page(content)
    words = " ".join(page.words.split())
    what = "leak, −1 in the full pool since event 7: slot 26 belongs to nobody (1 more verdict)"
    told = f"before (likewise reverted): {what}"
    assert f"wild ✗ not as expected {told}; after: clean.before: clean was expected, found leak -1" in words
    assert f"calm ✓ as expected {told}; after: clean." in words
    assert words.index("wild ✗") < words.index("As expected calm ✓") < words.index("sum − total")
    links = [value for name, value in page.attributes if name == "href" and value.startswith("#s")]
    assert links == ["#s2", "#s1"]
    assert 'id="s1"><h2>calm<' in content


def test_no_two_drawings_of_a_page_have_a_name_in_common(four_scenarios: Path) -> None:
    content = built(four_scenarios)
    ids = re.findall(r'\bid="([^"]*)"', content)
    assert len(ids) == len(set(ids)) > 10
    assert "<style" not in content[content.index("<body>") :]


def test_several_folders_stand_side_by_side_under_names_that_tell_them_apart(
    tmp_path: Path, make_story, save_run
) -> None:
    one = save_run(tmp_path / "one" / "tail" / "after", make_story(20))
    two = save_run(tmp_path / "two" / "tail" / "after", make_story(20))
    words = Page(reports.build([one, two], tmp_path / "both.html").read_text()).words
    assert f"after ({one})" in words
    assert f"after ({two})" in words


def test_variants_come_in_the_order_of_the_scenario(tmp_path: Path, make_story, save_run) -> None:
    for name in ("after", "before", "mid"):
        save_run(tmp_path / "tail" / name, make_story(20))
    (tmp_path / "verdicts.json").write_text(
        json.dumps([{"scenario": "tail", "variants": {"mid": 0, "before": 0, "after": 0}}])
    )
    assert re.findall(r"<li class=\"good\"><b>(\w+)", built(tmp_path)) == ["mid", "before", "after"]


def test_the_page_opens_with_a_sentence_for_each_variant(scenario_of_four: Path) -> None:
    words = " ".join(Page(built(scenario_of_four)).words.split())
    assert "clean: clean: the books balance and nothing is lost, in all 120 events (120 audits)." in words
    assert (
        "leak: leak, −1 in the full pool since event 21, iteration 20: slot 26 belongs to nobody."
        " Cause: prefill overwrote row[25:26) (a/2); the release's busy check sees it in the same event."
        " 4 more verdicts." in words
    )
    assert "the release's busy check sees it 4 events later." in words
    assert "the release's own checks never see it." in words
    assert words.index("never see it") < words.index("sum − total")


def test_the_table_has_every_field_of_a_verdict(scenario_of_four: Path) -> None:
    words = " ".join(Page(built(scenario_of_four / "false-alarm")).words.split())
    for field in ("false-alarm", "+6", "INV-1", "0.328 s", "a/2", "busy check", "4 events", "slots 26"):
        assert field in words
    assert "[full] total=1000, available=963" in words


def test_the_last_operations_end_with_the_cause(scenario_of_four: Path) -> None:
    page = built(scenario_of_four / "false-alarm")
    rows = re.findall(r"<tr( class=\"cause\")?><td>(\d+)</td>", page)
    assert [int(number) for _, number in rows] == list(range(33, 42))
    assert [bool(cause) for cause, _ in rows] == [False] * 8 + [True]


def test_a_log_that_was_cut_off_is_read_up_to_there(scenario_of_four: Path) -> None:
    log = scenario_of_four / "false-alarm" / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:39]) + '{"event":40,"t":0.')
    rows = re.findall(r"<tr><td>(\d+)</td>", built(scenario_of_four / "false-alarm"))
    assert rows[-1] == "39"


def test_without_a_log_the_page_says_so(scenario_of_four: Path) -> None:
    (scenario_of_four / "leak" / "events.jsonl").unlink()
    assert "No event log was written." in built(scenario_of_four / "leak")


def test_unmet_expectations_stand_before_everything_else_of_a_variant(tmp_path: Path, make_story, save_run) -> None:
    folder = save_run(tmp_path / "after", make_story(20), unmet=("expected a leak of −1 in full, found none",))
    words = Page(built(folder)).words
    assert "1 of 1 run did not go as expected" in words
    assert "✗ not as expected" in words
    assert words.index("expected a leak of −1") < words.index("kvledger replay ops.jsonl")


def test_where_nothing_was_expected_a_run_is_clean_or_not(tmp_path: Path, make_story, make_fault, save_run) -> None:
    for name, found in (("good", []), ("bad", [make_fault("leak", -1, 9, 9)])):
        save_run(tmp_path / name / "only", make_story(20), found, scenario=name, expects=False)
    words = " ".join(Page(built(tmp_path)).words.split())
    assert words.count("expected") == words.count("1 of 2 runs is not clean; nothing was expected; ") == 1
    first, second = words.index("Not clean bad ✗ not clean only: leak"), words.index("Clean good ✓ clean only: clean.")
    assert first < second
    assert "1 run is clean; nothing was expected; 20 events" in Page(built(tmp_path / "good")).words


def test_replay_line_seed_and_versions_are_there(scenario_of_four: Path) -> None:
    words = Page(built(scenario_of_four / "clean")).words
    assert "kvledger replay ops.jsonl" in words
    assert re.search(r"seed\s*7", words)
    assert re.search(r"versions.python\s*3.11.7", words)
    assert re.search(r"config.pool.tokens\s*1000", words)


def test_several_scenarios_have_a_table_of_contents(tmp_path: Path, make_story, save_run) -> None:
    for name in ("one", "two"):
        save_run(tmp_path / name / "after", make_story(20), scenario=name)
    page = built(tmp_path)
    links = re.findall(r'<a href="#(s\d)">(\w+)</a>', page)
    assert links == [("s1", "one"), ("s2", "two")]
    assert all(f'<section id="{anchor}">' in page for anchor, _ in links)


def test_everything_from_files_is_escaped(tmp_path: Path, make_story, make_fault, save_run) -> None:
    bad = make_fault("leak", -1, 14, 16, message=NASTY, request=NASTY, session=NASTY, detected_by=NASTY)
    bad["cause"] |= {"what": NASTY, "op": NASTY, "request": NASTY, "session": NASTY}
    folder = save_run(tmp_path / "v", make_story(20), [bad], scenario=NASTY, unmet=(NASTY,), release=NASTY)
    (folder / "meta.json").write_text(json.dumps({NASTY: NASTY, "replay": NASTY, "config": {NASTY: [NASTY]}}))
    event = {"event": 13, "t": 1, "kind": NASTY, "request": NASTY, "check": NASTY, "finished": [NASTY]}
    (folder / "events.jsonl").write_text(json.dumps(event))
    (folder / "scenario.yaml").write_text(json.dumps({"about": NASTY}))
    page = Page(built(folder))
    assert "script" not in page.tags
    assert page.words.count(NASTY) > 15


def test_a_variant_name_is_escaped_in_the_drawing_too(tmp_path: Path, make_story, save_run) -> None:
    folder = save_run(tmp_path / "v", make_story(20))
    document = (folder / "verdicts.json").read_text().replace('"v"', '"<b>&$x_1$"')
    (folder / "verdicts.json").write_text(document)
    drawing = re.findall(r"<svg role.*?</svg>", built(folder), flags=re.DOTALL)[0]
    assert "<b>&$x_1$: clean" in Page(drawing).words


def test_the_page_needs_nothing_but_itself(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    (folder / "moments.json").unlink()
    save_slots(folder, range(1, 121), {"full": np.random.default_rng(1).integers(0, 5, (120, 90))})
    content = built(scenario_of_four)
    page = Page(content)
    assert "://" not in content
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(page.tags)
    references = [v for n, v in page.attributes if n in ("href", "src", "xlink:href")]
    assert references
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in references)
    assert "@import" not in content
    assert set(re.findall(r"url\((.)", content)) == {"#"}


def test_what_a_drawing_refers_to_is_defined_in_the_page(scenario_of_four: Path) -> None:
    page = Page(built(scenario_of_four))
    defined = {value for name, value in page.attributes if name == "id"}
    used = {v[1:] for n, v in page.attributes if n in ("href", "xlink:href")}
    assert used
    used |= {match for _, v in page.attributes for match in re.findall(r"url\(#(\w+)\)", v)}
    assert used <= defined


def test_drawings_take_their_ink_and_paper_from_the_page(scenario_of_four: Path) -> None:
    content = built(scenario_of_four)
    assert "var(--ink)" in content
    assert "#1a1a1b" not in content
    assert "#fefeff" not in content
    assert "prefers-color-scheme: dark" in content


def test_a_hundred_thousand_events_fit_into_three_megabytes(
    tmp_path: Path, make_story, shift_term, make_fault, save_run
) -> None:
    for name, lost in (("before", -16), ("after", 0)):
        made = make_story(100_000)
        shift_term(made, 70_000, None, 0, lost, true=True)
        save_run(tmp_path / "soak" / name, made, [make_fault("leak", lost, 70_000, 90_000)])
    assert reports.build([tmp_path]).stat().st_size < 3_000_000


def test_two_builds_of_one_folder_are_equal(scenario_of_four: Path, tmp_path: Path) -> None:
    first = reports.build([scenario_of_four], tmp_path / "one").read_bytes()
    assert reports.build([scenario_of_four], tmp_path / "two").read_bytes() == first


@pytest.mark.parametrize("kind", ["nothing", "file", "empty", "other"])
def test_what_is_no_run_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    if kind == "file":
        path.write_text("x")
    elif kind != "nothing":
        path.mkdir()
    if kind == "other":
        (path / "verdicts.json").write_text("{}")
    with pytest.raises(ReportError) as caught:
        reports.build([path])
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_folder_at_all_is_one_line() -> None:
    with pytest.raises(ReportError, match="no folder was given"):
        reports.build([])


def test_a_place_that_cannot_be_written_is_one_line(scenario_of_four: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ReportError, match=r"taken.*: cannot be written: .*; choose another folder"):
        reports.build([scenario_of_four], tmp_path / "taken")


def test_importing_reports_imports_no_plotting() -> None:
    check = "import sys, reports; sys.exit(any(m in sys.modules for m in ('matplotlib', 'numpy', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
