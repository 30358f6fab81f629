"""What is done to a scheduler from outside beyond its own messages: forced retracts, and time-outs that have passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.engines.protocol import EngineCrash

REAP_INTERVAL = 1.0
_JUST = 1e-9


def expire(scheduler: Any, name: str, now: float) -> bool:
    """Let a session's time-out have passed, and the reaper be due."""
    controller = scheduler.session_controller
    session = controller.sessions.get(name)
    if session is None:
        return False
    session.timeout = session.timeout or 0.0
    session.last_active_time = now - session.timeout - _JUST
    controller._last_reap_time = min(controller._last_reap_time, now - REAP_INTERVAL - _JUST)
    return True


def pause_all(modules: Any, scheduler: Any) -> None:
    """The release's own `pause_generation` in its mode "retract", and going on at once."""
    scheduler.pausing = True
    try:
        scheduler.pause_generation(modules.io.PauseGenerationReqInput(mode="retract"))
    finally:
        scheduler.pausing = scheduler._engine_paused = False


def pause_named(scheduler: Any, rids: Sequence[str], process_oldest: Callable[[], None]) -> None:
    """The same for some requests: drain, merge (but for a prompt that is still split), retract these."""
    if scheduler.result_queue and scheduler.last_batch is not None:
        process_oldest()
    last, running = scheduler.last_batch, scheduler.running_batch
    if last is not None and last.forward_mode.is_extend():
        split = [] if scheduler.chunked_req is None else [scheduler.chunked_req]
        last.filter_batch(chunked_req_to_exclude=split)
        if not last.is_empty():
            if running.is_empty():
                scheduler.running_batch = last
            else:
                running.merge_batch(last)
    scheduler.last_batch = scheduler.cur_batch = None
    running = scheduler.running_batch
    if running.is_empty():
        return
    running.filter_batch(v1_spec_info_filtered=True)
    for req in _release_named(scheduler, running, rids):
        scheduler._add_request_to_queue(req, is_retracted=True)
    running.batch_is_full = False


def _release_named(scheduler: Any, batch: Any, rids: Sequence[str]) -> list[Any]:
    """Give back what these requests of the batch hold, in batch order, and take them out of it."""
    at = [i for i, req in enumerate(batch.reqs) if req.rid in rids]
    count = len(batch.reqs)
    for done, i in enumerate(at):
        batch.release_req(i, count - done - 1, scheduler.server_args)
    victims = [batch.reqs[i] for i in at]
    batch.filter_batch(keep_indices=[i for i in range(count) if i not in at])
    return victims


def force(scheduler: Any, rids: Sequence[str], steps: int) -> None:
    """Let the next decode step find too little memory, and these its first victims, if any of them runs."""

    def instead(update: Callable[[Any], Any], batch: Any) -> Any:
        def retract(server_args: Any) -> tuple[list[Any], float, list[Any]]:
            victims = _release_named(scheduler, batch, rids)
            ratio = _ratio(batch, steps)
            del batch.check_decode_mem
            if batch.is_empty() or batch.check_decode_mem():
                return victims, ratio, []
            more, ratio, aborted = type(batch).retract_decode(batch, server_args)
            return [*victims, *more], ratio, aborted

        decoding = [req.rid for req in batch.reqs if not req.finished()]
        if not decoding:
            # No memory test: the next one it is.
            return update(batch)
        scheduler.forced = None
        if not any(rid in rids for rid in decoding):
            return update(batch)
        batch.check_decode_mem = lambda selected_indices=None: False
        batch.retract_decode = retract
        try:
            return update(batch)
        finally:
            del batch.retract_decode
            batch.__dict__.pop("check_decode_mem", None)

    scheduler.forced = instead


def _ratio(batch: Any, steps: int) -> float:
    """The release computes it within its own choice of victims, which is not asked here."""
    decoded = sum(len(req.output_ids) for req in batch.reqs)
    most = sum(req.sampling_params.max_new_tokens for req in batch.reqs)
    try:
        return float(min(1.0, (decoded + steps * len(batch.reqs)) / (most + 1)))
    except ZeroDivisionError as error:
        raise EngineCrash("ZeroDivisionError", str(error)) from error
