"""What each command does; `cli` only reads the arguments."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.result import Result

ENGINES = ("model",)


def run(args: Namespace) -> int:
    """Run scenarios, show their verdicts, say whether they are the expected ones."""
    _check_engine(args.engine)
    from sim.progress import Progress
    from sim.record import prepare
    from sim.run import Options, run_paths

    prepare(args.out)
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
    progress = Progress(sys.stderr)
    results: list[Result] = []
    try:
        for _, result in run_paths(args.paths, options, progress.watch):
            results.append(result)
    except KeyboardInterrupt:
        progress.clear()
        _conclude(results, args, report=False)
        raise
    progress.clear()
    return _conclude(results, args, report=True)


def replay(args: Namespace) -> int:
    """Play a recorded run on an engine."""
    _check_engine(args.engine)
    from sim.progress import Progress
    from sim.record import prepare
    from sim.replay import Changes
    from sim.replay import replay as play

    if args.out is not None:
        prepare(args.out)
    changes = Changes(
        out=args.out,
        release=args.release,
        revert=args.revert,
        add=args.add,
        device=args.device,
        audit=args.audit,
        policy=args.policy,
    )
    progress = Progress(sys.stderr)
    try:
        result = play(args.ops, changes, progress.watch("replay", str(args.ops)))
    finally:
        progress.clear()
    return _conclude([result], args, report=args.out is not None)


def report(args: Namespace) -> int:
    """Figures and one page for what runs have left."""
    print(_build_report(args.dirs, args.out))
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
    status: int = import_module("sim.bench").main(json=args.json)
    return status


def _check_engine(engine: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: this engine cannot be driven; write --engine model")


def _conclude(results: list[Result], args: Namespace, *, report: bool) -> int:
    """Write what belongs to all runs together, and print it."""
    from sim.record import write_whole
    from sim.result import combined_status
    from sim.table import summary, table

    documents = _documents(results)
    page: Path | None = None
    if args.out is not None:
        write_whole(args.out / "verdicts.json", documents)
        if report:
            page = _build_report([r.folder for r in results if r.folder is not None], args.out)
    if args.json:
        print(json.dumps(documents, indent=1))
    elif results:
        for line in table(results):
            print(line)
        if page is not None:
            print(f"report: {page}")
        if args.command == "run":
            print(summary(results))
    return combined_status(results)


def _documents(results: Iterable[Result]) -> Any:
    """One document, or a list of them if there are several scenarios."""
    from sim.result import document

    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.scenario, []).append(result)
    documents = [document(name, group) for name, group in groups.items()]
    return documents[0] if len(documents) == 1 else documents


def _build_report(paths: list[Path], out: Path | None) -> Path:
    from reports import ReportError, build

    try:
        return build(paths, out)
    except ReportError as error:
        raise InputError(str(error)) from error
