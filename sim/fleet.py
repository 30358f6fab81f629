"""A fleet of clients in closed loop: one SimPy process, however many sessions are open."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from sim.alarm import Alarm
from sim.clients import Process, Server, drawn, rng_of
from sim.operations import Abort, Close, Open, Submit
from sim.scenario.model import Fleet


@dataclass(slots=True)
class Client:
    """One client, between two of its actions."""

    number: int
    round: int = 0
    session: str = ""
    turn: int = 0
    turns: int = 0
    think: float = 0.0


class FleetClients:
    """All clients of a fleet, with one heap of the times at which they act next."""

    def __init__(self, server: Server, fleet: Fleet) -> None:
        self._server = server
        self._fleet = fleet
        self._order = count()
        self._in_flight: dict[str, Client] = {}
        self._call = server.env.event()
        self._alarm = Alarm(server.env, self._wake)
        rng = rng_of(server.seed, fleet.name)
        starts = sorted(float(fleet.start.draw(rng)) for _ in range(fleet.sessions))
        self._agenda: list[tuple[float, int, Client | str]] = [
            (start, next(self._order), Client(number)) for number, start in enumerate(starts, 1)
        ]
        heapify(self._agenda)

    def run(self) -> Process:
        """The process of the whole fleet."""
        env = self._server.env
        while self._agenda or self._in_flight:
            if self._agenda and self._agenda[0][0] <= env.now:
                self._act(heappop(self._agenda)[2])
                continue
            if self._agenda:
                self._alarm.at(self._agenda[0][0])
            self._call = env.event()
            yield self._call

    def _wake(self) -> None:
        if not self._call.triggered:
            self._call.succeed()

    def _act(self, who: Client | str) -> None:
        if isinstance(who, str):
            if self._server.live(who):
                self._server.post(Abort(request=who))
            return
        if who.turn == 0:
            self._open(who)
        self._send(who)

    def _open(self, client: Client) -> None:
        fleet = self._fleet
        client.session = f"{fleet.name}{client.round * fleet.sessions + client.number}"
        client.turns = int(fleet.turns.draw(rng_of(self._server.seed, client.session)))
        self._server.post(Open(session=client.session, timeout=fleet.timeout))

    def _send(self, client: Client) -> None:
        server, fleet = self._server, self._fleet
        client.turn += 1
        rid = f"{client.session}/{client.turn}"
        # A stream per turn: what it draws must not depend on which turn of the fleet came before.
        rng = rng_of(server.seed, rid)
        request = drawn(rng, fleet, rid, client.session, first=client.turn == 1)
        client.think = float(fleet.think.draw(rng))
        self._in_flight[rid] = client
        server.post(Submit(what=request), self._ended)
        if fleet.abort_rate and float(rng.random()) < fleet.abort_rate:
            alone = server.latency.prefill_base + request.max_new * server.latency.decode_base
            self._at(server.env.now + float(rng.random()) * alone, rid)

    def _ended(self, rid: str, delay: float) -> None:
        """A turn is over: think, and send the next one; after the last, begin a new session."""
        client = self._in_flight.pop(rid)
        fleet = self._fleet
        if client.turn >= client.turns:
            if fleet.close == "end":
                self._server.post(Close(session=client.session))
            client.turn = 0
            client.round += 1
        if client.round < fleet.rounds:
            self._at(self._server.env.now + delay + client.think, client)
        self._wake()

    def _at(self, time: float, who: Client | str) -> None:
        heappush(self._agenda, (time, next(self._order), who))
