"""The real client against a real server: `holdfast up` on the embedded PostgreSQL, one for the whole module."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.engines.postgres.embedded import running
from holdfast.model.ids import parse_id
from holdfast.testing.sync.script import row_id
from tests.watermelon.client import AdapterName, Lost, SyncFailed, WatermelonDriver, Write
from tests.watermelon.real import (
    People,
    Person,
    Phone,
    RealServer,
    Team,
    assert_converged,
    real_server,
    settle,
)
from tests.watermelon.schema import AddColumns, Column, CreateTable, Migration, Schema, Table
from tests.watermelon.workshop import device_schema, device_table

N = row_id("n")
NOTES = device_schema("notes")


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with real_server() as made:
        yield made


@pytest.fixture
def team(driver: WatermelonDriver, adapter: AdapterName) -> Iterator[Team]:
    made = Team(driver, adapter)
    yield made
    made.close()


@pytest.fixture(scope="module")
def people(server: RealServer) -> Iterator[People]:
    with People(server) as made:
        yield made


@pytest.fixture
def person(people: People) -> Person:
    return people.next()


@pytest.fixture
def pair(team: Team, person: Person) -> tuple[Phone, Phone]:
    """Two devices of one person that have the note `N`."""
    a, b = team.phones_of(person, 2)
    a.database.create("notes", {"id": N, "title": "first", "rank": 1})
    settle(a, b, rounds=1)
    return a, b


def edit(phone: Phone, **values: Any) -> None:
    phone.database.update("notes", N, values)


def note(phone: Phone) -> dict[str, Any]:
    found = phone.row("notes", N)
    assert found is not None
    return found


# -- first sync, several devices --------------------------------------------------------------------------------------


def test_a_first_sync_of_nothing(team: Team, person: Person) -> None:
    phone = team.phone(person)
    result = phone.sync()
    assert result.pulls[0].answer["changes"] == {}
    assert result.pulls[0].answer["timestamp"] > 0
    assert_converged(phone)


def test_a_first_sync_brings_all(team: Team, person: Person) -> None:
    a = team.phone(person)
    shelf = row_id("shelf")
    a.database.write(
        *(Write("create", "notes", values={"id": row_id(f"n{i}"), "title": f"{i}"}) for i in range(30)),
        Write("create", "shelves", values={"id": shelf, "name": "oak"}),
        *(Write("create", "books", values={"id": row_id(f"b{i}"), "shelf_id": shelf}) for i in range(5)),
        Write("create", "boards", values={"id": row_id("board"), "title": "all"}),
    )
    a.sync()
    b = team.phone(person)
    b.sync()
    assert b.database.count("notes") == 30
    assert [book["shelf_id"] for book in b.rows("books")] == [shelf] * 5
    assert_converged(a, b)


def test_rows_of_rest_come_and_go(team: Team, person: Person) -> None:
    (phone,) = team.phones_of(person, 1)
    made = person.send("POST", "/api/v1/data/workshop/notes", {"title": "of REST", "rank": 2.5})
    phone.sync()
    assert [row["title"] for row in phone.rows("notes")] == ["of REST"]
    phone.database.update("notes", made["id"], {"body": "of the device"})
    phone.sync()
    assert person.get(f"/api/v1/data/workshop/notes/{made['id']}")["body"] == "of the device"
    with person.server.client(person.token) as client:
        client.delete(f"/api/v1/data/workshop/notes/{made['id']}").raise_for_status()
    phone.sync()
    assert phone.rows("notes") == []
    assert_converged(phone)


def test_five_devices(team: Team, person: Person) -> None:
    phones = team.phones_of(person, 5)
    for number, phone in enumerate(phones):
        phone.database.create("notes", {"id": row_id(f"of{number}"), "title": f"of {number}"})
    settle(*phones)
    fields: list[dict[str, Any]] = [
        {"title": "t"},
        {"body": "b"},
        {"rank": 3},
        {"score": 4.5},
        {"done": True},
    ]
    for phone, values in zip(phones, fields, strict=True):
        phone.database.update("notes", row_id("of0"), values)
    assert_converged(*phones)
    assert phones[0].row("notes", row_id("of0")) == {
        "id": row_id("of0"),
        "title": "t",
        "body": "b",
        "rank": 3,
        "score": 4.5,
        "done": True,
        "starred": None,
    }


def test_rows_made_before_the_first_sync(team: Team, person: Person) -> None:
    a = team.phone(person)
    a.database.create("notes", {"id": N, "title": "of A"})
    a.sync()
    b = team.phone(person)
    b.database.create("notes", {"id": row_id("other"), "title": "of B"})
    assert_converged(b, a)
    assert a.database.count("notes") == 2


def test_thousands_of_rows(team: Team, person: Person) -> None:
    rows = 10_000 if team.adapter == "sqlite" else 3_000  # a device with Loki holds few
    a = team.phone(person, NOTES)
    for start in range(0, rows, 1_000):
        writes = [
            Write("create", "notes", values={"id": row_id(f"r{i}"), "title": f"row {i}", "rank": i})
            for i in range(start, start + 1_000)
        ]
        a.database.write(*writes)
        a.sync()
    b = team.phone(person, NOTES)
    b.sync()
    assert b.database.count("notes") == rows
    assert_converged(a, b)


def test_more_rows_than_a_push_may_have(team: Team, person: Person) -> None:
    a = team.phone(person, NOTES)
    a.database.write(*(Write("create", "notes", values={"id": row_id(f"r{i}")}) for i in range(1_001)))
    with pytest.raises(SyncFailed) as refused:
        a.sync()
    assert refused.value.result.status == 413
    a.database.destroy("notes", row_id("r0"))
    a.sync()
    assert_converged(a)


# -- edits that meet --------------------------------------------------------------------------------------------------


def test_edits_of_different_fields_both_stand(pair: tuple[Phone, Phone], person: Person) -> None:
    a, b = pair
    edit(a, title="of A")
    edit(b, body="of B", rank=2)
    assert_converged(a, b)
    assert (note(a)["title"], note(a)["body"], note(a)["rank"]) == ("of A", "of B", 2)
    assert person.conflicts() == []


def test_of_edits_of_the_same_field_the_later_stands_and_the_other_is_kept(
    pair: tuple[Phone, Phone], person: Person
) -> None:
    a, b = pair
    edit(a, title="of A")
    edit(b, title="of B")
    a.sync()
    b.sync()
    assert_converged(a, b)
    assert note(a)["title"] == "of B"
    (conflict,) = person.conflicts()
    assert conflict["fields"]["title"] == {"mine": "of B", "theirs": "of A", "base": "first"}
    assert (conflict["state"], conflict["rules"]) == ("settled", {"title": "last_writer"})


@pytest.mark.parametrize("same", [False, True])
def test_an_edit_between_the_pull_and_the_push_of_another(
    pair: tuple[Phone, Phone], person: Person, same: bool
) -> None:
    a, b = pair
    edit(a, title="of A")
    edit(b, rank=7, **({"title": "of B"} if same else {}))
    a.sync(at={"pushing": b.sync})
    assert_converged(a, b)
    assert (note(a)["title"], note(a)["rank"]) == ("of A", 7)
    assert len(person.conflicts()) == int(same)


def test_an_edit_while_the_own_push_is_under_way(pair: tuple[Phone, Phone]) -> None:
    a, b = pair
    edit(a, title="one")
    a.sync(at={"sent": lambda: edit(a, title="two", body="late")})
    assert a.database.has_unsynced_changes()
    assert_converged(a, b)
    assert (note(b)["title"], note(b)["body"]) == ("two", "late")


def test_a_stale_column_in_the_list_of_edits_overwrites_nothing(pair: tuple[Phone, Phone]) -> None:
    a, b = pair
    edit(a, title="of A")
    a.sync(at={"pushing": lambda: edit(a, rank=4)})
    b.sync()
    edit(b, title="of B")
    b.sync()
    assert_converged(a, b)
    assert (note(a)["title"], note(a)["rank"]) == ("of B", 4)


RULES = {
    "latest": ("A", "B", "B"),
    "of_server": ("A", "B", "A"),
    "of_device": ("A", "B", "B"),
    "largest": (9, 5, 9),
    "smallest": (-9, -5, -9),
    "counted": (5, 7, 12),
    "weighed": (1.25, -0.5, 0.75),
    "united": ('["x"]', '["y"]', '["x","y"]'),
    "decided": ("A", "B", "A"),
}


def test_each_rule_of_merging(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("mergings", {"id": N, "united": "[]"})
    settle(a, b, rounds=1)
    a.database.update("mergings", N, {name: case[0] for name, case in RULES.items()})
    b.database.update("mergings", N, {name: case[1] for name, case in RULES.items()})
    a.sync()
    b.sync()
    assert_converged(a, b)
    found = a.row("mergings", N)
    assert found == {"id": N, **{name: case[2] for name, case in RULES.items()}}
    (conflict,) = person.conflicts()
    assert conflict["state"] == "open"  # one field waits for a person
    assert conflict["fields"]["of_server"] == {"mine": "B", "theirs": "A", "base": ""}
    assert conflict["fields"]["largest"]["mine"] == 5


def test_two_devices_count(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("mergings", {"id": N, "united": "[]", "counted": 100})
    settle(a, b, rounds=1)
    expected = 100
    for turn in range(4):
        for phone, step in ((a, 1 + turn), (b, 10)):
            count(phone, step)
            expected += step
        if turn == 1:
            lose(a, "ack")
        else:
            a.sync()
        if turn == 3:
            lose(b, "ack")
        b.sync(send_twice=turn == 2)
        a.sync()
    assert_converged(a, b)
    found = a.row("mergings", N)
    assert found is not None
    assert found["counted"] == expected


def count(phone: Phone, step: int) -> None:
    found = phone.row("mergings", N)
    assert found is not None
    phone.database.update("mergings", N, {"counted": found["counted"] + step})


def lose(phone: Phone, what: Lost) -> None:
    with pytest.raises(SyncFailed):
        phone.sync(lose=what)


def test_what_two_devices_add_to_a_list_survives_a_lost_acknowledgement(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("mergings", {"id": N, "united": '["first"]'})
    settle(a, b, rounds=1)
    a.database.update("mergings", N, {"united": '["first","of A"]'})
    b.database.update("mergings", N, {"united": '["of B"]'})
    a.sync()
    lose(b, "ack")
    assert_converged(b, a)
    found = a.row("mergings", N)
    assert found is not None
    assert found["united"] == '["of A","of B"]'


@pytest.mark.parametrize(("take", "stands"), [("mine", "of B"), ("theirs", "of A"), ("value", "of both")])
def test_a_manual_conflict_is_resolved_by_a_person(
    team: Team, person: Person, take: str, stands: str
) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("mergings", {"id": N, "united": "[]", "decided": "first"})
    settle(a, b, rounds=1)
    a.database.update("mergings", N, {"decided": "of A"})
    b.database.update("mergings", N, {"decided": "of B", "latest": "kept"})
    a.sync()
    pushed = b.sync().pushes[0].answer
    assert [(c["id"], c["open"]) for c in pushed["conflicts"]] == [(N, True)]
    settle(b, a)
    found = a.row("mergings", N)
    assert found is not None
    assert (found["decided"], found["latest"]) == ("of A", "kept")
    (conflict,) = person.conflicts("open")
    assert conflict["fields"]["decided"] == {"mine": "of B", "theirs": "of A", "base": "first"}
    values = {"values": {"decided": "of both"}} if take == "value" else {}
    person.send("POST", f"/api/v1/sync/conflicts/{conflict['id']}/resolve", {"take": take, **values})
    assert_converged(a, b)
    found = b.row("mergings", N)
    assert found is not None
    assert found["decided"] == stands
    assert person.conflicts("open") == []


# -- deletes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delete_first", [True, False])
def test_a_delete_wins_over_an_edit_and_the_edit_is_kept(
    pair: tuple[Phone, Phone], person: Person, delete_first: bool
) -> None:
    a, b = pair
    a.database.delete("notes", N)
    edit(b, title="edited")
    order = (a, b) if delete_first else (b, a)
    _meet(*order)
    assert_converged(a, b)
    assert a.rows("notes") == []
    assert [c["reason"] for c in person.conflicts()] == [
        "edit_against_delete" if delete_first else "delete_against_edit"
    ]
    assert b"edited" in _history(person)


def _meet(first: Phone, second: Phone) -> None:
    """The first one's push comes between the second one's pull and push, so that the server has to decide."""
    second.sync(at={"pushing": first.sync})


def _history(person: Person) -> bytes:
    with person.server.database() as connection:
        rows = connection.execute(
            "select value from holdfast.field_history where tenant_id = %s", [person.tenant]
        ).fetchall()
    return b" ".join(bytes(row[0]) for row in rows)


@pytest.mark.parametrize("delete_first", [True, False])
def test_an_edit_wins_over_a_delete_where_it_is_declared(
    team: Team, person: Person, delete_first: bool
) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("keepsakes", {"id": N, "name": "ring", "place": "box"})
    settle(a, b, rounds=1)
    a.database.delete("keepsakes", N)
    b.database.update("keepsakes", N, {"name": "gold ring"})
    _meet(*((a, b) if delete_first else (b, a)))
    assert_converged(a, b)
    assert a.rows("keepsakes") == [{"id": N, "name": "gold ring", "place": "box"}]


def test_a_delete_that_is_pulled_takes_the_edit_with_it(pair: tuple[Phone, Phone]) -> None:
    """The client's own way: what it has not pushed of a row that is gone, it drops."""
    a, b = pair
    a.database.delete("notes", N)
    a.sync()
    edit(b, title="late")
    b.sync()
    assert_converged(a, b)
    assert b.rows("notes") == []


