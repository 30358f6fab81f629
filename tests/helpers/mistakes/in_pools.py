"""Mistakes in the windowed half and in the recurrent states."""

from __future__ import annotations

from helpers.mistakes.base import Mistake

from policies import leftover, revert
from policies import window as sizes
from sim.memory import halves, mamba_tree, states, swa, swa_tree
from sim.scheduler import admission, mamba_cache, planning, release_kv, results, tracking, window

MISTAKES = (
    Mistake(
        title="tombstones count as window", owner=swa_tree.SwaTree, name="match_units",
        right="if not child.tombstone:\n            since += len(node.value)", wrong="since += len(node.value)",
    ),
    Mistake(
        title="a windowed lock goes one node too far", owner=swa_tree.SwaTree, name="lock_until",
        right="and locked < self.window", wrong="and locked <= self.window",
    ),
    Mistake(
        title="a split leaves the mark below", owner=swa_tree.SwaTree, name="_split_other",
        right="upper.mark, child.mark = child.mark, None", wrong="pass",
    ),
    Mistake(
        title="a tombstone is never revived", owner=swa_tree.SwaTree, name="_overlap",
        right="if not node.tombstone or evicted >= len(value):", wrong="if True:",
    ),
    Mistake(
        title="what left the window is cached as if it had not", owner=swa_tree.SwaTree, name="_add_rest",
        right="if 0 < evicted < len(key):", wrong="if False:",
    ),
    Mistake(
        title="windowed eviction stops one node late", owner=swa_tree.SwaTree, name="evict",
        right="while halves < windowed:", wrong="while halves <= windowed:",
    ),
    Mistake(
        title="the mapping is not cleared", owner=swa.SwaAllocator, name="free_swa",
        right="self.pool.mapping[slots] = 0", wrong="pass",
    ),
    Mistake(
        title="a whole page is cleared in the mapping", owner=swa.SwaAllocator, name="free_swa",
        right="self.pool.mapping[slots] = 0",
        wrong="self.pool.mapping[(slots[:, None] // self.page_size * self.page_size"
        " + self._backend.put(list(range(self.page_size)))).reshape(-1)] = 0",
    ),
    Mistake(
        title="old pages counted as new ones of both halves", owner=swa.SwaAllocator, name="_needed",
        right="- (prefix + (page - 1)) // page", wrong="- prefix // page",
    ),
    Mistake(
        title="no page left behind the window", owner=sizes.Window11, name="margin",
        right="return page_size", wrong="return 0",
    ),
    Mistake(
        title="window looked at off the page grid", owner=sizes.Window11, name="interval",
        right="return steps // page_size * page_size", wrong="return steps",
    ),
    Mistake(
        title="the cursor e off the page grid", owner=window.Window, name="evict",
        right="(length - self._behind) // memory.page_size * memory.page_size", wrong="length - self._behind",
    ),
    Mistake(
        title="a chunk in flight loses its window", owner=window.Window, name="before_prefill",
        right="start -= self._config.chunked_prefill or 0", wrong="pass",
    ),
    Mistake(
        title="no window kept free to decode in", owner=admission.PrefillAdder, name="_window_need",
        right="max(extend, self._swa.window)", wrong="extend",
    ),
    Mistake(
        title="use makes the root most recent", owner=halves.HalvesTree, name="use_path",
        right="reversed(path)", wrong="path",
    ),
    Mistake(
        title="branching point off the grid", owner=states.StatePool, name="branching",
        right="raw // self.chunk * self.chunk", wrong="raw",
    ),
    Mistake(
        title="a copied state is copied once more", owner=mamba_cache.MambaCache, name="match",
        right="if names.slot is None:", wrong="if True:", pools=("no_buffer", "extra_buffer"),
    ),
    Mistake(
        title="a prefill keeps one chunk less", owner=planning, name="track_prefill",
        right="position = prefix + req.extend_len // chunk * chunk",
        wrong="position = prefix + (req.extend_len - 1) // chunk * chunk",
    ),
    Mistake(
        title="a decode snapshot one step late", owner=results, name="track_decode",
        right="lengths % states.config.track_interval == 0", wrong="lengths % states.config.track_interval == 1",
    ),
    Mistake(
        title="the bonus token does not cross the grid", owner=results, name="track_round",
        right="before = lengths - accepted + 1 - bonus", wrong="before = lengths - accepted + 1",
    ),
    Mistake(title="room made for two states each", owner=tracking, name="_PER_REQUEST", right="3", wrong="2"),
    Mistake(
        title="the donated snapshot is freed", owner=mamba_cache, name="give_back",
        right="snapshots[1 - keep : 2 - keep]", wrong="snapshots[keep : keep + 1]",
    ),
    Mistake(
        title="states are given back to the front", owner=states.StatePool, name="free",
        right="self.free_list.put_back(at)", wrong="self.free_list.put_front(at)",
    ),
    Mistake(
        title="an inner node goes with its state", owner=mamba_tree.MambaTree, name="_drop_leaf",
        right="and parent.tombstone and", wrong="and",
    ),
    Mistake(
        title="an exact hit gives up its state", owner=mamba_tree.MambaTree, name="insert_state",
        right="return present, True", wrong="return present, False",
    ),
    Mistake(
        title="states outlive a request without a tree of states", owner=release_kv.ReleaseKV, name="__call__",
        right="give_back(memory.states, req, row)", wrong="pass",
    ),
    Mistake(
        title="a closed session keeps its snapshots", owner=leftover.Freed, name="closed",
        right="memory.states.free(slot.state.snapshots, slot.tag)", wrong="pass",
    ),
    Mistake(
        title="a refused turn loses its state", owner=revert.Ordinary, name="refused",
        right="if req.session is None:", wrong="if True:",
    ),
)  # fmt: skip
