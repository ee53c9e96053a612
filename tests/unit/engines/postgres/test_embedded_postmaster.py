"""What counts as a running server: not a stale file, not a reused number, not a zombie."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.engines.postgres.embedded.postmaster import (
    Postmaster,
    answers,
    find_running,
    is_alive,
    read_postmaster,
    remove_misleading_file,
)


def write_pid_file(data: Path, pid: int, status: str = "ready   ") -> Path:
    path = data / "postmaster.pid"
    path.write_text(f"{pid}\n{data}\n1760000000\n54321\n/run/sockets\n127.0.0.1\n 4721 99\n{status}\n")
    return path


@pytest.fixture
def lookalike(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called postgres and works in the data folder, as a postmaster does."""
    program = tmp_path / "postgres"
    program.symlink_to(Path(sys.executable).resolve())
    process = subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path)
    yield process
    process.communicate(b"\n", timeout=10)


def test_the_pid_file_tells_number_port_sockets_and_state(tmp_path: Path) -> None:
    write_pid_file(tmp_path, 77, "starting")
    assert read_postmaster(tmp_path) == Postmaster(77, 54321, "/run/sockets", "starting")


@pytest.mark.parametrize("text", ["", "\n", "not a number\n", "12"], ids=repr)
def test_a_half_written_pid_file_is_not_ready(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    found = read_postmaster(tmp_path)
    assert found is None or not found.ready


def test_a_server_is_known_by_its_name_and_its_folder(
    tmp_path: Path, lookalike: subprocess.Popen[bytes]
) -> None:
    write_pid_file(tmp_path, lookalike.pid)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_pid_file(elsewhere, lookalike.pid)
    assert find_running(tmp_path)
    assert find_running(elsewhere) is None


def test_a_number_that_another_program_has_now_is_stale(tmp_path: Path) -> None:
    path = write_pid_file(tmp_path, os.getpid())
    assert find_running(tmp_path) is None
    remove_misleading_file(tmp_path)
    assert not path.exists()


def test_a_number_that_is_free_is_left_to_postgresql(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = write_pid_file(tmp_path, ended.pid)
    remove_misleading_file(tmp_path)
    assert path.exists()


def test_the_pid_file_stays_while_children_of_a_killed_server_live(
    tmp_path: Path, lookalike: subprocess.Popen[bytes]
) -> None:
    path = write_pid_file(tmp_path, os.getpid())
    remove_misleading_file(tmp_path)
    assert path.exists()


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    program = tmp_path / "postgres"
    program.symlink_to(Path(sys.executable).resolve())
    process = subprocess.Popen([program, "-c", ""], cwd=tmp_path)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(tmp_path, process.pid)
    process.wait()


@pytest.mark.parametrize(("reply", "expected"), [(b"N", True), (b"S", True), (b"HTTP", False), (b"", False)])
def test_only_postgresql_gives_its_answer(reply: bytes, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        replier = threading.Thread(target=reply_once, args=[server, reply])
        replier.start()
        assert answers(Postmaster(1, server.getsockname()[1], "", "ready")) is expected
        replier.join(timeout=10)


def reply_once(server: socket.socket, reply: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(8)
        connection.sendall(reply)


def test_a_port_that_nobody_listens_on_gives_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not answers(Postmaster(1, port, "", "ready"))
