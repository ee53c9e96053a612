"""Which files are opened, and what is said of those that are not. Nothing is changed in a file that is another's."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.engines.port import Capability
from holdfast.engines.registry import open_engine
from holdfast.engines.sqlite import files
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location, locate
from holdfast.errors import Busy, ConfigurationError, HoldfastError, SchemaError, Unavailable


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///file.db", Path.cwd() / "file.db"),
        ("sqlite:///a/b%20c.db", Path.cwd() / "a" / "b c.db"),
        ("sqlite:////var/x.db", Path("/var/x.db")),
        ("sqlite://", None),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_where_a_url_leads(url: str, path: Path | None) -> None:
    assert locate(url).path == path


@pytest.mark.parametrize(
    "url", ["sqlite://host/file.db", "sqlite:///folder/", "sqlite:///file.db?mode=ro", "sqlite:///a%00b"]
)
def test_what_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        locate(url)
    assert "sqlite:///file.db" in caught.value.hint


async def test_a_new_file_is_its_owners_alone_and_says_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "new & strange?#.db"
    location = Location(path)
    assert location.is_new
    assert location.medium() is None
    engine = await SqliteEngine.open(location)
    assert (await engine.position()).medium == location.medium()
    assert await engine.applied() == {}
    await engine.aclose()
    assert not Location(path).is_new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes()[68:72] == b"HOLD"
    assert list(tmp_path.iterdir()) == [path]


async def test_several_that_make_a_file_at_once_make_one_store(tmp_path: Path) -> None:
    location = Location(tmp_path / "file.db")
    engines = await asyncio.gather(*(SqliteEngine.open(location) for _ in range(6)))
    media = {(await engine.position()).medium for engine in engines}
    for engine in engines:
        await engine.aclose()
    assert len(media) == 1


async def refusal(path: Path) -> HoldfastError:
    before = path.read_bytes() if path.is_file() else None
    folder = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises((ConfigurationError, SchemaError)) as caught:
        await SqliteEngine.open(Location(path))
    assert str(path) in (caught.value.where or "")
    assert caught.value.hint or path.is_dir()
    if before is not None:
        assert path.read_bytes() == before
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == folder
    return caught.value


async def test_a_file_with_tables_of_others_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("create table accounts (id integer primary key)")
    theirs.close()
    assert (await refusal(tmp_path / "theirs.db")).code == "schema_error"


async def test_what_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)
    assert (await refusal(path)).code == "schema_error"


async def test_folders_are_no_files_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert (await refusal(tmp_path / "folder")).code == "configuration_error"
    assert (await refusal(tmp_path / "none" / "file.db")).code == "configuration_error"
    (tmp_path / "file").write_text("")
    assert (await refusal(tmp_path / "file" / "file.db")).code == "configuration_error"


async def test_what_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.db"
    await (await SqliteEngine.open(Location(path))).aclose()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert (await refusal(path)).code == "configuration_error"


_READ_ONLY = """
import asyncio, os, sys
from holdfast.engines.registry import open_engine
async def load():
    await (await open_engine("sqlite://")).aclose()
asyncio.run(load())  # all that is needed is loaded while this process may still read it
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(open_engine(sys.argv[1]))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_another_users_file_or_folder_is_refused(tmp_path: Path, what: str) -> None:
    """As a process that may not write there, which root always may."""
    path = tmp_path / "file.db"
    await (await SqliteEngine.open(Location(path))).aclose()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path.chmod(0o444 if what == "file" else 0o666)
    tmp_path.chmod(0o777 if what == "file" else 0o555)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ONLY, f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
    )
    tmp_path.chmod(0o700)
    assert done.stdout.strip() == "ConfigurationError", done.stderr


async def test_a_file_that_another_process_holds_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.db"
    await (await SqliteEngine.open(Location(path))).aclose()
    monkeypatch.setattr(files, "_OPEN_SECONDS", 0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Busy):
        await SqliteEngine.open(Location(path))
    other.close()
    await (await SqliteEngine.open(Location(path))).aclose()


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(ConfigurationError):
        await SqliteEngine.open(Location(tmp_path / "file.db"))


async def test_a_file_that_is_replaced_while_it_is_in_use_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "file.db", tmp_path / "other.db"
    await (await SqliteEngine.open(Location(other))).aclose()
    engine = await SqliteEngine.open(Location(path))
    await engine.ping()
    other.rename(path)
    for ask in (engine.ping, engine.position):
        with pytest.raises(Unavailable) as caught:
            await ask()
        assert "replaced" in caught.value.message
    path.unlink()
    with pytest.raises(Unavailable):
        await engine.ping()
    await engine.aclose()


async def test_a_database_in_memory_forgets_and_says_so() -> None:
    engine, other = await open_engine("sqlite://"), await open_engine("sqlite:///:memory:")
    assert isinstance(engine, SqliteEngine)
    assert isinstance(other, SqliteEngine)
    assert Capability.DURABLE not in engine.capabilities
    folder = engine.path.parent
    assert folder.exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (await engine.position()).medium != (await other.position()).medium
    await engine.aclose()
    await other.aclose()
    assert not folder.exists()


async def test_what_a_killed_process_has_left_in_memory_is_removed() -> None:
    text = (
        "import asyncio, os, signal\n"
        "from holdfast.engines.registry import open_engine\n"
        "async def main():\n"
        "    engine = await open_engine('sqlite://')\n"
        "    print(engine.path.parent, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, env=env)
    left = Path(done.stdout.strip())
    assert left.exists()
    await (await open_engine("sqlite://")).aclose()
    assert not left.exists()
