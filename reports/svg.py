"""A figure as files, and as SVG that can stand inside a page and follow its colours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from io import StringIO
from pathlib import Path
from typing import BinaryIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.style import INK, MUTED, PAPER, look

_PNG_DPI = 160
_SVG_DPI = 72
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_LONG_NUMBER = re.compile(r"(\d+\.\d)\d+")
_PATH = re.compile(r' d="[^"]*"')
_UNUSED_ID = re.compile(r'<g id="[^"]*">')
_ID = re.compile(r'\bid="|href="#|url\(#')
_STYLE = re.compile(r' style="([^"]*)"')
_SHORTER = (
    # What a page does not need: its own font is used, a tenth of a point is finer than any screen.
    (re.compile(r">\s+<"), "><"),
    # A style element of a drawing is one of the whole page, and each would have all of it styled anew.
    (re.compile(r"<defs><style.*?</style></defs>"), ""),
    (re.compile(r"font-family: [^;\"]*; "), ""),
    (re.compile(r' transform="rotate\(-?0 [^)]*\)"'), ""),
    (re.compile(r'(?<= [xy]=")(-?\d+\.\d)\d+(?=")'), r"\1"),
    (re.compile(r"<g></g>"), ""),
)


def svg_text(figure: Figure) -> str:
    """The figure as a standalone SVG document, with coordinates to a tenth of a point."""
    buffer = StringIO()
    with look():
        figure.set_dpi(_SVG_DPI)
        FigureCanvasSVG(figure).print_svg(buffer, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
    return _PATH.sub(lambda match: _short_path(match[0]), buffer.getvalue())


def inline_svg(document: str, label: str) -> str:
    """The same drawing as an element of a page: no prolog, its three colours are the page's."""
    body = document[document.index("<svg") :]
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    rest = _UNUSED_ID.sub("<g>", re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL))
    for fixed, variable in ((INK, "var(--ink)"), (PAPER, "var(--paper)"), (MUTED, "var(--muted)")):
        rest = rest.replace(fixed, variable)
    for long, short in _SHORTER:
        rest = long.sub(short, rest)
    return f'<svg role="img" aria-label="{escape(label)}" {box[0] if box else ""}>{rest}'


def on_one_page(drawings: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The drawings with what many elements share said once, and the style sheet that says it.

    Each drawing has names of its own: one that is given again has a browser make anew whatever refers to it.
    """
    drawings = {name: _ID.sub(rf"\g<0>d{n}-", drawing) for n, (name, drawing) in enumerate(drawings.items())}
    counts = Counter(style for drawing in drawings.values() for style in _STYLE.findall(drawing))
    names = {style: f"s{n}" for n, (style, count) in enumerate(counts.most_common()) if count > 2}

    def named(match: re.Match[str]) -> str:
        name = names.get(match[1])
        return match[0] if name is None else f' class="{name}"'

    sheet = "".join(f"svg .{name}{{{style}}}\n" for style, name in names.items())
    return {name: _STYLE.sub(named, drawing) for name, drawing in drawings.items()}, sheet


def save(figure: Figure, document: str, stem: Path, *, png: bool = True) -> None:
    """Write the drawing as STEM.svg, and as STEM.png."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.svg").write_text(document, encoding="utf-8")
    if png:
        write_png(figure, stem.with_name(f"{stem.name}.png"))


def write_png(figure: Figure, where: Path | BinaryIO, dpi: int = _PNG_DPI) -> None:
    """Write a figure that `svg_text` has laid out; `savefig` would do that anew, which is half of the work."""
    figure.set_layout_engine("none")
    with look():
        figure.set_dpi(dpi)
        FigureCanvasAgg(figure).print_png(where, metadata={"Software": None})  # type: ignore[no-untyped-call]


def _short_path(path: str) -> str:
    """A tenth of a point is finer than any screen; long runs would fill megabytes with the rest."""
    return _LONG_NUMBER.sub(r"\1", path).replace("\nL ", " L").replace("\n", " ")
