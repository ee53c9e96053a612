"""The model of the client: what it does with each answer, and what it sends."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from typing import Any

import pytest

from holdfast.testing.sync.database import DeviceFailure
from holdfast.testing.sync.pull import Applied
from holdfast.testing.sync.schema import (
    AddColumns,
    Column,
    CreateTable,
    Schema,
    Sql,
    Table,
    migration_block,
    number,
    same,
)
from holdfast.testing.sync.watermelon import PullRequest, PushRequest, Synchronisation, WatermelonClient

NOTES = Table(
    "notes",
    (
        Column("name"),
        Column("note", optional=True),
        Column("rank", "number"),
        Column("score", "number", optional=True),
        Column("done", "boolean"),
        Column("flag", "boolean", optional=True),
    ),
)
TAGS = Table("tags", (Column("label"),))
SCHEMA = Schema(1, (NOTES, TAGS))
BLANK = {"name": "", "note": None, "rank": 0, "score": None, "done": False, "flag": None}


def client(**options: Any) -> WatermelonClient:
    return WatermelonClient(SCHEMA, source=random.Random(1), **options)


def answer(
    timestamp: Any = 1,
    *,
    created: list[Any] | None = None,
    updated: list[Any] | None = None,
    deleted: list[Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    notes = {"created": created or [], "updated": updated or [], "deleted": deleted or []}
    return {"changes": {"notes": notes}, "timestamp": timestamp, **more}


def row(row_id: Any = "a", **values: Any) -> dict[str, Any]:
    return {"id": row_id, **BLANK, **values}


def pull(device: WatermelonClient, response: Mapping[str, Any]) -> tuple[Synchronisation, Applied]:
    sync = device.begin()
    sync.pull_request()
    return sync, sync.apply_pull(response)


def push(device: WatermelonClient, timestamp: Any = 1) -> tuple[Synchronisation, PushRequest | None]:
    sync, _ = pull(device, {"changes": {}, "timestamp": timestamp})
    return sync, sync.push_request()


def synced(**values: Any) -> WatermelonClient:
    """A device that holds row a, and nothing to push."""
    device = client()
    pull(device, answer(created=[row(**values)]))
    device.database.diagnostics.clear()
    return device


def sync_state(device: WatermelonClient, row_id: str = "a") -> tuple[str, str]:
    raw = device.raw("notes", row_id)
    assert raw is not None
    return raw["_status"], raw["_changed"]


def visible(device: WatermelonClient) -> dict[str, dict[str, Any]]:
    return device.rows()["notes"]


def kinds(device: WatermelonClient) -> list[str]:
    return [line.kind for line in device.errors]


def failing(device: WatermelonClient, response: Mapping[str, Any]) -> str:
    """The reason for which an answer is refused as a whole; nothing of it is kept."""
    before, cursor = device.rows(), device.last_pulled_at
    with pytest.raises(DeviceFailure) as caught:
        pull(device, response)
    assert (device.rows(), device.last_pulled_at) == (before, cursor)
    return caught.value.reason


class TestOwnWrites:
    def test_ids_are_sixteen_letters_and_digits_from_the_given_source(self) -> None:
        first, again = (client().create("notes", {}) for _ in range(2))
        assert first == again
        assert len(first) == 16
        assert set(first) <= set(string.ascii_letters + string.digits)

    def test_a_new_row_lists_no_change_until_it_is_edited(self) -> None:
        device = client()
        device.create("notes", {"name": "x"}, row_id="a")
        assert sync_state(device) == ("created", "")
        device.update("notes", "a", {"rank": 2, "name": "y"})
        assert sync_state(device) == ("created", "rank,name")

    def test_an_edit_lists_columns_once_and_in_the_order_of_their_first_change(self) -> None:
        device = synced()
        device.update("notes", "a", {"rank": 1, "name": "y"})
        device.update("notes", "a", {"name": "z", "done": True, "rank": 0})
        assert sync_state(device) == ("updated", "rank,name,done")

    def test_an_edit_to_the_same_value_is_none(self) -> None:
        device = synced(rank=1)
        device.update("notes", "a", {"rank": 1.0, "name": None, "done": 0})
        assert sync_state(device) == ("synced", "")
        device.update("notes", "a", {"rank": True})
        assert visible(device)["a"]["rank"] == 0

    def test_a_deleted_row_is_gone_and_takes_no_edit(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        assert visible(device) == {}
        assert device.unsynced
        for attempt in (
            lambda: device.update("notes", "a", {"name": "x"}),
            lambda: device.mark_as_deleted("notes", "a"),
            lambda: device.create("notes", {}, row_id="a"),
        ):
            with pytest.raises(DeviceFailure):
                attempt()

    def test_a_destroyed_row_is_never_told(self) -> None:
        device = synced()
        device.destroy("notes", "a")
        assert push(device)[1] is None

    def test_an_unknown_column_is_a_mistake_of_the_program(self) -> None:
        device = client()
        with pytest.raises(KeyError):
            device.create("notes", {"colour": "red"})

    def test_times_that_the_model_keeps_come_first_among_the_changes(self) -> None:
        touched = Table(
            "notes",
            (Column("created_at", "number"), Column("updated_at", "number"), Column("n")),
            touches=True,
        )
        moments = iter(range(100, 200))
        device = WatermelonClient(Schema(1, (touched,)), now=lambda: next(moments))
        device.create("notes", {}, row_id="a")
        device.update("notes", "a", {"n": "x"})
        raw = device.raw("notes", "a")
        assert raw is not None
        assert (raw["created_at"], raw["updated_at"], raw["_changed"]) == (100, 102, "updated_at,n")


class TestValues:
    @pytest.mark.parametrize(
        ("column", "given", "held"),
        [
            ("name", "ü😀\u0000", "ü😀\u0000"),
            ("name", 5, ""),
            ("name", None, ""),
            ("name", ["x"], ""),
            ("note", "", ""),
            ("note", 5, None),
            ("rank", 1.5, 1.5),
            ("rank", "1.50", 0),
            ("rank", None, 0),
            ("rank", True, 0),
            ("rank", float("nan"), 0),
            ("rank", float("inf"), 0),
            ("rank", 10**400, 0),
            ("rank", 2**53 + 1, 2**53),
            ("rank", -0.0, 0),
            ("rank", 1700000000000, 1700000000000),
            ("score", float("nan"), None),
            ("score", "7", None),
            ("score", 5e-324, 5e-324),
            ("done", 1, True),
            ("done", 0.0, False),
            ("done", 2, False),
            ("done", "true", False),
            ("flag", None, None),
            ("flag", 1, True),
            ("flag", "x", None),
        ],
    )
    def test_a_value_is_forced_to_fit_from_either_side(self, column: str, given: Any, held: Any) -> None:
        local, remote = client(), client()
        local.create("notes", {column: given}, row_id="a")
        pull(remote, answer(created=[row(**{column: given})]))
        for device in (local, remote):
            found = visible(device)["a"][column]
            assert (found, type(found)) == (held, type(held))

    def test_whole_numbers_have_no_point_until_javascript_writes_an_exponent(self) -> None:
        assert repr(number(1e20)) == str(10**20)
        assert repr(number(1e21)) == "1e+21"
        assert repr(number(2**53 + 1)) == str(2**53)
        assert repr(number(123456789012345683968)) == "123456789012345680000"
        assert same(123456789012345683968, 1.2345678901234568e20)
        assert not same(None, 0)
        assert repr(number(-0.0)) == "0"

    def test_names_that_the_device_keeps_for_itself_are_refused(self) -> None:
        for name in ("id", "_status", "_changed"):
            with pytest.raises(ValueError):
                Table("t", (Column(name),))


class TestPullTable:
    """The result of each thing that a server may send, by what the row is locally."""

    def test_created_and_absent_is_inserted(self) -> None:
        device = client(send_created_as_updated=False)
        _, applied = pull(device, answer(7, created=[row(name="x")]))
        assert visible(device)["a"] == row(name="x")
        assert sync_state(device) == ("synced", "")
        assert (applied.created, device.last_pulled_at, kinds(device)) == (1, 7, [])

    def test_created_and_there_is_merged_with_a_complaint(self) -> None:
        device = synced(name="x")
        device.update("notes", "a", {"rank": 5})
        pull(device, answer(2, created=[row(name="server", rank=1)]))
        assert visible(device)["a"] == row(name="server", rank=5)
        assert sync_state(device) == ("updated", "rank")
        assert "created_exists" in kinds(device)

    def test_created_and_deleted_here_comes_back(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        sync, _ = pull(device, answer(2, created=[row(name="back")]))
        assert visible(device)["a"]["name"] == "back"
        assert "created_is_deleted_here" in kinds(device)
        assert sync.push_request() is None

    def test_created_among_updates_only_is_complained_of(self) -> None:
        device = client()
        pull(device, answer(created=[row()]))
        assert kinds(device) == ["created_though_not_expected"]

    @pytest.mark.parametrize("quiet", [True, False])
    def test_updated_and_absent_is_inserted(self, quiet: bool) -> None:
        device = client(send_created_as_updated=quiet)
        pull(device, answer(updated=[row(name="x")]))
        assert visible(device)["a"]["name"] == "x"
        assert kinds(device) == ([] if quiet else ["updated_is_unknown"])

    def test_updated_and_synced_is_replaced_or_left_where_equal(self) -> None:
        device = synced(name="x", rank=1)
        _, equal = pull(device, answer(2, updated=[row(name="x", rank=1.0, done=0)]))
        _, other = pull(device, answer(3, updated=[row(name="y", rank=1)]))
        assert (equal.unchanged, equal.updated, other.updated) == (1, 0, 1)
        assert visible(device)["a"]["name"] == "y"
        assert sync_state(device) == ("synced", "")

    def test_updated_and_changed_here_keeps_the_columns_changed_here(self) -> None:
        device = synced(name="x")
        device.update("notes", "a", {"name": "mine", "done": True})
        sync, applied = pull(device, answer(2, updated=[row(name="theirs", rank=9)]))
        assert visible(device)["a"] == row(name="mine", rank=9, done=True)
        assert sync_state(device) == ("updated", "name,done")
        assert [(found.local["rank"], found.taken["rank"]) for found in applied.resolved] == [(0, 9)]
        sent = sync.push_request()
        assert sent is not None
        assert [raw["rank"] for raw in sent.changes["notes"]["updated"]] == [9]

    def test_updated_and_deleted_here_is_ignored(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        sync, applied = pull(device, answer(2, updated=[row(name="x")]))
        sent = sync.push_request()
        assert visible(device) == {}
        assert sent is not None
        assert (applied.ignored, sent.changes["notes"]["deleted"]) == (1, ["a"])

    @pytest.mark.parametrize("part", ["created", "updated"])
    def test_a_row_made_here_takes_every_value_of_its_echo_and_stays_to_be_pushed(self, part: str) -> None:
        device = client()
        device.create("notes", {"name": "mine", "rank": 3}, row_id="a")
        sync, _ = pull(device, answer(**{part: [row(name="theirs")]}))
        assert visible(device)["a"] == row(name="theirs")
        sent = sync.push_request()
        assert sent is not None
        assert [raw["name"] for raw in sent.changes["notes"]["created"]] == ["theirs"]

    def test_a_row_made_and_edited_here_keeps_the_edited_columns(self) -> None:
        device = client()
        device.create("notes", {"name": "mine", "rank": 3}, row_id="a")
        device.update("notes", "a", {"rank": 4})
        pull(device, answer(updated=[row(name="theirs", rank=1)]))
        assert visible(device)["a"] == row(name="theirs", rank=4)
        assert sync_state(device) == ("created", "rank")

    @pytest.mark.parametrize("local", ["edited", "created", "synced"])
    def test_deleted_destroys_whatever_is_there(self, local: str) -> None:
        device = client() if local == "created" else synced()
        if local == "created":
            device.create("notes", {}, row_id="a")
        elif local == "edited":
            device.update("notes", "a", {"name": "lost"})
        sync, _ = pull(device, answer(2, deleted=["a"]))
        assert device.raw("notes", "a") is None
        assert sync.push_request() is None

    def test_deleted_here_and_there_is_forgotten(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        sync, _ = pull(device, answer(2, deleted=["a"]))
        assert not device.unsynced
        assert sync.push_request() is None

    def test_deleted_and_absent_is_ignored(self) -> None:
        device = client()
        pull(device, answer(2, deleted=["a", "a"]))
        assert (visible(device), kinds(device)) == ({}, [])

    def test_a_missing_column_keeps_the_local_value(self) -> None:
        device = synced(name="x", rank=4)
        pull(device, answer(2, updated=[{"id": "a", "name": "y"}]))
        assert visible(device)["a"] == row(name="y", rank=4)
        pull(device, answer(3, updated=[{"id": "b", "name": "new"}]))
        assert visible(device)["b"] == row("b", name="new")

    def test_a_resolver_can_let_the_server_win_and_end_the_pushing(self) -> None:
        device = client(
            resolver=lambda table, local, remote, taken: {**remote, "_status": "synced", "_changed": ""}
        )
        pull(device, answer(created=[row(name="x")]))
        device.update("notes", "a", {"name": "mine"})
        sync, _ = pull(device, answer(2, updated=[row(name="theirs")]))
        assert visible(device)["a"]["name"] == "theirs"
        assert sync.push_request() is None


class TestPullRefused:
    @pytest.mark.parametrize("timestamp", [0, None, float("nan"), "1", -1, True])
    def test_a_timestamp_that_is_no_positive_number(self, timestamp: Any) -> None:
        assert failing(client(), answer(timestamp, created=[row()])) == "bad_timestamp"

    @pytest.mark.parametrize(
        ("timestamp", "kept"), [(1500.7, 1500), (2**53 - 1, 2**53 - 1), (0.5, None), (1e21, 1), (1e-7, 1)]
    )
    def test_a_timestamp_is_kept_as_the_digits_it_begins_with(self, timestamp: Any, kept: int | None) -> None:
        device = client()
        device.create("notes", {})
        _, sent = push(device, timestamp)
        assert device.last_pulled_at == kept
        assert device.begin().pull_request().last_pulled_at == kept
        assert sent is not None
        assert sent.last_pulled_at == timestamp

    def test_a_timestamp_may_go_back_with_a_complaint(self) -> None:
        device = client()
        pull(device, {"changes": {}, "timestamp": 1500})
        pull(device, {"changes": {}, "timestamp": 1})
        assert (device.last_pulled_at, kinds(device)) == (1, ["timestamp_went_back"])

    @pytest.mark.parametrize("part", ["created", "updated", "deleted"])
    @pytest.mark.parametrize("table", ["notes", "unheard_of"])
    def test_a_list_that_is_missing(self, part: str, table: str) -> None:
        parts: dict[str, list[Any]] = {"created": [], "updated": [], "deleted": []}
        del parts[part]
        assert failing(client(), {"changes": {table: parts}, "timestamp": 1}) == "bad_changes"

    @pytest.mark.parametrize("changes", [None, []])
    def test_changes_that_are_missing(self, changes: Any) -> None:
        assert failing(client(), {"changes": changes, "timestamp": 1}) == "bad_changes"

    def test_no_tables_at_all_are_fine(self) -> None:
        device = client()
        pull(device, {"changes": {}, "timestamp": 4})
        assert device.last_pulled_at == 4

    @pytest.mark.parametrize("own", ["_status", "_changed"])
    @pytest.mark.parametrize("part", ["created", "updated"])
    def test_a_record_with_sync_columns(self, own: str, part: str) -> None:
        assert failing(client(), answer(**{part: [row(**{own: ""})]})) == "bad_record"

    @pytest.mark.parametrize("record", [None, "a", {"name": "x"}])
    def test_a_record_that_is_none(self, record: Any) -> None:
        assert failing(client(), answer(updated=[record])) == "bad_record"

    def test_one_id_as_created_and_updated_fails_on_each_retry(self) -> None:
        device, twice = client(), answer(created=[row()], updated=[row()])
        assert [failing(device, twice) for _ in range(2)] == ["already_exists"] * 2
        assert (
            failing(synced(), answer(2, created=[row(name="x")], updated=[row(name="y")]))
            == "pending_changes"
        )

    def test_one_id_as_created_and_deleted_stays_for_ever(self) -> None:
        device = client()
        pull(device, answer(created=[row()], deleted=["a"]))
        assert set(visible(device)) == {"a"}
        assert failing(device, answer(2, updated=[row(name="x")], deleted=["a"])) == "pending_changes"

    def test_an_id_that_is_no_text_makes_another_row_on_each_pull(self) -> None:
        device = client()
        for timestamp in (1, 2):
            sync, _ = pull(device, answer(timestamp, updated=[row(7, name="x")]))
        assert len(visible(device)) == 2
        sent = sync.push_request()
        assert sent is not None
        assert [raw["name"] for raw in sent.changes["notes"]["created"]] == ["x", "x"]

    def test_unknown_tables_and_columns_are_skipped(self) -> None:
        device = client()
        response = answer(created=[row(colour={"wrong": True})])
        response["changes"]["unheard_of"] = {"created": [{"id": 1}], "updated": [], "deleted": []}
        pull(device, response)
        assert device.rows() == {"notes": {"a": row()}, "tags": {}}
        assert [line.kind for line in device.warnings] == ["unknown_table", "unknown_column"]

    def test_a_failure_in_one_table_undoes_all_but_confirmed_deletes(self) -> None:
        device = synced()
        pull(device, answer(2, updated=[row("b")]))
        device.mark_as_deleted("notes", "b")
        response = answer(3, updated=[row("c"), row(name="x")], deleted=["b"])
        response["changes"]["tags"] = {
            "created": [{"_status": "synced", "id": "t"}],
            "updated": [],
            "deleted": [],
        }
        assert failing(device, response) == "bad_record"
        assert visible(device) == {"a": row()}
        assert device.raw("notes", "b") is None

    def test_of_two_at_once_the_later_fails(self) -> None:
        device = client()
        first, second = device.begin(), device.begin()
        first.apply_pull({"changes": {}, "timestamp": 1})
        with pytest.raises(DeviceFailure) as caught:
            second.apply_pull({"changes": {}, "timestamp": 2})
        assert caught.value.reason == "concurrent"

    def test_a_reset_in_between_ends_it(self) -> None:
        device = client()
        sync = device.begin()
        device.reset()
        with pytest.raises(DeviceFailure) as caught:
            sync.apply_pull({"changes": {}, "timestamp": 1})
        assert caught.value.reason == "reset"


class TestReplacement:
    def device(self) -> WatermelonClient:
        device = client()
        pull(
            device,
            answer(updated=[row(name) for name in ("kept", "gone", "edited", "lost", "cut", "deleted")]),
        )
        device.update("notes", "edited", {"name": "mine"})
        device.update("notes", "lost", {"name": "mine"})
        device.mark_as_deleted("notes", "deleted")
        device.mark_as_deleted("notes", "cut")
        device.create("notes", {"name": "new"}, row_id="new")
        return device

    def test_what_is_not_in_the_data_goes_but_for_rows_made_here(self) -> None:
        device = self.device()
        full = answer(9, updated=[row("kept"), row("edited", rank=3), row("deleted")])
        sync, _ = pull(device, {**full, "experimentalStrategy": "replacement"})
        assert set(visible(device)) == {"kept", "edited", "new"}
        assert visible(device)["edited"] == row("edited", name="mine", rank=3)
        sent = sync.push_request()
        assert sent is not None
        assert sent.changes["notes"]["deleted"] == ["deleted"]
        assert [raw["id"] for raw in sent.changes["notes"]["created"]] == ["new"]

    def test_a_table_that_is_not_named_is_left_alone(self) -> None:
        device = self.device()
        before = device.rows()
        pull(device, {"changes": {}, "timestamp": 9, "experimentalStrategy": "replacement"})
        assert device.rows() == before

    def test_a_strategy_can_be_given_by_table(self) -> None:
        device = self.device()
        strategy = {"default": "incremental", "override": {"notes": "replacement"}}
        pull(device, {**answer(9), "experimentalStrategy": strategy})
        assert set(visible(device)) == {"new"}

    @pytest.mark.parametrize("strategy", ["other", 5, {"default": "incremental"}, {"override": {}}])
    def test_an_unknown_strategy_is_refused(self, strategy: Any) -> None:
        assert failing(self.device(), {**answer(9), "experimentalStrategy": strategy}) == "bad_strategy"


class TestPush:
    def test_nothing_is_sent_where_nothing_waits(self) -> None:
        assert push(synced())[1] is None

    def test_whole_rows_are_sent_with_their_sync_columns_and_every_table(self) -> None:
        device = synced()
        device.update("notes", "a", {"name": "z", "rank": 1})
        device.create("notes", {"done": True}, row_id="b")
        _, sent = push(device, 5)
        assert sent is not None
        assert sent.last_pulled_at == 5
        assert sent.changes == {
            "notes": {
                "created": [{"id": "b", "_status": "created", "_changed": "", **BLANK, "done": True}],
                "updated": [
                    {
                        "id": "a",
                        "_status": "updated",
                        "_changed": "name,rank",
                        **BLANK,
                        "name": "z",
                        "rank": 1,
                    }
                ],
                "deleted": [],
            },
            "tags": {"created": [], "updated": [], "deleted": []},
        }
        assert sent.body() is sent.changes
        assert sent.body(wrapped=True) == {"changes": sent.changes, "lastPulledAt": 5}

    def test_an_acknowledged_push_leaves_nothing(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        device.create("notes", {}, row_id="b")
        sync, _ = push(device)
        sync.finish(None)
        assert (device.unsynced, sync_state(device, "b"), device.raw("notes", "a")) == (
            False,
            ("synced", ""),
            None,
        )

    def test_a_row_made_and_deleted_offline_is_sent_as_a_delete(self) -> None:
        device = client()
        device.create("notes", {}, row_id="a")
        device.mark_as_deleted("notes", "a")
        _, sent = push(device)
        assert sent is not None
        assert sent.changes["notes"] == {"created": [], "updated": [], "deleted": ["a"]}

    def test_an_edit_during_the_push_stays_with_the_columns_that_were_sent(self) -> None:
        device = synced()
        device.update("notes", "a", {"name": "x"})
        sync, _ = push(device)
        device.update("notes", "a", {"rank": 1})
        sync.finish({})
        assert sync_state(device) == ("updated", "name,rank")

    def test_an_edit_back_and_forth_during_the_push_is_not_seen(self) -> None:
        device = synced()
        device.update("notes", "a", {"name": "x"})
        sync, _ = push(device)
        device.update("notes", "a", {"name": "y"})
        device.update("notes", "a", {"name": "x"})
        sync.finish()
        assert sync_state(device) == ("synced", "")

    def test_a_new_row_edited_during_the_push_is_created_again(self) -> None:
        device = client()
        device.create("notes", {}, row_id="a")
        sync, _ = push(device)
        device.update("notes", "a", {"rank": 1})
        sync.finish()
        assert sync_state(device) == ("created", "rank")

    @pytest.mark.parametrize("destroyed", [True, False])
    def test_a_row_deleted_during_the_push_is_not_brought_back(self, destroyed: bool) -> None:
        device = client()
        device.create("notes", {}, row_id="a")
        sync, _ = push(device)
        (device.destroy if destroyed else device.mark_as_deleted)("notes", "a")
        sync.finish()
        assert visible(device) == {}
        assert device.unsynced is not destroyed

    def test_a_failed_push_keeps_the_rows_and_the_new_cursor(self) -> None:
        device = synced()
        device.update("notes", "a", {"name": "x"})
        push(device, 6)
        assert sync_state(device) == ("updated", "name")
        assert device.begin().pull_request().last_pulled_at == 6

    def test_rejected_rows_are_sent_again_each_time(self) -> None:
        device = synced()
        device.update("notes", "a", {"name": "x"})
        device.create("notes", {}, row_id="b")
        device.create("tags", {}, row_id="a")
        for _ in range(2):
            sync, sent = push(device)
            assert sent is not None
            assert [raw["id"] for raw in sent.changes["notes"]["updated"]] == ["a"]
            sync.finish({"experimentalRejectedIds": {"notes": ["a"]}})
            assert sync_state(device, "b") == ("synced", "")
        raw = device.raw("tags", "a")
        assert raw is not None
        assert raw["_status"] == "synced"

    def test_a_rejected_delete_stays_too(self) -> None:
        device = synced()
        device.mark_as_deleted("notes", "a")
        sync, _ = push(device)
        sync.finish({"experimentalRejectedIds": {"notes": ["a"]}})
        assert device.unsynced

    @pytest.mark.parametrize("edit", [lambda raw: raw.pop("_status"), lambda raw: raw.update(name="edited")])
    def test_an_application_that_edits_what_it_sends_leaves_its_rows_dirty(self, edit: Any) -> None:
        device = synced()
        device.update("notes", "a", {"name": "x"})
        sync, sent = push(device)
        assert sent is not None
        edit(sent.changes["notes"]["updated"][0])
        sync.finish()
        assert sync_state(device) == ("updated", "name")

    def test_an_own_row_that_comes_back_while_deleted_here(self) -> None:
        """In `created` it comes back to life, in `updated` it does not: why a server sends the latter."""
        for part, alive in (("created", True), ("updated", False)):
            device = client()
            device.create("notes", {}, row_id="a")
            sync, _ = push(device)
            sync.finish()
            device.mark_as_deleted("notes", "a")
            pull(device, answer(2, **{part: [row()]}))
            assert ("a" in visible(device)) is alive

    def test_steps_out_of_order_are_a_mistake_of_the_test(self) -> None:
        sync = client().begin()
        for step in (sync.push_request, sync.finish):
            with pytest.raises(RuntimeError):
                step()


class TestMigration:
    later = Schema(
        3,
        (
            Table("notes", (*NOTES.columns, Column("colour"), Column("size", "number", optional=True))),
            TAGS,
            Table("pins", (Column("at", "number"), Column("late"))),
        ),
        {
            2: [
                AddColumns("notes", (Column("colour"),)),
                CreateTable(Table("pins", (Column("at", "number"),))),
            ],
            3: [
                AddColumns("notes", (Column("size", "number", optional=True), Column("colour"))),
                AddColumns("pins", (Column("late"),)),
                Sql(),
            ],
        },
    )

    def upgraded(self, enabled: int | None = 1) -> WatermelonClient:
        device = client()
        pull(device, answer(created=[row(name="x")]))
        device.migrations_enabled_at = enabled
        device.upgrade(self.later)
        return device

    def test_the_block_names_new_tables_and_columns_of_old_ones_once(self) -> None:
        block = {
            "from": 1,
            "tables": ["pins"],
            "columns": [{"table": "notes", "columns": ["colour", "size"]}],
        }
        assert self.upgraded().begin().pull_request() == PullRequest(1, 3, block)
        assert migration_block([], since=2) == {"from": 2, "tables": [], "columns": []}

    def test_rows_get_the_empty_values_of_new_columns(self) -> None:
        device = self.upgraded()
        assert visible(device)["a"] == row(name="x", colour="", size=None)
        assert device.rows()["pins"] == {}

    def test_it_is_asked_again_until_a_pull_has_been_applied(self) -> None:
        device = self.upgraded()
        assert failing(device, answer(0)) == "bad_timestamp"
        assert (device.synced_version, device.begin().pull_request().migration is not None) == (1, True)
        pull(device, {"changes": {}, "timestamp": 2})
        assert (device.synced_version, device.begin().pull_request().migration) == (3, None)

    def test_without_the_option_nothing_is_asked_and_the_version_stays(self) -> None:
        device = self.upgraded(enabled=None)
        sync, _ = pull(device, {"changes": {}, "timestamp": 2})
        assert (sync.pull_request().migration, device.synced_version) == (None, 1)

    def test_the_fallback_version_stands_in_for_one_never_saved(self) -> None:
        device = self.upgraded(enabled=2)
        del device.database.local["last_pulled_schema_version"]
        block = device.begin().pull_request().migration
        assert block is not None
        assert (block["from"], block["tables"]) == (2, [])
        assert [line.kind for line in device.warnings] == ["migrating_from_the_fallback"]

    def test_a_first_pull_asks_for_no_migration_and_saves_the_version(self) -> None:
        device = WatermelonClient(self.later, migrations_enabled_at=1)
        assert device.begin().pull_request() == PullRequest(None, 3, None)
        pull(device, {"changes": {}, "timestamp": 2})
        assert device.synced_version == 3

    def test_a_cursor_that_does_not_last_is_complained_of(self) -> None:
        device = client()
        pull(device, answer(0.5))
        device.begin()
        assert kinds(device) == ["synced_before_but_no_cursor"]

    @pytest.mark.parametrize("enabled", [4, -1])
    def test_an_option_outside_the_migrations_is_refused(self, enabled: int) -> None:
        device = WatermelonClient(self.later, migrations_enabled_at=enabled)
        with pytest.raises(DeviceFailure) as caught:
            device.begin()
        assert caught.value.reason == "bad_migrations"

    def test_a_version_without_a_way_to_it_throws_the_database_away(self) -> None:
        device = synced()
        device.upgrade(Schema(3, (NOTES,)))
        assert (visible(device), device.last_pulled_at) == ({}, None)

    def test_the_request_as_applications_spell_it(self) -> None:
        assert client().begin().pull_request().parameters() == {
            "last_pulled_at": "null",
            "schema_version": "1",
            "migration": "null",
        }
        spelled = self.upgraded().begin().pull_request().parameters()
        assert spelled["last_pulled_at"] == "1"
        assert spelled["migration"].startswith('{"from":1,"tables":["pins"]')


class Pages:
    """A server that has its rows in two pages, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.pushed: list[float] = []

    def pull(self, request: PullRequest) -> dict[str, Any]:
        self.asked.append(request.last_pulled_at)
        if request.last_pulled_at in {None, 10}:
            return answer(15, updated=[row("a")], experimentalHasMore=True)
        return answer(20, updated=[row("b")])

    def push(self, request: PushRequest) -> None:
        self.pushed.append(request.last_pulled_at)


