"""That a target does the job at all: a fast wrong answer is not measured."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from benchmarks.errors import BenchmarkError
from benchmarks.http.workload import PAGE
from benchmarks.targets.accounts import account
from benchmarks.targets.target import Seeded, Target


def check_contract(target: Target, base_url: str, tenant: Seeded) -> None:
    """Ask for each operation once and look into the answers. BenchmarkError says what is wrong."""
    headers = {"Authorization": f"Bearer {tenant.token}"}
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as client:
        answers = _Answers(target, client)
        answers.check_read(tenant.ids[0])
        answers.check_list(tenant.ids[:PAGE])
        answers.check_create()
        answers.check_update(tenant.ids[0])


class _Answers:
    def __init__(self, target: Target, client: httpx.Client) -> None:
        self.target = target
        self.client = client

    def check_read(self, row: str) -> None:
        self._expect("read", self._ask("GET", f"/{row}", 200), {"id": row, "version": 1, **account(0)})

    def check_list(self, rows: list[str]) -> None:
        items = self._ask("GET", f"?limit={PAGE}", 200)["items"]
        if [item["id"] for item in items] != rows:
            raise BenchmarkError(f"{self.target.name}: a list is not the first {PAGE} accounts by id")
        self._expect("list", items[0], account(0))

    def check_create(self) -> None:
        new = self._ask("POST", "", 201, account(1))
        self._expect("create", new, {"version": 1, "is_active": True, "synced_at": None, **account(1)})
        self._expect("read what was created", self._ask("GET", f"/{new['id']}", 200), new)

    def check_update(self, row: str) -> None:
        changed = self._ask("PATCH", f"/{row}", 200, {"balance": "-0.10"})
        self._expect("update", changed, {**account(0), "id": row, "version": 2, "balance": "-0.10"})
        if datetime.fromisoformat(changed["updated_at"]) <= datetime.fromisoformat(changed["created_at"]):
            raise BenchmarkError(f"{self.target.name}: an update does not move updated_at")

    def _ask(self, method: str, path: str, status: int, body: object = None) -> Any:
        answer = self.client.request(method, self.target.collection + path, json=body)
        if answer.status_code != status:
            raise BenchmarkError(
                f"{self.target.name}: {method} answers {answer.status_code} instead of {status}"
            )
        return answer.json()

    def _expect(self, what: str, got: dict[str, Any], expected: dict[str, Any]) -> None:
        wrong = sorted(name for name, value in expected.items() if got.get(name, ...) != value)
        if wrong:
            raise BenchmarkError(f"{self.target.name}: {what}: wrong in {', '.join(wrong)}")
