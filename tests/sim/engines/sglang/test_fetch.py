"""A fetched release is there whole or not at all; the package index is asked by name, once."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from sim.engines.sglang import fetch as fetching
from sim.engines.sglang.fetch import fetch
from sim.errors import InputError

FILES = {
    "sglang/__init__.py": "",
    "sglang/_version.py": "__version__ = version = '0.5.11'\n",
    "sglang/srt/managers/scheduler.py": "",
    "sglang/srt/kernel.so": "binary",
    "sglang/test/long.py": "",
    "sglang-0.5.11.dist-info/METADATA": "Version: 0.5.11\n",
    "tools/other.py": "",
}


class Pip:
    """Answers `pip download` with a wheel of these files, or with an error."""

    def __init__(self, files=FILES, *, error="", only_elsewhere=False, meanwhile=lambda: None):
        self.files, self.error, self.only_elsewhere, self.meanwhile = files, error, only_elsewhere, meanwhile
        self.commands: list[list[str]] = []

    def __call__(self, command, **_):
        self.commands.append(command)
        if self.error or (self.only_elsewhere and "--platform" not in command):
            return SimpleNamespace(returncode=1, stderr=f"WARNING: x\nERROR: {self.error or 'no match'}\n")
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / "sglang-0.5.11-py3-none-any.whl"
        if self.files is None:
            wheel.write_bytes(b"PK half a file")
        else:
            with zipfile.ZipFile(wheel, "w") as archive:
                for name, text in self.files.items():
                    archive.writestr(name, text)
        self.meanwhile()
        return SimpleNamespace(returncode=0, stderr="")


@pytest.fixture
def pip(monkeypatch):
    def use(*args, **kwargs):
        made = Pip(*args, **kwargs)
        monkeypatch.setattr(subprocess, "run", made)
        return made

    return use


def names(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_only_the_sources_and_the_metadata_are_kept(pip, tmp_path):
    pip()
    found = fetch("0.5.11", tmp_path)
    assert (found.version, found.origin, found.path) == ("0.5.11", "fetched", tmp_path / "sglang" / "0.5.11")
    assert names(tmp_path / "sglang") == [
        "0.5.11/sglang-0.5.11.dist-info/METADATA",
        "0.5.11/sglang/__init__.py",
        "0.5.11/sglang/_version.py",
        "0.5.11/sglang/srt/managers/scheduler.py",
    ]


def test_the_index_is_asked_by_name_without_dependencies(pip, tmp_path):
    asked = pip()
    fetch("0.5.11", tmp_path)
    assert len(asked.commands) == 1
    assert asked.commands[0][-1] == "sglang==0.5.11"
    assert {"download", "--no-deps"} <= set(asked.commands[0])


def test_what_is_in_the_cache_is_not_asked_for_again(pip, tmp_path):
    pip()
    fetch("0.5.11", tmp_path)
    again = pip(error="no network")
    assert fetch("0.5.11", tmp_path).version == "0.5.11"
    assert again.commands == []


def test_a_wheel_for_another_python_serves_as_well(pip, tmp_path):
    asked = pip(only_elsewhere=True)
    assert fetch("0.5.11", tmp_path).version == "0.5.11"
    assert len(asked.commands) == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"error": "No matching distribution found for sglang==0.5.99"}, "No matching distribution found for sglang"),
        ({"files": None}, "sglang-0.5.11-py3-none-any.whl cannot be unpacked"),
        ({"files": {"sglang/__init__.py": ""}}, "what the package index has holds no sglang/srt"),
    ],
)
def test_a_download_that_fails_says_so_in_one_line_and_leaves_no_half(pip, tmp_path, setting, said):
    pip(**setting)
    with pytest.raises(InputError, match=said) as caught:
        fetch("0.5.11", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sglang" / "0.5.11" / "sglang" / "srt").exists()
    assert [f.name for f in (tmp_path / "sglang").iterdir() if f.name.startswith(".")] == []
    pip()
    assert fetch("0.5.11", tmp_path).version == "0.5.11"


def test_a_download_that_is_stopped_leaves_nothing(pip, tmp_path):
    def stop():
        raise KeyboardInterrupt

    pip(meanwhile=stop)
    with pytest.raises(KeyboardInterrupt):
        fetch("0.5.11", tmp_path)
    assert list((tmp_path / "sglang").iterdir()) == []


def test_of_two_at_the_same_time_the_first_wins_and_both_are_served(pip, tmp_path):
    def other():
        theirs = tmp_path / "sglang" / "0.5.11" / "sglang" / "srt" / "managers"
        theirs.mkdir(parents=True)
        (theirs / "scheduler.py").write_text("theirs")

    pip(meanwhile=other)
    found = fetch("0.5.11", tmp_path)
    assert (found.path / "sglang/srt/managers/scheduler.py").read_text() == "theirs"
    assert [f.name for f in (tmp_path / "sglang").iterdir()] == ["0.5.11"]


@pytest.mark.parametrize("version", ["../0.5.11", "--index-url", "latest", ""])
def test_a_version_is_a_number(pip, tmp_path, version):
    asked = pip()
    with pytest.raises(InputError, match="is no version of SGLang; write a number"):
        fetch(version, tmp_path)
    assert asked.commands == []


def test_names_that_leave_the_folder_are_not_unpacked():
    assert not fetching._needed("sglang/../../evil.py")
    assert not fetching._needed("/sglang/evil.py")
