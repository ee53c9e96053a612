"""Lists: pages, sorts, filters, and what is refused of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from holdfast.accounts.log import Event
from tests.api_platform import Deployment, account
from tests.unit.api.scenario import Scenario, assert_problem, play

SAMPLES = "/api/v1/data/lab/samples"
ACCOUNTS = "/financial/accounts"
ROWS: list[dict[str, Any]] = [
    {"code": "a", "colour": "red", "count": 1, "ready": True, "taken": "2026-01-01", "weight": "1.5"},
    {"code": "b,c", "colour": "blue", "count": 2, "taken": "2026-02-01", "weight": "-3"},
    {"code": "c", "count": 3, "ready": True, "taken_at": "2026-01-01T00:00:00Z"},
    {"code": "null", "colour": "red", "count": 2, "taken_at": "2026-01-01T02:00:00+01:00"},
]


@pytest.fixture
async def samples(ada: httpx.AsyncClient) -> list[dict[str, Any]]:
    answers = [await ada.post(SAMPLES, json=row) for row in ROWS]
    assert {answer.status_code for answer in answers} == {201}
    return [answer.json() for answer in answers]


async def _codes(client: httpx.AsyncClient, query: str) -> list[str]:
    answer = await client.get(f"{SAMPLES}?{query}")
    assert answer.status_code == 200, answer.text
    return [row["code"] for row in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("", ["a", "b,c", "c", "null"]),
        ("sort=-id", ["null", "c", "b,c", "a"]),
        ("sort=-created_at", ["null", "c", "b,c", "a"]),
        ("sort=weight", ["c", "null", "b,c", "a"]),
        ("colour=red", ["a", "null"]),
        ("colour__eq=red", ["a", "null"]),
        ("colour=null", ["c"]),
        ("colour__in=red,blue", ["a", "b,c", "null"]),
        ("colour__in=red&colour__in=blue", ["a", "b,c", "null"]),
        ("code=null", ["null"]),
        ("code=b,c", ["b,c"]),
        ("code__in=b,c", ["c"]),
        ("code__in=b,c&code__in=a", ["a", "b,c"]),
        ("code__gt=b", ["b,c", "c", "null"]),
        ("ready=true", ["a", "c"]),
        ("ready=false", ["b,c", "null"]),
        ("count=2", ["b,c", "null"]),
        ("count__gt=1&count__lte=2", ["b,c", "null"]),
        ("count__gte=2&sort=-count", ["c", "null", "b,c"]),
        ("count__in=1,3", ["a", "c"]),
        ("taken__lt=2026-01-02", ["a"]),
        ("taken_at__gte=2026-01-01T01:00:00Z", ["null"]),
        ("taken_at=2026-01-01T01:00:00%2B01:00", ["c"]),
        ("weight__lt=1.50", ["b,c"]),
        ("weight=1.500", ["a"]),
        ("colour=red&count=2", ["null"]),
        ("limit=2", ["a", "b,c"]),
    ],
)
async def test_filters_and_sorts(
    ada: httpx.AsyncClient, samples: list[dict[str, Any]], query: str, codes: list[str]
) -> None:
    assert await _codes(ada, query) == codes


async def test_ids_and_references_filter_in_either_spelling(ada: httpx.AsyncClient) -> None:
    sample = (await ada.post(SAMPLES, json={"code": "d", "id": "aBcDeFgHiJkLmNoP"})).json()
    part = (await ada.post("/data/lab/parts", json={"sample_id": "aBcDeFgHiJkLmNoP"})).json()
    for spelling in ("aBcDeFgHiJkLmNoP", sample["id"]):
        found = await ada.get(f"/data/lab/parts?sample_id={spelling}")
        assert [row["id"] for row in found.json()["items"]] == [part["id"]]


@pytest.mark.parametrize(
    "query", ["", "sort=-created_at&", "sort=count&", "sort=-weight&", "colour__in=red,blue&"]
)
async def test_pages_make_up_the_whole_list(
    ada: httpx.AsyncClient, samples: list[dict[str, Any]], query: str
) -> None:
    whole = (await ada.get(f"{SAMPLES}?{query}limit=1000")).json()
    assert whole["next"] is None
    paged: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await ada.get(f"{SAMPLES}?{query}limit=1{after}")).json()
        paged += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert paged == whole["items"]


REFUSED = [
    Scenario("no index", "GET", "?note=x", 400, code="not_indexed"),
    Scenario("no index, JSON", "GET", "?extra=x", 400, code="not_indexed"),
    Scenario("no index, float", "GET", "?ratio=1.5", 400, code="not_indexed"),
    Scenario("no index to sort by", "GET", "?sort=note", 400, code="not_indexed"),
    Scenario("unknown field", "GET", "?nope=1", 422, fields=frozenset({"nope"})),
    Scenario("unknown sort", "GET", "?sort=nope", 422, fields=frozenset({"nope"})),
    Scenario("empty sort", "GET", "?sort=", 422, code="invalid_input"),
    Scenario("double minus", "GET", "?sort=--id", 422, code="invalid_input"),
    Scenario("unknown comparison", "GET", "?count__like=1", 422, fields=frozenset({"count__like"})),
    Scenario("dunder", "GET", "?__class__=1", 422, code="invalid_input"),
    Scenario("not a number", "GET", "?count=1e3", 422, fields=frozenset({"count"})),
    Scenario("digits of another script", "GET", f"?count={quote('٣')}", 422, fields=frozenset({"count"})),
    Scenario("a number out of range", "GET", "?count=99999999999999999999", 422),
    Scenario("not a boolean", "GET", "?ready=1", 422, fields=frozenset({"ready"})),
    Scenario("not a date", "GET", "?taken=2026-02-30", 422, fields=frozenset({"taken"})),
    Scenario("a date of another script", "GET", f"?taken={quote('٢٠٢٦')}-01-01", 422, fields=frozenset({"taken"})),
    Scenario("a time of another script", "GET", f"?taken_at={quote('٢٠٢٦')}-01-01T00:00:00Z", 422, fields=frozenset({"taken_at"})),
    Scenario("a decimal of another script", "GET", f"?weight={quote('٣')}", 422, fields=frozenset({"weight"})),
    Scenario("no offset", "GET", "?taken_at=2026-01-01T00:00:00", 422, fields=frozenset({"taken_at"})),
    Scenario("not a decimal", "GET", "?weight=NaN", 422, fields=frozenset({"weight"})),
    Scenario("not a choice", "GET", "?colour=pink", 422, fields=frozenset({"colour"})),
    Scenario("upper-case id", "GET", "?id=0197B3A4-6F0E-7C51-9D0A-2F6F4C1E8B7D", 422, fields=frozenset({"id"})),
    Scenario("null of what is always there", "GET", "?count=null", 422, fields=frozenset({"count"})),
    Scenario("greater than nothing", "GET", "?weight__gt=null", 422, fields=frozenset({"weight__gt"})),
    Scenario("a filter twice", "GET", "?count=1&count=2", 422, fields=frozenset({"count"})),
    Scenario("too many choices", "GET", "?count__in=" + ",".join("1" * 101), 422, fields=frozenset({"count__in"})),
    Scenario("limit of zero", "GET", "?limit=0", 422, fields=frozenset({"limit"})),
    Scenario("limit too high", "GET", "?limit=1001", 422, fields=frozenset({"limit"})),
    Scenario("negative limit", "GET", "?limit=-1", 422, fields=frozenset({"limit"})),
    Scenario("limit in words", "GET", "?limit=all", 422, fields=frozenset({"limit"})),
    Scenario("limit of many digits", "GET", "?limit=" + "9" * 5000, 422, fields=frozenset({"limit"})),
    Scenario("limit twice", "GET", "?limit=1&limit=2", 400, code="malformed_request"),
    Scenario("no value", "GET", "?count", 400, code="malformed_request"),
    Scenario("not UTF-8", "GET", "?code=%ff", 400, code="malformed_request"),
    Scenario("NUL", "GET", "?code=%00", 422, fields=frozenset({"code"})),
    Scenario("too many parameters", "GET", "?" + "&".join(f"x{n}=1" for n in range(65)), 400, code="malformed_request"),
    Scenario("a cursor that is none", "GET", "?after=xyz", 400, code="bad_cursor"),
    Scenario("an empty cursor", "GET", "?after=", 400, code="bad_cursor"),
    Scenario("a cursor of another script", "GET", f"?after={quote('ключ')}", 400, code="bad_cursor"),
    Scenario("a cursor of any length", "GET", "?after=" + "A" * 10_000, 400, code="bad_cursor"),
]  # fmt: skip


@pytest.mark.parametrize("scenario", REFUSED, ids=str)
async def test_what_is_refused(ada: httpx.AsyncClient, scenario: Scenario) -> None:
    await play(ada, Scenario(**{**vars(scenario), "path": SAMPLES + scenario.path}))


async def test_a_cursor_belongs_to_its_list_and_its_reader(
    ada: httpx.AsyncClient, ben: httpx.AsyncClient, eve: httpx.AsyncClient, samples: list[dict[str, Any]]
) -> None:
    cursor = (await ada.get(f"{SAMPLES}?limit=1&colour=red")).json()["next"]
    assert (await ada.get(f"{SAMPLES}?limit=2&colour=red&after={cursor}")).status_code == 200
    strangers = [
        await ada.get(f"{SAMPLES}?limit=1&colour=blue&after={cursor}"),
        await ada.get(f"{SAMPLES}?limit=1&after={cursor}"),
        await ada.get(f"{SAMPLES}?limit=1&colour=red&sort=-id&after={cursor}"),
        await ada.get(f"/data/lab/parts?limit=1&after={cursor}"),
        await ben.get(f"{SAMPLES}?limit=1&colour=red&after={cursor}"),
        await eve.get(f"{SAMPLES}?limit=1&colour=red&after={cursor}"),
    ]
    for answer in strangers:
        assert answer.status_code == 400
        assert_problem(answer, code="bad_cursor")


async def test_a_cursor_cannot_be_altered(ada: httpx.AsyncClient, samples: list[dict[str, Any]]) -> None:
    cursor = (await ada.get(f"{SAMPLES}?limit=1&sort=count")).json()["next"]
    for position in range(0, len(cursor), 5):
        swapped = "A" if cursor[position] != "A" else "B"
        forged = cursor[:position] + swapped + cursor[position + 1 :]
        assert (await ada.get(f"{SAMPLES}?limit=1&sort=count&after={forged}")).status_code == 400


async def test_a_list_holds_ones_own_rows_alone(
    ada: httpx.AsyncClient, ben: httpx.AsyncClient, eve: httpx.AsyncClient
) -> None:
    for client in (ada, ben, eve):
        await client.post(ACCOUNTS, json=account())
    for client in (ada, ben, eve):
        assert len((await client.get(ACCOUNTS)).json()["items"]) == 1


async def test_an_administrator_reads_the_whole_tenant_and_it_is_recorded(
    ada: httpx.AsyncClient, ben: httpx.AsyncClient, eve: httpx.AsyncClient, deployment: Deployment
) -> None:
    for client in (ada, ben, eve):
        await client.post(ACCOUNTS, json=account())
    wide = {"x-holdfast-scope": "tenant", "x-holdfast-reason": "A question of Ben's"}
    rows = (await ada.get(ACCOUNTS, headers=wide)).json()["items"]
    people = deployment.people
    assert {row["user_id"] for row in rows} == {str(people[name].user_id) for name in ("ada", "ben")}
    assert (await ada.get(f"{ACCOUNTS}/{rows[1]['id']}", headers=wide)).status_code == 200
    recorded = await deployment.events(Event.TENANT_SCOPE_OPENED)
    assert [(line.actor, line.tenant_id, line.reason) for line in recorded] == [
        (people["ada"].user_id, people["ada"].tenant_id, "A question of Ben's")
    ] * 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-holdfast-scope": "tenant"}, 400),
        ({"x-holdfast-scope": "tenant", "x-holdfast-reason": "   "}, 400),
        ({"x-holdfast-scope": "tenant", "x-holdfast-reason": "r" * 201}, 400),
        ({"x-holdfast-scope": "tenant", "x-holdfast-reason": "tab\tinside"}, 400),
        ({"x-holdfast-scope": "all", "x-holdfast-reason": "r"}, 400),
        ({"x-holdfast-scope": "", "x-holdfast-reason": "r"}, 400),
    ],
)
async def test_a_scope_for_the_whole_tenant_says_why(
    ada: httpx.AsyncClient, deployment: Deployment, headers: dict[str, str], status: int
) -> None:
    assert (await ada.get(ACCOUNTS, headers=headers)).status_code == status
    assert await deployment.events(Event.TENANT_SCOPE_OPENED) == []


async def test_a_member_may_not_read_the_whole_tenant_and_nobody_may_write_it(
    ada: httpx.AsyncClient, ben: httpx.AsyncClient, deployment: Deployment
) -> None:
    wide = {"x-holdfast-scope": "tenant", "x-holdfast-reason": "curiosity"}
    assert_problem(await ben.get(ACCOUNTS, headers=wide), code="forbidden")
    assert_problem(await ada.post(ACCOUNTS, json=account(), headers=wide), code="forbidden")
    assert await deployment.events(Event.TENANT_SCOPE_OPENED) == []


async def test_a_narrow_cursor_does_not_become_a_wide_one(ada: httpx.AsyncClient) -> None:
    for _ in range(2):
        await ada.post(ACCOUNTS, json=account())
    cursor = (await ada.get(f"{ACCOUNTS}?limit=1")).json()["next"]
    wide = {"x-holdfast-scope": "tenant", "x-holdfast-reason": "r"}
    assert_problem(await ada.get(f"{ACCOUNTS}?limit=1&after={cursor}", headers=wide), code="bad_cursor")
