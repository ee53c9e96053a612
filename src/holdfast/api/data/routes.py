"""The data routes: two dictionary look-ups on the path, one on the method, and bytes out.

    POST   /data/<pack>/<table>         201, the row, ETag, Location
    GET    /data/<pack>/<table>         {"items": […], "next": cursor or null}
    GET    /data/<pack>/<table>/<id>    the row, ETag; 304 for If-None-Match
    PATCH  /data/<pack>/<table>/<id>    the row as it stands now, ETag; 412 for If-Match
    DELETE /data/<pack>/<table>/<id>    204

Canonical below `/api/v1`; the paths above and a pack's short paths are aliases. There is no PUT: a client that replaces a
row it knows only in part would take away fields that it has never heard of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from holdfast.api.callers import Callers
from holdfast.api.data.etags import etag, expected_versions, is_unchanged
from holdfast.api.data.filters import read_list_request
from holdfast.api.data.json_body import is_json, read_json
from holdfast.api.errors import MethodNotAllowed, UnsupportedMediaType
from holdfast.api.exchange import Header, Reply, Request
from holdfast.api.settings import ApiSettings
from holdfast.engines.port import Outcome
from holdfast.errors import DeclarationError, NotFound, StaleVersion
from holdfast.model.entity import Entity
from holdfast.model.ids import parse_id
from holdfast.model.pack import Pack
from holdfast.model.plain import decode_fields, render_row
from holdfast.model.schema import EntitySchema
from holdfast.model.validate import validate_entity
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

ROOT = "/api/v1"
_RESERVED = frozenset({"api", "auth", "data", "docs", "health", "openapi.json", "sync"})
_JSON: Header = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Resource:
    """An entity as the API serves it. `path` is its canonical path."""

    schema: EntitySchema
    entity: type[Entity]
    path: str

    @property
    def plain_path(self) -> str:
        """The path without the version."""
        return self.path.removeprefix(ROOT)


@dataclass(frozen=True, slots=True)
class Match:
    """A path that was found: the collection, or with `row_id` one row of it. `template` is what logs call it."""

    resource: Resource
    row_id: UUID | None
    template: str


_Handler = Callable[[Request, Match], Awaitable[Reply]]


class DataRoutes:
    """Every entity of the enabled packs, by path."""

    def __init__(self, store: Store, packs: Iterable[Pack], callers: Callers, settings: ApiSettings) -> None:
        self._store = store
        self._callers = callers
        self._settings = settings
        self.paths = resource_paths(store, packs)
        self._collection: dict[str, _Handler] = {
            "GET": self._list,
            "HEAD": self._list,
            "POST": self._create,
            "OPTIONS": _options,
        }
        self._item: dict[str, _Handler] = {
            "GET": self._read,
            "HEAD": self._read,
            "PATCH": self._update,
            "DELETE": self._delete,
            "OPTIONS": _options,
        }

    def match(self, path: str) -> Match | None:
        """What stands at `path`; None where it is not a data path, a last part that is no id included."""
        resource = self.paths.get(path)
        if resource is not None:
            return Match(resource, None, resource.plain_path)
        head, _, tail = path.rpartition("/")
        resource = self.paths.get(head)
        if resource is None:
            return None
        try:
            return Match(resource, parse_id(tail), resource.plain_path + "/{id}")
        except ValueError:
            return None

    async def answer(self, request: Request, match: Match) -> Reply:
        """Carry the request out. Raises errors of `holdfast.errors`."""
        handlers = self._collection if match.row_id is None else self._item
        handler = handlers.get(request.method)
        if handler is None:
            raise MethodNotAllowed(handlers)
        return await handler(request, match)

    async def _read(self, request: Request, match: Match) -> Reply:
        scope = await self._callers.scope(request.method, request.headers)
        schema = match.resource.schema
        body = await self._store.read_body(scope, schema, _row_id(match))
        if body is None:
            raise NotFound(where=schema.name)
        tag = (b"etag", etag(body.version))
        if is_unchanged(request.headers.get(b"if-none-match"), body.version):
            return Reply(304, headers=[tag])
        return Reply(200, body.json, [_JSON, tag])

    async def _list(self, request: Request, match: Match) -> Reply:
        scope = await self._callers.scope(request.method, request.headers)
        schema = match.resource.schema
        asked = read_list_request(schema, request.query_string)
        items, cursor = await self._store.read_bodies(
            scope, schema, asked.where, sort=asked.sort, limit=asked.limit, after=asked.after
        )
        following = b"null" if cursor is None else b'"%s"' % cursor.encode("ascii")
        return Reply(200, b'{"items":%s,"next":%s}' % (items, following), [_JSON])

    async def _create(self, request: Request, match: Match) -> Reply:
        scope = await self._callers.scope(request.method, request.headers)
        resource = match.resource
        values = decode_fields(resource.schema, await self._json(request), client_sets_id=True)
        entity = validate_entity(resource.schema, resource.entity, values)
        async with self._store.session(scope) as session:
            receipt = await session.put(entity)
        location = f"{resource.path}/{entity.id}".encode("ascii")
        return _row_reply(201, resource.schema, receipt.outcome, (b"location", location))

    async def _update(self, request: Request, match: Match) -> Reply:
        scope = await self._callers.scope(request.method, request.headers)
        resource, row_id = match.resource, _row_id(match)
        expected = expected_versions(request.headers.get(b"if-match"))
        changes = decode_fields(resource.schema, await self._json(request))
        version = await self._choose(scope, resource.schema, row_id, expected)
        async with self._store.session(scope) as session:
            receipt = await session.patch(resource.entity, row_id, changes, if_version=version)
        return _row_reply(200, resource.schema, receipt.outcome)

    async def _delete(self, request: Request, match: Match) -> Reply:
        scope = await self._callers.scope(request.method, request.headers)
        resource, row_id = match.resource, _row_id(match)
        expected = expected_versions(request.headers.get(b"if-match"))
        version = await self._choose(scope, resource.schema, row_id, expected)
        async with self._store.session(scope) as session:
            await session.delete(resource.entity, row_id, if_version=version)
        return Reply(204)

    async def _choose(
        self, scope: Scope, schema: EntitySchema, row_id: UUID, expected: tuple[int, ...] | None
    ) -> int | None:
        """The one version to compare with; of several that would do, the present one."""
        if expected is None or len(expected) == 1:
            return expected[0] if expected else None
        body = await self._store.read_body(scope, schema, row_id)
        if body is None:
            raise NotFound(where=schema.name)
        if body.version not in expected:
            raise StaleVersion(where=schema.name)
        return body.version

    async def _json(self, request: Request) -> object:
        if not is_json(request.headers.get(b"content-type")):
            raise UnsupportedMediaType
        settings = self._settings
        return read_json(await request.body(limit=settings.row_body, seconds=settings.body_seconds))


def resource_paths(store: Store, packs: Iterable[Pack]) -> dict[str, Resource]:
    """Path → resource: for each entity its canonical path, its short paths below `/api/v1`, and both without it.

    Raises DeclarationError for a short path that another entity or the API itself has.
    """
    paths: dict[str, Resource] = {}
    for pack in packs:
        for entity in pack.entities:
            schema = store.catalog.schema(entity)
            if schema.visibility == "realm":
                continue
            resource = Resource(schema, entity, f"{ROOT}/data/{pack.name}/{schema.table}")
            short = [f"/{path.strip('/')}" for path, named in pack.short_paths.items() if named is entity]
            for path in (f"/data/{pack.name}/{schema.table}", *short):
                _enter(paths, path, resource)
    return paths


def _enter(paths: dict[str, Resource], path: str, resource: Resource) -> None:
    if path in paths or (path.split("/")[1] in _RESERVED and path != resource.plain_path):
        raise DeclarationError("this path is taken", where=f"{resource.schema.pack}: {path}")
    paths[path] = paths[ROOT + path] = resource


def _row_id(match: Match) -> UUID:
    assert match.row_id is not None  # noqa: S101
    return match.row_id


def _row_reply(status: int, schema: EntitySchema, outcome: Outcome, *more: Header) -> Reply:
    body = outcome.body
    if body is None:
        body = render_row(schema, outcome.row or {})
    return Reply(status, body, [_JSON, (b"etag", etag(outcome.version)), *more])


async def _options(_: Request, match: Match) -> Reply:
    methods = b"GET, HEAD, POST, OPTIONS" if match.row_id is None else b"GET, HEAD, PATCH, DELETE, OPTIONS"
    return Reply(204, headers=[(b"allow", methods)])
