from __future__ import annotations
import pytest
from tests.api_platform import app_of, client_of, inhabited

@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

async def test_round() -> None:
    d = inhabited()
    app = app_of(d)
    async with client_of(app, d.tokens["ada"]) as a, client_of(app, d.tokens["ada"]) as b:
        a.headers["x-holdfast-device"] = "a"; b.headers["x-holdfast-device"] = "b"
        r = await a.get("/api/v1/sync/pull?last_pulled_at=null")
        assert r.status_code == 200, r.text
        print(r.text)
        t = r.json()["timestamp"]
        row = {"id": "abcdefgh01234567", "_status": "created", "_changed": "", "name": "Cash", "account_type": "checking", "balance": 12.5, "currency": "USD", "is_active": True, "metadata": "{}", "institution": None, "interest_rate": None}
        r = await a.post(f"/api/v1/sync/push?last_pulled_at={t}", json={"financial_accounts": {"created": [row], "updated": [], "deleted": []}})
        print(r.status_code, r.text)
        assert r.status_code == 200
        r2 = await a.post(f"/api/v1/sync/push?last_pulled_at={t}", json={"financial_accounts": {"created": [row], "updated": [], "deleted": []}})
        print(r2.text)
        pa = (await a.get(f"/api/v1/sync/pull?last_pulled_at={t}")).json()
        print("a", pa)
        pb = (await b.get("/api/v1/sync/pull")).json()
        print("b", pb)
        tb = pb["timestamp"]
        # both edit the name
        e = {**row, "_status": "updated", "_changed": "name"}
        r = await b.post(f"/api/v1/sync/push?last_pulled_at={tb}", json={"financial_accounts": {"created": [], "updated": [{**e, "name": "B"}], "deleted": []}})
        print(r.text)
        pa2 = (await a.get(f"/api/v1/sync/pull?last_pulled_at={pa['timestamp']}")).json()
        print(pa2)
        r = await a.post(f"/api/v1/sync/push?last_pulled_at={pa2['timestamp']}", json={"changes": {"financial_accounts": {"created": [], "updated": [{**e, "name": "A"}], "deleted": []}}, "lastPulledAt": pa2["timestamp"]})
        print(r.text)
        print((await a.get("/api/v1/sync/conflicts?state=all")).text)
        r = await b.get(f"/api/v1/sync/pull?last_pulled_at={tb}")
        print(r.text)
        tb = r.json()["timestamp"]
        r = await b.post(f"/api/v1/sync/push?last_pulled_at={tb}", json={"financial_accounts": {"deleted": ["abcdefgh01234567", "zzz"]}})
        print(r.text)
        r = await a.get(f"/api/v1/sync/pull?last_pulled_at={pa2['timestamp']}")
        print(r.text)
    await d.aclose()
