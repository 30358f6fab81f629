"""The same seed writes the same log on a GPU as on a CPU, byte for byte, and waits for the GPU in checks only."""

import pytest
from helpers.devicerun import KINDS, Logged, device_case, twins
from helpers.devicewatch import unsynchronised

LENGTH = 70


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(12), 41])
def test_a_random_run_writes_the_same_log_on_a_gpu(seed, kind, tmp_path, monkeypatch):
    views = Logged(device_case(seed, kind=kind), tmp_path / "cpu", "cpu")
    run = views.improvise(LENGTH)
    tensors = Logged(device_case(seed, kind=kind), tmp_path / "cuda", "cuda")
    with unsynchronised(monkeypatch):
        tensors.play(run.actions)
    assert tensors.events == views.events
    for twin in twins(tensors.scheduler):
        assert twin.host.tolist() == twin.tensor.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_tags_and_canaries_are_those_of_a_cpu(kind, tmp_path):
    for seed in range(4):
        views = Logged(device_case(seed, kind=kind), tmp_path / "cpu", "cpu")
        run = views.improvise(LENGTH)
        if run.crash:
            continue
        tensors = Logged(device_case(seed, kind=kind), tmp_path / "cuda", "cuda")
        tensors.play(run.actions)
        mine, theirs = views.scheduler.memory, tensors.scheduler.memory
        for name, pool in mine.ledger.pools.items():
            assert pool.tags.tolist() == theirs.ledger.pools[name].tensor.tolist()
        assert mine.kv.tensor.tolist() == theirs.kv.tensor.tolist()
