"""The load generator against servers that say exactly what a test wants said."""

from __future__ import annotations

import itertools
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from benchmarks.errors import BenchmarkError
from benchmarks.http.load import Load, run_load

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


@contextmanager
def server(answers: Callable[[int], list[bytes]]) -> Iterator[str]:
    """Answers request number n of its only connection with the pieces `answers(n)`, each a write of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answers))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


def _serve(listener: socket.socket, answers: Callable[[int], list[bytes]]) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        for number in itertools.count():
            if not connection.recv(65536):
                return
            pieces = answers(number)
            for piece in pieces:
                connection.sendall(piece)
            if not pieces:
                return


def load_on(url: str, *, seconds: float = 0.05) -> Load:
    return run_load(url, itertools.repeat(REQUEST), status=200, seconds=seconds, connections=1)


def test_counts_every_answer_and_its_bytes() -> None:
    answered = []
    with server(lambda number: [answered.append(number) or GOOD]) as url:  # type: ignore[func-returns-value]
        load = load_on(url)
    assert load.operations == len(answered) > 1
    assert load.received == len(answered) * len(GOOD)
    assert not load.unexpected
    assert load.rate == pytest.approx(load.operations / load.seconds)


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_an_answer_in_two_pieces_is_one_answer(cut: int) -> None:
    with server(lambda _: [GOOD[:cut], GOOD[cut:]]) as url:
        load = load_on(url, seconds=0.002)
    assert load.received == load.operations * len(GOOD)
    assert not load.unexpected


def test_other_status_codes_are_counted() -> None:
    def answers(number: int) -> list[bytes]:
        return [GOOD.replace(b"200 OK", b"503 Unavailable") if number == 1 else GOOD]

    with server(answers) as url:
        assert load_on(url).unexpected == {503: 1}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([], "closed a connection"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"], "without Content-Length"),
        ([GOOD + GOOD], "more than it announced"),
    ],
)
def test_what_cannot_be_counted_ends_the_run(answer: list[bytes], complaint: str) -> None:
    with server(lambda _: answer) as url, pytest.raises(BenchmarkError, match=complaint):
        load_on(url)


def test_percentiles_are_by_the_nearest_rank() -> None:
    load = Load(1.0, [float(n) for n in range(1, 101)], 0, Counter())
    assert (load.percentile(0.5), load.percentile(0.99), load.percentile(1.0)) == (50.0, 99.0, 100.0)
    assert Load(1.0, [7.0], 0, load.unexpected).percentile(0.5) == 7.0
