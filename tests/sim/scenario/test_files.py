"""What is said about a path that holds no readable scenario, and what is read from one that does."""

from __future__ import annotations

import os

import pytest
import yaml

from sim.scenario import load, places

GOOD = "pool: {tokens: 1000}\nworkload:\n  - {request: r, prompt: 20, output: 12}\n"


def test_a_path_that_does_not_exist(tmp_path, file_refusal):
    path = tmp_path / "missing.yaml"
    assert file_refusal(path) == f"{path}:1:1: there is no such file; write the path of a scenario file"


def test_a_directory(tmp_path, file_refusal):
    assert (
        file_refusal(tmp_path)
        == f"{tmp_path}:1:1: this is a directory; write the path of a scenario file in it"
    )


def test_a_file_used_as_a_directory(tmp_path, file_refusal):
    (tmp_path / "file").write_text(GOOD)
    assert ":1:1: cannot be read (Not a directory); " in file_refusal(tmp_path / "file" / "x.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, file_refusal):
    path = tmp_path / "secret.yaml"
    path.write_text(GOOD)
    path.chmod(0)
    assert file_refusal(path) == f"{path}:1:1: this file may not be read; allow reading it, e.g. `chmod u+r`"


def test_a_binary_file_is_refused_at_its_first_bad_byte(tmp_path, file_refusal):
    path = tmp_path / "pool.bin"
    path.write_bytes(b"name: x\nab\xff\xfe\x00")
    assert file_refusal(path) == f"{path}:2:3: this is not UTF-8 text; write a YAML file in UTF-8"


def test_a_file_of_zero_bytes_from_a_device_does_not_fill_the_memory(file_refusal):
    zero = places.Path("/dev/zero")
    assert "larger than 16 MiB" in file_refusal(zero)


def test_a_file_name_with_a_line_break_still_gives_one_line(tmp_path, file_refusal):
    assert "a\\nb.yaml:1:1: there is no such file" in file_refusal(tmp_path / "a\nb.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(path).name == "windows"


def test_the_text_of_the_file_is_kept_for_the_record(tmp_path):
    path = tmp_path / "kept.yaml"
    path.write_text(GOOD)
    scenario = load(path)
    assert scenario.source_text == GOOD
    assert scenario.path == str(path)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_places_are_the_same_with_and_without_libyaml(monkeypatch, loader):
    monkeypatch.setattr(places, "_LOADER", loader)
    tree = places.parse("a: 1\nb:\n  - {c: [x, 'y']}\n", "f.yaml")
    assert tree.plain() == {"a": 1, "b": [{"c": ["x", "y"]}]}
    assert str(tree.place_of("b", 0, "c", 1)) == "f.yaml:3:13"
    assert str(tree.keys["b"]) == "f.yaml:2:1"


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        ("12", 12),
        ("-1", -1),
        ("1_000_000", 1_000_000),
        ("010", 10),
        ("0.5", 0.5),
        ("1e6", 1e6),
        (".5", 0.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(spelled, value):
    assert places.parse(f"a: {spelled}\n", "f.yaml").plain() == {"a": value}


def test_a_path_that_is_not_there_is_placed_at_its_innermost_part_that_is():
    tree = places.parse("pool:\n  tokens: 8\n", "f.yaml")
    assert str(tree.place_of("pool", "rows")) == "f.yaml:2:3"
    assert tree.find("pool", "rows") is None
    assert tree.find("pool", "tokens", "deeper") is None
