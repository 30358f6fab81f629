"""The pools of a case: sizes, windows, strategies and grids, small enough that everything happens in 150 operations."""

from __future__ import annotations

from dataclasses import replace
from math import lcm
from random import Random

from sim.cases.matrix import Cell
from sim.config import MambaConfig, RunConfig, SpeculativeConfig, SwaConfig
from sim.scenario.errors import NOWHERE
from sim.scenario.limits import scheduler_problems
from sim.scenario.places import Node
from sim.scenario.poollimits import further_pool_problems
from sim.scheduler.release import Release

_WINDOWS = (2, 4, 4, 6, 9, 16)
_RATIOS = (0.35, 0.5, 0.8, 0.8, 1.0)
_MULTIPLIERS = (1.0, 1.0, 0.25, 0.5, 1.5)
_GRIDS = (4, 8, 8)
_SESSIONS = 4
_UNWRITTEN = Node(NOWHERE, {}, NOWHERE, {})


def accepted(config: RunConfig) -> bool:
    """Whether a server keeps pools like these; those of a record must be so too."""
    return not any(further_pool_problems(config, _UNWRITTEN))


def startable(config: RunConfig, release: str) -> bool:
    """Whether a server of this release starts with it."""
    knobs = scheduler_problems(config, _UNWRITTEN, release=release, gated=False, sessions=True)
    return accepted(config) and not any(knobs)


def fitted(config: RunConfig, release: Release) -> RunConfig:
    """The same without what this release does not look at."""
    swa, window = config.pool.swa, release.window
    if swa is None or window.interval(1024, 1, 1.0) != window.interval(1024, 1, 0.5):
        return config
    return replace(config, pool=replace(config.pool, swa=replace(swa, eviction_multiplier=1.0)))


def draw_window(cell: Cell, tokens: int, random: Random) -> SwaConfig | None:
    """Windowed layers: their slots are a share of the others', and a window is a few pages."""
    if not cell.windowed:
        return None
    window = random.choice(_WINDOWS)
    share, often = int(tokens * random.choice(_RATIOS)), random.choice(_MULTIPLIERS)
    # Below two windows and some pages nothing is ever admitted.
    least = min(tokens, 2 * window + 4 * cell.page)
    return SwaConfig(tokens=max(share, least) // cell.page * cell.page, window=window, eviction_multiplier=often)


def draw_states(
    cell: Cell, running: int, rows: int, speculative: SpeculativeConfig | None, random: Random
) -> MambaConfig | None:
    """Recurrent layers: no fewer states than rows, as any server has, and a grid that the server accepts."""
    if not cell.recurrent:
        return None
    strategy = random.choice(cell.strategies if cell.pools == "both" else (cell.pools,))
    each = 1 if strategy == "no_buffer" else 3 if cell.overlap else 2
    # Admission looks at no states: with few of them the release dies of it, with some its tree is pressed for them.
    more = random.choice([0, 1, 1, 2, 2, 2]) * running + random.choice([0, 2, _SESSIONS, _SESSIONS * each])
    slots = running * each + (more if cell.size == "small" else 4 * _SESSIONS * each)
    grid = random.choice(_GRIDS)
    # The server wants the interval to be a multiple of the page, and no shorter than a round of drafts.
    step = lcm(grid, cell.page)
    interval = step * random.choice([1, 1, 2])
    while speculative is not None and interval < speculative.draft:
        interval += step
    if strategy == "no_buffer":
        return MambaConfig(slots=max(slots, rows))
    return MambaConfig(slots=max(slots, rows), strategy="extra_buffer", track_interval=interval, chunk=grid)
