"""Both sides of one target, and what is done with a seed on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sim.cases.case import Case, draw_case
from sim.cases.matrix import KINDS, Pools
from sim.cases.shrink import Shrinking
from sim.conform.compare import Outcome, differs, explain, play_case
from sim.conform.sides import Model, Real, Side
from sim.conform.targets import Target
from sim.engines.select import Choice, Engines
from sim.engines.sglang.source import Source


@dataclass(kw_only=True)
class Difference:
    """A case on which the sides differ, made small."""

    target: Target
    seed: int
    lines: list[str]
    operations: int
    folder: Path | None = None

    @property
    def replay(self) -> str:
        """The line to type."""
        return f"kvledger replay {self.folder}/ops.jsonl --against sglang=={self.target.version}"


@dataclass(kw_only=True)
class Verdict:
    """What one seed came to on one target."""

    outcome: Outcome
    difference: Difference | None = field(default=None)


class Pair:
    """The model and the real release."""

    def __init__(self, target: Target, other: Side) -> None:
        self.target = target
        self.model = Model(target)
        self.other = other

    def judge(
        self, seed: int, out: Path | None, *, seconds: float = 60.0, pools: tuple[Pools, ...] = KINDS
    ) -> Verdict:
        """Play a seed; a difference is made small and, with a folder given, written down."""
        case = draw_case(seed, pools=pools)
        outcome = play_case(case, self.model, self.other)
        if outcome.differs_at is None:
            return Verdict(outcome=outcome)
        return Verdict(outcome=outcome, difference=self.shrunk(case, out, seconds))

    def shrunk(self, case: Case, out: Path | None, seconds: float = 60.0) -> Difference:
        """The case made small, explained and written down."""
        shrinking = Shrinking(
            case.config, case.actions, lambda config, actions: differs(config, actions, self.model, self.other), seconds
        )
        config, actions = shrinking.shrink()
        small = Case(seed=case.seed, config=config, actions=tuple(actions), pools=case.pools)
        difference = Difference(
            target=self.target, seed=case.seed, operations=len(actions),
            lines=explain(config, actions, self.model, self.other),
        )  # fmt: skip
        if out is not None:
            difference.folder = write(small, difference, out)
        return difference


def write(case: Case, difference: Difference, out: Path) -> Path:
    """`ops.jsonl` as `kvledger replay` reads it, and what differs."""
    folder = out / f"{difference.target.name}-{case.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    identity = difference.target.identity(f"conform-{case.seed}")
    (folder / "ops.jsonl").write_text(case.document(identity), encoding="ascii")
    difference.folder = folder
    text = [f"seed {case.seed} on {difference.target.name}: model | release", *difference.lines, difference.replay]
    (folder / "difference.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    return folder


def start_real(target: Target, source: Source) -> Real:
    """The release of a target in a worker of its own."""
    engines = Engines(Choice(spec=f"sglang=={source.version}", path=source.path))
    config = draw_case(0).config
    return Real(lambda: engines.remote(config, target.reverts))
