"""Where a source is looked for, how its version is read, and what is said where there is none."""

from __future__ import annotations

import sys

import pytest

from sim.engines.sglang.source import Source, cached, find_source, version_of
from sim.engines.sglang.tables import table_for
from sim.errors import InputError


def release(folder, version=None):
    """A folder that looks like an unpacked release."""
    core = folder / "sglang" / "srt" / "managers"
    core.mkdir(parents=True)
    (core / "scheduler.py").write_text("raise SystemExit('executed')\n")
    (folder / "sglang" / "__init__.py").write_text("raise SystemExit('executed')\n")
    if version:
        (folder / "sglang" / "_version.py").write_text(f"__version__ = version = '{version}'\n")
    return folder


def message(*args, **kwargs):
    with pytest.raises(InputError) as caught:
        find_source(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize("part", ["", "sglang"])
def test_a_path_may_be_the_folder_above_sglang_or_sglang_itself(tmp_path, cache, part):
    root = release(tmp_path / "wheel", "0.5.11")
    found = find_source("sglang", path=root / part, cache=cache)
    assert found == Source(path=root, version="0.5.11", origin="path")


def test_a_path_may_be_a_checkout_also_one_that_is_called_sglang(tmp_path, cache):
    root = release(tmp_path / "sglang" / "python")
    found = find_source("sglang", path=tmp_path / "sglang", cache=cache)
    assert found == Source(path=root, version="unknown", origin="path")


def test_a_checkout_without_a_version_is_what_the_engine_says(tmp_path, cache):
    root = release(tmp_path / "checkout" / "python")
    assert find_source("sglang==0.5.11", path=root.parent, cache=cache).version == "0.5.11"


def test_a_path_of_another_version_is_refused(tmp_path, cache):
    root = release(tmp_path / "wheel", "0.5.12")
    said = message("sglang==0.5.11", path=root, cache=cache)
    assert said == (
        f"--sglang-src {root}: this is SGLang 0.5.12, not 0.5.11; write --engine sglang==0.5.12 or --engine sglang"
    )


def test_a_path_comes_before_the_installed_one_and_the_cache(tmp_path, cache, monkeypatch):
    monkeypatch.syspath_prepend(str(release(tmp_path / "site", "0.5.11")))
    release(cache / "sglang" / "0.5.11", "0.5.11")
    root = release(tmp_path / "mine", "0.5.11")
    assert find_source("sglang==0.5.11", path=root, cache=cache).origin == "path"


def test_an_installed_sglang_is_found_without_executing_it(tmp_path, cache, monkeypatch):
    site = release(tmp_path / "site", "0.5.11")
    monkeypatch.syspath_prepend(str(site))
    assert find_source("sglang", path=None, cache=cache) == Source(path=site, version="0.5.11", origin="installed")
    assert find_source("sglang==0.5.11", path=None, cache=cache).origin == "installed"
    assert "sglang" not in sys.modules


def test_an_installed_sglang_of_another_version_gives_way_to_the_cache(tmp_path, cache, monkeypatch):
    monkeypatch.syspath_prepend(str(release(tmp_path / "site", "0.5.12")))
    root = release(cache / "sglang" / "0.5.11", "0.5.11")
    assert find_source("sglang==0.5.11", path=None, cache=cache) == Source(
        path=root, version="0.5.11", origin="fetched"
    )


@pytest.mark.parametrize(
    ("spec", "path", "said"),
    [
        ("sglang==0.5.11", None, "type `kvledger oracle fetch 0.5.11`, or write --sglang-src PATH"),
        ("sglang", None, "no sglang is installed here; write --sglang-src PATH, or a version"),
        ("sglang", "nowhere", "it does not exist; write the folder of a checkout"),
        ("sglang", ".", "it holds no sglang/srt; write the folder of a checkout"),
        ("sglang==", None, "no such engine; write model, sglang, or sglang==VERSION"),
        ("sglang==../x", None, "no such engine"),
        ("vllm", None, "--engine vllm: no such engine"),
    ],
)
def test_without_a_source_the_message_says_what_to_type(tmp_path, cache, spec, path, said):
    assert said in message(spec, path=None if path is None else tmp_path / path, cache=cache)


def test_the_version_comes_from_metadata_if_the_package_has_none(tmp_path):
    root = release(tmp_path / "wheel")
    info = root / "sglang-0.5.10.post1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sglang\nVersion: 0.5.10.post1\n")
    assert version_of(root) == "0.5.10.post1"


def test_the_cache_lists_whole_releases_by_number(cache):
    for version in ("0.5.11", "0.5.9", "0.5.10.post1"):
        release(cache / "sglang" / version, version)
    (cache / "sglang" / "0.5.12").mkdir()
    release(cache / "sglang" / ".fetching-x", "0.5.12")
    assert [s.version for s in cached(cache)] == ["0.5.9", "0.5.10.post1", "0.5.11"]
    assert cached(cache / "none") == []


@pytest.mark.parametrize(
    ("version", "table"),
    [
        ("0.5.11", "0.5.11"), ("0.5.11.post2", "0.5.11"), ("0.5.10", "0.5.10.post1"), ("0.4.2", "0.5.10.post1"),
        ("0.5.12", "0.5.12"), ("0.6.0.dev1+g12", "0.5.12"),
    ],
)  # fmt: skip
def test_another_version_gets_the_nearest_table(tmp_path, version, table):
    assert table_for(Source(path=tmp_path, version=version, origin="path")).version == table


@pytest.mark.parametrize(
    ("marker", "table"),
    [
        ("mem_cache/session_aware_cache.py", "0.5.10.post1"), ("session/streaming_session.py", "0.5.11"),
        ("none.py", "0.5.12"),
    ],
)  # fmt: skip
def test_a_tree_without_a_version_is_known_by_its_files(tmp_path, marker, table):
    file = tmp_path / "sglang" / "srt" / marker
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert table_for(Source(path=tmp_path, version="unknown", origin="path")).version == table
