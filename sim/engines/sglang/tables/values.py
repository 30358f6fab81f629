"""Definite answers in the place of stand-ins."""

from __future__ import annotations

from typing import Any


class Never:
    """A class of which the release makes no object here: nothing is an instance of it."""


class Silent:
    """Something that only reports: every method may be called, and does nothing."""

    tracing_enable = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Whatever it would report about."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Silent:
        """Itself."""
        return self


def nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def no(*args: Any, **kwargs: Any) -> bool:
    """Say no."""
    return False


def zero(*args: Any, **kwargs: Any) -> int:
    """The first of one."""
    return 0


class NoPenalties:
    """The penalties of a batch in which no request asks for any."""

    is_required = False

    def __init__(self, **_: Any) -> None:
        """The vocabulary size and the batch do not matter."""

    def filter(self, keep: Any) -> None:
        """Nothing is kept of nothing."""

    def merge(self, other: Any) -> None:
        """Nothing to join."""
