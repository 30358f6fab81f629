"""Brings the source of a release from the package index into the user's cache, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from sim.engines.sglang.source import Source, check_version, in_cache
from sim.errors import InputError

_LEFT_OUT = ("sglang/test/", "sglang/multimodal_gen/", "sglang/benchmark/", "sglang/lang/")
# Some releases are built for one Python on one platform; their Python sources serve any other as well.
_ELSEWHERE = (
    "--platform", "manylinux_2_34_x86_64", "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311",
)  # fmt: skip


def fetch(version: str, cache: Path) -> Source:
    """The release of this number: from the cache if it is there, else from the package index."""
    check_version(version)
    found = in_cache(version, cache)
    if found is not None:
        return found
    folder = cache / "sglang"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder of yours"
        ) from None
    try:
        unpack(_download(version, work / "wheel"), work / "source")
        _put(work / "source", folder / version)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found = in_cache(version, cache)
    if found is None:
        raise InputError(f"SGLang {version}: what the package index has holds no sglang/srt; choose another version")
    return found


def _download(version: str, folder: Path) -> Path:
    """The wheel, by pip and by name; dependencies stay away."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--only-binary", ":all:", "--dest", str(folder),
    ]  # fmt: skip
    said = ""
    for options in ((), _ELSEWHERE):
        try:
            done = subprocess.run(
                [*command, *options, f"sglang=={version}"], capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise InputError(
                f"SGLang {version}: pip cannot be started ({error}); install pip for {sys.executable}"
            ) from None
        wheels = sorted(folder.glob("sglang-*.whl")) if done.returncode == 0 else []
        if wheels:
            return wheels[0]
        said = said or _reason(done.stderr)
    raise InputError(
        f"SGLang {version} could not be fetched: {said}; check the version and the network, or write --sglang-src PATH"
    )


def _reason(stderr: str) -> str:
    """The line in which pip says what is wrong."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip found no wheel"])[-1][:300]


def unpack(wheel: Path, folder: Path) -> None:
    """The Python sources and the metadata of a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if _needed(name):
                    archive.extract(name, folder)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise InputError(f"{wheel.name} cannot be unpacked: {error}; fetch it again") from None


def _needed(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if name.startswith(_LEFT_OUT) or ".." in parts:
        return False
    if name.startswith("sglang/"):
        return name.endswith(".py")
    return len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in ("METADATA", "LICENSE")


def _put(made: Path, target: Path) -> None:
    """One rename: another process that was faster wins, and nobody ever sees half a release."""
    made.mkdir(exist_ok=True)
    if target.exists() and not (target / "sglang" / "srt").is_dir():
        os.rename(target, made.with_name("broken"))
    try:
        os.rename(made, target)
    except OSError:
        if not target.is_dir():
            raise
