"""The first signal is noted, the second acts as it did before."""

from __future__ import annotations

import signal
import threading

import pytest

from mling_embed.training.signals import StopRequest


class ActedError(Exception):
    pass


def act_as_before(number: int, frame: object) -> None:
    raise ActedError(number)


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> object:
    kept = {number: signal.signal(number, act_as_before) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_acts_as_before(first: signal.Signals, second: signal.Signals) -> None:
    with StopRequest() as stop:
        assert not stop.made
        signal.raise_signal(first)
        assert stop.made
        with pytest.raises(ActedError, match=str(int(second))):
            signal.raise_signal(second)


def test_handlers_are_as_before_after_it_and_after_an_error() -> None:
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) is not act_as_before
    assert signal.getsignal(signal.SIGTERM) is act_as_before
    with pytest.raises(ValueError, match="an error"), StopRequest():
        raise ValueError("an error")
    assert signal.getsignal(signal.SIGINT) is act_as_before


def test_in_another_thread_it_does_nothing() -> None:
    found: list[object] = []

    def work() -> None:
        with StopRequest() as stop:
            found.extend([stop.made, signal.getsignal(signal.SIGTERM)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, act_as_before]
