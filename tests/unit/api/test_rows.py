"""Create, read, change, delete: one row at a time."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from holdfast import Pack
from holdfast.errors import DeclarationError
from tests.api_platform import Deployment, Notice, Sample, account, app_of
from tests.unit.api.scenario import Scenario, assert_problem, play

ACCOUNTS = "/api/v1/data/finance/financial_accounts"
PATHS = [ACCOUNTS, "/data/finance/financial_accounts", "/financial/accounts", "/api/v1/financial/accounts"]
SAMPLES = "/api/v1/data/lab/samples"
NOBODY = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"


async def _new(client: httpx.AsyncClient, **fields: object) -> dict[str, str]:
    answer = await client.post(ACCOUNTS, json=account(**fields))
    assert answer.status_code == 201, answer.text
    row: dict[str, str] = answer.json()
    return row


@pytest.mark.parametrize("path", PATHS)
async def test_a_row_is_made_and_read_under_each_of_its_paths(ada: httpx.AsyncClient, path: str) -> None:
    made = await ada.post(path, json=account(balance="12.5", metadata={"colour": "green"}))
    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"{ACCOUNTS}/{made.json()['id']}"
    read = await ada.get(f"{path}/{made.json()['id']}")
    assert read.status_code == 200
    assert read.headers["etag"] == '"1"'
    assert read.headers["content-type"] == "application/json"
    assert read.json() == made.json()
    assert read.json()["balance"] == "12.50"
    assert read.json()["version"] == 1


async def test_what_location_says_is_where_the_row_is(ada: httpx.AsyncClient) -> None:
    made = await ada.post("/financial/accounts", json=account())
    assert (await ada.get(made.headers["location"])).json() == made.json()


async def test_money_is_exact_whether_it_comes_as_text_or_as_a_number(ada: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    body = b'{"name": "n", "account_type": "checking", "balance": 9007199254740.93, "interest_rate": 0.0125}'
    made = await ada.post(ACCOUNTS, content=body, headers=headers)
    assert made.json()["balance"] == "9007199254740.93"
    assert made.json()["interest_rate"] == "0.0125"


async def test_a_client_may_make_the_id_and_a_device_may_spell_it_its_way(ada: httpx.AsyncClient) -> None:
    assert (await _new(ada, id=NOBODY))["id"] == NOBODY
    row = await _new(ada, id="aBcDeFgHiJkLmNoP")
    assert UUID(row["id"]).version == 8
    assert (await ada.get(f"{ACCOUNTS}/aBcDeFgHiJkLmNoP")).json() == row
    assert (await ada.get(f"{ACCOUNTS}/{row['id']}")).json() == row


async def test_an_id_that_is_taken_is_a_conflict(ada: httpx.AsyncClient) -> None:
    row = await _new(ada)
    again = await ada.post(ACCOUNTS, json=account(id=row["id"]))
    assert again.status_code == 409
    assert_problem(again, code="already_exists")


CREATIONS = [
    Scenario("unknown field", "POST", ACCOUNTS, 422, json=account(nope=1), fields=frozenset({"nope"})),
    Scenario(
        "server's own fields",
        "POST",
        ACCOUNTS,
        422,
        json=account(version=7, created_at="2026-01-01T00:00:00Z", user_id=NOBODY, synced_at=None),
        code="invalid_input",
        fields=frozenset({"version", "created_at", "user_id", "synced_at"}),
    ),
    Scenario("missing fields", "POST", ACCOUNTS, 422, json={}, fields=frozenset({"name", "account_type"})),
    Scenario("wrong type", "POST", ACCOUNTS, 422, json=account(is_active="yes"), fields=frozenset({"is_active"})),
    Scenario("a float of cents", "POST", ACCOUNTS, 422, json=account(balance=0.001), fields=frozenset({"balance"})),
    Scenario("too many digits", "POST", ACCOUNTS, 422, json=account(balance="1e3"), fields=frozenset({"balance"})),
    Scenario("not a choice", "POST", ACCOUNTS, 422, json=account(currency="XXX"), fields=frozenset({"currency"})),
    Scenario("too long", "POST", ACCOUNTS, 422, json=account(name="n" * 256), fields=frozenset({"name"})),
    Scenario("just long enough", "POST", ACCOUNTS, 201, json=account(name="n" * 255)),
    Scenario("null where none may be", "POST", ACCOUNTS, 422, json=account(name=None), fields=frozenset({"name"})),
    Scenario("NUL in text", "POST", ACCOUNTS, 422, json=account(name="a\0b"), fields=frozenset({"name"})),
    Scenario("lone surrogate", "POST", ACCOUNTS, 422, content=b'{"name": "\\ud800", "account_type": "loan"}', headers={"content-type": "application/json"}, fields=frozenset({"name"})),
    Scenario("upper-case id", "POST", ACCOUNTS, 422, json=account(id=NOBODY.upper()), fields=frozenset({"id"})),
    Scenario("an id that is none", "POST", ACCOUNTS, 422, json=account(id="x"), fields=frozenset({"id"})),
    Scenario("not an object", "POST", ACCOUNTS, 422, json=[account()], code="invalid_input"),
    Scenario("null as a body", "POST", ACCOUNTS, 422, content=b"null", headers={"content-type": "application/json"}),
    Scenario("__proto__", "POST", ACCOUNTS, 422, json=account(__proto__={"x": 1}), fields=frozenset({"__proto__"})),
    Scenario("metadata that is no object", "POST", ACCOUNTS, 422, json=account(metadata=[1]), fields=frozenset({"metadata"})),
    Scenario("every problem at once", "POST", ACCOUNTS, 422, json={"name": 1, "x": 2}, fields=frozenset({"name", "x"})),
    Scenario("duplicate unique", "POST", SAMPLES, 409, json={"code": "taken"}, code="duplicate"),
    Scenario("reference to nothing", "POST", "/data/lab/parts", 409, json={"sample_id": NOBODY}, code="reference_missing"),
    Scenario("wrong media type", "POST", ACCOUNTS, 415, content=b"{}", headers={"content-type": "text/plain"}, code="unsupported_media_type"),
    Scenario("no media type", "POST", ACCOUNTS, 415, content=b"{}", code="unsupported_media_type"),
    Scenario("form", "POST", ACCOUNTS, 415, content=b"name=x", headers={"content-type": "application/x-www-form-urlencoded"}),
    Scenario("other charset", "POST", ACCOUNTS, 415, content=b"{}", headers={"content-type": "application/json; charset=latin-1"}),
    Scenario("charset said", "POST", SAMPLES, 201, content=b'{"code": "c"}', headers={"content-type": "Application/JSON; charset=UTF-8"}),
]  # fmt: skip


@pytest.mark.parametrize("scenario", CREATIONS, ids=str)
async def test_creating(ada: httpx.AsyncClient, scenario: Scenario) -> None:
    await ada.post(SAMPLES, json={"code": "taken"})
    before = len((await ada.get(ACCOUNTS)).json()["items"])
    await play(ada, scenario)
    stored = len((await ada.get(ACCOUNTS)).json()["items"]) - before
    assert stored == (1 if scenario.status == 201 and scenario.path == ACCOUNTS else 0)


READS = [
    Scenario("a row", "GET", f"{ACCOUNTS}/{{id}}", 200, has={"version": 1}),
    Scenario("unchanged", "GET", f"{ACCOUNTS}/{{id}}", 304, headers={"if-none-match": '"1"'}),
    Scenario("unchanged, weakly", "GET", f"{ACCOUNTS}/{{id}}", 304, headers={"if-none-match": 'W/"1"'}),
    Scenario("unchanged, of several", "GET", f"{ACCOUNTS}/{{id}}", 304, headers={"if-none-match": '"x", W/"1" ,"9"'}),
    Scenario("unchanged, any", "GET", f"{ACCOUNTS}/{{id}}", 304, headers={"if-none-match": "*"}),
    Scenario("changed", "GET", f"{ACCOUNTS}/{{id}}", 200, headers={"if-none-match": '"2"'}),
    Scenario("a tag without quotes", "GET", f"{ACCOUNTS}/{{id}}", 400, headers={"if-none-match": "1"}, code="malformed_request"),
    Scenario("no such row", "GET", f"{ACCOUNTS}/{NOBODY}", 404, code="not_found"),
    Scenario("no such row, unchanged", "GET", f"{ACCOUNTS}/{NOBODY}", 404, headers={"if-none-match": "*"}),
    Scenario("upper-case id", "GET", f"{ACCOUNTS}/{NOBODY.upper()}", 404, code="no_such_path"),
    Scenario("no id", "GET", f"{ACCOUNTS}/", 404, code="no_such_path"),
    Scenario("an id in braces", "GET", f"{ACCOUNTS}/{{{{{NOBODY}}}}}", 404),
    Scenario("a path below a row", "GET", f"{ACCOUNTS}/{{id}}/x", 404, code="no_such_path"),
    Scenario("unknown table", "GET", "/data/finance/nope", 404, code="no_such_path"),
    Scenario("unknown pack", "GET", "/data/nope/financial_accounts", 404, code="no_such_path"),
    Scenario("the realm", "GET", "/data/realm/memberships", 404, code="no_such_path"),
    Scenario("head", "HEAD", f"{ACCOUNTS}/{{id}}", 200),
    Scenario("head of nothing", "HEAD", f"{ACCOUNTS}/{NOBODY}", 404),
]  # fmt: skip


@pytest.mark.parametrize("scenario", READS, ids=str)
async def test_reading(ada: httpx.AsyncClient, scenario: Scenario) -> None:
    row = await _new(ada)
    answer = await play(ada, scenario, row["id"])
    if answer.status_code == 304:
        assert answer.headers["etag"] == '"1"'
        assert answer.content == b""


async def test_head_answers_as_get_without_the_body(ada: httpx.AsyncClient) -> None:
    row = await _new(ada)
    get, head = [await ada.request(method, f"{ACCOUNTS}/{row['id']}") for method in ("GET", "HEAD")]
    assert head.content == b""
    ignored = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in get.headers.items() if k not in ignored
    }


CHANGES = [
    Scenario("a field", "PATCH", "{id}", 200, json={"name": "New"}, has={"name": "New", "version": 2}),
    Scenario("to null", "PATCH", "{id}", 200, json={"institution": None}, has={"institution": None}),
    Scenario("nothing", "PATCH", "{id}", 200, json={}, has={"version": 1}),
    Scenario("to what it is", "PATCH", "{id}", 200, json={"name": "Everyday"}, has={"version": 1}),
    Scenario("if it is the version", "PATCH", "{id}", 200, json={"name": "N"}, headers={"if-match": '"1"'}),
    Scenario("if it is one of them", "PATCH", "{id}", 200, json={"name": "N"}, headers={"if-match": '"7", "1"'}),
    Scenario("if it exists", "PATCH", "{id}", 200, json={"name": "N"}, headers={"if-match": "*"}),
    Scenario("stale", "PATCH", "{id}", 412, json={"name": "N"}, headers={"if-match": '"2"'}, code="stale_version"),
    Scenario("stale, of several", "PATCH", "{id}", 412, json={"name": "N"}, headers={"if-match": '"2", "3"'}),
    Scenario("weak never matches", "PATCH", "{id}", 412, json={"name": "N"}, headers={"if-match": 'W/"1"'}),
    Scenario("a foreign tag", "PATCH", "{id}", 412, json={"name": "N"}, headers={"if-match": '"abc"'}),
    Scenario("a huge version", "PATCH", "{id}", 412, json={"name": "N"}, headers={"if-match": f'"{10**30}"'}),
    Scenario("no quotes", "PATCH", "{id}", 400, json={"name": "N"}, headers={"if-match": "1"}, code="malformed_request"),
    Scenario("an empty tag list", "PATCH", "{id}", 400, json={"name": "N"}, headers={"if-match": ""}),
    Scenario("the id", "PATCH", "{id}", 422, json={"id": NOBODY}, fields=frozenset({"id"})),
    Scenario("the owner", "PATCH", "{id}", 422, json={"user_id": NOBODY}, fields=frozenset({"user_id"})),
    Scenario("the version", "PATCH", "{id}", 422, json={"version": 5}, fields=frozenset({"version"})),
    Scenario("unknown field", "PATCH", "{id}", 422, json={"constructor": 1}, fields=frozenset({"constructor"})),
    Scenario("wrong type", "PATCH", "{id}", 422, json={"name": 1}, fields=frozenset({"name"})),
    Scenario("no such row", "PATCH", NOBODY, 404, json={"name": "N"}, code="not_found"),
    Scenario("no such row, of several", "PATCH", NOBODY, 404, json={"name": "N"}, headers={"if-match": '"1", "2"'}),
    Scenario("put", "PUT", "{id}", 405, json=account(), code="method_not_allowed"),
    Scenario("post to a row", "POST", "{id}", 405, json=account(), code="method_not_allowed"),
]  # fmt: skip


@pytest.mark.parametrize("scenario", CHANGES, ids=str)
async def test_changing(ada: httpx.AsyncClient, scenario: Scenario) -> None:
    row = await _new(ada)
    path = scenario.path.replace("{id}", row["id"])
    answer = await play(ada, Scenario(**{**vars(scenario), "path": f"{ACCOUNTS}/{path}"}))
    now = await ada.get(f"{ACCOUNTS}/{row['id']}")
    if answer.status_code == 200:
        assert answer.json() == now.json()
        assert answer.headers["etag"] == now.headers["etag"] == f'"{now.json()["version"]}"'
    else:
        assert now.json() == row


async def test_of_two_writers_with_one_version_the_second_is_told(ada: httpx.AsyncClient) -> None:
    row = await _new(ada)
    first, second = [
        await ada.patch(f"{ACCOUNTS}/{row['id']}", json={"name": name}, headers={"if-match": '"1"'})
        for name in ("first", "second")
    ]
    assert (first.status_code, second.status_code) == (200, 412)
    assert (await ada.get(f"{ACCOUNTS}/{row['id']}")).json()["name"] == "first"


async def test_a_deleted_row_is_gone(ada: httpx.AsyncClient) -> None:
    row = await _new(ada)
    path = f"{ACCOUNTS}/{row['id']}"
    assert (await ada.delete(path, headers={"if-match": '"2"'})).status_code == 412
    gone = await ada.delete(path, headers={"if-match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-length" not in gone.headers
    assert (await ada.get(path)).status_code == 404
    assert (await ada.delete(path)).status_code == 404


async def test_a_delete_is_refused_where_others_refer_to_the_row(ada: httpx.AsyncClient) -> None:
    sample = (await ada.post(SAMPLES, json={"code": "s"})).json()
    await ada.post("/data/lab/parts", json={"sample_id": sample["id"]})
    refused = await ada.delete(f"{SAMPLES}/{sample['id']}")
    assert refused.status_code == 409
    assert_problem(refused, code="still_referenced")


async def test_rows_of_others_are_not_there(
    ada: httpx.AsyncClient, ben: httpx.AsyncClient, eve: httpx.AsyncClient
) -> None:
    row = await _new(ada)
    path = f"{ACCOUNTS}/{row['id']}"
    nothing = (await ada.get(f"{ACCOUNTS}/{NOBODY}")).json()
    for other in (ben, eve):
        for answer in (
            await other.get(path),
            await other.patch(path, json={"name": "mine"}),
            await other.delete(path),
        ):
            assert (answer.status_code, answer.json()) == (404, nothing)
    assert (await ada.get(path)).json() == row


async def test_a_role_that_may_not_write_is_told_so(vic: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    assert (await vic.get(ACCOUNTS)).status_code == 200
    assert_problem(await vic.post(ACCOUNTS, json=account()), code="forbidden")
    assert_problem(await ben.post("/data/lab/notices", json={"text": "x"}), code="forbidden")


async def test_the_log_names_person_and_device(ada: httpx.AsyncClient, deployment: Deployment) -> None:
    await ada.post(ACCOUNTS, json=account(), headers={"x-holdfast-device": "Ada's phone"})
    person = deployment.people["ada"]
    (change,) = deployment.engine.data.changes[person.tenant_id]
    assert (change.actor, change.device) == (person.user_id, "Ada's phone")


async def test_every_kind_of_field_comes_back_as_it_went_in(ada: httpx.AsyncClient) -> None:
    sent = {
        "code": "κόδικας \U0001f511",
        "colour": "blue",
        "count": 1000,
        "ready": True,
        "taken": "2026-02-28",
        "taken_at": "2026-02-28T23:59:59.123456Z",
        "weight": "-12.500",
        "ratio": 0.1,
        "photo": "AAEC",
        "note": "",
        "extra": {"a": [1, 2.5, None, True, "x"], "b": {}},
    }
    made = await ada.post(SAMPLES, json=sent)
    assert made.status_code == 201
    assert {name: made.json()[name] for name in sent} == sent


async def test_a_firehose_is_read_here_and_written_elsewhere(ada: httpx.AsyncClient) -> None:
    assert (await ada.get("/data/lab/readings?taken_at__gt=2026-01-01T00:00:00Z")).status_code == 200
    refused = await ada.post("/data/lab/readings", json={"taken_at": "2026-01-01T00:00:00Z"})
    assert refused.status_code == 501
    assert_problem(refused, code="not_supported")
    described = (await ada.get("/openapi.json")).json()["paths"]
    assert described["/api/v1/data/lab/readings"].keys() == {"get"}
    assert described["/api/v1/data/lab/readings/{id}"].keys() == {"parameters", "get"}


@pytest.mark.parametrize(
    "path", ["health", "auth/login", "data/lab/parts", "docs", "/openapi.json/", "/notes"]
)
def test_a_short_path_that_is_taken_is_a_mistake_of_the_declaration(path: str) -> None:
    lab = Pack("lab", (Sample, Notice), short_paths={path: Sample, "notes": Notice})
    with pytest.raises(DeclarationError):
        app_of(Deployment(packs=(lab,)))
