"""The two rules of a run on a device: every tensor is made there, and nothing is read back but by a check."""

from contextlib import suppress

import pytest
import torch
from helpers.devicerun import KINDS, Logged, device_case
from helpers.devicewatch import watched

from sim.ledger.auditor import Auditor
from sim.memory.backend import backend
from sim.memory.devices import TorchBackend

LENGTH = 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_needs_no_value_of_the_device(kind, tmp_path, monkeypatch):
    """Tensors of the device `meta` hold no data at all: whoever asks one for a value gets an error.

    The check's flag is taken for clear, and recounts are left out; the log is that of a CPU all the same.
    """
    clean = 0
    for seed in range(14):
        views = Logged(device_case(seed, calm=True, kind=kind, audit="idle"), tmp_path / "cpu", "cpu")
        run = views.improvise(LENGTH)
        if not run.clean:
            continue
        clean += 1
        with monkeypatch.context() as patch, watched("meta", patch) as watch:
            patch.setattr(TorchBackend, "flagged", lambda *_: False)
            patch.setattr(Auditor, "recount", lambda _: None)
            tensors = Logged(run.case, tmp_path / "meta", "meta")
            tensors.play(run.actions)
        assert watch.faults == []
        assert watch.reads == {}
        assert watch.made["zeros"] >= 4
        assert tensors.events == views.events
    assert clean >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_faulty_run_reads_the_device_in_checks_only(kind, tmp_path, monkeypatch):
    reads = 0
    for seed in range(8):
        with monkeypatch.context() as patch, watched("cpu", patch) as watch:
            logged = Logged(device_case(seed, kind=kind), tmp_path, "torch:cpu")
            logged.improvise(LENGTH)
        assert watch.faults == []
        assert watch.made["zeros"] >= 4
        reads += watch.reads["item"]
    assert reads > 100


def test_a_check_reads_one_flag(tmp_path, monkeypatch):
    """As many looks as events that posted something; without recounts nothing else is read."""
    monkeypatch.setattr(Auditor, "recount", lambda _: None)
    events = looks = 0
    for seed in range(10):
        with monkeypatch.context() as patch, watched("cpu", patch) as watch:
            logged = Logged(device_case(seed, calm=True, audit="idle"), tmp_path, "torch:cpu")
            run = logged.improvise(LENGTH)
        if run.clean:
            journal = logged.scheduler.memory.ledger.journal
            assert watch.reads["item"] == journal.looks == watch.reads.total()
            assert journal.looks <= logged.player.driver.event
            looks, events = looks + journal.looks, events + logged.player.driver.event
    assert events / 4 < looks < events


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda t: t.sum().item(), "item reads"), (lambda t: bool(t.any()), "__bool__ reads"),
        (lambda t: t[t > 1], "__getitem__ reads"), (lambda t: torch.unique(t), "unique reads"),
        (lambda t: t.tolist(), "tolist reads"), (lambda t: int(t[0]), "__int__ reads"),
        (lambda t: torch.arange(3), "arange makes"), (lambda t: torch.zeros(2, device="cpu"), "zeros makes"),
        (lambda t: torch.full((2,), 1), "full makes"), (lambda t: torch.tensor([1]), "tensor makes"),
    ],
)  # fmt: skip
def test_the_watch_sees_mistakes(mistake, told, monkeypatch):
    """What a function reads or makes where it must not is found, whatever the device then says to it."""
    with watched("meta", monkeypatch) as watch, suppress(RuntimeError, NotImplementedError):
        mistake(torch.zeros(3, device="meta"))
    assert watch.faults[0].startswith(told)


def test_a_recount_on_a_device_reads_the_tensors_there():
    """A tensor without data cannot be counted."""
    place = backend("meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        place.get(place.zeros(3)[1])
