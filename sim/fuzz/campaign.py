"""Many seeds, in processes, judged in the order of the seeds: the same findings whoever plays them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from policies.releases import compose
from sim.cases.case import Case, draw_case
from sim.cases.pools import fitted, startable
from sim.errors import InputError
from sim.fuzz.accept import Accepted, KnownFault
from sim.fuzz.faults import Fault
from sim.fuzz.found import Found, Kept
from sim.fuzz.hands import Hands, Lost, Task
from sim.fuzz.leave import Left, leave
from sim.fuzz.smallest import Smallest, smallest
from sim.fuzz.subject import Subject
from sim.fuzz.trial import Player
from sim.ledger.auditor import OurFault

BATCH = 24
LENGTH = 150
_AHEAD = 3
_FAR = (1 << 40) + 1
_SEEDS = 1 << 62
_STRIDE = 197
"""Neighbouring cells of the matrix are alike: neighbouring seeds should not be."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to play: the cases kept, then so many from the first seed on, or as many as the time allows."""

    subject: Subject
    first_seed: int
    cases: int
    minutes: float | None = None
    jobs: int = 2
    attempts: int = 1500
    most: int = 1000
    accepted: Accepted = field(default_factory=Accepted)
    only: frozenset[str] = frozenset()
    kept: tuple[Kept, ...] = ()
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Played:
    """One case as its process tells of it: each fault with the size of its first verdict."""

    origin: str
    case: Case | int
    faults: tuple[tuple[Fault, int], ...]
    iterations: int
    operations: Counter[str]
    events: Counter[str]
    ours: str | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finding as small as it gets, and what it left."""

    small: Smallest
    left: Left | None


@dataclass(kw_only=True)
class Tally:
    """What a campaign has come to so far."""

    cases: int = 0
    iterations: int = 0
    faulty: int = 0
    known: Counter[Fault] = field(default_factory=Counter)
    times: Counter[Fault] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)


class Campaign:
    """Plays a plan; `tally` says how far it is."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self._found: dict[Fault, Found] = {}

    def run(self, *, at_once: bool = False) -> Iterator[Found | Made | None]:
        """Findings in the order of the seeds, then each again, as small as it gets; None: some progress.

        `at_once`: what has been made small comes between them, when it happens to be ready.
        """
        plan = self.plan
        with Hands(plan.jobs) as hands:
            making: deque[Task[Made]] = deque()
            for played in self._played(hands):
                found = None if played is None else self._judge(played)
                if played is None or found is not None:
                    yield found
                if found is not None:
                    # Whoever listens may have written the case as it was drawn: what is made of it comes after that.
                    making.append(hands.submit(make, plan.subject, found, plan.attempts, plan.out))
                while at_once and making and making[0].future.done():
                    yield from self._made(hands, making.popleft())
                if len(self._found) >= plan.most:
                    break
            while making:
                yield from self._made(hands, making.popleft())

    def _made(self, hands: Hands, task: Task[Made]) -> Iterator[Made]:
        try:
            yield hands.result(task)
        except Lost:
            found = task.given[1]
            self.tally.lost.append(f"{found.origin}: no process survives making it small")

    def unknown(self) -> set[Fault]:
        """Every fault of every case that is not known, first in it or not; nothing is made small."""
        with Hands(self.plan.jobs) as hands:
            return {
                fault for played in self._played(hands) if played is not None
                for fault, known in self._told(played) if known is None
            }  # fmt: skip

    def _told(self, played: Played) -> Iterator[tuple[Fault, KnownFault | None]]:
        """Each fault of a case, and what is known of it; nothing after a known one that ends the case."""
        happened = None if self.plan.subject.choice.real else {**played.operations, **played.events}
        for fault, _ in played.faults:
            known = self.plan.accepted.entry(fault, happened)
            yield fault, known
            if known is not None and known.ends:
                return

    def _played(self, hands: Hands) -> Iterator[Played | None]:
        """The cases kept, then every case in the order of the seeds; None after each batch."""
        plan = self.plan
        if plan.kept:
            yield from self._batch(hands, hands.submit(replay, plan.subject, plan.kept))
        end = None if plan.minutes is None else monotonic() + 60 * plan.minutes
        ahead: deque[Task[list[Played]]] = deque()
        next_seed, last = plan.first_seed, plan.first_seed + plan.cases
        while True:
            while len(ahead) < _AHEAD * plan.jobs and (next_seed < last if end is None else monotonic() < end):
                stop = next_seed + BATCH if end is not None else min(next_seed + BATCH, last)
                ahead.append(hands.submit(play, plan.subject, range(next_seed, stop)))
                next_seed = stop
            if not ahead:
                return
            yield from self._batch(hands, ahead.popleft())
            yield None

    def _batch(self, hands: Hands, task: Task[list[Played]]) -> Iterator[Played]:
        try:
            yield from hands.result(task)
        except Lost:
            # One of them ends any process that plays it: each on its own.
            subject, many = task.given
            for at in range(len(many)):
                one = many[at : at + 1]
                try:
                    yield from hands.result(hands.submit(task.do, subject, one))
                except Lost:
                    name = f"seed {one[0]}" if isinstance(one, range) else one[0].origin
                    self.tally.lost.append(f"{name}: no process survives this case")

    def _judge(self, played: Played) -> Found | None:
        """Count a case; what it shows first, but for what is known, is found if it is new."""
        tally = self.tally
        tally.cases += isinstance(played.case, int)
        tally.iterations += played.iterations
        tally.faulty += bool(played.faults)
        tally.operations += played.operations
        tally.events += played.events
        if played.ours is not None:
            tally.ours.append(played.ours)
        sizes = dict(played.faults)
        for fault, known in self._told(played):
            if known is not None:
                tally.known[fault] += 1
                continue
            if self.plan.only and fault.verdict not in self.plan.only:
                continue
            # What comes after it in the same case may follow from it.
            tally.times[fault] += 1
            if fault in self._found:
                return None
            case = case_of(played.case, self.plan.subject.release) if isinstance(played.case, int) else played.case
            found = self._found[fault] = Found(origin=played.origin, case=case, fault=fault, size=sizes[fault])
            return found
        return None


