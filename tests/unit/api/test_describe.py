"""What the API says of itself is true: each operation that it describes is there, and each form is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from holdfast.api.describe.json_schema import create_schema, example, row_schema
from holdfast.model.entity import schema_of
from tests.api_platform import Sample
from tests.unit.api.scenario import assert_problem

ID = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"


@pytest.fixture
async def document(anyone: httpx.AsyncClient) -> dict[str, Any]:
    answer = await anyone.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation, item


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


async def test_the_document_holds_together(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {
        "title": "Holdfast",
        "version": "1.2.3",
        "description": document["info"]["description"],
    }
    for reference in _references(document):
        kind, _, name = reference.removeprefix("#/components/").partition("/")
        assert name in document["components"][kind]
    ids = [operation["operationId"] for _, _, operation, _ in _operations(document)]
    assert len(set(ids)) == len(ids)
    for path, _, operation, item in _operations(document):
        parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
        named = [(each["name"], each["in"]) for each in parameters]
        assert len(set(named)) == len(named)
        assert {name for name, place in named if place == "path"} == set(re.findall(r"{(\w+)}", path))
        assert all(each.get("required") for each in parameters if each["in"] == "path")
        assert operation["responses"]
        assert all("description" in response for response in operation["responses"].values())


async def test_every_error_is_described_as_a_problem(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, _, operation, _ in _operations(document):
        if path.startswith("/api/v1/health"):
            continue
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}


@pytest.mark.skipif(
    find_spec("openapi_spec_validator") is None,
    reason="openapi-spec-validator is not installed; the structure is checked without it",
)
async def test_a_validator_finds_nothing(document: dict[str, Any]) -> None:
    from openapi_spec_validator import validate  # type: ignore[import-not-found,unused-ignore]

    validate(document)


async def test_each_entity_is_described_below_the_version_and_under_its_short_path(
    document: dict[str, Any],
) -> None:
    for path in ("data/finance/financial_accounts", "financial/accounts", "data/lab/samples", "samples"):
        assert document["paths"][f"/api/v1/{path}"].keys() == {"get", "post"}
        assert document["paths"][f"/api/v1/{path}/{{id}}"].keys() == {"parameters", "get", "patch", "delete"}
    assert not [path for path in document["paths"] if not path.startswith("/api/v1/")]


def _is_stream(operation: dict[str, Any]) -> bool:
    """Whether the answer goes on for as long as somebody listens."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


async def test_each_described_operation_answers(ada: httpx.AsyncClient, document: dict[str, Any]) -> None:
    for path, method, operation, _ in _operations(document):
        if "/auth/" in path or _is_stream(operation):
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        answer = await ada.request(method, path.replace("{id}", ID), json={} if body else None)
        assert answer.status_code in {200, 201, 404, 422}, (path, method)
        if answer.status_code == 404:
            assert_problem(answer, code="not_found")


async def test_what_needs_a_token_says_so_and_what_does_not_says_nothing(
    anyone: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    for path, method, operation, _ in _operations(document):
        answer = await anyone.request(method, path.replace("{id}", ID))
        assert (answer.status_code == 401) == (operation.get("security") == [{"bearer": []}]), (path, method)


async def test_examples_are_taken_as_they_stand(ada: httpx.AsyncClient, document: dict[str, Any]) -> None:
    for path, method, operation, _ in _operations(document):
        if method != "post" or "requestBody" not in operation or "/auth/" in path:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        answer = await ada.post(path.replace("{id}", ID), json=schema["example"])
        wanted = {404} if "{id}" in path else {200} if "/sync/" in path else {201, 409}
        assert answer.status_code in wanted, answer.text


async def test_described_filters_are_served(ada: httpx.AsyncClient, document: dict[str, Any]) -> None:
    texts = {"boolean": "true", "integer": "1", "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z"}
    for parameter in document["paths"]["/api/v1/data/lab/samples"]["get"]["parameters"]:
        if parameter["in"] != "query" or parameter["name"] == "after":
            continue
        schema = parameter["schema"]
        schema = schema.get("items", schema)
        kind = schema.get("format") or schema.get("type", "uuid")
        kind = kind if isinstance(kind, str) else kind[0]
        text = (
            schema["enum"][0]
            if "enum" in schema
            else ID
            if "anyOf" in schema
            else texts.get(kind, "12.500" if "pattern" in schema else "x")
        )
        answer = await ada.get(f"/api/v1/data/lab/samples?{parameter['name']}={text}".replace("+", "%2B"))
        assert answer.status_code == 200, (parameter, answer.text)


def test_a_row_is_described_with_the_rules_of_its_fields() -> None:
    schema = schema_of(Sample, pack="lab")
    fields = row_schema(schema)["properties"]
    assert fields["code"] == {"type": "string", "maxLength": 40}
    assert fields["colour"] == {"type": ["string", "null"], "enum": ["red", "green", "blue", None]}
    assert fields["count"] == {"type": "integer", "minimum": 0, "maximum": 1000}
    assert fields["id"] == {"type": "string", "format": "uuid"}
    assert re.match(fields["weight"]["pattern"], example(schema.by_name["weight"]))
    assert not re.match(fields["weight"]["pattern"], "1234567.5")
    create = create_schema(schema)
    assert create["required"] == ["code"]
    assert create["additionalProperties"] is False
    assert create["properties"]["count"]["default"] == 0
    assert not {"version", "created_at", "updated_at"} & create["properties"].keys()


# -- the page -----------------------------------------------------------------------------------------------------


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name, value in attrs if name in {"src", "href"} and value]
        self.inline |= (tag == "script" and "src" not in given) or tag == "style" or "style" in given
        self.inline |= any(name.startswith("on") for name in given)


@pytest.mark.parametrize("page", ["/docs", "/api/v1/docs"])
async def test_the_page_works_under_its_own_policy(anyone: httpx.AsyncClient, page: str) -> None:
    answer = await anyone.get(page)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    addresses = _Addresses()
    addresses.feed(answer.text)
    assert not addresses.inline
    assert len(addresses.found) == 3
    for address in addresses.found:
        part = await anyone.get(str(answer.url.join(address)))
        assert part.status_code == 200
        assert part.url.host == answer.url.host


@pytest.mark.parametrize("name", ["", "/docs.js", "/docs.css"])
async def test_the_page_names_no_other_address_and_makes_no_markup_of_text(
    anyone: httpx.AsyncClient, name: str
) -> None:
    text = (await anyone.get(f"/docs{name}")).text
    assert text
    assert not re.search(r"https?://|//[a-z]|@import|url\(|innerHTML|outerHTML|eval\(|document\.write", text)
