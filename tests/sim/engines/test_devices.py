"""Tensors through NumPy views and tensors of a device: the same run, to the last byte of its log."""

import pytest
from helpers.devicerun import KINDS, Logged, device_case, twins

SEEDS = (*range(20), 41)
LENGTH = 70


def both(case, length, folder):
    """The run on a CPU, and the same actions on the tensors of a device."""
    views = Logged(case, folder / "cpu", "cpu")
    run = views.improvise(length)
    tensors = Logged(case, folder / "torch", "torch:cpu")
    again = tensors.play(run.actions)
    assert (again.kinds, again.crash) == (run.kinds, run.crash)
    assert [v.to_json() for v in again.verdicts] == [v.to_json() for v in run.verdicts]
    return run, views, tensors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_run_writes_the_same_log_on_a_device(seed, kind, tmp_path):
    """Aborts, retracts, sessions, pages and speculation; releases whole and with changes taken out."""
    _, views, tensors = both(device_case(seed, kind=kind), LENGTH, tmp_path)
    assert views.events == tensors.events
    assert views.events


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_checks_writes_the_same_log_on_a_device(kind, tmp_path):
    """Then nobody looks at what was posted, but for its not growing."""
    for seed in range(6):
        run = Logged(device_case(seed, kind=kind), tmp_path / "drawn", "cpu").improvise(LENGTH)
        logs = []
        for device in ("cpu", "torch:cpu"):
            logged = Logged(device_case(seed, kind=kind), tmp_path / device.replace(":", "-"), device, audited=False)
            logged.play(run.actions)
            logs.append(logged.events)
        assert logs[0] == logs[1]


def test_the_random_runs_show_faults_of_every_kind_and_none(tmp_path):
    seen = set()
    for seed in SEEDS:
        run = Logged(device_case(seed), tmp_path, "cpu").improvise(LENGTH)
        seen |= {verdict.verdict for verdict in run.verdicts} or {"clean"}
    assert {"clean", "leak", "double-free", "alias", "corrupt", "silent"} <= seen


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_host_believes_of_indices_is_what_lies_on_the_device(kind, tmp_path):
    for seed in range(6):
        logged = Logged(device_case(seed, kind=kind), tmp_path, "torch:cpu")
        logged.improvise(LENGTH)
        for twin in twins(logged.scheduler):
            assert twin.host.tolist() == twin.tensor.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_tags_and_canaries_on_a_device_are_those_of_a_cpu(kind, tmp_path):
    for seed in range(6):
        run, views, tensors = both(device_case(seed, kind=kind), LENGTH, tmp_path)
        if run.crash:
            continue
        mine, theirs = views.scheduler.memory, tensors.scheduler.memory
        for name, pool in mine.ledger.pools.items():
            assert pool.tags.tolist() == theirs.ledger.pools[name].tensor.tolist()
        assert mine.kv.tensor.tolist() == theirs.kv.tensor.tolist()
        if mine.swa is not None:
            # Slot 0 takes what is written for slots without a windowed half.
            assert mine.swa.kv.tensor.tolist() == theirs.swa.kv.tensor.tolist()
        if mine.states is not None:
            assert mine.states.temporal.tolist() == theirs.states.temporal.tolist()
