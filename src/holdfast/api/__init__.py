"""HTTP over the store and the accounts: data routes from declarations, sign-in, health, a description of it all.

Not here: rules about rows (store) or people (accounts), and no field's value in any error or log line. Nothing imports
this but whoever starts a server: `create_app(platform)` is the way in. Open `app.py`, then `edge.py` and `data/routes.py`.
"""

from holdfast.api.app import create_app
from holdfast.api.platform import Platform
from holdfast.api.settings import ApiSettings

__all__ = ["ApiSettings", "Platform", "create_app"]
