"""report.html of a log: what was found first, then figures, then all that was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from reports.css import CSS
from reports.html import details, figure, row, table, text
from reports.logs.diagnosis import Finding
from reports.logs.drift import Drift
from reports.logs.rank import Rank
from reports.logs.result import Result
from reports.logs.words import checks_off, clean, moment, ranks_of, sentences, size_of
from reports.numbers import count, rate

_HEAD = ("#", "rank", "verdict", "pool", "size", "first off at line", "time", "checks off")
_MOST = 200
CAPTIONS = {
    "difference": "sum − total at each check that is printed. A number: where it was first off, as in the table. "
    "Checks that hold print nothing, unless SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY=2.",
    "terms": "The terms as the checks state them, stacked against the pool's size.",
    "load": "What the batch lines state; of requests the most in each stretch of the figure.",
}


def page(result: Result, drawings: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The whole page; `drawings` holds inline SVG with titles, by kind."""
    title = f"the log {result.name}"
    said = "".join(_said(finding) for finding in result.findings[:_MOST])
    said = said or f"<li><b>clean</b>: {text(clean(result.log))}</li>"
    figures = "".join(_figures(kind, drawn) for kind, drawn in drawings.items())
    notes = "".join(f"<li>{text(note)}</li>" for note in result.notes)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>kvledger: {text(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"<header><h1>kvledger: {text(title)}</h1>\n<p>{text(result.read)}.</p>\n</header>\n<main>\n"
        f'<section><ul class="said">{said}</ul>\n{figures}\n{_verdicts(result)}{_more(result)}'
        f"{f'<h4>Notes</h4><ul>{notes}</ul>' if notes else ''}{_ranks(result.log.lives())}</section>\n"
        "</main>\n</body>\n</html>\n"
    )


def _said(finding: Finding) -> str:
    size = f" {size_of(finding)}" if finding.size else ""
    told = list(islice(sentences(finding), 3))
    return (
        f'<li class="bad"><b>{text(finding.verdict)}{text(size)}</b> in the pool {text(finding.pool)}'
        f"{text(f' of {ranks_of(finding)}' if ranks_of(finding) else '')}: {text(told[0])}."
        f'<br><span class="from">{text("; ".join(told[1:]))}</span></li>'
    )


def _figures(kind: str, drawn: Sequence[tuple[str, str]]) -> str:
    if not drawn:
        return ""
    wide = "".join(figure(svg, f"{title}{'. ' if title else ''}{CAPTIONS[kind]}", kind="wide") for title, svg in drawn)
    return f"{wide}\n"


def _verdicts(result: Result) -> str:
    """A table of the findings, and all that is known of each below it."""
    if not result.findings:
        return ""
    shown = list(enumerate(result.findings[:_MOST], start=1))
    more = len(result.findings) - _MOST
    note = f"<p>{count(more)} more are in verdicts.json.</p>" if more > 0 else ""
    facts = "".join(_facts(number, finding) for number, finding in shown)
    return f"<h4>Verdicts</h4>{table(_HEAD, (_row(*pair) for pair in shown), kind='short')}{note}{facts}"


def _row(number: int, finding: Finding) -> str:
    return row((
        number, ranks_of(finding), finding.verdict, finding.pool, size_of(finding), finding.line,
        moment(finding.time), checks_off(finding),
    ))  # fmt: skip


def _facts(number: int, finding: Finding) -> str:
    facts = "".join(f"<li>{text(fact)}</li>" for fact in sentences(finding))
    drift = details("Drift, by what it is counted against", _drift(finding.drift)) if finding.drift else ""
    what = f"{finding.verdict} {size_of(finding)}".rstrip()
    name = ", ".join(part for part in (what, ranks_of(finding), f"pool {finding.pool}") if part)
    return f"<h5>{number}: {text(name)}</h5><ul>{facts}</ul>{drift}"


def _drift(found: Sequence[Drift]) -> str:
    rows = (row((rate(d.slope, 4), d.unit, f"{100 * d.straightness:.1f}\u202f%", count(d.points))) for d in found)
    return table(("slots", "for each", "explained by a line", "checks"), rows)


def _more(result: Result) -> str:
    if not result.advice:
        return ""
    terms = "".join(f"<dt><code>{text(one.setting)}</code></dt><dd>{text(one.why)}</dd>" for one in result.advice)
    return f"<h4>What would have said more</h4><dl>{terms}</dl>"


def _ranks(ranks: Sequence[Rank]) -> str:
    """What was read of each rank."""
    rows = []
    for rank in ranks[:_MOST]:
        counts = ", ".join(f"{count(n)} × {kind}" for kind, n in sorted(rank.counts.items()))
        checks = ", ".join(f"{pool}: {count(sum(book.checks.values()))}" for pool, book in sorted(rank.books.items()))
        span = moment(rank.start), moment(rank.now)
        rows.append(row((rank.name or "(the only one)", rank.life, *span, checks, counts)))
    head = ("rank", "start", "from", "to", "checks that state figures", "what it printed")
    return f"<h4>What was read</h4>{table(head, rows, kind='short')}"
