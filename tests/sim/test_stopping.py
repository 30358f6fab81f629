"""Ctrl-C and SIGTERM: when they end what is done, and when they wait."""

import os
import signal
import threading

import pytest

from sim.stopping import Terminated, heeded, undisturbed

STOPS = pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])


@pytest.fixture(autouse=True)
def _as_in_a_terminal():
    """Whatever whoever runs the tests wants of these signals."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, former[0])
    signal.signal(signal.SIGTERM, former[1])


@STOPS
def test_a_stop_ends_what_is_done(number, kind):
    done = []

    def work():
        os.kill(os.getpid(), number)
        done.append(1)

    with pytest.raises(KeyboardInterrupt) as stop, heeded():
        work()
    assert type(stop.value) is kind
    assert not done


@STOPS
def test_what_belongs_together_is_done_first(number, kind):
    done = []

    def work():
        with undisturbed:
            with undisturbed:
                os.kill(os.getpid(), number)
                done.append(1)
            done.append(2)
        done.append(3)

    with pytest.raises(KeyboardInterrupt) as stop, heeded():
        work()
    assert type(stop.value) is kind
    assert done == [1, 2]
    with undisturbed:
        done.append(4)
    assert done == [1, 2, 4]


def test_afterwards_and_in_other_threads_signals_are_whose_they_were():
    with heeded():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    told = []

    def elsewhere():
        with heeded():
            told.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert told == [signal.SIG_DFL]


def test_what_others_want_of_a_signal_stays():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with heeded():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM)
