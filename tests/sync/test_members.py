"""Who gets what: owners, members, roles, tenants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from holdfast.identity.principal import Role
from tests.api_platform import Deployment
from tests.sync.device import (
    Device,
    NewDevice,
    account,
    as_changes,
    created,
    deleted,
    edited,
    ids_of,
    job,
    new_row_id,
    stored_row,
)

NOBODY = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"


def wage(amount: float = 1234.5) -> dict[str, Any]:
    return {"id": new_row_id(), "amount": amount}


async def _give(deployment: Deployment, name: str, role: Role) -> None:
    tenant = deployment.people["ada"].tenant_id
    await deployment.accounts.add_member(tenant, f"{name}@example.com", role)


async def test_owned_rows_are_their_owners_alone(
    deployment: Deployment, phone: Device, ben: Device, device: NewDevice
) -> None:
    mine, theirs, shared = account(name="Ada's"), account(name="Ben's"), job()
    await phone.sync(financial_accounts=created(mine), jobs=created(shared))
    await ben.sync(financial_accounts=created(theirs))
    eve = device("eve", "eve's")
    for one in (phone, ben, eve):
        one.cursor, one.rows = None, {}
        await one.pull()
    assert set(phone.rows["financial_accounts"]) == {mine["id"]}
    assert set(ben.rows["financial_accounts"]) == {theirs["id"]}
    assert set(ben.rows["jobs"]) == {shared["id"]}
    assert eve.rows == {}


async def test_a_delete_is_heard_of_by_its_owner_alone(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device, device: NewDevice
) -> None:
    mine, shared = account(), job()
    await phone.sync(financial_accounts=created(mine), jobs=created(shared))
    eve = device("eve", "eve's")
    for one in (tablet, ben, eve):
        await one.pull()
    await phone.push(financial_accounts=deleted(mine["id"]), jobs=deleted(shared["id"]))
    assert (await tablet.pull())["financial_accounts"]["deleted"] == [mine["id"]]
    assert set(await ben.pull()) == {"jobs"}
    assert await eve.pull() == {}


@pytest.mark.parametrize("how", ["created", "updated", "deleted"])
@pytest.mark.parametrize("who", ["ben", "eve"])
async def test_nobody_overwrites_or_deletes_anothers_row(
    deployment: Deployment, phone: Device, device: NewDevice, how: str, who: str
) -> None:
    mine = account(name="Ada's", balance=98765432.1)
    await phone.sync(financial_accounts=created(mine))
    before = await stored_row(deployment, "finance.financial_accounts", mine["id"])
    other = device(who, "theirs")
    await other.pull()
    forged = {**mine, "name": "Stolen", "balance": 7, "user_id": str(deployment.people["ada"].user_id)}
    arrays = {how: [mine["id"] if how == "deleted" else forged]}
    for _ in range(2):
        await other.push(financial_accounts=arrays)
    tables = deployment.engine.data.tables["finance.financial_accounts"]
    ada = deployment.people["ada"].tenant_id
    assert [s.row for (t, _), s in tables.items() if t == ada] == [before]
    seen = str(await other.conflicts("all")) + str((await other.pull()).get("financial_accounts"))
    assert "Ada's" not in seen
    assert "98765432" not in seen
    await phone.pull()
    await phone.push(financial_accounts=[edited(mine, balance=101)])
    after = await stored_row(deployment, "finance.financial_accounts", mine["id"])
    assert after is not None
    assert after["balance"] == 101


async def test_nothing_is_written_under_another_persons_id(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    mine = account()
    await phone.sync(financial_accounts=created(mine))
    await tablet.pull()
    told = await ben.sync(financial_accounts=created({**mine, "name": "Stolen"}))
    assert [r["code"] for r in told["rejected"]] == ["forbidden"]
    assert told["experimentalRejectedIds"] == {"financial_accounts": [mine["id"]]}
    assert await ben.pull() == {}
    assert await tablet.pull() == {}
    assert tablet.rows["financial_accounts"][mine["id"]]["name"] == mine["name"]
    await phone.push(financial_accounts=deleted(mine["id"]))
    assert (await tablet.pull())["financial_accounts"]["deleted"] == [mine["id"]]


async def test_an_id_whose_row_was_deleted_stays_its_owners(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    """Or a row made anew by another, and deleted, would take the place of the owner's tombstone."""
    mine = account()
    await phone.sync(financial_accounts=created(mine))
    await tablet.pull()
    await phone.push(financial_accounts=deleted(mine["id"]))
    told = await ben.sync(financial_accounts=created({**mine, "name": "Anew"}))
    assert [r["code"] for r in told["rejected"]] == ["forbidden"]
    await ben.push(financial_accounts=deleted(mine["id"]))
    assert (await tablet.pull())["financial_accounts"]["deleted"] == [mine["id"]]


