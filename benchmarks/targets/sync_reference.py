"""The hand-written references of sync as targets: as `reference.py`, on a table with a number of the last change."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks.targets.accounts import EPOCH, SCHEMA, account
from benchmarks.targets.reference import Reference
from benchmarks.targets.target import Seeded

KINDS = 1_000
"""How many different accounts the seed repeats."""
CONTENT = """
CREATE TEMPORARY TABLE content (
    turn bigint, name text, account_type text, institution text, balance numeric, currency text, interest_rate numeric,
    metadata jsonb
)"""
SEED = """
INSERT INTO financial_accounts (
    id, tenant_id, user_id, name, account_type, institution, balance, currency, interest_rate, metadata, created_at,
    updated_at, seq
) SELECT substr(md5(n::text), 1, 16), s.tenant_id, s.user_id, c.name, c.account_type, c.institution, c.balance,
         c.currency, c.interest_rate, c.metadata, %(epoch)s + n * interval '1 second',
         %(epoch)s + n * interval '1 second', 1
  FROM generate_series(0, %(rows)s - 1) n
  JOIN owners s ON s.turn = n %% %(tenants)s
  JOIN content c ON c.turn = n %% %(kinds)s"""


class SyncReference(Reference):
    """Devices pull from `<path>/pull` and push to `<path>/push`, with a token of the references."""

    path = "/sync"

    def schema(self) -> Path:
        return SCHEMA.with_name("sync_accounts.sql")

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        chosen = list(islice(self._unused, tenants))
        with psycopg.connect(self._database) as connection:
            copy_content(connection)
            connection.execute("CREATE TEMPORARY TABLE owners (turn bigint, tenant_id uuid, user_id uuid)")
            owners = [(turn, who.tenant_id, who.user_id) for turn, (_, who) in enumerate(chosen)]
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO owners VALUES (%s, %s, %s)", owners)
            connection.execute("INSERT INTO tenant_counters SELECT tenant_id, 1 FROM owners")
            connection.execute(SEED, {"epoch": EPOCH, "rows": rows, "tenants": tenants, "kinds": KINDS})
        return [Seeded(token, []) for token, _ in chosen]


def copy_content(connection: psycopg.Connection) -> None:
    """A temporary table `content` with the accounts that a seed repeats."""
    connection.execute(CONTENT)
    with connection.cursor().copy("COPY content FROM STDIN") as copy:
        for number in range(KINDS):
            fields = account(number)
            copy.write_row((number, *{**fields, "metadata": json.dumps(fields["metadata"])}.values()))
