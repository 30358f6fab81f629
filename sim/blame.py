"""What a user's policy breaks is the user's to mend: where it raised, or what the model raised under it."""

from __future__ import annotations

import ast
import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.engines.protocol import EngineCrash
from sim.errors import InputError

RAISED = (Exception, SystemExit)
"""A policy may also try to end the program."""
_FRAMES = 3
_SHORTAGES = ("MemoryError", "OutOfMemoryError")
"""Of the machine, unless the policy itself raises it; the second is torch's."""


@contextmanager
def blaming(policy: str | None) -> Iterator[None]:
    """InputError with the place for what is raised here, if a policy is in use and can have done it."""
    try:
        yield
    except RAISED as error:
        if policy is not None:
            _blame(error, policy)
        raise


def _blame(error: BaseException, policy: str) -> None:
    file, _, name = policy.rpartition(":")
    frames = traceback.extract_tb(error.__traceback__)
    own = _own(frames, file)
    if not _blamed(error, own):
        return
    what = " ".join(f"{type(error).__name__}: {error}".split())
    if own is not None:
        raise InputError(f"{file}:{own.lineno}:1: the policy raised {what}; mend it there") from error
    place = _place(frames[-1])
    raise InputError(
        f"{file}:{_line_of(file, name)}:1: under this policy the model raised {what} ({place}); mend the policy"
    ) from error


def policy_crash(error: BaseException, policy: str | type | None) -> EngineCrash | None:
    """The same as a crash that names the policy; None if no policy can have done it."""
    if policy is None:
        return None
    file, name = _file_and_name(policy)
    frames = traceback.extract_tb(error.__traceback__)
    own = _own(frames, file)
    if not _blamed(error, own):
        return None
    where = f"policy {name}, in {frames[-1].name if own is None else own.name}"
    text = f"{error} ({where if own is not None else f'under {where}'})".strip()
    return EngineCrash(type(error).__name__, text, [_place(frame) for frame in frames[-_FRAMES:]])


def _blamed(error: BaseException, own: traceback.FrameSummary | None) -> bool:
    if isinstance(error, InputError):
        return False
    return own is not None or type(error).__name__ not in _SHORTAGES


def _own(frames: traceback.StackSummary, file: str) -> traceback.FrameSummary | None:
    """The innermost frame in the policy's file."""
    if not file:
        return None
    path = Path(file).resolve()
    return next((frame for frame in reversed(frames) if Path(frame.filename).resolve() == path), None)


def _file_and_name(policy: str | type) -> tuple[str, str]:
    if isinstance(policy, str):
        file, _, name = policy.rpartition(":")
        return file, name
    try:
        return inspect.getfile(policy), policy.__qualname__
    except (OSError, TypeError):
        return "", policy.__qualname__


def _place(frame: traceback.FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _line_of(file: str, name: str) -> int:
    """The line in which the class begins."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return next((node.lineno for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), 1)
