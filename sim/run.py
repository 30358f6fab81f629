"""One scenario → a Result; several paths → many. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sim.blame import blaming
from sim.config import Audit
from sim.engines.select import Engines
from sim.engines.sglang.source import by_number
from sim.errors import InputError
from sim.fitting import misfit
from sim.folders import scenario_files
from sim.record import begin, folder_of, prepare, write_whole
from sim.result import LeftOut, Result
from sim.scenario import ScenarioError, load
from sim.scenario.errors import choose
from sim.scenario.model import Point, Scenario, Until, Variant
from sim.setup import Identity, Stage, card_memory

Notice = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line changes about scenarios; `blames`: as of a `Stage`."""

    out: Path | None = None
    release: str | None = None
    revert: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    seed: int | None = None
    device: str | None = None
    audit: Audit | None = None
    policy: str | None = None
    variant: str | None = None
    blames: bool = False

    @property
    def alters(self) -> bool:
        """Whether the release is no longer the one of which a scenario expects something."""
        return bool(self.release or self.revert or self.add or self.policy)


def find(paths: Iterable[Path]) -> list[Path]:
    """The scenario files that paths name: files as they are, folders with all that is in them but known faults."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = scenario_files(path)
            if not inside:
                raise InputError(f"{path}:1:1: no scenario in this folder; name one that holds *.yaml files")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def load_all(paths: Iterable[Path], memory: int | None = None) -> list[Scenario]:
    """Every scenario, read and checked before the first one runs; `memory`: what limits it, if not the machine's."""
    try:
        scenarios = [load(path, memory=memory) for path in find(paths)]
    except ScenarioError as error:
        raise InputError(str(error)) from error
    first: dict[str, str] = {}
    for scenario in scenarios:
        other = first.setdefault(scenario.name, scenario.path)
        if other != scenario.path:
            raise InputError(
                f"{scenario.path}:1:1: the name {scenario.name} is taken by {other}; give it another `name:`"
            )
    return scenarios


def run_paths(
    paths: Iterable[Path],
    options: Options,
    notice: Callable[[str, int, int, Until], Notice | None] | None = None,
    engines: Engines | None = None,
    left_out: Callable[[LeftOut], None] | None = None,
    broken: Callable[[Result], None] | None = None,
) -> Iterator[tuple[Scenario, Result]]:
    """Run every variant of every scenario; `notice(name, number, how many, until)` gives what watches one run.

    Variants that the engine cannot run are told to `left_out`, what a run has come to that is broken off to `broken`.
    Nothing is written before all is known to be right.
    """
    scenarios = load_all(paths, card_memory(options.device))
    engines = engines or Engines()
    plan = [(s, v) for s in scenarios for v in _on(engines, chosen(s, options))]
    if options.variant is not None and not plan:
        names = dict.fromkeys(name for s in scenarios for name in s.variants)
        raise InputError(f"--variant {options.variant}: no scenario has it; {choose(options.variant, names)}")
    if options.out is not None:
        prepare(options.out)
    for number, (scenario, variant) in enumerate(plan):
        reason = misfit(_identity(scenario, variant, options), engines, options.revert)
        if reason is None and engines.real and engines.release is None:
            twin = _twin(scenario, variant, [v for s, v in plan if s is scenario])
            reason = None if twin is None else f"it differs from {twin} only by its release"
        if reason is not None:
            if left_out is not None:
                left_out(LeftOut(scenario=scenario.name, variant=variant.name, reason=reason))
            continue
        watch = None if notice is None else notice(f"{scenario.name} {variant.name}", number, len(plan), variant.until)
        yield scenario, run_variant(scenario, variant, options, watch, engines, broken)


def _on(engines: Engines, variants: Iterable[Variant]) -> Iterator[Variant]:
    """An engine that is none of our releases runs under its own name, and nothing was expected of it."""
    for variant in variants:
        own = engines.real and engines.release is None
        yield replace(variant, release=engines.name, expect=None) if own else variant


def _twin(scenario: Scenario, variant: Variant, planned: Iterable[Variant]) -> str | None:
    """The variant that runs in the place of this one: of those that differ by release only, the newest."""
    alike = [v.name for v in planned if _same(variant, v)]
    newest = max(alike, key=lambda name: by_number(scenario.variants[name].release))
    return None if newest == variant.name else newest


