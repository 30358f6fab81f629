"""Which sessions and requests a workload makes, so that nothing can wait for one that never comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sim.engines.marks import Timed
from sim.operations import Submit
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Bursty, Fleet, Injection, Poisson, ScriptedSession, SingleRequest, Source

_UNBOUNDED = 10**12


@dataclass(frozen=True, kw_only=True)
class Names:
    """The sessions and requests that a workload and its injections can make.

    `requests` has the output tokens that each named request can reach at most; `sessions` are those that a list
    of operations names, `unsent` the ids that it names and never submits. `maker` is what makes all these.
    """

    maker: str = "the workload"
    scripted: dict[str, ScriptedSession] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    generators: dict[str, Poisson | Bursty] = field(default_factory=dict)
    fleets: dict[str, Fleet] = field(default_factory=dict)
    sessions: dict[str, None] = field(default_factory=dict)
    unsent: set[str] = field(default_factory=set)

    def has_session(self, name: str) -> bool:
        """Whether a session of this name can come."""
        return name in self.scripted or name in self.sessions or self.fleet_of(name) is not None

    def longest_output(self, rid: str) -> int | None:
        """The output tokens that this request can reach; None if it can never come."""
        if rid in self.requests:
            return self.requests[rid]
        session, slash, turn = rid.partition("/")
        fleet = self.fleet_of(session) if slash else None
        if fleet is not None:
            return int(fleet.output.highest) if _counts(turn, int(fleet.turns.highest)) else None
        generator = self.generator_of(rid)
        return None if generator is None else int(generator.output.highest)

    def generator_of(self, rid: str) -> Poisson | Bursty | None:
        """The generator that makes a request of this id."""
        name, _, number = rid.rpartition("-")
        generator = self.generators.get(name)
        return generator if generator is not None and _counts(number, _most(generator)) else None

    def fleet_of(self, session: str, *, other_than: str | None = None) -> Fleet | None:
        """The fleet that opens a session of this name."""
        for name, fleet in self.fleets.items():
            if name != other_than and session.startswith(name):
                most = fleet.sessions * fleet.rounds
                if _counts(session[len(name) :], most):
                    return fleet
        return None

    def has_beginning(self, beginning: str) -> bool:
        """Whether the id of any request begins so."""
        return (
            self.longest_output(beginning) is not None
            or self.has_session(beginning.removesuffix("/"))
            or any(rid.startswith(beginning) for rid in self.some_requests())
        )

    def some_sessions(self) -> list[str]:
        """Names of sessions to suggest: all scripted ones, the first of each fleet."""
        return [*self.scripted, *self.sessions, *(f"{name}1" for name in self.fleets)]

    def some_requests(self) -> list[str]:
        """Ids of requests to suggest: all named ones, the first of each generator."""
        return [
            *self.requests,
            *(f"{name}-1" for name in self.generators),
            *(f"{name}1/1" for name in self.fleets),
        ]


def names_of(workload: Sequence[Source], inject: Sequence[Injection]) -> Names:
    """The names that these make."""
    names = Names()
    for source in workload:
        if isinstance(source, ScriptedSession):
            names.scripted[source.name] = source
            names.requests.update({turn.rid: _reach(turn.output, turn.stop, turn.ignore_eos) for turn in source.turns})
        elif isinstance(source, SingleRequest):
            names.requests[source.rid] = _reach(source.output, source.stop, source.ignore_eos)
        elif isinstance(source, Fleet):
            names.fleets[source.name] = source
        else:
            names.generators[source.name] = source
    names.requests.update({i.rid: i.output for i in inject if i.rid is not None})
    return names


def names_in(operations: Sequence[Timed]) -> Names:
    """The names of which these operations speak; a turn may be of a session that is never opened."""
    names = Names(maker="the list of operations")
    for _, what in operations:
        if isinstance(what, str):
            continue
        if what.session is not None:
            names.sessions[what.session] = None
        if isinstance(what, Submit):
            reach = _reach(what.what.max_new, what.what.stop_at, what.what.ignore_eos)
            names.requests[what.request] = max(reach, names.requests.get(what.request, 0))
        elif what.request is not None:
            names.unsent.add(what.request)
    return names


def duplicates(workload: Sequence[Source]) -> Iterator[ScenarioError]:
    """Sources whose sessions or requests would get the same names."""
    names = names_of(workload, ())
    seen: dict[str, Source] = {}
    for source in workload:
        name = source.rid if isinstance(source, SingleRequest) else source.name
        first = seen.setdefault(name, source)
        if first is not source:
            what = f"the name `{name}` is used twice, first in line {first.place.line}"
            yield ScenarioError(source.place, what, "write another name")
        elif _made_too(source, name, names):
            what = f"a generator of this workload makes `{name}` too"
            yield ScenarioError(source.place, what, "write another name")


def _made_too(source: Source, name: str, names: Names) -> bool:
    if isinstance(source, SingleRequest):
        return names.generator_of(name) is not None
    if isinstance(source, ScriptedSession):
        return names.fleet_of(name) is not None
    # The first session of a fleet has the smallest number, so it is the likeliest to be another's too.
    return isinstance(source, Fleet) and names.fleet_of(f"{name}1", other_than=name) is not None


def _reach(output: int, stop: int | None, ignore_eos: bool) -> int:
    return output if stop is None or ignore_eos else min(output, stop)


def _most(generator: Poisson | Bursty) -> int:
    if generator.count is None:
        return _UNBOUNDED
    return generator.count * (int(generator.size.highest) if isinstance(generator, Bursty) else 1)


def _counts(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 13 and text[0] != "0" and int(text) <= most
