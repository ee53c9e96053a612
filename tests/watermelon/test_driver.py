"""What the real client does with a server's answers. A new release of the client is judged by running these again.

The server is a stub: it answers what a test wants it to answer, however wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.watermelon.client import (
    AdapterName,
    DriverDied,
    DriverError,
    LocalDatabase,
    Point,
    Pulled,
    Remote,
    SyncFailed,
    WatermelonDriver,
    Write,
)
from tests.watermelon.install import Installation
from tests.watermelon.schema import AddColumns, Column, CreateTable, Migration, Row, Schema, Table
from tests.watermelon.stub import StubServer, stub_server

TASKS = Table(
    "tasks",
    (
        Column("name", "string"),
        Column("pos", "number"),
        Column("done", "boolean"),
        Column("note", "string", optional=True),
    ),
)
SCHEMA = Schema(1, (TASKS,))
WIDER = Schema(
    2,
    (Table("tasks", (*TASKS.columns, Column("rank", "number"))), Table("tags", (Column("name", "string"),))),
)
TO_WIDER = (Migration(2, (CreateTable(WIDER.tables[1]), AddColumns("tasks", (Column("rank", "number"),)))),)
_NUMBERS = itertools.count()


@pytest.fixture
def server() -> Iterator[StubServer]:
    with stub_server() as stub:
        yield stub


@pytest.fixture
def remote(server: StubServer) -> Remote:
    return Remote(server.url)


@pytest.fixture
def phone(driver: WatermelonDriver, adapter: AdapterName) -> Iterator[LocalDatabase]:
    """An empty database."""
    database = driver.open(f"phone{next(_NUMBERS)}", adapter, SCHEMA)
    yield database
    database.close(keep=False)


@pytest.fixture
def synced(phone: LocalDatabase, server: StubServer, remote: Remote) -> LocalDatabase:
    """With the row `a`, as the server has it."""
    server.answer(tasks={"updated": [row("a")]})
    phone.sync(remote)
    return phone


def row(row_id: str, **values: Any) -> Row:
    return {"id": row_id, "name": "x", "pos": 1, "done": False, "note": None, **values}


def local(row_id: str, status: str, changed: str = "", **values: Any) -> Row:
    return {**row(row_id, **values), "_status": status, "_changed": changed}


# ---- The driver -----------------------------------------------------------------------------------------------------


def test_the_library_is_the_pinned_one(driver: WatermelonDriver) -> None:
    assert driver.versions()["watermelondb"] == "0.28.0"


def test_raw_columns_go_straight_in_and_out(phone: LocalDatabase) -> None:
    phone.create("tasks", row("a", name="\u00e9\U0001f349\u2028", pos=0.1, done=True, note=""))
    phone.create("tasks", row("b", pos=2**53 - 1))

    assert phone.rows("tasks") == [
        local("a", "created", name="\u00e9\U0001f349\u2028", pos=0.1, done=True, note=""),
        local("b", "created", pos=2**53 - 1),
    ]
    assert phone.get("tasks", "b") == local("b", "created", pos=2**53 - 1)
    assert phone.count("tasks") == 2


def test_one_write_holds_several_operations(synced: LocalDatabase) -> None:
    synced.write(Write("create", "tasks", "b", {"name": "y"}), Write("delete", "tasks", "a"))

    assert [one["id"] for one in synced.rows("tasks")] == ["b"]
    assert [one["_status"] for one in synced.stored("tasks")] == ["deleted", "created"]


def test_a_row_that_is_destroyed_leaves_no_mark(synced: LocalDatabase) -> None:
    synced.destroy("tasks", "a")

    assert synced.stored("tasks") == []
    assert not synced.has_unsynced_changes()


def test_what_is_refused_is_an_error_here(phone: LocalDatabase, driver: WatermelonDriver) -> None:
    with pytest.raises(DriverError, match="nobody"):
        phone.update("tasks", "nobody", {"name": "x"})
    with pytest.raises(DriverError, match="is open"):
        driver.open(phone.name, phone.adapter, SCHEMA)


def test_a_database_in_a_file_is_there_for_another_process(
    watermelon: Installation, adapter: AdapterName, tmp_path: Path, remote: Remote
) -> None:
    file = tmp_path / "phone.db"
    with WatermelonDriver.start(watermelon) as first:
        phone = first.open("phone", adapter, SCHEMA, path=file)
        phone.create("tasks", row("a"))
        phone.sync(remote)
        phone.close()
    with WatermelonDriver.start(watermelon) as second:
        phone = second.open("phone", adapter, SCHEMA, path=file)
        assert phone.rows("tasks") == [local("a", "synced")]
        assert phone.pulled() == Pulled(1001, 1)
        phone.close(keep=False)
    assert not file.exists()


def test_what_was_saved_survives_a_kill(
    watermelon: Installation, adapter: AdapterName, tmp_path: Path
) -> None:
    file = tmp_path / "phone.db"
    first = WatermelonDriver.start(watermelon)
    phone = first.open("phone", adapter, SCHEMA, path=file)
    phone.create("tasks", row("a"))
    phone.save()
    first.kill()
    with WatermelonDriver.start(watermelon) as second:
        assert second.open("phone", adapter, SCHEMA, path=file).rows("tasks") == [local("a", "created")]


def test_a_dead_process_says_so(watermelon: Installation) -> None:
    driver = WatermelonDriver.start(watermelon)
    driver.kill()
    with pytest.raises(DriverDied, match="about"):
        driver.versions()


def test_a_process_that_cannot_load_says_why(watermelon: Installation, tmp_path: Path) -> None:
    with (
        WatermelonDriver.start(Installation(watermelon.node, tmp_path, None)) as driver,
        pytest.raises(DriverDied, match="Cannot find module"),
    ):
        driver.versions()


def test_an_error_in_a_hook_ends_the_synchronisation(phone: LocalDatabase, remote: Remote) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        phone.sync(remote, at={"pulled": fail})
    assert phone.pulled().at is None
    phone.sync(remote)


def test_hooks_run_in_order(phone: LocalDatabase, remote: Remote) -> None:
    points: tuple[Point, ...] = ("pulling", "pulled", "pushing", "sent", "answered")
    reached: list[Point] = []
    phone.create("tasks", row("a"))
    phone.sync(remote, at={point: partial(reached.append, point) for point in points})

    assert tuple(reached) == points


# ---- What goes over the wire ----------------------------------------------------------------------------------------


def test_the_first_pull_spells_null(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    phone.sync(remote.but(token="t", device="d", query={"paging": "1"}))

    asked = server.pulled[0]
    assert asked.method == "GET"
    assert asked.query == {
        "last_pulled_at": "null",
        "schema_version": "1",
        "migration": "null",
        "paging": "1",
    }
    assert asked.headers["authorization"] == "Bearer t"
    assert asked.headers["x-holdfast-device"] == "d"
    assert not server.pushed


def test_a_pull_may_be_posted_and_a_push_wrapped(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    phone.create("tasks", row("a"))
    phone.sync(remote.but(pull_method="POST", push_body="wrapped", idempotent=True))

    assert server.pulled[0].body == {"lastPulledAt": None, "schemaVersion": 1, "migration": None}
    assert server.pushed[0].query == {}
    assert server.pushed[0].body["lastPulledAt"] == 1001
    assert len(server.pushed[0].headers["idempotency-key"]) == 64


@pytest.mark.parametrize(
    ("spelling", "sent"), [(None, None), ("", ""), ("0", "0"), ("undefined", "undefined")]
)
def test_the_first_pull_has_other_spellings(
    phone: LocalDatabase, server: StubServer, remote: Remote, spelling: str | None, sent: str | None
) -> None:
    phone.sync(remote.but(first_sync=spelling, cursor_name="lastPulledAt"))

    assert server.pulled[0].query.get("lastPulledAt") == sent


def test_a_created_row_is_pushed_whole(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    phone.create("tasks", row("a"))
    phone.update("tasks", "a", {"name": "y"})
    result = phone.sync(remote)

    assert result.pushed == {
        "tasks": {"created": [local("a", "created", "name", name="y")], "updated": [], "deleted": []}
    }
    assert server.pushed[0].query == {"last_pulled_at": "1001"}
    assert server.pushed[0].body == result.pushed
    assert phone.rows("tasks") == [local("a", "synced", name="y")]
    assert not phone.has_unsynced_changes()


def test_an_edit_is_pushed_whole_and_names_its_columns(synced: LocalDatabase, remote: Remote) -> None:
    synced.update("tasks", "a", {"name": "z"})
    synced.update("tasks", "a", {"pos": 2, "done": False})

    assert synced.sync(remote).pushed["tasks"]["updated"] == [
        local("a", "updated", "name,pos", name="z", pos=2)
    ]


def test_a_column_that_is_changed_back_stays_listed(synced: LocalDatabase, remote: Remote) -> None:
    synced.update("tasks", "a", {"name": "z"})
    synced.update("tasks", "a", {"name": "x"})

    assert synced.sync(remote).pushed["tasks"]["updated"] == [local("a", "updated", "name")]


def test_a_row_that_never_reached_the_server_is_deleted_there(phone: LocalDatabase, remote: Remote) -> None:
    phone.create("tasks", row("a"))
    phone.delete("tasks", "a")

    assert phone.sync(remote).pushed == {"tasks": {"created": [], "updated": [], "deleted": ["a"]}}
    assert phone.stored("tasks") == []


# ---- Own rows coming back -------------------------------------------------------------------------------------------


def test_an_echo_in_created_undoes_a_delete(
    synced: LocalDatabase, server: StubServer, remote: Remote, driver: WatermelonDriver
) -> None:
    synced.delete("tasks", "a")
    server.answer(tasks={"created": [row("a")]})
    result = synced.sync(remote.but(send_created_as_updated=False))

    assert synced.rows("tasks") == [local("a", "synced")]
    assert not result.pushes
    assert "is marked as deleted" in driver.diagnostics[0]


def test_an_echo_in_updated_leaves_a_delete(
    synced: LocalDatabase, server: StubServer, remote: Remote, driver: WatermelonDriver
) -> None:
    synced.delete("tasks", "a")
    server.answer(tasks={"updated": [row("a")]})

    assert synced.sync(remote).pushed["tasks"]["deleted"] == ["a"]
    assert synced.stored("tasks") == []
    assert not driver.diagnostics


def test_an_echo_in_created_of_a_known_row_is_an_update(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(tasks={"created": [row("a", name="s")]})
    result = synced.sync(remote.but(send_created_as_updated=False))

    assert synced.rows("tasks") == [local("a", "synced", name="s")]
    assert "already exists locally" in result.errors[0]


def test_after_a_lost_ack_the_server_wins_every_column(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    phone.create("tasks", row("a"))
    with pytest.raises(SyncFailed, match="was lost"):
        phone.sync(remote, lose="ack")
    assert phone.rows("tasks") == [local("a", "created")]

    server.answer(tasks={"updated": [row("a", name="s", pos=9)]})
    result = phone.sync(remote)

    assert result.pushed["tasks"]["created"] == [local("a", "created", name="s", pos=9)]
    assert phone.rows("tasks") == [local("a", "synced", name="s", pos=9)]
    assert not result.errors


def test_after_a_lost_ack_an_edited_column_stays(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    phone.create("tasks", row("a"))
    with pytest.raises(SyncFailed):
        phone.sync(remote, lose="ack")
    phone.update("tasks", "a", {"name": "edited"})
    server.answer(tasks={"updated": [row("a", name="s", pos=9)]})

    assert phone.sync(remote).pushed["tasks"]["created"] == [
        local("a", "created", "name", name="edited", pos=9)
    ]


# ---- Other people's changes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_row_in_updated_is_made(
    phone: LocalDatabase, server: StubServer, remote: Remote, *, known: bool
) -> None:
    server.answer(tasks={"updated": [row("a")]})
    result = phone.sync(remote.but(send_created_as_updated=known))

    assert phone.rows("tasks") == [local("a", "synced")]
    assert bool(result.errors) is not known


def test_rows_in_created_are_an_error_to_who_expects_updated(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(tasks={"created": [row("a")]})
    result = phone.sync(remote)

    assert phone.rows("tasks") == [local("a", "synced")]
    assert "'sendCreatedAsUpdated' option is enabled" in result.errors[0]


def test_an_update_against_an_edit_merges_by_column(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.update("tasks", "a", {"name": "mine"})
    server.answer(tasks={"updated": [row("a", name="theirs", pos=9)]})
    result = synced.sync(remote)

    assert result.pushed["tasks"]["updated"] == [local("a", "updated", "name", name="mine", pos=9)]
    assert result.log["resolvedConflicts"][0]["resolved"]["name"] == "mine"
    assert synced.rows("tasks") == [local("a", "synced", name="mine", pos=9)]


def test_a_resolver_may_take_the_servers_row(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.update("tasks", "a", {"name": "mine"})
    server.answer(tasks={"updated": [row("a", name="theirs")]})

    assert not synced.sync(remote.but(server_wins=True)).pushes
    assert synced.rows("tasks") == [local("a", "synced", name="theirs")]


def test_a_remote_delete_destroys_a_local_edit(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.update("tasks", "a", {"name": "mine"})
    server.answer(tasks={"deleted": ["a", "never-heard-of"]})
    result = synced.sync(remote)

    assert synced.stored("tasks") == []
    assert not result.pushes
    assert not result.errors


def test_a_column_that_is_left_out_keeps_its_value(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(tasks={"updated": [{"id": "a", "pos": 5}]})
    synced.sync(remote)

    assert synced.rows("tasks") == [local("a", "synced", pos=5)]


def test_an_equal_row_is_not_written(synced: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(tasks={"updated": [row("a")]})

    assert synced.sync(remote).log["remoteChangeCount"] == 1
    assert synced.rows("tasks") == [local("a", "synced")]


def test_a_replacement_spares_what_is_new_here(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.create("tasks", row("new"))
    full: Row = {
        "changes": {"tasks": {"created": [], "updated": [row("b")], "deleted": []}},
        "timestamp": 2000,
    }
    server.pulls.append(full | {"experimentalStrategy": "replacement"})
    result = synced.sync(remote.but(whole_answer=True))

    assert [one["id"] for one in synced.rows("tasks")] == ["b", "new"]
    assert result.extras == {"timestamp": 2000, "experimentalStrategy": "replacement"}


def test_a_replacement_is_a_delta_to_an_application_as_documented(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    full: Row = {
        "changes": {"tasks": {"created": [], "updated": [row("b")], "deleted": []}},
        "timestamp": 2000,
    }
    server.pulls.append(full | {"experimentalStrategy": "replacement"})
    synced.sync(remote)

    assert [one["id"] for one in synced.rows("tasks")] == ["a", "b"]


# ---- Answers that are wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("timestamp", ["0", "null", '"1500"', "-1"])
def test_a_timestamp_that_is_no_positive_number_throws(
    phone: LocalDatabase, server: StubServer, remote: Remote, timestamp: str
) -> None:
    server.pulls.append(f'{{"changes": {{}}, "timestamp": {timestamp}}}')
    with pytest.raises(SyncFailed, match="invalid timestamp"):
        phone.sync(remote)
    assert phone.pulled() == Pulled(None, None)


def test_a_fraction_of_a_timestamp_is_lost(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(1500.7)
    phone.sync(remote)
    phone.sync(remote)

    assert server.pulled[1].query["last_pulled_at"] == "1500"


def test_a_timestamp_may_go_back_with_a_complaint(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(1500)
    server.answer(1)
    phone.sync(remote)
    result = phone.sync(remote)

    assert phone.pulled().at == 1
    assert "previous pulled-at time was greater" in result.errors[0]


def test_the_largest_cursor_is_kept_exactly(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(2**53 - 1)
    phone.sync(remote)
    phone.sync(remote)

    assert server.pulled[1].query["last_pulled_at"] == str(2**53 - 1)


@pytest.mark.parametrize("missing", ["created", "updated", "deleted"])
def test_a_missing_array_throws(
    phone: LocalDatabase, server: StubServer, remote: Remote, missing: str
) -> None:
    arrays: Row = {"created": [], "updated": [], "deleted": []}
    del arrays[missing]
    server.pulls.append({"changes": {"tasks": arrays}, "timestamp": 5})
    with pytest.raises(SyncFailed, match="length"):
        phone.sync(remote)
    assert phone.pulled().at is None


def test_an_answer_without_tables_is_fine(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer()
    assert not phone.sync(remote).errors
    assert phone.pulled() == Pulled(1001, 1)


def test_an_unknown_table_and_column_are_skipped(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(tasks={"updated": [row("a", surprise=[1])]}, unknown={"updated": [{"id": "b"}]})
    result = phone.sync(remote)

    assert phone.rows("tasks") == [local("a", "synced")]
    assert not result.errors
    assert any(line.level == "warn" and "unknown" in line.text for line in result.console)


def test_wrong_types_become_empty_values(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(tasks={"updated": [row("a", name=1, pos="1", done="yes", note=1), row("b", done=1)]})
    result = phone.sync(remote)

    assert phone.rows("tasks") == [
        local("a", "synced", name="", pos=0, done=False, note=None),
        local("b", "synced", done=True),
    ]
    assert not result.errors


def test_a_numeric_id_becomes_a_new_row_at_each_pull(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    for _ in range(2):
        server.answer(tasks={"updated": [{**row("a"), "id": 7}]})
        result = phone.sync(remote.but(pull_only=True))
        assert not result.errors
    rows = phone.rows("tasks")

    assert [one["_status"] for one in rows] == ["created", "created"]
    assert len({one["id"] for one in rows} - {"7"}) == 2


def test_the_librarys_own_columns_are_refused(
    phone: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    server.answer(tasks={"updated": [row("a", _status="synced")]})
    with pytest.raises(SyncFailed, match="must NOT have a '_status'"):
        phone.sync(remote)
    assert phone.stored("tasks") == []


def test_an_id_in_created_and_deleted_stays(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(tasks={"created": [row("a")], "deleted": ["a"]})
    phone.sync(remote.but(send_created_as_updated=False))

    assert phone.rows("tasks") == [local("a", "synced")]


def test_an_id_in_created_and_updated_throws(
    driver: WatermelonDriver, adapter: AdapterName, server: StubServer, remote: Remote
) -> None:
    phone = driver.open("twice", adapter, SCHEMA)
    server.answer(tasks={"created": [row("a")], "updated": [row("a")]})
    with pytest.raises(SyncFailed, match=r"Duplicate key|UNIQUE constraint failed"):
        phone.sync(remote.but(send_created_as_updated=False))
    assert phone.pulled().at is None
    phone.close(keep=False)


# ---- Pushes that fail, and edits meanwhile --------------------------------------------------------------------------


def test_a_failed_push_keeps_the_new_cursor(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.update("tasks", "a", {"name": "z"})
    server.push_status = 500
    server.pushes.append("down")
    with pytest.raises(SyncFailed, match="down") as failure:
        synced.sync(remote)

    assert failure.value.result.status == 500
    assert synced.pulled().at == server.now
    assert synced.rows("tasks") == [local("a", "updated", "name", name="z")]


def test_a_lost_pull_changes_nothing(phone: LocalDatabase, server: StubServer, remote: Remote) -> None:
    server.answer(tasks={"updated": [row("a")]})
    with pytest.raises(SyncFailed):
        phone.sync(remote, lose="pull")

    assert phone.stored("tasks") == []
    assert phone.pulled().at is None


def test_a_lost_push_never_arrives(synced: LocalDatabase, server: StubServer, remote: Remote) -> None:
    synced.delete("tasks", "a")
    with pytest.raises(SyncFailed):
        synced.sync(remote, lose="push")

    assert not server.pushed
    assert synced.has_unsynced_changes()


def test_rejected_rows_stay_dirty_for_ever(synced: LocalDatabase, server: StubServer, remote: Remote) -> None:
    for _ in range(2):
        synced.update("tasks", "a", {"name": "z"})
        server.pushes.append({"experimentalRejectedIds": {"tasks": ["a"]}})
        result = synced.sync(remote)
        assert result.pushed["tasks"]["updated"] == [local("a", "updated", "name", name="z")]
        assert result.log["rejectedIds"] == {"tasks": ["a"]}
        assert synced.has_unsynced_changes()


def test_a_rejected_delete_stays(synced: LocalDatabase, server: StubServer, remote: Remote) -> None:
    synced.delete("tasks", "a")
    server.pushes.append({"experimentalRejectedIds": {"tasks": ["a"]}, "conflicts": [], "accepted": 0})
    synced.sync(remote)

    assert [one["_status"] for one in synced.stored("tasks")] == ["deleted"]


def test_an_edit_while_a_push_is_under_way_lists_too_much(synced: LocalDatabase, remote: Remote) -> None:
    synced.update("tasks", "a", {"name": "z"})
    synced.sync(remote, at={"sent": lambda: synced.update("tasks", "a", {"pos": 2})})

    assert synced.rows("tasks") == [local("a", "updated", "name,pos", name="z", pos=2)]


def test_a_created_row_that_is_edited_meanwhile_is_created_again(
    phone: LocalDatabase, remote: Remote
) -> None:
    phone.create("tasks", row("a"))
    phone.sync(remote, at={"answered": lambda: phone.update("tasks", "a", {"pos": 2})})

    assert phone.sync(remote).pushed["tasks"]["created"] == [local("a", "created", "pos", pos=2)]


def test_a_row_that_is_deleted_while_its_push_is_under_way(
    synced: LocalDatabase, remote: Remote, driver: WatermelonDriver
) -> None:
    synced.update("tasks", "a", {"name": "z"})
    synced.sync(remote, at={"sent": lambda: synced.delete("tasks", "a")})

    assert [one["_status"] for one in synced.stored("tasks")] == ["deleted"]
    assert not driver.diagnostics
    assert synced.sync(remote).pushed["tasks"]["deleted"] == ["a"]


def test_an_edit_between_pull_and_push_is_in_the_push(synced: LocalDatabase, remote: Remote) -> None:
    result = synced.sync(remote, at={"pulled": lambda: synced.update("tasks", "a", {"name": "z"})})

    assert result.pushed["tasks"]["updated"] == [local("a", "updated", "name", name="z")]


def test_an_edit_before_the_push_is_sent_is_not_in_it(synced: LocalDatabase, remote: Remote) -> None:
    synced.update("tasks", "a", {"name": "z"})
    result = synced.sync(remote, at={"pushing": lambda: synced.update("tasks", "a", {"name": "later"})})

    assert result.pushed["tasks"]["updated"][0]["name"] == "z"
    assert synced.has_unsynced_changes()


def test_an_application_that_touches_what_it_pushes_stays_dirty(
    synced: LocalDatabase, remote: Remote
) -> None:
    synced.update("tasks", "a", {"name": "z"})
    synced.sync(remote.but(touch_pushed=True))

    assert synced.has_unsynced_changes()


def test_the_later_of_two_synchronisations_is_aborted(phone: LocalDatabase, remote: Remote) -> None:
    with pytest.raises(SyncFailed, match="Concurrent synchronization"):
        phone.sync(remote, at={"pulled": lambda: phone.sync(remote)})


def test_a_push_may_arrive_twice_and_an_old_one_again(
    synced: LocalDatabase, server: StubServer, remote: Remote, driver: WatermelonDriver
) -> None:
    synced.update("tasks", "a", {"name": "first"})
    old = synced.sync(remote, send_twice=True).pushes[0]
    synced.update("tasks", "a", {"name": "second"})
    synced.sync(remote, at={"answered": lambda: driver.resend(old)})

    names = [one.body["tasks"]["updated"][0]["name"] for one in server.pushed]
    assert names == ["first", "first", "second", "first"]
    assert server.pushed[-1].query == server.pushed[0].query


# ---- Schemas that grow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_file", [False, True])
def test_a_migration_is_asked_for_once(
    driver: WatermelonDriver,
    adapter: AdapterName,
    server: StubServer,
    remote: Remote,
    tmp_path: Path,
    *,
    in_file: bool,
) -> None:
    path = tmp_path / "phone.db" if in_file else None
    reopen: Callable[[], LocalDatabase] = lambda: driver.open(  # noqa: E731
        "grows", adapter, WIDER, path=path, migrations=TO_WIDER
    )
    phone = driver.open("grows", adapter, SCHEMA, path=path)
    server.answer(tasks={"updated": [row("a")]})
    phone.sync(remote)
    phone.close()

    phone = reopen()
    assert phone.rows("tasks") == [local("a", "synced", rank=0)]
    migrating = remote.but(migrations_enabled_at=1)
    result = phone.sync(migrating)
    phone.sync(migrating)

    assert result.log["migration"] == {
        "from": 1,
        "tables": ["tags"],
        "columns": [{"table": "tasks", "columns": ["rank"]}],
    }
    assert [one.query["migration"] == "null" for one in server.pulled] == [True, False, True]
    assert phone.pulled().schema_version == 2
    assert not driver.diagnostics
    phone.close(keep=False)


def test_without_a_pull_the_migration_is_asked_for_again(
    driver: WatermelonDriver, adapter: AdapterName, server: StubServer, remote: Remote
) -> None:
    phone = driver.open("grows", adapter, SCHEMA)
    phone.sync(remote)
    phone.close()
    phone = driver.open("grows", adapter, WIDER, migrations=TO_WIDER)
    migrating = remote.but(migrations_enabled_at=1)
    with pytest.raises(SyncFailed):
        phone.sync(migrating, lose="pull")
    phone.sync(migrating)

    assert server.pulled[1].query == server.pulled[2].query
    phone.close(keep=False)


def test_without_migrations_a_newer_schema_starts_afresh(
    driver: WatermelonDriver, adapter: AdapterName, server: StubServer, remote: Remote
) -> None:
    phone = driver.open("afresh", adapter, SCHEMA)
    server.answer(tasks={"updated": [row("a")]})
    phone.sync(remote)
    phone.close()
    phone = driver.open("afresh", adapter, WIDER)

    assert phone.stored("tasks") == []
    assert phone.pulled() == Pulled(None, None)
    phone.close(keep=False)


def test_a_cursor_that_is_forgotten_pulls_everything(
    synced: LocalDatabase, server: StubServer, remote: Remote
) -> None:
    synced.set_last_pulled_at(None)
    result = synced.sync(remote)

    assert server.pulled[-1].query["last_pulled_at"] == "null"
    assert "lastPulledSchemaVersion is set, but this is the first sync" in result.errors[0]
    synced.set_last_pulled_at(7)
    assert synced.pulled().at == 7


def test_a_reset_database_has_never_synchronised(synced: LocalDatabase) -> None:
    synced.reset()

    assert synced.stored("tasks") == []
    assert synced.pulled() == Pulled(None, None)