class AsyncPages:
    def __init__(self) -> None:
        self.inner = Pages()

    async def pull(self, request: PullRequest) -> dict[str, Any]:
        return self.inner.pull(request)

    async def push(self, request: PushRequest) -> None:
        self.inner.push(request)


class TestWhole:
    def test_a_released_client_takes_the_first_page_for_the_whole(self) -> None:
        device, server = client(), Pages()
        device.synchronize(server)
        assert (server.asked, device.last_pulled_at) == ([None], 15)

    async def test_a_client_that_pages_asks_until_there_is_no_more(self) -> None:
        device, server = client(pages=True), AsyncPages()
        device.create("notes", {}, row_id="mine")
        await device.synchronize_async(server)
        assert (server.inner.asked, server.inner.pushed) == ([None, 15], [20])
        assert (device.last_pulled_at, device.unsynced) == (20, False)
        assert set(visible(device)) == {"a", "b", "mine"}

    def test_the_cursor_is_saved_after_the_last_page_only(self) -> None:
        device, server = client(pages=True), Pages()
        sync = device.begin()
        sync.apply_pull(server.pull(sync.pull_request()))
        assert (set(visible(device)), device.last_pulled_at) == ({"a"}, None)

    def test_only_pulling(self) -> None:
        device, server = client(), Pages()
        device.create("notes", {})
        device.synchronize(server, push=False)
        assert (server.pushed, device.unsynced) == ([], True)
