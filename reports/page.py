"""report.html: one file that needs nothing else, and opens with the verdict."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256

from reports.css import CSS
from reports.data import Outcome, Run
from reports.find import Scenario
from reports.html import figure, text
from reports.inside import CAPTIONS, missing
from reports.numbers import count
from reports.stepper import script, steppers, style
from reports.svg import on_one_page
from reports.tables import operations_table, options, verdict_table
from reports.terms import EXACT
from reports.words import briefly, pool_verdict, sentence, short_verdict

_DIFFERENCE = (
    "What the release's books say (line) against what is true (area)."
    " Line on the edge of the area: a real loss. Line alone: a false alarm."
    " Area alone: a fault that the sums cannot see."
)
_POOLS = {
    "full": "Full pool: KV of the layers that see everything",
    "swa": "Pool swa: KV of the layers that look back a window",
    "mamba": "Pool mamba: states of the recurrent layers",
}
OVERVIEW = "all-scenarios"
OVERVIEW_FROM = 4
_MOST_UNMET = 3
_OVERVIEW = "The verdicts of all runs; in a cell every kind that was found, its colour is that of the worst."
_TERMS = "The five terms of the full pool after each event, stacked against the pool's size."
_MEANS = " Of a long run an area is the mean of each column; the lines keep every extreme."


def page(scenarios: Sequence[Scenario], drawings: Mapping[str, str]) -> str:
    """The whole page; `drawings` holds inline SVG by the names that `drawing_name` gives."""
    drawings, shared, sheet = on_one_page(drawings)
    title = scenarios[0].name if len(scenarios) == 1 else f"{len(scenarios)} scenarios"
    sections = "\n".join(_section(n, s, drawings) for n, s in enumerate(scenarios, start=1))
    steps = any(run.moments for scenario in scenarios for run in scenario.runs)
    ours = f"<script>{script()}</script>\n" if steps else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(steps)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>kvledger: {text(title)}</title>\n<style>{CSS}{style()}{sheet}</style>\n</head>\n<body>\n{shared}"
        f"<header><h1>kvledger: {text(title)}</h1>\n<p>{text(_summary(scenarios))}</p>\n"
        f"{_contents(scenarios)}{_overview(drawings)}</header>\n<main>\n{sections}\n</main>\n{ours}</body>\n</html>\n"
    )


def _policy(steps: bool) -> str:
    """What the page may do: nothing but show itself, and run our script."""
    told = b64encode(sha256(script().encode()).digest()).decode()
    ours = f" script-src 'sha256-{told}';" if steps else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:;{ours} base-uri 'none'; form-action 'none'"


def drawing_name(scenario: Scenario, run: Run | None = None, pool: str = "full", kind: str = "") -> str:
    """The name of a drawing: of one run, or of the scenario's variants together, of which pool, of what kind."""
    name = f"{scenario.name}/{run.variant}" if run else scenario.name
    return name + (f"-{kind}" if kind else "" if pool == "full" else f"-{pool}")


def _summary(scenarios: Sequence[Scenario]) -> str:
    outcomes = [run.outcome for scenario in scenarios for run in scenario.runs]
    failed = sum(not outcome.ok for outcome in outcomes)
    runs = f"{len(outcomes)} run{'' if len(outcomes) == 1 else 's'}"
    audited = f"{count(sum(outcome.events for outcome in outcomes))} events were audited."
    if not any(outcome.expected for outcome in outcomes):
        good = f"{failed} of {runs}" if failed else runs
        plural = failed > 1 or (not failed and len(outcomes) > 1)
        return f"{good} {'are' if plural else 'is'} {'not ' if failed else ''}clean; nothing was expected; {audited}"
    if failed:
        return f"{failed} of {runs} did not go as expected; {audited}"
    every = "went" if len(outcomes) == 1 else "all went"
    return f"{runs} {every} as expected; {audited}"


def _contents(scenarios: Sequence[Scenario]) -> str:
    """A line for each scenario with what was found in it, what was not expected first."""
    if len(scenarios) == 1:
        return ""
    lines: dict[bool, list[str]] = {False: [], True: []}
    for number, scenario in enumerate(scenarios, start=1):
        ok = all(run.outcome.ok for run in scenario.runs)
        lines[ok].append(_line(number, scenario, ok))
    judged = any(run.outcome.expected for scenario in scenarios for run in scenario.runs)
    titles = ("Not as expected", "As expected") if judged else ("Not clean", "Clean")
    lists = [
        f'<h2>{title}</h2>\n<ul class="said found">{"".join(lines[ok])}</ul>\n'
        for ok, title in zip((False, True), titles, strict=True)
        if lines[ok]
    ]
    return f'<nav aria-label="Scenarios">{"".join(lists)}</nav>\n'


