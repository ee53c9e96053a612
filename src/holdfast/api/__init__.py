"""HTTP over the store and the accounts: data routes from declarations, sign-in, health, a description of it all.

Not here: rules about rows (store) or people (accounts), and no field's value in any error or log line. Nothing imports
this but whoever starts a server: `create_app(platform)` is the way in. An application of one's own opens a platform with
`lifespan`, mounts `create_app()`, and asks `current_scope` who calls. Open `app.py`, then `edge.py` and `data/routes.py`.
"""

from holdfast.api.app import create_app
from holdfast.api.dependencies import (
    current_accounts,
    current_device,
    current_principal,
    current_scope,
    current_store,
)
from holdfast.api.framework import answer_problem
from holdfast.api.lifespan import lifespan
from holdfast.api.platform import Accounts, Platform
from holdfast.api.settings import ApiSettings

__all__ = [
    "Accounts",
    "ApiSettings",
    "Platform",
    "answer_problem",
    "create_app",
    "current_accounts",
    "current_device",
    "current_principal",
    "current_scope",
    "current_store",
    "lifespan",
]