def test_both_delete(pair: tuple[Phone, Phone], person: Person) -> None:
    a, b = pair
    a.database.delete("notes", N)
    b.database.delete("notes", N)
    _meet(a, b)
    assert_converged(a, b)
    assert person.conflicts() == []


def test_made_and_deleted_offline(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("notes", {"id": N, "title": "short"})
    a.database.delete("notes", N)
    assert_converged(a, b)
    assert a.database.stored("notes") == []


def test_made_again_under_the_same_id(pair: tuple[Phone, Phone]) -> None:
    a, b = pair
    a.database.delete("notes", N)
    settle(a, b)
    a.database.create("notes", {"id": N, "title": "again"})
    assert_converged(a, b)
    assert note(b)["title"] == "again"


def test_children_go_with_their_parent(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    shelf, other = row_id("shelf"), row_id("other")
    for parent in (shelf, other):
        a.database.create("shelves", {"id": parent, "name": "oak"})
        a.database.create("books", {"id": row_id(f"book of {parent}"), "shelf_id": parent, "name": "x"})
    settle(a, b, rounds=1)
    b.database.create("books", {"id": row_id("late"), "shelf_id": shelf, "name": "late"})
    a.database.delete("shelves", shelf)
    _meet(a, b)
    assert_converged(a, b)
    assert [book["shelf_id"] for book in a.rows("books")] == [other]
    assert b"late" in _history(person)


# -- own echo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_own_changes_do_not_undo_what_came_after_them(team: Team, person: Person, named: bool) -> None:
    a = team.phone(person, named=named)
    a.sync()
    a.database.create("notes", {"id": N, "title": "one"})
    a.database.create("notes", {"id": row_id("kept"), "title": "one"})
    a.sync()
    a.database.delete("notes", N)
    a.database.update("notes", row_id("kept"), {"title": "two"})
    a.sync()
    assert [row["title"] for row in a.rows("notes")] == ["two"]
    assert_converged(a)


def test_a_named_device_does_not_hear_its_own_changes(team: Team, person: Person) -> None:
    a = team.phone(person)
    a.sync()
    a.database.create("notes", {"id": N, "title": "one"})
    a.sync()
    assert a.sync().pulls[0].answer["changes"] == {}
    a.database.delete("notes", N)
    a.sync()
    assert a.sync().pulls[0].answer["changes"] == {}
    assert_converged(a)


def test_two_databases_of_one_session_hear_of_each_other(team: Team, person: Person) -> None:
    a, b = team.phone(person, named=False), team.phone(person, named=False)
    settle(a, b)
    a.database.create("notes", {"id": N, "title": "one"})
    settle(a, b)
    b.database.update("notes", N, {"title": "two"})
    assert_converged(b, a)
    assert note(a)["title"] == "two"


def test_an_own_row_that_is_deleted_while_its_push_is_answered(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("notes", {"id": N, "title": "x"})
    a.sync(at={"answered": lambda: a.database.delete("notes", N)})
    assert_converged(a, b)
    assert b.rows("notes") == []


# -- a network that loses, repeats and reorders -----------------------------------------------------------------------


CHANGES: dict[str, Callable[[Phone], None]] = {
    "create": lambda phone: phone.database.create("notes", {"id": row_id("new"), "title": "new"}),
    "update": lambda phone: edit(phone, title="of A"),
    "delete": lambda phone: phone.database.delete("notes", N),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_lost_acknowledgement(pair: tuple[Phone, Phone], person: Person, change: str) -> None:
    a, b = pair
    CHANGES[change](a)
    lose(a, "ack")
    assert a.database.has_unsynced_changes()
    edits = [row["id"] for row in (b.sync(), b.rows("notes"))[1]]
    for found in edits:
        b.database.update("notes", found, {"body": "of B"})
    b.sync()
    assert_converged(a, b)
    assert [row["body"] for row in a.rows("notes")] == ["of B"] * len(edits)
    titles = {"create": ["first", "new"], "update": ["of A"], "delete": []}[change]
    assert sorted(row["title"] for row in a.rows("notes")) == titles
    assert person.conflicts() == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_push_that_arrives_twice(pair: tuple[Phone, Phone], person: Person, change: str) -> None:
    a, b = pair
    CHANGES[change](a)
    result = a.sync(send_twice=True)
    assert [push.status for push in result.pushes] == [200, 200]
    assert_converged(a, b)
    assert person.conflicts() == []


def test_an_old_push_that_arrives_late(pair: tuple[Phone, Phone], team: Team) -> None:
    a, b = pair
    edit(a, title="one", body="one")
    old = a.sync().pushes[0]
    a.sync()
    b.sync()
    edit(b, title="two")
    b.sync()
    assert team.driver.resend(old).status == 200
    assert_converged(a, b)
    assert (note(a)["title"], note(a)["body"]) == ("two", "one")


def test_an_old_create_that_arrives_after_the_delete(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("notes", {"id": N, "title": "x"})
    old = a.sync().pushes[0]
    a.database.delete("notes", N)
    a.sync()
    assert team.driver.resend(old).status == 200
    assert_converged(a, b)
    assert a.rows("notes") == []


def test_an_idempotency_key_answers_the_same_again(pair: tuple[Phone, Phone]) -> None:
    a, b = pair
    edit(a, title="x")
    first, second = a.sync(a.remote.but(idempotent=True), send_twice=True).pushes
    assert first.answer == second.answer
    assert_converged(a, b)


def test_a_pull_and_a_push_that_are_lost(pair: tuple[Phone, Phone]) -> None:
    a, b = pair
    edit(a, title="of A")
    lose(a, "pull")
    lose(a, "push")
    assert_converged(a, b)
    assert note(b)["title"] == "of A"


@pytest.mark.parametrize("way", ["wrapped", "post", "camel", "absent", "whole"])
def test_ways_in_which_applications_talk(team: Team, person: Person, way: str) -> None:
    a, b = team.phone(person), team.phone(person)
    plain = a.remote
    remote = {
        "wrapped": plain.but(push_body="wrapped"),
        "post": plain.but(pull_method="POST"),
        "camel": plain.but(cursor_name="lastPulledAt"),
        "absent": plain.but(first_sync=None),
        "whole": plain.but(whole_answer=True),
    }[way]
    b.database.create("notes", {"id": row_id("of b")})
    b.sync()
    a.sync(remote)
    a.database.create("notes", {"id": N, "title": way})
    a.sync(remote)
    a.sync(remote)
    assert_converged(a, b)
    assert a.database.count("notes") == 2


# -- schemas of other ages --------------------------------------------------------------------------------------------


def _without(table: str, *names: str) -> Table:
    whole = device_table(table)
    return Table(table, tuple(column for column in whole.columns if column.name not in names))


def test_an_old_application_does_not_empty_columns_that_it_does_not_know(team: Team, person: Person) -> None:
    new = team.phone(person)
    old = team.phone(person, Schema(1, (_without("notes", "body", "score"),)))
    new.database.create("notes", {"id": N, "title": "x", "body": "kept", "score": 1.5})
    settle(new, old, rounds=1)
    old.database.update("notes", N, {"title": "of the old one"})
    assert_converged(old, new)
    assert (note(new)["title"], note(new)["body"], note(new)["score"]) == ("of the old one", "kept", 1.5)
    old.database.create("notes", {"id": row_id("other"), "title": "made by the old one"})
    assert_converged(old, new)


def test_an_application_that_has_learnt_more_gets_what_it_has_missed(team: Team, person: Person) -> None:
    new = team.phone(person)
    before = Schema(1, (_without("notes", "body", "starred"),))
    after = Schema(2, (device_table("notes"), device_table("tags")))
    old = team.phone(person, before, migrations=())
    new.database.create("notes", {"id": N, "title": "x", "body": "missed", "starred": True})
    new.database.create("notes", {"id": row_id("empty"), "title": "nothing to fill"})
    new.database.create("tags", {"id": row_id("tag"), "label": "missed"})
    new.sync()
    old.sync(old.remote.but(migrations_enabled_at=1))
    old.database.update("notes", N, {"title": "not pushed yet"})
    steps = (
        CreateTable(device_table("tags")),
        AddColumns("notes", (Column("body", "string", True), Column("starred", "boolean", True))),
    )
    updated = old.reopened(team.driver, after, [Migration(2, steps)])
    team.phones.append(updated)
    result = updated.sync(updated.remote.but(migrations_enabled_at=1))
    brought = result.pulls[0].answer["changes"]
    assert [row["id"] for row in brought["notes"]["updated"]] == [N]
    assert note(updated)["title"] == "not pushed yet"
    assert note(updated)["body"] == "missed"
    assert [row["label"] for row in updated.rows("tags")] == ["missed"]
    assert_converged(updated, new)


def test_tables_and_columns_that_the_server_does_not_know(team: Team, person: Person) -> None:
    wider = Schema(
        1,
        (
            Table("notes", (*device_table("notes").columns, Column("mood", "string", True))),
            Table("songs", (Column("name", "string"),)),
        ),
    )
    a = team.phone(person, wider)
    a.sync()
    a.database.create("notes", {"id": N, "title": "x", "mood": "good"})
    a.database.create("songs", {"id": row_id("song"), "name": "y"})
    answer = a.sync().pushes[0].answer
    assert answer["rejected"] == [
        {"table": "songs", "id": row_id("song"), "code": "unknown_table", "retry": True}
    ]
    a.sync()
    assert note(a)["mood"] == "good"
    assert person.rows("notes", ["title"]) == [{"id": N, "title": "x"}]
    assert a.database.get("songs", row_id("song")) is not None  # it waits on the device, and blocks nothing


# -- values -----------------------------------------------------------------------------------------------------------


VALUES: dict[str, dict[str, Any]] = {
    "nulls": {},
    "empties": {"words": "", "whole": 0, "real": 0, "exact": 0, "flag": False, "document": "{}"},
    "unicode": {"words": "e\u0301 \u00e9 👩\u200d👧 שלום \u202e \u2028 \x7f", "document": '{"ü":"😀"}'},
    "large": {"whole": 2**53 - 1, "real": 1.7976931348623157e308, "exact": 9999999999999.99},
    "small": {"whole": -(2**53 - 1), "real": 5e-324, "exact": -0.01},
    "tenths": {"real": 0.1 + 0.2, "exact": 0.1},
    "minus_zero": {"real": -0.0, "exact": -0.0},
    "exponent": {"real": 1e21, "exact": 1234567890123.45},
    "times": {"day": "2024-02-29", "moment": 1769860800123},
    "long_ago": {"day": "0001-01-01", "moment": -62135596800000},
    "document": {"document": '{"a":[1,2.5,null,true,"x"],"b":{"c":[]}}'},
    "unsorted": {"document": '{ "b": 1, "a": 2 }'},
    "null_document": {"document": "null"},
}


def test_values_of_every_type(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    for name, values in VALUES.items():
        a.database.create("samples", {"id": row_id(name), **values})
    settle(a, b, rounds=1)
    for name, values in VALUES.items():
        found = b.row("samples", row_id(name))
        assert found is not None, name
        for column, value in values.items():
            if name not in {"unsorted", "null_document"}:
                assert found[column] == value, (name, column)
        b.database.update("samples", row_id(name), {"words": "seen"})
    assert_converged(b, a)
    unsorted = a.row("samples", row_id("unsorted"))
    assert unsorted is not None
    assert unsorted["document"] == '{"a":2,"b":1}'


def test_columns_that_are_the_servers(team: Team, person: Person) -> None:
    """An application whose models keep `created_at` and the like themselves."""
    schema = device_schema("financial_accounts", "transactions", server_columns=True)
    a, b = team.phones_of(person, 2, schema)
    account = row_id("account")
    a.database.create(
        "financial_accounts",
        {
            "id": account,
            "name": "Cash",
            "account_type": "checking",
            "balance": 12.5,
            "currency": "EUR",
            "is_active": True,
            "metadata": "{}",
            "created_at": 5,
            "updated_at": 6,
        },
    )
    for i in range(3):
        entry = {"account_id": account, "posted": "2025-01-31", "amount": -0.1 * i, "currency": "EUR"}
        a.database.create("transactions", {"id": row_id(f"t{i}"), "source": "manual", **entry})
    assert_converged(a, b)
    found = b.row("financial_accounts", account)
    assert found is not None
    assert found["created_at"] > 1_600_000_000_000
    assert found["synced_at"] is not None
    b.database.update("financial_accounts", account, {"balance": 99.99, "updated_at": 7})
    assert_converged(b, a)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_value_that_is_refused_blocks_nothing_and_says_why(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2, device_schema("financial_goals", "notes"))
    goal = {"name": "x", "goal_type": "savings", "target_amount": 5, "current_amount": 0, "metadata": "{}"}
    a.database.create("financial_goals", {"id": N, "priority": 3, "is_active": True, **goal})
    settle(a, b, rounds=1)
    a.database.update("financial_goals", N, {"priority": 9, "name": "y"})
    a.database.create("financial_goals", {"id": row_id("bad"), **goal, "goal_type": "moon"})
    a.database.create("notes", {"id": N, "title": "beside it"})
    answer = a.sync().pushes[0].answer
    assert {each["code"] for each in answer["rejected"]} <= {"invalid"}
    reasons = {each["reason"] for each in answer["conflicts"]} | {each["code"] for each in answer["rejected"]}
    assert reasons == {"invalid"}
    assert_converged(a, b)
    assert [(row["name"], row["priority"]) for row in a.rows("financial_goals")] == [("y", 3)]
    assert b.database.count("notes") == 1
    kept = {conflict["row"]: conflict for conflict in person.conflicts("open")}
    assert kept[N]["fields"]["priority"]["mine"] == 9
    assert kept[row_id("bad")]["fields"]["goal_type"]["mine"] == "moon"


def test_a_reference_to_what_is_not_there_yet_waits(team: Team, person: Person) -> None:
    a, b = team.phones_of(person, 2)
    a.database.create("books", {"id": N, "shelf_id": row_id("shelf"), "name": "early"})
    a.database.create("notes", {"id": N, "title": "beside it"})
    answer = a.sync().pushes[0].answer
    assert answer["experimentalRejectedIds"] == {"books": [N]}
    assert answer["rejected"] == [{"table": "books", "id": N, "code": "reference_missing", "retry": True}]
    assert b.sync().pulls[0].answer["changes"]["notes"]["updated"][0]["id"] == N
    b.database.create("shelves", {"id": row_id("shelf"), "name": "late"})
    b.sync()
    assert_converged(a, b)
    assert [book["name"] for book in b.rows("books")] == ["early"]


# -- the console ------------------------------------------------------------------------------------------------------


def test_without_its_flag_the_client_says_one_harmless_thing(
    team: Team, person: Person, driver: WatermelonDriver
) -> None:
    a, b = team.phone(person), team.phone(person)
    plain = a.remote.but(send_created_as_updated=False)
    a.database.create("notes", {"id": N, "title": "x"})
    a.sync()
    b.sync(plain.but(device=b.device))
    settle(a, b)
    said = driver.diagnostics
    assert len(said) == 1
    assert "Server wants client to update record notes#" in said[0]
    driver.forget_console()
    assert_converged(a, b)


# -- several people ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colleagues(server: RealServer) -> tuple[Person, Person]:
    """Two people in one tenant."""
    ada, ben = server.person("ada"), server.person("ben")
    tenant = server.deployment.json("tenants", "add", "Both", "--owner", ada.email)
    added = server.deployment.run("members", "add", tenant["slug"], ben.email, "--role", "member")
    assert added.returncode == 0, added.stderr
    return server.login(ada.email, tenant["slug"]), server.login(ben.email, tenant["slug"])


def test_two_people_share_what_is_shared(team: Team, colleagues: tuple[Person, Person]) -> None:
    ada, ben = colleagues
    a, b = team.phone(ada), team.phone(ben)
    settle(a, b)
    board = row_id(f"board {team.adapter}")
    a.database.create("boards", {"id": board, "title": "ours"})
    a.database.create("notes", {"id": row_id(f"ada {team.adapter}"), "title": "mine"})
    settle(a, b)
    a.database.update("boards", board, {"pins": 3, "title": "of Ada"})
    b.database.update("boards", board, {"pins": 4, "title": "of Ben"})
    a.sync()
    b.sync()
    assert_converged(a, b)
    found = b.row("boards", board)
    assert found == {"id": board, "title": "of Ben", "pins": 7}
    assert b.rows("notes") == []
    assert a.database.count("notes") >= 1


def test_nobody_writes_to_the_row_of_another(team: Team, colleagues: tuple[Person, Person]) -> None:
    ada, ben = colleagues
    a, b = team.phone(ada), team.phone(ben)
    mine = row_id(f"mine {team.adapter}")
    a.database.create("notes", {"id": mine, "title": "of Ada"})
    a.sync()
    b.sync()
    b.database.create("notes", {"id": mine, "title": "of Ben"})
    answer = b.sync().pushes[0].answer
    assert [each["code"] for each in answer["rejected"]] == ["forbidden"]
    b.database.create("notes", {"id": row_id(f"bens {team.adapter}"), "title": "unhindered"})
    b.sync()
    waiting = [row["id"] for row in b.database.stored("notes") if row["_status"] != "synced"]
    assert waiting == [mine]  # it stays on Ben's device alone, and holds nothing else up
    assert mine not in {row["id"] for row in ben.rows("notes", ["title"])}
    assert_converged(a)
    found = a.row("notes", mine)
    assert found is not None
    assert found["title"] == "of Ada"


def test_the_cursor_of_another_is_refused(team: Team, colleagues: tuple[Person, Person]) -> None:
    ada, ben = colleagues
    a, b = team.phone(ada), team.phone(ben)
    settle(a, b)
    b.database.set_last_pulled_at(a.database.pulled().at)
    with pytest.raises(SyncFailed) as refused:
        b.sync()
    assert refused.value.result.status == 410


# -- commits that take their time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["counter", "row"])
def test_a_pull_skips_nothing_that_commits_late(
    pair: tuple[Phone, Phone], person: Person, server: RealServer, held: str
) -> None:
    """One flush is held open, before or behind its number, while another one and pulls come."""
    a, b = pair
    slow = person.send  # REST writes in a thread: the driver is for one thread alone
    path = f"/api/v1/data/workshop/notes/{_uuid(N)}"
    with server.database() as blocker:
        _hold(blocker, person, held)
        first = threading.Thread(target=slow, args=("PATCH", path, {"body": "slow"}))
        first.start()
        _wait_for_waiters(server, 1)
        second = threading.Thread(
            target=slow, args=("POST", "/api/v1/data/workshop/notes", {"title": "behind it"})
        )
        second.start()
        time.sleep(0.1)
        b.sync(b.remote.but(pull_only=True))
        b.sync(b.remote.but(pull_only=True))
        blocker.rollback()
        first.join()
        second.join()
    b.sync()
    assert note(b)["body"] == "slow"
    assert sorted(row["title"] for row in b.rows("notes")) == ["behind it", "first"]
    assert_converged(a, b)


def _uuid(name: str) -> str:
    return str(parse_id(name))


def _hold(blocker: Any, person: Person, held: str) -> None:
    if held == "counter":
        blocker.execute(
            "select head from holdfast.tenant_heads where tenant_id = %s for update", [person.tenant]
        )
    else:
        blocker.execute("select id from workshop.notes where tenant_id = %s for update", [person.tenant])


def _wait_for_waiters(server: RealServer, count: int) -> None:
    deadline = time.monotonic() + 10
    with server.database() as connection:
        connection.autocommit = True
        while True:
            waiting = connection.execute(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            ).fetchone()
            if waiting is not None and waiting[0] >= count:
                return
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


def test_a_push_that_waits_is_not_skipped_by_a_pull_meanwhile(
    pair: tuple[Phone, Phone], person: Person, server: RealServer
) -> None:
    a, b = pair
    edit(a, body="slow")
    with server.database() as blocker:
        _hold(blocker, person, "row")

        def meanwhile() -> None:
            _wait_for_waiters(server, 1)
            b.sync(b.remote.but(pull_only=True))
            blocker.rollback()

        a.sync(at={"sent": meanwhile})
    b.sync()
    assert note(b)["body"] == "slow"
    assert_converged(a, b)


# -- a server that ends, and one that goes back in time: at the end, because the server is started anew ---------------


def test_a_server_that_is_killed_in_the_middle_of_pushes(
    team: Team, person: Person, server: RealServer
) -> None:
    a, b = team.phones_of(person, 2)
    for turn in range(3):
        writes = [
            Write("create", "notes", values={"id": row_id(f"k{turn}.{i}"), "title": "x"}) for i in range(300)
        ]
        a.database.write(*writes)
        if turn:
            a.database.update("notes", row_id(f"k{turn - 1}.0"), {"body": f"turn {turn}"})
        if turn == 1:
            with pytest.raises(SyncFailed):
                a.sync(at={"sent": server.kill})
            server.start()
        else:
            a.sync()
    assert_converged(a, b)
    assert b.database.count("notes") == 900


def test_a_database_that_was_restored(driver: WatermelonDriver, server: RealServer) -> None:
    """The device gets 410, starts afresh by a replacement or a reset, and what it has not sent arrives."""
    person = server.person()
    team = Team(driver, "loki")
    a, b, c = team.phones_of(person, 3)
    a.database.create("notes", {"id": N, "title": "before the copy"})
    settle(a, b, c)
    server.stop()
    copied = _copy_of(server)
    server.start()
    a.database.create("notes", {"id": row_id("after"), "title": "after the copy"})
    edit(b, body="after the copy")
    settle(a, b, c)
    a.database.create("notes", {"id": row_id("unsent"), "title": "never sent"})
    edit(b, rank=77)
    server.stop()
    _put_back(server, copied)
    server.start()
    assert "new store epoch" in server.deployment.err()
    for phone in (a, b, c):
        with pytest.raises(SyncFailed) as refused:
            phone.sync()
        assert refused.value.result.status == 410
    assert driver.diagnostics == ()
    _start_afresh(a)
    _start_afresh(b)
    c.database.reset()
    driver.forget_console()  # it wonders why it should start anew
    assert_converged(a, b, c)
    assert note(c)["rank"] == 77
    titles = {row["title"] for row in b.rows("notes")}
    assert titles == {"before the copy", "never sent"}
    team.close()


def _start_afresh(phone: Phone) -> None:
    """As an application does that has been told 410: a replacement keeps what was never pushed."""
    phone.database.set_last_pulled_at(None)
    phone.sync(phone.remote.but(query={"replacement": "1"}, whole_answer=True))


def _copy_of(server: RealServer) -> Any:
    data = next((server.deployment.home / "postgres").rglob("PG_VERSION")).parent
    copied = data.parent / "copy"
    shutil.copytree(data, copied)
    return data, copied


def _put_back(server: RealServer, pair: Any) -> None:
    data, copied = pair
    assert running(server.deployment.home) is None
    shutil.rmtree(data)
    copied.rename(data)
