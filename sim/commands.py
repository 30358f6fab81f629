"""What each command does; `cli` only reads the arguments."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import showing
from sim.errors import InputError

if TYPE_CHECKING:
    from sim.engines.select import Choice
    from sim.replay import Changes
    from sim.result import LeftOut, Result
    from sim.scenario.model import Until


def run(args: Namespace) -> int:
    """Run scenarios, show their verdicts, say whether they are the expected ones."""
    choice = _choice(args)
    if choice.real and args.release is not None:
        raise InputError(f"--release: {choice.spec} is the release that it is; leave --release out, or --engine")
    from sim.engines.select import Engines
    from sim.progress import Progress
    from sim.run import Options, run_paths

    options = Options(
        out=args.out,
        release=args.release,
        revert=args.revert,
        add=args.add,
        seed=args.seed,
        device=args.device,
        audit=args.audit,
        policy=args.policy,
        variant=args.variant,
    )
    progress = Progress(sys.stderr, quiet=args.quiet)
    results: list[Result] = []

    def watch(what: str, number: int, of: int, until: Until) -> Callable[[int, float], None] | None:
        return progress.watch(what, done=number, of=of, until=until)

    left_out: list[LeftOut] = []
    try:
        with Engines(choice) as engines:
            args.engine_name = engines.name
            for _, result in run_paths(args.paths, options, watch, engines, left_out.append, results.append):
                results.append(result)
                showing.look_inside(result.folder, engines, args.policy, progress)
    except KeyboardInterrupt:
        progress.clear()
        if results:
            _conclude(results, args, left_out, report=False)
            if not args.json:
                print("stopped: whatever would have come next was not run")
        raise
    progress.clear()
    status = _conclude(results, args, left_out, report=True)
    if left_out and not results:
        raise InputError(f"--engine {choice.spec}: no variant can be run on it; write another engine or scenario")
    return status


def fuzz(args: Namespace) -> int:
    """Random runs until the books break."""
    args.device = "cpu"
    choice = _choice(args)
    command: Any = import_module("sim.fuzz.command")
    status: int = command.fuzz(args, choice)
    return status


def replay(args: Namespace) -> int:
    """Play a recorded run on an engine, or on two in lockstep."""
    choice = _choice(args)
    from sim.engines.select import Engines
    from sim.progress import Progress
    from sim.record import prepare
    from sim.replay import Changes
    from sim.replay import replay as play

    changes = Changes(
        out=args.out,
        release=args.release,
        revert=args.revert,
        add=args.add,
        device=args.device,
        audit=args.audit,
        policy=args.policy,
    )
    if args.against is not None:
        return _lockstep(args, choice, changes)
    if args.deep:
        raise InputError("--deep: there is nothing to compare; write --against with another engine")
    if args.out is not None:
        prepare(args.out)
    progress = Progress(sys.stderr, quiet=args.quiet)
    try:
        with Engines(choice) as engines:
            result = play(args.ops, changes, progress.watch(f"replay {args.ops}"), engines)
            showing.look_inside(result.folder, engines, args.policy, progress)
    finally:
        progress.clear()
    return _conclude([result], args, report=args.out is not None)


def _lockstep(args: Namespace, choice: Choice, changes: Changes) -> int:
    """Play a recorded run on two engines; 1 if they differ."""
    from sim.engines.select import Choice, Engines, check
    from sim.lockstep import lockstep
    from sim.progress import Progress
    from sim.sidebyside import lines, to_json

    check(args.against, "--against")
    if args.out is not None:
        raise InputError("--out: a lockstep leaves nothing behind; leave --out or --against out")
    other = Choice(spec=args.against, path=args.sglang_src, cache=args.cache)
    _unchangeable(other, args)
    if choice.real and other.real and args.sglang_src is not None:
        choice, other = _whose_path(choice, other)
    progress = Progress(sys.stderr, quiet=args.quiet)
    try:
        with Engines(choice) as one, Engines(other) as two:
            watch = progress.watch(f"replay {choice.spec} against {other.spec}")
            outcome = lockstep(args.ops, (one, two), changes, deep=args.deep, notice=watch)
    finally:
        progress.clear()
    if args.json:
        print(json.dumps(to_json(outcome, args.ops), indent=1))
    else:
        for line in lines(outcome, args.ops):
            print(line)
    return 0 if outcome.equal else 1


def _whose_path(choice: Choice, other: Choice) -> tuple[Choice, Choice]:
    """A tree against a release: the path is that of `sglang`; with two numbers, of the one that the tree is."""
    from sim.engines.sglang.source import find_source

    if choice.spec == other.spec == "sglang":
        return choice, other
    if "sglang" in (choice.spec, other.spec):
        of_other = other.spec == "sglang"
    else:
        version = find_source("sglang", path=choice.path, cache=choice.cache).version
        of_other = choice.spec != f"sglang=={version}" == other.spec
    return (replace(choice, path=None), other) if of_other else (choice, replace(other, path=None))


def oracle(args: Namespace) -> int:
    """Bring sources of the real scheduler into the cache, or say which are there."""
    if args.what == "fetch":
        from sim.engines.sglang.fetch import fetch

        for version in args.versions:
            source = fetch(version, args.cache)
            print(f"sglang {source.version}  {source.path}")
        return 0
    from sim.engines.sglang.source import cached

    for source in cached(args.cache):
        print(f"sglang {source.version}  {source.path}")
    return 0


def show_list(args: Namespace) -> int:
    """One line for each thing there is."""
    from sim.listing import entries

    found = entries(args.what, args.folder)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    width = max((len(str(e["name"])) for e in found), default=0)
    for entry in found:
        text = ": ".join(part for part in (entry.get("title", ""), entry["about"]) if part)
        print(f"{entry['name']!s:{width}}  {text}".rstrip())
    return 0


def schema(_: Namespace) -> int:
    """The JSON Schema of a scenario."""
    from sim.scenario.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def bench(args: Namespace) -> int:
    """The benchmarks, each as a ratio against a reference measured in the same run."""
    status: int = import_module("sim.bench").main(args.cache, json=args.json)
    return status


def _choice(args: Namespace) -> Choice:
    """The engine that was asked for, once it is clear that it can be."""
    from sim.engines.select import Choice, check

    check(args.engine)
    choice = Choice(spec=args.engine, path=args.sglang_src, cache=args.cache)
    other = getattr(args, "against", None)
    if args.sglang_src is not None and not choice.real and other in (None, "model"):
        raise InputError("--sglang-src: the model needs no source; write --engine sglang as well")
    _unchangeable(choice, args)
    args.engine_name = choice.spec
    return choice


def _unchangeable(choice: Choice, args: Namespace) -> None:
    """What can be asked of the model only."""
    if not choice.real:
        return
    for option, value in (("--policy", args.policy), ("--add", args.add)):
        if value:
            raise InputError(f"{option}: {choice.spec} is the release that it is; leave {option} out, or the engine")
    from policies.releases import UnknownChoice, check_fixes

    try:
        check_fixes(args.revert)
    except UnknownChoice as error:
        raise InputError(f"--revert: {error}") from error
    if args.device == "cuda":
        raise InputError(f"--device cuda: {choice.spec} is driven on the CPU; write --device cpu")


def _conclude(
    results: list[Result], args: Namespace, left_out: Sequence[LeftOut] = (), *, report: bool
) -> int:
    """Write what belongs to all runs together, and print it."""
    from sim.paint import paint_for, width_of
    from sim.progress import Progress
    from sim.record import write_whole
    from sim.result import combined_status
    from sim.table import WIDTH, left_out_lines, summary, table

    documents = _documents(results, left_out)
    page: Path | None = None
    unwritten: InputError | None = None
    progress = Progress(sys.stderr, quiet=args.quiet)
    try:
        if args.out is not None:
            write_whole(args.out / "verdicts.json", documents)
            if report and results:
                progress.show("drawing the report")
                page = showing.build_report([r.folder for r in results if r.folder is not None], args.out)
    except InputError as error:
        # What the runs came to is said all the same.
        unwritten = error
    progress.clear()
    if args.json:
        print(json.dumps(documents, indent=1))
    elif results or left_out:
        paint, width = paint_for(sys.stdout), width_of(sys.stdout, WIDTH)
        shown = [r for r in results if not r.ok] if args.quiet else results
        for line in table(shown, paint, verbose=args.verbose, width=width) if shown else ():
            print(line)
        for line in () if args.quiet else left_out_lines(left_out, args.engine_name, width):
            print(line)
        if page is not None and not args.quiet:
            print(f"report: {page}")
        if args.command == "run" and results:
            print(summary(results, paint))
    if unwritten is not None:
        raise unwritten
    return combined_status(results)


def _documents(results: Iterable[Result], left_out: Iterable[LeftOut] = ()) -> Any:
    """One document, or a list of them if there are several scenarios."""
    from sim.result import document

    groups: dict[str, tuple[list[Result], list[LeftOut]]] = {}
    for result in results:
        groups.setdefault(result.scenario, ([], []))[0].append(result)
    for one in left_out:
        groups.setdefault(one.scenario, ([], []))[1].append(one)
    documents = [document(name, *group) for name, group in groups.items()]
    return documents[0] if len(documents) == 1 else documents