def _line(number: int, scenario: Scenario, ok: bool) -> str:
    found = "; ".join(f"<b>{text(name)}</b>{text(said)}" for name, said in briefly(scenario.runs))
    unmet = "".join(
        f"<li>{text(run.variant)}: {text(line)}</li>"
        for run in scenario.runs
        for line in run.outcome.unmet[:_MOST_UNMET]
    )
    more = f'<ul class="unmet">{unmet}</ul>' if unmet else ""
    kind = "good" if ok else "bad"
    outcomes = [run.outcome for run in scenario.runs]
    return f'<li class="{kind}"><a href="#s{number}">{text(scenario.name)}</a> {_badge(outcomes)} {found}.{more}</li>\n'


def _overview(drawings: Mapping[str, str]) -> str:
    return figure(drawings[OVERVIEW], _OVERVIEW, kind="wide") if OVERVIEW in drawings else ""


def _section(number: int, scenario: Scenario, drawings: Mapping[str, str]) -> str:
    about = f"<p>{text(scenario.runs[0].about)}</p>" if scenario.runs[0].about else ""
    said = "".join(_said(run) for run in scenario.runs)
    # Those in which something was found come first.
    faulty = sorted(scenario.pools, key=lambda pool: not any(run.seen.verdicts for run in scenario.on(pool)))
    pools = "".join(_pool(scenario, pool, drawings) for pool in faulty)
    rest = "".join(_findings(run, _inside(scenario, run, drawings)) for run in scenario.runs)
    return (
        f'<section id="s{number}"><h2>{text(scenario.name)}</h2>\n{about}<ul class="said">{said}</ul>\n'
        f"{pools}\n{rest}</section>"
    )


def _pool(scenario: Scenario, pool: str, drawings: Mapping[str, str]) -> str:
    """The figures of one pool; its heading goes without saying where there is only one."""
    pairs = "".join(
        f"<div>{figure(drawings[drawing_name(scenario, run, pool)], _title(run))}</div>" for run in scenario.on(pool)
    )
    head = "" if len(scenario.pools) == 1 else f"<h3>{text(_POOLS[pool])}</h3>\n"
    about = _TERMS if pool == "full" else f"The five terms of the pool {pool}."
    if any(len(run.series) > EXACT for run in scenario.on(pool)):
        about += _MEANS
    return (
        f"{head}{figure(drawings[drawing_name(scenario, pool=pool)], _DIFFERENCE, kind='wide')}\n"
        f'<p class="from">{text(about)}</p><div class="pair">{pairs}</div>'
    )


def _said(run: Run) -> str:
    outcome = run.outcome
    kind = "good" if outcome.ok else "bad"
    return (
        f'<li class="{kind}"><b>{text(run.variant)}</b>: {text(sentence(outcome))} '
        f'{_badge([outcome])}<br><span class="from">{text(_release(outcome))}</span></li>'
    )


def _badge(outcomes: Sequence[Outcome]) -> str:
    """How runs went: as expected or not; clean or not where nothing was expected of any."""
    ok = all(outcome.ok for outcome in outcomes)
    how = "as expected" if any(outcome.expected for outcome in outcomes) else "clean"
    return f'<span class="badge">✓ {how}</span>' if ok else f'<span class="badge unmet">✗ not {how}</span>'


def _release(outcome: Outcome) -> str:
    changes = ((" without ", outcome.reverted), (" with ", outcome.added))
    words = [word + ", ".join(f"#{number}" for number in numbers) for word, numbers in changes if numbers]
    return outcome.release + "".join(words) + f", engine {outcome.engine}"


def _inside(scenario: Scenario, run: Run, drawings: Mapping[str, str]) -> str:
    """What lay in memory, as far as the folder tells."""
    named = ((drawing_name(scenario, run, kind=kind), caption) for kind, caption in CAPTIONS.items())
    shown = "".join(figure(drawings[name], caption, kind="wide") for name, caption in named if name in drawings)
    lacking = missing(run.folder, run.damaged)
    files = f'<p class="from">Not shown, as this folder lacks it: {text(", ".join(lacking))}.</p>' if lacking else ""
    return shown + files


def _findings(run: Run, inside: str) -> str:
    unmet = "".join(f"<li>{text(line)}</li>" for line in run.outcome.unmet)
    missed = f'<h4>Expectations that do not hold</h4><ul class="unmet">{unmet}</ul>' if unmet else ""
    body = missed + inside + verdict_table(run) + steppers(run) + operations_table(run) + options(run)
    title = f"{run.variant}: {short_verdict(run.outcome)}"
    return f"<section><h3>{text(title)}</h3>{body}</section>\n"


def _title(run: Run) -> str:
    return f"{run.variant}: {pool_verdict(run)}"
