"""How numbers are written, on the terminal, on a page and in a figure."""

from __future__ import annotations


def count(value: float) -> str:
    """A whole number with thin spaces between thousands and a true minus sign."""
    return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")


def signed(value: float) -> str:
    """The same with its sign."""
    return f"+{count(value)}" if value > 0 else count(value)


def rate(value: float, digits: int = 3) -> str:
    """A number with its sign to so many digits, but never less than its whole part."""
    return signed(value) if abs(value) >= 10**digits else f"{value:+.{digits}g}".replace("-", "−")


def plural(noun: str) -> str:
    """More than one of something."""
    return f"{noun}{'es' if noun.endswith('ch') else 's'}"


def several(number: int, noun: str) -> str:
    """How many of something."""
    return f"{count(number)} {noun if number == 1 else plural(noun)}"
