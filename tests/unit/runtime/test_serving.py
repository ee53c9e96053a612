"""One server a home, known by a lock that ends with its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from holdfast.errors import Conflict
from holdfast.runtime.serving import Served, Serving, find_served, stop_served


def _serve(home: str, began: Event) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    serving = Serving.take(Path(home))
    serving.announce("127.0.0.1", 8123)
    serving.ready()
    began.set()
    signal.pause()


@pytest.fixture
def context() -> multiprocessing.context.ForkContext:
    return multiprocessing.get_context("fork")


def start(context: multiprocessing.context.ForkContext, home: Path) -> multiprocessing.context.ForkProcess:
    began = context.Event()
    process = context.Process(target=_serve, args=(str(home), began))
    process.start()
    assert began.wait(30)
    return process


def test_without_a_server_nothing_is_found_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert find_served(home) is None
    assert stop_served(home, seconds=1) is None
    assert not home.exists()


def test_a_second_server_is_told_of_the_first(
    tmp_path: Path, context: multiprocessing.context.ForkContext
) -> None:
    process = start(context, tmp_path)
    try:
        served = find_served(tmp_path)
        assert served is not None
        assert (served.pid, served.url, served.ready) == (process.pid, "http://127.0.0.1:8123", True)
        with pytest.raises(Conflict, match=rf"process {process.pid} at http://127\.0\.0\.1:8123"):
            Serving.take(tmp_path)
    finally:
        process.kill()
        process.join()


def test_a_server_that_was_killed_is_gone(
    tmp_path: Path, context: multiprocessing.context.ForkContext
) -> None:
    process = start(context, tmp_path)
    process.kill()
    process.join()
    assert find_served(tmp_path) is None
    serving = Serving.take(tmp_path)
    assert find_served(tmp_path) == Served(0, "", 0, find_pid_namespace())
    serving.release()
    assert find_served(tmp_path) is None


def find_pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid") if os.path.islink("/proc/self/ns/pid") else ""  # noqa: PTH114, PTH115


def test_stopping_ends_it_and_waits(tmp_path: Path, context: multiprocessing.context.ForkContext) -> None:
    process = start(context, tmp_path)
    served = stop_served(tmp_path, seconds=10)
    assert served is not None
    assert served.pid == process.pid
    process.join(10)
    assert process.exitcode == -signal.SIGTERM


def test_a_server_in_another_container_is_not_signalled(
    tmp_path: Path, context: multiprocessing.context.ForkContext
) -> None:
    process = start(context, tmp_path)
    try:
        path = tmp_path / "serving.json"
        path.write_text(path.read_text().replace("pid:[", "pid:[9"))
        with pytest.raises(Conflict, match="another container"):
            stop_served(tmp_path, seconds=1)
        assert process.is_alive()
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("example.org", "http://example.org:1"),
    ],
)
def test_the_url_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert Served(1, host, 1, "").url == url
