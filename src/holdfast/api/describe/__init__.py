"""What the API says of itself: an OpenAPI document with the data routes in it, and a page that shows it.

Not here: the routes (api, api/data). The page loads nothing from another address. Only `api/app.py` imports it. Open
`openapi.py`, then `json_schema.py`.
"""
