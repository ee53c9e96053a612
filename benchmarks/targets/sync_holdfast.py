"""Holdfast as a target of sync. What it is filled with is copied inside the database from one row a tenant that was made
the ordinary way, with a log line each: a million rows would take minutes otherwise, and a pull does not look how they came.
"""

from __future__ import annotations

import psycopg

from benchmarks.targets.accounts import EPOCH
from benchmarks.targets.holdfast import Holdfast
from benchmarks.targets.sync_reference import KINDS, copy_content
from benchmarks.targets.target import Seeded
from holdfast.model.ids import TAG

OWNERS = """
CREATE TEMPORARY TABLE owners ON COMMIT DROP AS
SELECT row_number() OVER () - 1 AS turn, a.tenant_id, a.user_id, a.commit_salt, h.head, c.*
  FROM finance.financial_accounts a JOIN holdfast.tenant_heads h USING (tenant_id)
  JOIN LATERAL (SELECT flush_end, format, entity, op, fields, version, actor, device, at, commitment
                  FROM holdfast.changes WHERE tenant_id = a.tenant_id AND row_id = a.id) c ON true
 WHERE a.id = ANY(%(ids)s::uuid[])"""
SEED = """
WITH made AS MATERIALIZED (
    SELECT n, n %% %(tenants)s AS turn, n / %(tenants)s + 1 AS place, encode(
        substr(raw, 1, 6) || %(tag)s || substr(raw, 7), 'hex'
    )::uuid AS id
      FROM generate_series(0, %(rows)s - 1) n, decode(substr(md5(n::text), 1, 16), 'base64') raw
), filled AS (
    INSERT INTO finance.financial_accounts (
        tenant_id, id, version, created_at, updated_at, commit_salt, user_id, name, account_type, institution, balance,
        currency, interest_rate, is_active, metadata
    ) SELECT o.tenant_id, m.id, 1, %(epoch)s + n * interval '1 second', %(epoch)s + n * interval '1 second',
             o.commit_salt, o.user_id, c.name, c.account_type, c.institution, c.balance, c.currency, c.interest_rate,
             true, c.metadata
        FROM made m JOIN owners o USING (turn) JOIN content c ON c.turn = m.n %% %(kinds)s
)
INSERT INTO holdfast.changes (
    tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment
) SELECT o.tenant_id, o.head + m.place, o.head + m.place, o.format, o.entity, m.id, o.op, o.fields, o.version, o.actor,
         o.device, o.at, o.commitment
    FROM made m JOIN owners o USING (turn)"""
HEADS = """
UPDATE holdfast.tenant_heads h SET head = (SELECT max(number) FROM holdfast.changes c WHERE c.tenant_id = h.tenant_id)
 WHERE tenant_id IN (SELECT tenant_id FROM owners)"""


class SyncHoldfast(Holdfast):
    """Devices pull from `<path>/pull` and push to `<path>/push`, with the token of a login."""

    path = "/api/v1/sync"

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        seeded = super().seed(tenants, tenants)
        ids = [tenant.ids[0] for tenant in seeded]
        values = {
            "ids": ids,
            "rows": rows - tenants,
            "tenants": tenants,
            "kinds": KINDS,
            "epoch": EPOCH,
            "tag": TAG,
        }
        with psycopg.connect(self._environment["DATABASE_ADMIN_URL"]) as connection:
            # No triggers: they would check for each row that the one it is copied from was right.
            connection.execute("SET LOCAL session_replication_role = 'replica'")
            connection.execute("SET LOCAL app.flush = 'on'")
            copy_content(connection)
            connection.execute(OWNERS, {"ids": ids})
            connection.execute(SEED, values)
            connection.execute(HEADS)
        return seeded
