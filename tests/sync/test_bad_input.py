"""What devices may send that no device should: the right 4xx or a mended row, and never half a push."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx
import pytest

from holdfast.changes.cursor import CursorTag
from holdfast.engines.memory.data import Data
from tests.api_platform import Deployment
from tests.sync.device import (
    Device,
    account,
    as_changes,
    created,
    edited,
    job,
    new_row_id,
    stored_row,
)

PUSH = "/api/v1/sync/push"
JSON = {"content-type": "application/json"}


def snapshot(deployment: Deployment) -> Data:
    return copy.deepcopy(deployment.engine.data)


async def _raw(device: Device, body: bytes, **headers: str) -> httpx.Response:
    parameters = {"last_pulled_at": str(device.cursor or "null")}
    return await device.client.post(PUSH, params=parameters, content=body, headers={**JSON, **headers})


GOOD: dict[str, Any] = {"id": "aBcDeFgHiJkLmNoP", "title": "good"}


def beside(*rows: Any, **tables: Any) -> dict[str, Any]:
    """Something bad, with a good row in front of it."""
    return {"jobs": {"created": [GOOD, *rows], "updated": [], "deleted": []}, **tables}


REFUSED: list[Any] = [
    [],
    "jobs",
    5,
    True,
    [beside()],
    beside("row"),
    beside(None),
    beside([]),
    beside({}),
    beside({"id": 5, "title": "numeric"}),
    beside({"id": None}),
    beside({"id": ""}),
    beside({"id": ["a"]}),
    beside({"id": "short"}),
    beside({"id": "UPPER-CASE"}),
    beside({"id": "0197B3A4-6F0E-7C51-9D0A-2F6F4C1E8B7D"}),
    beside({"id": "aBcDeFgHiJkLmNo/"}),
    beside({"id": "__proto__"}),
    beside({"id": "constructor"}),
    beside({"id": "aBcDeFgHiJkLmNoPQ"}),
    beside({"id": "aBcDeFgHiJkLmNo\u0000"}),
    beside({"id": "aBcDeFgHiJkLmNo\n"}),
    beside({"id": "аBcDeFgHiJkLmNoP"}),
    beside(steps=5),
    beside(steps=[]),
    beside(steps="x"),
    beside(steps={"created": 5}),
    beside(steps={"created": {"id": "x"}}),
    beside(steps={"updated": "x"}),
    beside(steps={"deleted": 5}),
    beside(steps={"deleted": "abc"}),
    beside(steps={"deleted": {"a": 1}}),
    beside(nowhere={"created": [5]}),
    {"changes": beside({"id": 5}), "lastPulledAt": None},
    {"changes": beside(), "lastPulledAt": "tomorrow"},
    {"changes": beside(), "lastPulledAt": [1]},
    {"changes": beside(), "lastPulledAt": True},
]


async def test_a_body_that_cannot_be_read_is_refused_whole(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    before = snapshot(deployment)
    for body in REFUSED:
        answer = await phone.ask_push(body)
        assert answer.status_code == 400, body
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "malformed_sync"
        assert snapshot(deployment) == before, body


RAW: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b'{"jobs":}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP","title":"\xff"}]}}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP","title":"\xed\xa0\x80"}]}}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP","hours":NaN}]}}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP","hours":Infinity}]}}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP","hours":-Infinity}]}}', 400),
    (b"[" * 100_000, 400),
    (b'{"jobs":' * 5_000, 400),
    (b'{"jobs":{"created":' + b"[" * 3_000 + b"]" * 3_000 + b"}}", 400),
    (b'\xef\xbb\xbf{"jobs":{"created":[]}}', 400),
    (b'{"jobs":{"created":[]}} trailing', 400),
    (b'{"\\ud800":{"created":[]}}', 400),
    (b'{"\\ud800":1}', 400),
    (b'{"changes":{"\\ud800":1},"lastPulledAt":1}', 400),
    (b'{"jobs":{"created":[{"id":"aBcDeFgHiJkLmNoP"}]},"nope":{"created":[{"id":"\\ud800"}]}}', 400),
]


async def test_text_that_is_not_json(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    before = snapshot(deployment)
    for body, status in RAW:
        answer = await _raw(phone, body)
        assert answer.status_code == status, body[:80]
        assert answer.headers["content-type"] == "application/problem+json"
        assert snapshot(deployment) == before, body[:80]


async def test_another_content_type_is_refused(deployment: Deployment, phone: Device) -> None:
    before = snapshot(deployment)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await phone.client.post(PUSH, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    assert snapshot(deployment) == before


DEEP = "[" * 900 + "]" * 900

MENDED: list[tuple[str, Any, Any]] = [
    ("title", '"\\ud800"', "\ufffd"),
    ("title", '"a\\udc00\\ud800b"', "a\ufffd\ufffdb"),
    ("title", '"\\ud83d\\ude00"', "\U0001f600"),
    ("title", '"a\\u0000b"', "ab"),
    ("title", "5", ""),
    ("title", "[]", ""),
    ("title", '{"__proto__":{"a":1}}', ""),
    ("title", "null", ""),
    ("title", '"' + "x" * 100_000 + '"', "x" * 40),
    ("title", DEEP, ""),
    ("note", DEEP, None),
    ("hours", "1e400", 0),
    ("hours", "-1e400", 0),
    ("hours", "1e308", 0),
    ("hours", "1" + "0" * 400, 0),
    ("hours", "18446744073709551616", 0),
    ("hours", "9223372036854775808", 0),
    ("hours", "-1", 0),
    ("hours", "1001", 0),
    ("hours", "2.5", 0),
    ("hours", "3.0", 3),
    ("hours", '"3"', 0),
    ("hours", "true", 0),
    ("hours", "null", 0),
    ("cost", "123456.78", None),
    ("cost", "1.005", None),
    ("cost", "1e-400", 0),
    ("cost", '"1.5"', None),
    ("cost", "1e400", None),
    ("tags", '"' + "[" * 900 + "]" * 900 + '"', []),
    ("tags", '"' + "[" * 5000 + "]" * 5000 + '"', []),
    ("tags", '"{}"', []),
    ("tags", '"[\\"\\\\ud800\\"]"', []),
    ("tags", "[]", []),
    ("tags", '"[1e400]"', []),
    ("tags", '"[18446744073709551616]"', [18446744073709551616.0]),
    ("facts", '"[]"', {}),
    ("facts", '"{\\"__proto__\\":1}"', {"__proto__": 1}),
    ("facts", '"null"', {}),
    ("parent_id", '"__proto__"', None),
    ("parent_id", "5", None),
    ("parent_id", '"0197B3A4-6F0E-7C51-9D0A-2F6F4C1E8B7D"', None),
]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_value_that_no_field_holds_is_mended(
    deployment: Deployment, phone: Device, key: str | None
) -> None:
    """Whatever it was, the row stands, the inbox can be read, and the same push again changes nothing."""
    await phone.pull()
    for number, (name, text, stands) in enumerate(MENDED):
        what = f"{name}: {text[:60]}"
        one = job()
        fields = "".join(f',"{n}":{json.dumps(v)}' for n, v in one.items() if n not in {"id", name})
        body = f'{{"jobs":{{"created":[{{"id":"{one["id"]}"{fields},"{name}":{text}}}]}}}}'
        headers = {} if key is None else {"idempotency-key": f"{key}{number}"}
        answer = await _raw(phone, body.encode(), **headers)
        assert answer.status_code == 200, what
        assert answer.json()["accepted"] == 1, what
        stored = await stored_row(deployment, "field.jobs", one["id"])
        assert stored is not None, what
        assert stored[name] == stands, what
        head = deployment.engine.data.heads[deployment.people["ada"].tenant_id]
        assert (await _raw(phone, body.encode(), **headers)).status_code == 200, what
        assert deployment.engine.data.heads[deployment.people["ada"].tenant_id] == head, what
        assert (await phone.client.get("/api/v1/sync/conflicts?state=all&limit=3")).status_code == 200, what
    assert (await phone.client.get("/api/v1/sync/conflicts?state=all")).status_code == 200
    phone.cursor = None
    await phone.pull()
    assert len(phone.rows["jobs"]) == len(MENDED)


async def test_names_of_a_prototype_are_no_names(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]
    row = {**job(), **{name: {"polluted": True} for name in names}}
    tables = {name: created({"id": new_row_id()}) for name in names}
    told = await phone.push(jobs=created(row), **tables)
    assert told["accepted"] == 1
    assert set(told["experimentalRejectedIds"]) == set(names)
    phone.cursor = None
    assert not set(names) & set((await phone.pull())["jobs"]["updated"][0])


async def test_unknown_tables_and_columns_do_not_keep_others_back(
    deployment: Deployment, phone: Device
) -> None:
    one = job(no_such_column=5, _raw={"a": 1})
    told = await phone.sync(
        jobs=created(one), nowhere=created({"id": "x"}), empty={"deleted": ["a", 5, None]}
    )
    assert told["accepted"] == 1
    assert told["rejected"] == [{"table": "nowhere", "id": "x", "code": "unknown_table", "retry": True}]


CURSORS = [
    "tomorrow",
    "-1",
    "1e3",
    "12abc",
    "1.5",
    "9007199254740992",
    "99999999999999999999999",
    "[]",
    "true",
]


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_cursor_that_is_no_whole_number(deployment: Deployment, phone: Device, cursor: str) -> None:
    before = snapshot(deployment)
    assert (await phone.ask_pull(last_pulled_at=cursor)).status_code == 400
    assert (
        await phone.ask_push(as_changes({"jobs": created(job())}), last_pulled_at=cursor)
    ).status_code == 400
    assert snapshot(deployment) == before


@pytest.mark.parametrize("cursor", [-1, 1.5, 2**53, 1e300, True, [], {}, "x"])
async def test_a_cursor_in_a_body_that_is_no_whole_number(phone: Device, cursor: Any) -> None:
    answer = await phone.client.post("/api/v1/sync/pull", json={"lastPulledAt": cursor})
    assert answer.status_code == 400


@pytest.mark.parametrize("limit", ["1e999", "-1e999", "0", "[]"])
async def test_a_limit_that_is_none(phone: Device, limit: str) -> None:
    body = f'{{"paging":true,"limit":{limit}}}'
    answer = await phone.client.post("/api/v1/sync/pull", content=body, headers=JSON)
    assert answer.status_code == 400


async def test_a_cursor_that_an_app_has_made_a_float_or_text_of(phone: Device) -> None:
    await phone.pull()
    for spelled in (str(phone.cursor), f"{phone.cursor}.0"):
        assert (await phone.ask_pull(last_pulled_at=spelled)).status_code == 200
    body = json.dumps({"last_pulled_at": float(phone.cursor or 0)})
    answer = await phone.client.post("/api/v1/sync/pull", content=body, headers=JSON)
    assert answer.status_code == 200


async def test_cursors_that_hold_no_more(
    deployment: Deployment, phone: Device, ben: Device, device: Any
) -> None:
    """Another user's, another tenant's, the future's, one that this device was never given: 410, for both ways."""
    eve = device("eve", "eve's")
    for one in (phone, ben, eve):
        await one.pull()
    ada = deployment.people["ada"]
    tag = CursorTag.of(b"c" * 32, ada.tenant_id, ada.user_id, await deployment.epochs())
    early = phone.cursor
    await ben.push(jobs=created(job()))
    head = deployment.engine.data.heads[ada.tenant_id]
    for cursor in (ben.cursor, eve.cursor, tag.cursor(head + 1), tag.cursor(2**41 - 1), tag.cursor(head), 5):
        before = snapshot(deployment)
        answers = [
            await phone.ask_pull(last_pulled_at=str(cursor)),
            await phone.ask_push(as_changes({"jobs": created(job())}), last_pulled_at=str(cursor)),
        ]
        for answer in answers:
            assert answer.status_code == 410, answer.text
            assert answer.json()["code"] == "cursor_expired"
            assert answer.headers["cache-control"] == "no-store"
        assert snapshot(deployment).tables == before.tables
        assert snapshot(deployment).changes == before.changes
    phone.cursor = early
    await phone.pull()


