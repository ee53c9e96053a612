"""The launcher's files in the home: modes, locks, shares, and what is said when they are missing or not ours."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.engines.postgres.embedded import running
from holdfast.engines.postgres.embedded.home import (
    Lease,
    ServerHome,
    in_use,
    load_home,
    locked,
    prepare_home,
)
from holdfast.errors import ConfigurationError, Unavailable


@pytest.fixture
def home(tmp_path: Path) -> ServerHome:
    return load_home(prepare_home(tmp_path / "home"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_look_into_a_home_or_read_the_password(home: ServerHome) -> None:
    home.password()
    assert mode(home.home) == 0o700
    assert mode(home.root) == 0o700
    assert mode(home.root / "password") == 0o600


def test_a_home_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare_home(tmp_path)
    assert mode(tmp_path) == 0o755


def test_the_password_stays_the_same_and_differs_between_homes(home: ServerHome, tmp_path: Path) -> None:
    other = load_home(prepare_home(tmp_path / "other"))
    assert home.password() == home.password()
    assert home.password() != other.password()
    assert len(home.password()) >= 32


def test_a_lost_password_is_not_replaced_in_silence(home: ServerHome) -> None:
    home.password()
    initialised = home.remember(initialised=True)
    (home.root / "password").unlink()
    with pytest.raises(ConfigurationError, match="password is gone"):
        initialised.password()


def test_what_is_remembered_is_read_again(home: ServerHome) -> None:
    home.remember(port=54321)
    assert load_home(prepare_home(home.home)).record.port == 54321


def test_a_record_of_a_newer_version_can_be_read(home: ServerHome) -> None:
    path = home.root / "server.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "invented_later": 1}))
    assert load_home(home).record.home_id == home.record.home_id


def test_a_damaged_record_is_an_error_that_names_it(home: ServerHome) -> None:
    (home.root / "server.json").write_text("{")
    with pytest.raises(ConfigurationError) as caught:
        load_home(home)
    assert caught.value.where == str(home.root / "server.json")


def test_a_held_lock_is_waited_for_and_then_reported(home: ServerHome) -> None:
    with (
        locked(home, timeout=1),
        pytest.raises(Unavailable, match="starting or stopping"),
        locked(home, timeout=0.1),
    ):
        pass
    with locked(home, timeout=0.1):
        pass


def test_a_share_ends_with_release_and_with_its_process(home: ServerHome) -> None:
    assert not in_use(home)
    lease = Lease(home)
    assert in_use(home)
    lease.release()
    assert not in_use(home)
    code = f"import fcntl,os; fcntl.flock(os.open({str(home.root / 'users')!r}, os.O_RDWR), fcntl.LOCK_SH); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        assert in_use(home)
        other.kill()
        other.wait()
    assert not in_use(home)


def test_a_home_that_is_a_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="cannot keep a database here"):
            prepare_home(home)


def test_looking_for_a_server_makes_nothing(tmp_path: Path) -> None:
    assert running(tmp_path / "home") is None
    assert list(tmp_path.iterdir()) == []
