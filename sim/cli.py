"""The command line: reads arguments, and turns whatever happens into an exit status and one line."""

from __future__ import annotations

import errno
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sim import commands, showing
from sim.errors import InputError
from sim.stopping import Terminated, heeded

AUDITS = ("off", "idle", "step", "event")
DEVICES = ("auto", "cpu", "cuda")
PROFILES = ("quick", "ci", "soak")
VERDICTS = ("leak", "double-free", "alias", "silent", "false-alarm", "watermark", "corrupt", "stuck", "crash")
FORMATS = ("perfetto", "csv", "parquet")
LISTS = ("releases", "fixes", "policies", "scenarios")


_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@heeded()
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    try:
        args = _parser().parse_args(argv)
        args.cache = cache_folder()
        do: Callable[[Namespace], int] = args.do
        status = do(args)
        sys.stdout.flush()
        return status
    except SystemExit as end:
        return int(end.code or 0)
    except InputError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt as stop:
        return _say("stopped; what was written so far is complete", 143 if isinstance(stop, Terminated) else 130)
    except BrokenPipeError:
        # Whoever read our output has gone.
        _forget_output()
        return 0
    except MemoryError:
        return _say("too little memory for this run; write a smaller pool or shorter prompts", 2)
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_FULL:
            return _say(_our_fault(error), 4)
        _forget_output()
        return _say(f"standard output cannot be written: {error.strerror}; free space, or write it elsewhere", 2)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":
            # Of torch, which is not imported for the sake of its name: the device is full in the middle of a run.
            return _say("too little device memory for this run; write a smaller pool or shorter prompts", 2)
        return _say(_our_fault(error), 4)


def _forget_output() -> None:
    """Python must not complain about what is left in its buffer when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def cache_folder() -> Path:
    """Where fetched sources live: what the user's system says, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kvledger"


def _say(line: str, status: int) -> int:
    print(f"kvledger: {' '.join(line.split())}" if status != 2 else line, file=sys.stderr)
    return status


def _our_fault(error: Exception) -> str:
    """One line that names the error and the place in our code."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return (
        f"a fault of kvledger itself: {type(error).__name__}: {error} ({place}); "
        "please report it with the command line, ops.jsonl and meta.json of this run"
    )


class _Parser(ArgumentParser):
    """An ArgumentParser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and leave."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """What is left over is the complaint of the command that it was given to."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return known, rest


def _parser() -> ArgumentParser:
    parser = _Parser(prog="kvledger", description="An LLM scheduler's memory books, audited event by event.")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(sub.add_parser("run", help="run scenario files or folders"))
    _add_fuzz(sub.add_parser("fuzz", help="random runs until the books break; the smallest scenario that shows it"))
    _add_replay(sub.add_parser("replay", help="play a recorded run on an engine"))
    _add_report(sub.add_parser("report", help="figures and report.html for runs, side by side"))
    _add_export(sub.add_parser("export", help="runs for other tools: a Perfetto trace, tables"))
    _add_log(sub.add_parser("log", help="the log of a running server: when its books broke, and how they drift"))
    _add_oracle(sub.add_parser("oracle", help="sources of the real scheduler: fetch them, list them"))
    _add_list(sub.add_parser("list", help="releases, fixes, policies or scenarios there are"))
    schema = sub.add_parser("schema", help="the JSON Schema of a scenario")
    schema.set_defaults(do=commands.schema)
    bench = sub.add_parser("bench", help="the benchmarks, as ratios measured in one run")
    bench.add_argument("--json", action="store_true", help="one JSON document on stdout")
    bench.set_defaults(do=commands.bench)
    return parser


def _add_run(run: ArgumentParser) -> None:
    run.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scenario files, or folders of them")
    run.add_argument("--variant", metavar="NAME", help="only this variant of each scenario")
    run.add_argument("--seed", type=_seed, metavar="N", help="another seed")
    run.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where to write (out)")
    _add_engine(run)
    _add_loudness(run)
    run.set_defaults(do=commands.run)


def _add_fuzz(fuzz: ArgumentParser) -> None:
    fuzz.add_argument("--profile", choices=PROFILES, default="quick", help="how much: a look, a pull request, a night")
    fuzz.add_argument("--max-examples", type=_count, metavar="N", help="so many cases")
    fuzz.add_argument("--minutes", type=_minutes, metavar="M", help="as many cases as this time allows")
    fuzz.add_argument("--seed", type=_seed, metavar="N", help="the first seed; each case has the next one")
    fuzz.add_argument("--jobs", type=_count, metavar="N", help="processes (default: one per core)")
    fuzz.add_argument("--only", type=_verdicts, default=(), metavar="V,V", help="only these verdicts, e.g. leak,alias")
    fuzz.add_argument(
        "--accept", type=Path, action="append", default=[], metavar="FILE", help="known faults; may be given again"
    )
    fuzz.add_argument("--regressions", type=Path, metavar="DIR", help="scenarios of operations that are played first")
    fuzz.add_argument("--out", type=Path, default=Path("out/fuzz"), metavar="DIR", help="where findings go (out/fuzz)")
    _add_source(fuzz)
    _add_release(fuzz)
    fuzz.set_defaults(do=commands.fuzz)


