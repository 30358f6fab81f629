"""Engines by name: what they are called, which release they are, and how their processes are kept."""

from pathlib import Path

import pytest
from helpers.modelworker import ModelEngines, model_worker
from helpers.rig import Rig

from sim.engines import select
from sim.engines.select import Choice, Engines, check, release_of
from sim.engines.sglang.remote import EngineBroken
from sim.errors import InputError

CONFIG = Rig().engine.config


@pytest.mark.parametrize("spec", ["model", "sglang", "sglang==0.5.11", "sglang==0.5.10.post1", "sglang==0.6.0rc1"])
def test_names_of_engines(spec):
    check(spec)


@pytest.mark.parametrize("spec", ["", "vllm", "sglang=0.5.11", "sglang==", "sglang==../x", "Model", "sglang 0.5.11"])
def test_what_names_no_engine_is_told_in_one_line(spec):
    with pytest.raises(InputError, match=r"^--against .*: there is no such engine; write model, sglang==0\.5\.11"):
        check(spec, "--against")


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("0.5.10", "sglang-0.5.10"), ("0.5.10.post1", "sglang-0.5.10"), ("0.5.11", "sglang-0.5.11"),
        ("0.5.11.post2", "sglang-0.5.11"), ("0.5.12", None), ("0.5.1", None), ("0.5.110", None), ("unknown", None),
        ("0.5.12.dev3+gabc", None), ("0.5.11rc1", None),
    ],
)  # fmt: skip
def test_which_release_of_ours_a_version_is(version, release):
    assert release_of(version) == release


def test_the_model_needs_no_source_and_is_any_release():
    with Engines() as engines:
        assert (engines.name, engines.real, engines.release, engines.choice.option) == ("model", False, None, "")


def test_how_a_real_engine_is_asked_for_on_a_command_line():
    assert Choice(spec="sglang==0.5.11").option == "--engine sglang==0.5.11"
    assert Choice(spec="sglang", path=Path("/my tree")).option == "--engine sglang --sglang-src '/my tree'"


def test_one_process_for_each_set_of_reverts_used_again():
    with ModelEngines() as engines:
        assert (engines.name, engines.release) == ("sglang 0.5.11", "sglang-0.5.11")
        first = engines.remote(CONFIG)
        first.step()
        second = engines.remote(CONFIG)
        assert (second.worker, second.step().iteration) == (first.worker, 1)
        assert engines.remote(CONFIG, (22862, 22790)).worker is engines.remote(CONFIG, (22790, 22862)).worker
        assert [reverts for reverts, _ in engines.started] == [(), (22790, 22862)]
        pids = [worker for _, worker in engines.started]
    assert not any(worker.alive for worker in pids)


def test_a_process_that_has_died_is_followed_by_another():
    with ModelEngines(how="kill") as engines:
        engines.worker().close()
        assert engines.remote(CONFIG).step().iteration == 1
        assert len(engines.started) == 2


def test_no_more_than_a_few_processes_are_kept(monkeypatch):
    monkeypatch.setattr(select, "MOST_WORKERS", 2)
    with ModelEngines(how="hello") as engines:
        for reverts in ((), (22862,), (), (22790,)):
            engines.worker(reverts)
        assert [(reverts, worker.alive) for reverts, worker in engines.started] == [
            ((), True), ((22862,), False), ((22790,), True),
        ]  # fmt: skip


def test_closing_twice_is_as_good_as_once():
    engines = ModelEngines(how="hello")
    engines.worker()
    engines.close()
    engines.close()
    assert not engines.started[0][1].alive


def test_a_worker_that_cannot_start_is_told_and_not_kept():
    with ModelEngines(how="misfit") as engines:
        for _ in range(2):
            with pytest.raises(EngineBroken, match="the table does not fit"):
                engines.worker()
        assert [worker.alive for _, worker in engines.started] == [False, False]


def test_the_bound_reaches_the_process(monkeypatch):
    seen = {}
    monkeypatch.setattr("sim.engines.sglang.process.Worker", lambda command, bound: seen.update(c=command, b=bound))
    engines = Engines(Choice(spec="sglang", bound=5.0))
    engines._start(ModelEngines().source, (22790, 22862))
    assert seen["b"] == 5.0
    assert seen["c"][1:] == ["-m", "sim.engines.sglang.worker", "/nowhere", "0.5.11", "fetched", "22790,22862"]


def test_a_source_that_is_nowhere_says_what_to_type(tmp_path):
    engines = Engines(Choice(spec="sglang==9.9.9", cache=tmp_path))
    with pytest.raises(InputError, match=r"type `kvledger oracle fetch 9\.9\.9`, or write --sglang-src PATH"):
        _ = engines.name


def test_the_helper_says_what_it_stands_for():
    worker = model_worker("hello")
    assert worker.receive() == b'{"value":"ready"}'
    worker.close()
