"""The benchmarks of a device go their way where there is none: on CPU tensors, over pools that are next to nothing."""

import pytest
import torch

from sim.bench.cards import MODELS, presets, sized
from sim.bench.device import Full, copy_of
from sim.bench.gpu import Sizes, checks, main, recounts
from sim.memory.presets import PRESETS

DEVICE = "torch:cpu"
SMALL = Sizes(slots=4000, iterations=4096, budget=1 << 30)


def test_where_there_is_no_gpu_they_say_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main() == 0
    assert capsys.readouterr().out == "GPU figures  skipped: there is no usable GPU here\n"


def test_a_recount_is_held_against_a_copy_of_what_it_reads():
    figures = list(recounts(DEVICE, SMALL))
    assert [figure.name.split(" of ")[1] for figure in figures] == ["tiny / copy", "gpt-oss-20b / copy"]
    assert all(figure.bound == 2.5 and figure.ratio > 0 for figure in figures)


def test_the_pool_that_is_counted_is_full_and_what_is_wrong_in_it_is_seen():
    pool = Full(DEVICE, 4000, "tiny")
    pool.fill()
    memory = pool._engine.scheduler.memory
    assert memory.allocator.free_list.count < 400
    assert pool.sound()
    assert len(pool._slots) > 3600
    memory.kv.headers[int(pool._slots[1234])] = 7
    assert not pool.sound()


def test_the_bytes_that_are_read_are_those_of_all_that_is_looked_at():
    """Rows of 4 bytes and where to read them; tree, free list and tags of 8; a token's place, text and sector."""
    pool = Full(DEVICE, 4000, "tiny")
    pool.fill()
    tokens, free = len(pool._slots), pool._engine.scheduler.memory.allocator.free_list.count
    entries = len(pool._places.own) + len(pool._places.shared)
    assert pool.bytes_read == 12 * entries + 8 * (len(pool._tree) + free + 4000) + 48 * tokens
    assert entries >= tokens


def test_a_copy_is_of_so_many_bytes():
    target = copy_of(DEVICE, 1000)()
    assert target.numel() * target.element_size() == 1000


def test_checks_are_held_against_no_checks():
    first = next(checks(DEVICE, SMALL))
    assert first.bound == 1.5
    assert first.ratio > 0.5


@pytest.mark.parametrize(
    ("model", "budget", "full", "other"),
    [("llama-3-8b", 100 << 30, 819_200, 0), ("gpt-oss-20b", 100 << 30, 2_427_259, 1_941_807),
     ("qwen3-next-80b-a3b", 60 << 30, 1_379_705, 394)],
)  # fmt: skip
def test_a_card_is_filled_as_a_server_would(model, budget, full, other):
    """Domain figures: 819 200 tokens; 2.43 million and 1.94 million; 394 states and 1.38 million."""
    pool = sized(model, budget)
    assert pool.tokens == pytest.approx(full, rel=1e-3)
    assert sum(pool.sizes.values()) - pool.tokens == pytest.approx(other, rel=1e-3)


def test_each_preset_takes_what_it_was_given():
    figures = list(presets(DEVICE, SMALL.budget))
    assert [figure.name.split(":")[0] for figure in figures] == list(MODELS)
    # The padding slot of a pool of six states weighs more than it would on a card.
    assert all(0.9 < figure.ratio < 1.1 for figure in figures)
    assert set(MODELS) <= set(PRESETS)
