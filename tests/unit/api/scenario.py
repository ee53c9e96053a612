"""A request and what must be true of its answer, as a line of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Scenario:
    """One request. `{id}` in the path stands for a row that exists; `code` and `fields` are the problem's."""

    name: str
    method: str
    path: str
    status: int
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    fields: frozenset[str] | None = None
    has: dict[str, Any] = field(default_factory=dict)
    """Members that the answer has."""

    def __str__(self) -> str:
        return self.name


async def play(client: httpx.AsyncClient, scenario: Scenario, row: str = "") -> httpx.Response:
    """Send it, and check what the line says; returns the answer for what else the test wants to know."""
    body = {"json": scenario.json} if scenario.content is None else {"content": scenario.content}
    if scenario.json is None and scenario.content is None:
        body = {}
    path = scenario.path.replace("{id}", row)
    answer = await client.request(scenario.method, path, headers=scenario.headers, **body)
    assert answer.status_code == scenario.status, answer.text
    if scenario.status >= 400 and scenario.method != "HEAD":
        assert_problem(answer, code=scenario.code)
    if scenario.fields is not None:
        assert set(answer.json().get("fields", {})) == scenario.fields
    for name, value in scenario.has.items():
        assert answer.json()[name] == value
    return answer


def assert_problem(answer: httpx.Response, *, code: str | None = None) -> dict[str, Any]:
    """The answer is a whole problem document, and says what its status line says."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"] in {f"urn:holdfast:error:{problem['code']}", "about:blank"}
    assert problem["title"]
    if code is not None:
        assert problem["code"] == code
    return problem
