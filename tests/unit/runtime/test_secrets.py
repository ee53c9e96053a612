"""Secrets: made once, by one process, for their owner alone."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.runtime.secrets import cursor_secret, keep, load_secrets, read_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_kept_for_their_owner(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    first, second = load_secrets(home), load_secrets(home)
    assert first.signing_key.kid == second.signing_key.kid
    assert first.refresh == second.refresh
    assert first.cursor == second.cursor
    assert len({first.refresh, first.cursor}) == 2
    assert mode(home) == 0o700
    assert [mode(path) for path in home.iterdir()] == [0o600] * 3


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    assert repr(load_secrets(tmp_path)) == "Secrets()"


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, bits: int) -> None:
    load_secrets(tmp_path)
    path = tmp_path / "refresh.secret"
    path.chmod(bits)
    with pytest.raises(ConfigurationError) as raised:
        load_secrets(tmp_path)
    assert raised.value.where == str(path)
    assert f"chmod 600 {path}" in str(raised.value.hint)


def test_a_home_in_which_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(ConfigurationError, match="Others may write"):
        cursor_secret(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe", b"c2hvcnQ=\n"])
def test_a_secret_that_is_cut_off_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cursor.secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        cursor_secret(tmp_path)
    assert path.read_bytes() == content


def test_a_signing_key_that_is_none_is_refused(tmp_path: Path) -> None:
    write_private(tmp_path / "signing-key.pem", b"-----BEGIN NOTHING-----\n")
    with pytest.raises(ConfigurationError):
        load_secrets(tmp_path)


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        cursor_secret(tmp_path / "file" / "home")


def _begin(home: str, queue: multiprocessing.Queue[bytes]) -> None:
    queue.put(cursor_secret(Path(home)))


def test_processes_that_begin_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[bytes] = context.Queue()
    processes = [context.Process(target=_begin, args=(str(tmp_path / "h"), queue)) for _ in range(8)]
    for process in processes:
        process.start()
    secrets = {queue.get(timeout=30) for _ in processes}
    for process in processes:
        process.join()
    assert len(secrets) == 1
    assert [path.name for path in (tmp_path / "h").iterdir()] == ["cursor.secret"]


def test_the_second_to_come_keeps_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert keep(path, lambda: keep(path, lambda: b"inner") and b"outer") == b"inner"
    assert read_private(path) == b"inner"


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_private(path, b"one")
    write_private(path, b"two")
    assert (read_private(path), mode(path)) == (b"two", 0o600)
    assert list(tmp_path.iterdir()) == [path]