def _identity(scenario: Scenario, variant: Variant, options: Options) -> Identity:
    return Identity(
        scenario=scenario.name,
        variant=variant.name,
        release=variant.release,
        revert=variant.revert,
        add=variant.add,
        decide=variant.decide,
        policy=options.policy,
    )


def chosen(scenario: Scenario, options: Options) -> list[Variant]:
    """The variants to run, changed as the options say; those that have become the same only once."""
    variants: list[Variant] = []
    for variant in scenario.variants.values():
        if options.variant in (None, variant.name):
            changed = _altered(variant, options)
            if not (options.release and any(_same(changed, v) for v in variants)):
                variants.append(changed)
    return variants


def run_variant(
    scenario: Scenario,
    variant: Variant,
    options: Options | None = None,
    notice: Notice | None = None,
    engines: Engines | None = None,
    broken: Callable[[Result], None] | None = None,
) -> Result:
    """Run one variant to its end and judge it; with `options.out`, leave its folder there.

    What it has come to when something breaks it off is told to `broken`.
    """
    from sim.clock import Clock
    from sim.expectations import Points, entry_to_json, unmet_verdicts
    from sim.injections import Injections
    from sim.play import play

    options = options or Options()
    folder = None if options.out is None else folder_of(options.out, scenario.name, variant.name)
    identity = _identity(scenario, variant, options)
    place = "" if options.release or options.revert or options.add else str(variant.place)
    with (
        blaming(options.policy),
        Stage(identity, variant.config, folder, place, engines, blames=options.blames, broken=broken) as stage,
    ):
        if options.out is not None and folder is not None:
            begin(options.out)
            write_whole(folder / "scenario.yaml", scenario.source_text)
        injections = Injections(variant.inject, stage.config)
        points = Points(_points(variant), stage.engine, stage.config.pool.page_size)
        if _points(variant):
            stage.driver.watch = points.watch
        if variant.operations:
            ending = play(stage.driver, variant.operations, stage.config, notice=notice)
        else:
            clock = Clock(
                stage.driver, stage.config, workload=variant.workload, injections=injections,
                until=variant.until, notice=notice,
            )  # fmt: skip
            ending = clock.run()
        stage.end(ending)
        unfired = [] if ending in ("crash", "until") else injections.unfired()
        notes = _notes(scenario, variant, options)
        if variant.expect is None:
            return stage.conclude(ending, notes=(*unfired, *notes))
        unmet = points.unmet() + unfired
        if stage.config.audit != "off":
            unmet = unmet_verdicts(variant.expect, stage.verdicts) + unmet
        expected = tuple(entry_to_json(e) for e in variant.expect.verdicts)
        return stage.conclude(ending, expected=expected, unmet=tuple(unmet), notes=notes, judged=True)


def _points(variant: Variant) -> tuple[Point, ...]:
    return () if variant.expect is None else variant.expect.points


def _notes(scenario: Scenario, variant: Variant, options: Options) -> tuple[str, ...]:
    """What of the scenario's expectations is not applied."""
    if scenario.variants[variant.name].expect is None:
        return ()
    if options.alters:
        return ("the command line changes the release: what the scenario expects is not applied",)
    if variant.expect is None:
        return (
            f"{variant.release} is no release of the scenario: what it expects is not applied; "
            "for a tree of one of our releases say which, as --engine sglang==0.5.11",
        )
    if variant.config.audit == "off":
        return ("auditing is off: the expected verdicts are not looked at",)
    return ()


def _altered(variant: Variant, options: Options) -> Variant:
    config = variant.config
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    if options.audit is not None:
        config = replace(config, audit=options.audit)
    if options.device is not None:
        config = replace(config, device=options.device)
    variant = replace(variant, config=config)
    if options.release is not None:
        variant = replace(variant, release=options.release, revert=(), add=(), decide={})
    if options.revert:
        variant = replace(variant, revert=tuple(sorted({*variant.revert, *options.revert})))
    if options.add:
        variant = replace(variant, add=tuple(sorted({*variant.add, *options.add})))
    return replace(variant, expect=None) if options.alters else variant


def _same(one: Variant, other: Variant) -> bool:
    return replace(one, name=other.name) == other