# -- in the processes that play ---------------------------------------------------------------------------

_players: list[Player] = []


def _player(subject: Subject) -> Player:
    """The player of this process; it keeps one."""
    if _players and _players[0].subject != subject:
        _players.pop().close()
    if not _players:
        _players.append(Player(subject))
    return _players[0]


def case_of(seed: int, release: str) -> Case:
    """The case of a seed; where a server of this release would not start with it, one far away."""
    case = draw_case(seed * _STRIDE % _SEEDS, LENGTH)
    while not startable(case.config, release):
        case = draw_case((case.seed + _FAR) % _SEEDS, LENGTH)
    return replace(case, config=fitted(case.config, compose(release)))


def play(subject: Subject, seeds: range) -> list[Played]:
    """Play these seeds."""
    return [_one(_player(subject), f"seed {seed}", case_of(seed, subject.release), seed) for seed in seeds]


def replay(subject: Subject, kept: tuple[Kept, ...]) -> list[Played]:
    """Play these cases."""
    return [_one(_player(subject), one.origin, one.case, one.case) for one in kept]


def _one(player: Player, origin: str, case: Case, told: Case | int) -> Played:
    try:
        trial = player.play(case.config, case.actions, counted=True)
    except InputError as error:
        raise InputError(f"{error} ({origin})") from error
    except OurFault as error:
        none: Counter[str] = Counter()
        return Played(
            origin=origin, case=told, faults=(), iterations=0, operations=none, events=none, ours=f"{origin}: {error}"
        )
    return Played(
        origin=origin, case=told, faults=tuple((seen.fault, seen.verdict.size) for seen in trial.seen),
        iterations=trial.iterations, operations=trial.operations, events=trial.events,
    )  # fmt: skip


def make(subject: Subject, found: Found, attempts: int, out: Path | None) -> Made:
    """Make what was found small, and leave it in its folder."""
    small = smallest(_player(subject), found, attempts)
    return Made(small=small, left=None if out is None else leave(subject, small, found.folder(out)))
