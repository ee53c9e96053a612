from __future__ import annotations

from tests import accounts_fixtures

anyio_backend = accounts_fixtures.anyio_backend
clock = accounts_fixtures.clock
realm_store = accounts_fixtures.realm_store
realm = accounts_fixtures.realm
accounts = accounts_fixtures.accounts
development = accounts_fixtures.development
ada = accounts_fixtures.ada