async def test_more_rows_than_are_taken_at_once(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    before = snapshot(deployment)
    rows = [job() for _ in range(501)]
    body: Any = {"jobs": {"created": rows, "deleted": [new_row_id() for _ in range(500)]}}
    answer = await phone.ask_push(body)
    assert answer.status_code == 413
    assert "1000" in answer.json()["detail"] or "1,000" in answer.json()["detail"]
    assert snapshot(deployment) == before
    body["jobs"]["deleted"].pop()
    assert (await phone.ask_push(body)).json()["accepted"] == 1_000


async def test_more_bytes_than_are_taken(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    before = snapshot(deployment)
    body = json.dumps(as_changes({"jobs": created(*(job(note="n" * 200_000) for _ in range(53)))}))
    answer = await _raw(phone, body.encode())
    assert answer.status_code == 413
    assert "10485760" in answer.text.replace(",", "") or "10 MB" in answer.text
    assert snapshot(deployment) == before


async def test_a_row_that_is_too_large_waits_and_others_go_through(
    deployment: Deployment, phone: Device
) -> None:
    large, small = job(note="n" * 1_200_000), job()
    await phone.sync(jobs=created(large, small))
    told = await phone.push(jobs=created(large, small))
    assert told["experimentalRejectedIds"] == {"jobs": [large["id"]]}
    assert [(r["id"], r["code"], r["retry"]) for r in told["rejected"]] == [(large["id"], "too_large", False)]
    assert await stored_row(deployment, "field.jobs", small["id"]) is not None
    assert await stored_row(deployment, "field.jobs", large["id"]) is None


async def test_money_that_does_not_fit_is_kept_and_the_rest_taken(
    deployment: Deployment, phone: Device
) -> None:
    one = account(balance=10)
    await phone.sync(financial_accounts=created(one))
    await phone.pull()
    for amount in (12345678901234567, 0.001, 1e14, "12.50", True):
        told = await phone.push(financial_accounts=[edited(one, balance=amount, name=f"n{amount}")])
        assert told["conflicts"][0]["reason"] == "invalid"
        stored = await stored_row(deployment, "finance.financial_accounts", one["id"])
        assert stored is not None
        assert (stored["balance"], stored["name"]) == (10, f"n{amount}")
    assert len(await phone.conflicts()) == 5


@pytest.mark.parametrize("name", ["", "x" * 65, "ünïcode", "a\tb", " "])
async def test_a_device_that_names_itself_badly(deployment: Deployment, phone: Device, name: str) -> None:
    before = snapshot(deployment)
    for path in ("pull", "push"):
        answer = await phone.client.request(
            "GET" if path == "pull" else "POST",
            f"/api/v1/sync/{path}",
            headers={b"x-holdfast-device": name.encode(), b"content-type": b"application/json"},
            content=b"{}",
        )
        assert answer.status_code == 400
    assert snapshot(deployment) == before


@pytest.mark.parametrize("limit", ["0", "-1", "x", "5001", "1.5", "[]"])
async def test_a_page_of_a_size_that_is_none(phone: Device, limit: str) -> None:
    assert (await phone.ask_pull(paging="1", limit=limit)).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"x"', b"{"])
async def test_a_pull_by_post_that_cannot_be_read(phone: Device, body: bytes) -> None:
    answer = await phone.client.post("/api/v1/sync/pull", content=body, headers=JSON)
    assert answer.status_code == 400


async def test_an_id_in_two_arrays_is_one_row(deployment: Deployment, phone: Device) -> None:
    one = job()
    changes = {"created": [one, {**one, "hours": 3}], "updated": [edited(one, title="Second")], "deleted": []}
    assert (await phone.sync(jobs=changes))["accepted"] == 1
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert stored["title"] == "Second"