def _add_replay(replay: ArgumentParser) -> None:
    replay.add_argument("ops", type=Path, metavar="OPS", help="the ops.jsonl of a run")
    replay.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: nowhere)")
    replay.add_argument("--against", metavar="ENGINE", help="play on this engine too, up to the first difference")
    replay.add_argument("--deep", action="store_true", help="with --against: compare all memory at every operation")
    _add_engine(replay)
    _add_loudness(replay)
    replay.set_defaults(do=commands.replay)


def _add_engine(command: ArgumentParser) -> None:
    """Options of what runs: engine, release, device, audit."""
    _add_source(command)
    _add_release(command)
    command.add_argument("--device", choices=DEVICES, default="auto", help="where the tensors live")
    command.add_argument("--audit", choices=AUDITS, help="how often the books are recounted from the tensors")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def _add_loudness(command: ArgumentParser) -> None:
    how = command.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="only what is not as expected, and the sum")
    how.add_argument("-v", "--verbose", action="store_true", help="every message, and how to play it again")


def _add_source(command: ArgumentParser) -> None:
    command.add_argument(
        "--engine", default="model", metavar="ENGINE", help="model (default), sglang==VERSION, or sglang (installed)"
    )
    command.add_argument(
        "--sglang-src", type=Path, metavar="PATH", help="the sources of sglang: a checkout, or an unpacked wheel"
    )


def _add_release(command: ArgumentParser) -> None:
    command.add_argument("--release", metavar="NAME", help="another release, without any revert or addition")
    command.add_argument(
        "--revert", type=_numbers, default=(), metavar="N,N", help="take these fixes out as well"
    )
    command.add_argument("--add", type=_numbers, default=(), metavar="N,N", help="put these fixes in as well")
    command.add_argument("--policy", type=_policy, metavar="FILE:CLASS", help="a policy of your own")


def _add_report(report: ArgumentParser) -> None:
    report.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="folders that `run --out` wrote")
    report.add_argument("--out", type=Path, metavar="DIR", help="where to write report.html")
    report.add_argument("--policy", type=_policy, metavar="FILE:CLASS", help="the policy of your own that was run")
    report.add_argument("--sglang-src", type=Path, metavar="PATH", help="the sources of sglang that were run")
    report.set_defaults(do=showing.report)


def _add_export(export: ArgumentParser) -> None:
    export.add_argument("dir", type=Path, metavar="DIR", help="a run, a scenario, or all that `run --out` wrote")
    export.add_argument("--to", choices=FORMATS, required=True, help="a trace, or tables")
    export.add_argument("--out", type=Path, metavar="PATH", help="where to write (default: beside each run)")
    export.set_defaults(do=showing.export, policy=None, sglang_src=None)


def _add_log(log: ArgumentParser) -> None:
    log.add_argument("file", type=Path, metavar="FILE", help="what a server printed, plain or packed; - is stdin")
    log.add_argument("--out", type=Path, metavar="DIR", help="where to write report.html (default: nowhere)")
    log.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    log.set_defaults(do=showing.log)


def _add_oracle(oracle: ArgumentParser) -> None:
    what = oracle.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=_Parser)
    fetch = what.add_parser("fetch", help="bring versions from the package index into the cache")
    fetch.add_argument("versions", nargs="+", metavar="VERSION", help="e.g. 0.5.11")
    what.add_parser("list", help="the versions in the cache")
    oracle.set_defaults(do=commands.oracle)


def _add_list(listing: ArgumentParser) -> None:
    listing.add_argument("what", choices=LISTS)
    listing.add_argument(
        "folder", nargs="?", type=Path, default=Path("scenarios"), help="of scenarios (default: scenarios)"
    )
    listing.add_argument("--json", action="store_true", help="one JSON document on stdout")
    listing.set_defaults(do=commands.show_list)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part.strip().lstrip("#")) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no list of fixes; write numbers, e.g. 22753,22862") from None


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 63:
        raise ArgumentTypeError(f"{text!r} is no seed; write a whole number from 0 to 2^63 - 1")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise ArgumentTypeError(f"{text!r} is no number of them; write a whole number from 1 on")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise ArgumentTypeError(f"{text!r} is no time; write minutes, e.g. 10 or 0.5")
    return minutes


def _verdicts(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in VERDICTS:
            raise ArgumentTypeError(f"{name!r} is no verdict; write some of {','.join(VERDICTS)}")
    return names


def _policy(text: str) -> str:
    file, colon, name = text.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise ArgumentTypeError(f"{text!r} names no policy; write FILE:CLASS, e.g. mine.py:MyPolicy")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