async def test_a_refused_push_does_not_hide_an_edit_from_who_pages(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    mine = account()
    await phone.sync(financial_accounts=created(mine))
    await tablet.pull()
    await phone.push(financial_accounts=[edited(mine, name="New")])
    await ben.sync(financial_accounts=created({**mine, "name": "Stolen"}))
    await tablet.pull(paging="1", limit="1000")
    assert tablet.rows["financial_accounts"][mine["id"]]["name"] == "New"


async def test_a_refused_push_does_not_hide_the_delete_from_the_owners_devices(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    """Another pushes the id of a row that its owner has deleted, before the owner's other device has heard of that."""
    mine = account()
    await phone.sync(financial_accounts=created(mine))
    await tablet.pull()
    await phone.push(financial_accounts=deleted(mine["id"]))
    await ben.sync(financial_accounts=created({**mine, "name": "Found"}))
    assert (await tablet.pull())["financial_accounts"]["deleted"] == [mine["id"]]


async def test_a_reference_to_anothers_row_is_as_one_to_none(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    mine = account()
    await phone.sync(financial_accounts=created(mine))
    answers = []
    await ben.pull()
    for target in (mine["id"], new_row_id()):
        row = {"id": new_row_id(), "account_id": target, "posted": "2026-01-02", "amount": 1}
        told = await ben.push(transactions=created(row))
        told.pop("experimentalRejectedIds")
        answers.append([{**r, "id": ""} for r in told["rejected"]])
    assert answers[0] == answers[1]


async def test_forged_columns_are_ignored_on_every_way(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    ada, ben_id = deployment.people["ada"], deployment.people["ben"].user_id
    forged = {
        "user_id": str(ben_id),
        "tenant_id": str(deployment.people["eve"].tenant_id),
        "created_at": 1,
        "updated_at": 2,
        "synced_at": 3,
        "version": 4,
        "commit_salt": "x",
    }
    mine = account(**forged)
    await phone.sync(financial_accounts=created(mine))
    await phone.push(financial_accounts=[{**mine, "name": "Again", "_changed": "name,user_id,created_at"}])
    await phone.push(financial_accounts=[edited({**mine, "name": "Again"}, user_id=None, synced_at=None)])
    stored = await stored_row(deployment, "finance.financial_accounts", mine["id"])
    assert stored is not None
    assert stored["user_id"] == ada.user_id
    assert stored["version"] == 2
    assert min(stored[name].year for name in ("created_at", "updated_at", "synced_at")) > 2000
    assert deployment.engine.data.tables["finance.financial_accounts"].of(ada.tenant_id)
    assert await ben.pull() == {} or "financial_accounts" not in ben.rows
    (row,) = (await phone.pull())["financial_accounts"]["updated"]
    assert row["user_id"] == str(ada.user_id)


async def test_a_viewers_push_is_refused_row_by_row_and_corrected(
    deployment: Deployment, phone: Device, device: NewDevice
) -> None:
    one, gone = job(), job()
    await phone.sync(jobs=created(one, gone))
    vic = device("vic", "vic's")
    await vic.pull()
    made, money = job(), account()
    told = await vic.push(
        jobs={"created": [made], "updated": [edited(one, title="Vic's")], "deleted": [gone["id"]]},
        financial_accounts=created(money),
    )
    assert told["accepted"] == 0
    assert {r["code"] for r in told["rejected"]} == {"forbidden"}
    assert len(told["rejected"]) == 4
    assert "experimentalRejectedIds" not in told
    await vic.pull()
    assert {i: row["title"] for i, row in vic.rows["jobs"].items()} == {
        one["id"]: one["title"],
        gone["id"]: gone["title"],
    }
    assert vic.rows["financial_accounts"] == {}
    kept = {c["row"]: {n: s["mine"] for n, s in c["fields"].items()} for c in await vic.conflicts()}
    assert kept[one["id"]] == {"title": "Vic's"}
    assert kept[made["id"]]["title"] == made["title"]
    assert kept[money["id"]]["name"] == "Everyday"
    assert await vic.pull() == {}
    assert (await stored_row(deployment, "field.jobs", one["id"]) or {})["title"] == one["title"]


async def test_a_viewer_cannot_settle_what_was_refused_in_the_rows_favour(
    deployment: Deployment, phone: Device, device: NewDevice
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    vic = device("vic", "vic's")
    await vic.pull()
    await vic.push(jobs=[edited(one, title="Vic's")])
    (item,) = await vic.conflicts()
    for body in ({"take": "mine"}, {"take": "value", "values": {"title": "Vic's"}}):
        assert (await vic.resolve(item["id"], **body)).status_code in {403, 422}
    assert (await stored_row(deployment, "field.jobs", one["id"]) or {})["title"] == one["title"]
    assert (await vic.resolve(item["id"], take="theirs")).status_code == 200


async def test_what_a_role_may_not_read_neither_comes_nor_shows(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    secret = wage(4321.5)
    await phone.sync(wages=created(secret))
    assert "wages" not in await ben.pull()
    answers = []
    for row in (secret, {**secret, "amount": 1}, wage(4321.5)):
        told = await ben.push(wages=[row])
        answers.append([{**r, "id": ""} for r in told["rejected"]])
        told = await ben.push(wages=created(row))
        answers.append([{**r, "id": ""} for r in told["rejected"]])
    for row_id in (secret["id"], new_row_id()):
        told = await ben.push(wages=deleted(row_id))
        answers.append([{**r, "id": ""} for r in told["rejected"]])
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0]["code"] == "forbidden"
    assert "4321" not in str(await ben.conflicts("all"))
    stored = await stored_row(deployment, "field.wages", secret["id"])
    assert stored is not None
    assert (stored["version"], stored["amount"]) == (1, pytest.approx(4321.5))
    for item in await ben.conflicts():
        await ben.resolve(item["id"], take="mine")
    assert await stored_row(deployment, "field.wages", secret["id"]) == stored


async def test_pull_10_a_grant_delivers_old_rows_and_a_revocation_deletions(
    deployment: Deployment, phone: Device, ben: Device, device: NewDevice
) -> None:
    first, second = wage(1), wage(2)
    await phone.sync(wages=created(first, second))
    other = device("ben", "ben's other one")
    late = device("ben", "ben's third one")
    for one in (ben, other, late):
        assert "wages" not in await one.pull()

    await _give(deployment, "ben", Role.ADMIN)
    for one in (ben, other):
        changes = await one.pull()
        assert set(ids_of(changes["wages"])) == {first["id"], second["id"]}
        assert changes["wages"]["created"] == []
        assert await one.pull() == {}

    third = wage(3)
    await phone.push(wages=created(third))
    assert ids_of((await ben.pull())["wages"]) == [third["id"]]

    await _give(deployment, "ben", Role.MEMBER)
    changes = await ben.pull()
    assert set(changes["wages"]["deleted"]) == {first["id"], second["id"], third["id"]}
    assert await ben.pull() == {}
    changes = await other.pull()
    assert {first["id"], second["id"]} <= set(changes["wages"]["deleted"])
    assert await other.pull() == {}
    assert "wages" not in await late.pull()  # it had never had them
    await phone.push(wages=[edited(first, amount=9)])
    assert await ben.pull() == {}

    await _give(deployment, "ben", Role.ADMIN)
    assert set(ids_of((await late.pull())["wages"])) == {first["id"], second["id"], third["id"]}
    assert {row["amount"] for row in (await ben.pull())["wages"]["updated"]} == {9, 2, 3}


async def test_pull_10_a_grant_that_an_answer_was_lost_of_comes_again(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = wage()
    await phone.sync(wages=created(one))
    await ben.pull()
    await _give(deployment, "ben", Role.ADMIN)
    for _ in range(2):  # the first answer gets lost: the device shows its old cursor once more
        answer = (await ben.ask_pull()).json()
        assert ids_of(answer["changes"]["wages"]) == [one["id"]]
    await ben.pull()
    assert await ben.pull() == {}
    await _give(deployment, "ben", Role.VIEWER)
    for _ in range(2):
        answer = (await ben.ask_pull()).json()
        assert answer["changes"]["wages"]["deleted"] == [one["id"]]
    await ben.pull()
    assert await ben.pull() == {}


async def test_pull_10_what_was_deleted_before_the_revocation_is_told_with_it(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    gone, stays = wage(), wage()
    await phone.sync(wages=created(gone, stays))
    await _give(deployment, "ben", Role.ADMIN)
    await ben.pull()
    await phone.push(wages=deleted(gone["id"]))
    await _give(deployment, "ben", Role.MEMBER)
    changes = await ben.pull()
    assert set(changes["wages"]["deleted"]) == {gone["id"], stays["id"]}


async def test_pull_10_a_grant_and_a_revocation_between_two_pulls_are_nothing(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    await phone.sync(wages=created(wage()))
    await ben.pull()
    await _give(deployment, "ben", Role.ADMIN)
    await _give(deployment, "ben", Role.MEMBER)
    assert "wages" not in await ben.pull()


async def test_pull_10_paging_takes_a_grant_along(deployment: Deployment, phone: Device, ben: Device) -> None:
    rows = [wage(n) for n in range(5)]
    await phone.sync(wages=created(*rows))
    await ben.pull()
    await _give(deployment, "ben", Role.ADMIN)
    while True:
        await ben.pull(paging="1", limit="2")
        if "experimentalHasMore" not in ben.last:
            break
    assert set(ben.rows["wages"]) == {row["id"] for row in rows}
    assert await ben.pull() == {}


async def test_who_was_removed_gets_nothing_more(deployment: Deployment, phone: Device, ben: Device) -> None:
    await ben.pull()
    await phone.sync(jobs=created(job()))
    await deployment.accounts.remove_member(deployment.people["ada"].tenant_id, "ben@example.com")
    for answer in (await ben.ask_pull(), await ben.ask_push(as_changes({"jobs": created(job())}))):
        assert answer.status_code in {401, 403}


async def test_nobody_signed_in_is_refused(app: Any) -> None:
    from tests.api_platform import client_of

    async with client_of(app) as anyone:
        for method, path in (
            ("GET", "/pull"),
            ("POST", "/pull"),
            ("POST", "/push"),
            ("GET", "/conflicts"),
            ("GET", "/events"),
            ("POST", "/conflicts/resolve"),
            ("POST", f"/conflicts/{NOBODY}/resolve"),
        ):
            answer = await anyone.request(method, f"/api/v1/sync{path}", json={})
            assert answer.status_code == 401, path
            assert answer.headers["cache-control"] == "no-store"


async def test_the_whole_tenant_is_not_synced(phone: Device) -> None:
    headers = {"x-holdfast-scope": "tenant", "x-holdfast-reason": "why not"}
    answer = await phone.client.get("/api/v1/sync/pull", headers=headers)
    assert answer.status_code in {200, 403}
    assert "financial_accounts" not in answer.json().get("changes", {})


def test_ids_that_devices_make_are_uuids_here() -> None:
    from holdfast.model.ids import parse_id

    assert UUID(str(parse_id(new_row_id()))).version == 8
