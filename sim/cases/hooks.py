"""Being told when a method of one object is called; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Heard = Callable[..., None]


def hook(
    owner: Any, name: str, *, before: Heard | None = None, after: Heard | None = None, result: Heard | None = None
) -> None:
    """Call these around `owner.name`: with its arguments before and after, and with what it returns."""
    inner = getattr(owner, name)

    def hooked(*given: Any, **named: Any) -> Any:
        if before is not None:
            before(*given)
        made = inner(*given, **named)
        if after is not None:
            after(*given)
        if result is not None:
            result(made)
        return made

    setattr(owner, name, hooked)
