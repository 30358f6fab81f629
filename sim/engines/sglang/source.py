"""Where the source of a release comes from: a path, an installed sglang, or what `kvledger oracle fetch` has brought.

Nothing is executed to find out: versions are read from metadata.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sim.errors import InputError

Origin = Literal["path", "installed", "fetched"]
UNKNOWN = "unknown"
_CORE = Path("sglang", "srt", "managers", "scheduler.py")
_ASSIGNED = re.compile(r"^__version__ *(?:= *version *)?= *['\"]([^'\"]+)['\"]", re.MULTILINE)
_NUMBER = re.compile(r"[0-9][0-9A-Za-z.+!_-]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A release on disk: the folder that holds sglang/, its version, and how it was found."""

    path: Path
    version: str
    origin: Origin


def find_source(spec: str, *, path: Path | None, cache: Path) -> Source:
    """The source that `--engine spec` means: at `path`, else installed, else in the cache."""
    wanted = wanted_version(spec)
    if path is not None:
        return _at(path, wanted)
    installed = _installed()
    if installed is not None and wanted in (None, installed.version):
        return installed
    if wanted is None:
        raise InputError(
            "--engine sglang: no sglang is installed here; write --sglang-src PATH, or a version, e.g. "
            "--engine sglang==0.5.11 after `kvledger oracle fetch 0.5.11`"
        )
    found = in_cache(wanted, cache)
    if found is None:
        raise InputError(
            f"--engine {spec}: no source of SGLang {wanted} is at hand; type `kvledger oracle fetch {wanted}`, "
            "or write --sglang-src PATH"
        )
    return found


def wanted_version(spec: str) -> str | None:
    """The number in `sglang==NUMBER`; None for `sglang`."""
    name, equals, number = spec.partition("==")
    if name != "sglang" or (equals and not _NUMBER.fullmatch(number)):
        raise InputError(
            f"--engine {spec}: no such engine; write model, sglang, or sglang==VERSION, e.g. sglang==0.5.11"
        )
    return number or None


def check_version(version: str) -> None:
    """A version is a number, and never a path or an option."""
    if not _NUMBER.fullmatch(version):
        raise InputError(f"{version!r} is no version of SGLang; write a number, e.g. 0.5.11")


def _at(path: Path, wanted: str | None) -> Source:
    """A checkout, an unpacked wheel, the folder that holds sglang/, or sglang/ itself."""
    for root in (path / "python", path, path.parent if path.name == "sglang" else path):
        if (root / _CORE).is_file():
            break
    else:
        what = "holds no sglang/srt" if path.exists() else "does not exist"
        raise InputError(
            f"--sglang-src {path}: it {what}; "
            "write the folder of a checkout (it has python/sglang) or of an unpacked wheel"
        )
    version = version_of(root)
    if version == UNKNOWN:
        version = wanted or UNKNOWN
    if wanted not in (None, version):
        raise InputError(
            f"--sglang-src {path}: this is SGLang {version}, not {wanted}; "
            f"write --engine sglang=={version} or --engine sglang"
        )
    return Source(path=root.resolve(), version=version, origin="path")


def _installed() -> Source | None:
    """The sglang that this Python would import, found without importing it."""
    try:
        spec = importlib.util.find_spec("sglang")
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        root = Path(location).parent
        if (root / _CORE).is_file():
            return Source(path=root.resolve(), version=version_of(root), origin="installed")
    return None


def in_cache(version: str, cache: Path) -> Source | None:
    """What `kvledger oracle fetch` has brought of this version."""
    root = cache / "sglang" / version
    if not (root / _CORE).is_file():
        return None
    return Source(path=root.resolve(), version=version, origin="fetched")


def cached(cache: Path) -> list[Source]:
    """Everything in the cache, oldest release first."""
    folder = cache / "sglang"
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
    found = (in_cache(name, cache) for name in sorted(names, key=by_number))
    return [source for source in found if source is not None]


def version_of(root: Path) -> str:
    """The version of the sglang/ in this folder, read as text."""
    for name in ("_version.py", "version.py"):
        file = root / "sglang" / name
        match = _ASSIGNED.search(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else None
        if match:
            return match[1]
    metadata = sorted(root.glob("sglang-*.dist-info/METADATA"))
    if len(metadata) == 1:
        match = re.search(r"^Version: *(\S+)", metadata[0].read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if match:
            return match[1]
    return UNKNOWN


def by_number(version: str) -> tuple[int, ...]:
    """0.5.10.post1 → (0, 5, 10, 1): the order of releases."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
