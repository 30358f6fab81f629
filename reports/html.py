"""The few pieces of HTML that the page is built from; every value is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def text(value: object) -> str:
    """A value as it may stand in HTML; nothing at all for None."""
    return "" if value is None else escape(str(value))


def table(head: Sequence[str], rows: Iterable[str], *, kind: str = "") -> str:
    """A table that scrolls in its own box when the screen is narrow."""
    cells = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = "".join(rows)
    mark = f' class="{kind}"' if kind else ""
    inner = f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table{mark}>{inner}</table></div>'


def row(cells: Iterable[object], *, kind: str = "") -> str:
    """One row of escaped cells."""
    mark = f' class="{kind}"' if kind else ""
    return f"<tr{mark}>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>"


def figure(svg: str, caption: str, *, kind: str = "") -> str:
    """A drawing with what it shows."""
    below = f"<figcaption>{text(caption)}</figcaption>"
    return f'<figure class="{kind}"><div class="scroll">{svg}</div>{below}</figure>'


def details(summary: str, body: str) -> str:
    """Something to open when it is wanted."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"
