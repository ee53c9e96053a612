"""The embedded server as its user meets it: made, adopted, killed, healed, shared, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer, running
from holdfast.errors import ConfigurationError
from tests.acceptance.embedded import (
    Starter,
    connect,
    has_ended,
    keep,
    kept,
    kill_all,
    kill_server,
    starter,
    wait_until,
)
from tests.servers import FAST, VERSIONS, bin_dir_of, discard, new_home

SYNCHRONOUS = {"fsync": "off"}
"""Loses nothing that was committed when processes are killed, only when the machine is."""


@pytest.fixture
def home() -> Iterator[Path]:
    home = new_home()
    yield home
    discard(home)


@pytest.mark.parametrize("major", VERSIONS)
def test_a_new_home_gets_a_server_that_is_safe_by_default(home: Path, major: int) -> None:
    heard: list[str] = []
    with EmbeddedServer.start(home, bin_dir=bin_dir_of(major), progress=heard.append) as server:
        with connect(server) as connection:
            show = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
            methods = {row[0] for row in connection.execute("SELECT auth_method FROM pg_hba_file_rules")}
            collation = connection.execute(
                "SELECT datcollate, pg_encoding_to_char(encoding), 'Z' < 'a', lower('É') FROM pg_database"
            ).fetchone()
        assert not server.adopted
        assert "new database" in heard[0]
        assert int(show["server_version_num"]) // 10000 == major
        assert (show["fsync"], show["full_page_writes"], show["data_checksums"]) == ("on", "on", "on")
        assert (show["listen_addresses"], show["password_encryption"]) == ("127.0.0.1", "scram-sha-256")
        assert (show["max_connections"], show["shared_buffers"], show["TimeZone"]) == ("100", "16384", "UTC")
        assert methods == {"scram-sha-256"}
        assert collation == ("C", "UTF8", True, "é")
        assert os.getsid(server.pid) == server.pid
    assert running(home) is None


def test_no_password_no_entry_not_even_through_the_socket(home: Path) -> None:
    with EmbeddedServer.start(home, settings=FAST) as server:
        password = str(psycopg.conninfo.conninfo_to_dict(server.admin_url)["password"])
        assert password not in repr(server)
        for host in ("127.0.0.1", str(server.socket_dir)):
            where = f"host={host} port={server.port} user=postgres dbname=postgres"
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(where, password="a guess")
            psycopg.connect(where, password=password).close()


def test_a_server_that_outlived_its_starter_is_adopted(home: Path) -> None:
    with starter(home, settings=FAST) as first:
        told = first.hear()
        keep(told["url"], "before")
        first.kill()
    server = EmbeddedServer.start(home)
    assert server.adopted
    assert (server.pid, server.admin_url) == (told["pid"], told["url"])
    assert kept(server) == ["before"]
    assert server.stop()
    assert has_ended(told["pid"])


@pytest.mark.parametrize("major", VERSIONS)
def test_committed_data_survives_kill_9_of_everything(home: Path, major: int) -> None:
    bin_dir = bin_dir_of(major)
    with starter(home, bin_dir=bin_dir) as first:
        told = first.hear()
        keep(told["url"], "committed")
        first.kill()
        kill_server(told["pid"])
    with EmbeddedServer.start(home, bin_dir=bin_dir) as server:
        assert not server.adopted
        assert kept(server) == ["committed"]


def test_a_server_that_is_killed_under_its_starter_can_be_started_again_there(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    kill_server(first.pid)
    with EmbeddedServer.start(home, settings=FAST) as second:
        assert not second.adopted
        assert second.port == first.port
        connect(second).close()


def test_a_server_that_says_it_is_ready_and_is_dying_is_not_adopted(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    os.kill(first.pid, signal.SIGSTOP)
    dying = threading.Timer(0.5, kill_server, [first.pid])
    dying.start()
    with EmbeddedServer.start(home, settings=FAST) as second:
        assert not second.adopted
        connect(second).close()
    dying.join()


def test_a_busy_child_of_a_killed_server_does_not_bar_the_next_start(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=SYNCHRONOUS)
    keep(first, "committed")
    busy = threading.Thread(target=count_for_ever, args=[first.admin_url])
    busy.start()
    with connect(first) as connection:
        connection.autocommit = True  # a transaction would see the same statistics throughout
        counting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        wait_until(lambda: bool((connection.execute(counting).fetchone() or [0])[0]))
        os.kill(first.pid, signal.SIGKILL)
    with EmbeddedServer.start(home, settings=SYNCHRONOUS) as second:
        assert kept(second) == ["committed"]
    busy.join(timeout=10)
    assert not busy.is_alive()


def count_for_ever(url: str) -> None:
    with connect(url) as connection, pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 100000000000) AS n WHERE n % 2 = 3")


@pytest.mark.parametrize("all_of_it", [True, False], ids=["all killed", "initdb lives on"])
@pytest.mark.parametrize("moment", ["initdb-*", "initdb-*/data/base", "initdb-*/data/global/pg_control"])
def test_a_first_start_that_is_killed_half_way_heals(home: Path, moment: str, all_of_it: bool) -> None:
    cluster = home / "postgres" / "cluster"
    with starter(home, settings=FAST) as first:
        wait_until(lambda: any(cluster.glob(moment)))
        process = psutil.Process(first.process.pid)
        children = process.children(recursive=True)
        first.kill()
        kill_all(children if all_of_it else [])
    with EmbeddedServer.start(home, settings=FAST) as server:
        keep(server, "works")
        assert kept(server) == ["works"]
    if all_of_it:
        assert list(cluster.glob("initdb-*")) == []


def test_of_two_starts_at_the_same_time_one_makes_and_one_adopts(home: Path) -> None:
    with starter(home, settings=FAST) as first, starter(home, settings=FAST) as second:
        told = [first.hear(), second.hear()]
        assert sorted(one["adopted"] for one in told) == [False, True]
        assert told[0]["pid"] == told[1]["pid"]
        assert not first.stop_server(), "the second still uses it"
        connect(told[1]["url"]).close()
        assert second.stop_server()
        assert running(home) is None


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(home: Path) -> None:
    with starter(home, settings=FAST) as first:
        told = first.hear()
        wait_until(lambda: interrupted(first))
        connect(told["url"]).close()


def interrupted(one: Starter) -> bool:
    """Ctrl-C, pressed again if need be: Python can miss a signal that comes just before it begins to read."""
    if one.process.poll() is None:
        os.killpg(one.process.pid, signal.SIGINT)
        time.sleep(0.1)
    return one.process.poll() is not None


def test_a_long_path_gets_short_sockets_for_its_owner_alone(home: Path) -> None:
    deep = home.joinpath(*["a folder with a long name"] * 10)
    with EmbeddedServer.start(deep, settings=FAST) as server:
        assert server.data_dir.is_relative_to(deep)
        assert len(str(server.socket_dir)) < 60
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        connect(server.admin_url + f"?host={server.socket_dir}").close()
    assert not server.socket_dir.exists()


def test_a_port_that_is_taken_is_replaced_and_the_new_one_remembered(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    first.stop()
    assert first.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.port))
        other.listen()
        second = EmbeddedServer.start(home, settings=FAST)
        assert second.port != first.port
        second.stop()
    with EmbeddedServer.start(home, settings=FAST) as third:
        assert third.port == second.port


def test_a_relative_home_works_from_any_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    with EmbeddedServer.start(Path("sub/home"), settings=FAST) as server:
        monkeypatch.chdir("/")
        assert server.home == home / "sub" / "home"
        connect(server).close()


def test_the_callers_environment_does_not_reach_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGDATA", "PGPORT", "PGOPTIONS", "LC_ALL", "LD_LIBRARY_PATH", "TZ"):
        monkeypatch.setenv(name, "/nonsense")
    with EmbeddedServer.start(home, settings=FAST) as server:
        monkeypatch.undo()
        connect(server).close()


def test_a_reused_process_number_does_not_bar_the_start(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    pid_file = first.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    kill_server(first.pid)
    first.release()
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    with EmbeddedServer.start(home, settings=FAST) as second:
        assert not second.adopted


def test_a_home_that_another_container_uses_is_not_opened_a_second_time(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    kill_server(first.pid)  # as good as one in another container: its number means nothing here
    path = home / "postgres" / "server.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processes": "pid:[1]"}))
    with pytest.raises(ConfigurationError, match="Another container"):
        EmbeddedServer.start(home)
    first.release()
    EmbeddedServer.start(home).stop()


def test_lost_data_is_reported_and_not_replaced_by_an_empty_database(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    first.stop()
    first.data_dir.rename(home / "moved away")
    with pytest.raises(ConfigurationError, match="is gone"):
        EmbeddedServer.start(home)
    assert not first.data_dir.exists()


def test_data_with_wrong_permissions_is_an_error_that_says_so(home: Path) -> None:
    first = EmbeddedServer.start(home, settings=FAST)
    first.stop()
    first.data_dir.chmod(0o755)
    with pytest.raises(ConfigurationError, match="invalid permissions"):
        EmbeddedServer.start(home)
    first.data_dir.chmod(0o700)
    EmbeddedServer.start(home).stop()


def test_data_is_opened_by_its_own_version_only(home: Path) -> None:
    EmbeddedServer.start(home, bin_dir=bin_dir_of(15), settings=FAST).stop()
    with pytest.raises(ConfigurationError, match="data is of PostgreSQL 15"):
        EmbeddedServer.start(home, bin_dir=bin_dir_of(18))
    with EmbeddedServer.start(home, settings=FAST) as server, connect(server) as connection:
        assert connection.info.server_version // 10000 == 15


def test_a_home_that_is_removed_under_its_server_can_still_be_stopped(home: Path) -> None:
    server = EmbeddedServer.start(home / "gone", settings=FAST)
    (home / "gone").rename(home / "elsewhere")
    assert server.stop()
    assert has_ended(server.pid)
