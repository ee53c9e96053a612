"""What both hand-written sync references ask of PostgreSQL. Rows go out in the form that devices hold."""

from __future__ import annotations

SENT = "name, account_type, institution, balance, currency, interest_rate, is_active, metadata"
HEAD = "SELECT coalesce((SELECT head FROM tenant_counters WHERE tenant_id = $1), 0)"
ADVANCE = """
INSERT INTO tenant_counters VALUES ($1, 1) ON CONFLICT (tenant_id) DO UPDATE SET head = tenant_counters.head + 1
RETURNING head"""
ON_THE_WIRE = """
id, user_id::text AS user_id, name, account_type, institution, balance::float8 AS balance, currency, interest_rate::float8 AS interest_rate,
is_active, metadata::text AS metadata, (extract(epoch FROM created_at) * 1000)::bigint AS created_at,
(extract(epoch FROM updated_at) * 1000)::bigint AS updated_at,
(extract(epoch FROM synced_at) * 1000)::bigint AS synced_at"""
ALL = f"SELECT {ON_THE_WIRE} FROM financial_accounts WHERE tenant_id = $1 AND NOT deleted"
CHANGED = f"""
SELECT {ON_THE_WIRE} FROM financial_accounts WHERE tenant_id = $1 AND seq > $2 AND seq <= $3 AND NOT deleted"""
DELETED = "SELECT id FROM financial_accounts WHERE tenant_id = $1 AND seq > $2 AND seq <= $3 AND deleted"
TAKE = f"""
INSERT INTO financial_accounts (tenant_id, user_id, id, {SENT}, created_at, updated_at, synced_at, seq)
SELECT $1, $2, {{columns}}, now(), now(), now(), $3 FROM {{source}}
ON CONFLICT (tenant_id, id) DO UPDATE SET ({SENT}, updated_at, synced_at, seq) = (
    excluded.name, excluded.account_type, excluded.institution, excluded.balance, excluded.currency,
    excluded.interest_rate, excluded.is_active, excluded.metadata, now(), now(), $3
) WHERE financial_accounts.seq <= $4"""
"""Who has not seen the row as it stands does not change it: the server's stands."""
DROP = """
UPDATE financial_accounts SET deleted = true, seq = $3 WHERE tenant_id = $1 AND id = any($2::text[]) AND seq <= $4"""
