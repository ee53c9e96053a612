"""The OpenAPI 3.1 document: what FastAPI knows of its routes, and the data routes beside it, from the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from holdfast.api.data.routes import ROOT, Resource
from holdfast.api.describe.json_schema import (
    JsonSchema,
    create_schema,
    page_schema,
    patch_schema,
    row_schema,
    written,
)
from holdfast.model.query import DEFAULT_LIMIT, MAX_LIMIT
from holdfast.model.schema import EntitySchema, FieldSchema

_ORDERED = ("gt", "gte", "lt", "lte")
_UNORDERED = frozenset({"boolean", "choice", "uuid"})

_PROBLEM: JsonSchema = {
    "type": "object",
    "description": "What is wrong (RFC 9457). It never repeats a value of the request.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "hint": {"type": "string", "description": "What to do next."},
        "where": {"type": "string"},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        "retry": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "incident": {
            "type": "string",
            "description": "Of an internal error: the number that the log has it under.",
        },
    },
    "required": ["type", "title", "status", "code"],
    "example": {
        "type": "urn:holdfast:error:not_found",
        "title": "There is no such thing here.",
        "status": 404,
        "detail": "There is no such thing here.",
        "code": "not_found",
        "retry": False,
    },
}
_PROBLEM_RESPONSE: JsonSchema = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_BEARER: JsonSchema = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `access_token` of `POST /api/v1/auth/login`.",
}


def build_document(app: FastAPI, paths: Mapping[str, Resource]) -> dict[str, Any]:
    """The whole document. `paths` are the data routes, aliases included; those below `/api/v1` are described."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    components["securitySchemes"] = {"bearer": _BEARER}
    _tell_problems(document, schemas)
    names = schema_names(paths.values())
    for resource in {id(each): each for each in paths.values()}.values():
        schemas.update(_entity_schemas(resource, names[resource.schema.name]))
    for path, resource in paths.items():
        if path.startswith(ROOT + "/"):
            document["paths"].update(_data_paths(path, resource, names[resource.schema.name]))
    return document


def schema_names(resources: Iterable[Resource]) -> dict[str, str]:
    """`pack.table` → the name of its row's schema: the class's, led by the pack's where two classes share it."""
    entities = {each.schema.name: each for each in resources}
    taken = [each.entity.__name__ for each in entities.values()]
    return {
        name: each.entity.__name__
        if taken.count(each.entity.__name__) == 1
        else f"{each.schema.pack.title()}{each.entity.__name__}"
        for name, each in entities.items()
    }


def _tell_problems(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Every operation may answer with a problem; the framework's own form of errors never leaves this API."""
    schemas["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM_RESPONSE


def _entity_schemas(resource: Resource, name: str) -> dict[str, JsonSchema]:
    schema = resource.schema
    about = (resource.entity.__doc__ or "").strip()
    described = {
        name: {**row_schema(schema), "description": about},
        f"{name}Page": page_schema(name),
    }
    if schema.journaled:
        described[f"{name}Create"] = create_schema(schema)
        described[f"{name}Patch"] = patch_schema(schema)
    return described


def _data_paths(path: str, resource: Resource, name: str) -> dict[str, Any]:
    operation = _Operations(path, resource, name)
    item: dict[str, Any] = {"parameters": [_ROW_ID], "get": operation.read()}
    collection: dict[str, Any] = {"get": operation.list_rows()}
    if resource.schema.journaled:
        collection["post"] = operation.create()
        item.update(patch=operation.update(), delete=operation.delete())
    return {path: collection, path + "/{id}": item}


class _Operations:
    """The operations on one path."""

    def __init__(self, path: str, resource: Resource, name: str) -> None:
        self._resource = resource
        self._name = name
        self._stem = path.removeprefix(ROOT + "/").replace("/", "_")

    def list_rows(self) -> JsonSchema:
        parameters = [*_WIDE, *_PAGING, _sort(self._resource.schema), *_filters(self._resource.schema)]
        answer = {"200": _answers("A page of rows", f"{self._name}Page")}
        return self._operation("list", "List rows", answer, parameters)

    def create(self) -> JsonSchema:
        answer = {"201": _answers("The new row", self._name, "ETag", "Location")}
        return self._operation("create", "Create a row", answer, [_DEVICE], body=f"{self._name}Create")

    def read(self) -> JsonSchema:
        answer = {
            "200": _answers("The row", self._name, "ETag"),
            "304": {"description": "The row is still the one with this ETag"},
        }
        return self._operation("read", "Read a row", answer, [*_WIDE, _header("If-None-Match", _ETAG)])

    def update(self) -> JsonSchema:
        answer = {"200": _answers("The row as it stands now", self._name, "ETag")}
        parameters = [_DEVICE, _header("If-Match", _ETAG)]
        return self._operation("update", "Change some fields", answer, parameters, body=f"{self._name}Patch")

    def delete(self) -> JsonSchema:
        answer: JsonSchema = {"204": {"description": "The row is gone"}}
        return self._operation("delete", "Delete a row", answer, [_DEVICE, _header("If-Match", _ETAG)])

    def _operation(
        self,
        verb: str,
        summary: str,
        responses: JsonSchema,
        parameters: list[JsonSchema],
        *,
        body: str | None = None,
    ) -> JsonSchema:
        operation: JsonSchema = {
            "tags": [self._resource.schema.pack],
            "summary": f"{summary}: {self._resource.schema.table}",
            "operationId": f"{verb}_{self._stem}",
            "security": [{"bearer": []}],
            "parameters": parameters,
            "responses": {**responses, "default": _PROBLEM_RESPONSE},
        }
        if body is not None:
            operation["requestBody"] = {"required": True, "content": _content(body)}
        return operation


def _content(name: str) -> JsonSchema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _answers(description: str, name: str, *headers: str) -> JsonSchema:
    described: JsonSchema = {"description": description, "content": _content(name)}
    if headers:
        described["headers"] = {header: {"schema": {"type": "string"}} for header in headers}
    return described


def _header(name: str, description: str) -> JsonSchema:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


_ETAG = 'An ETag as it was answered, such as "3".'
_ROW_ID: JsonSchema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A UUID in lower case, or the 16 characters of a device.",
    "schema": {"type": "string"},
}
_DEVICE = _header("X-Holdfast-Device", "What the device calls itself; it stands in the change log.")
_WIDE = [
    _header("X-Holdfast-Scope", "`tenant`: an administrator reads the rows of every owner; it is recorded."),
    _header("X-Holdfast-Reason", "Why, where `X-Holdfast-Scope` is sent."),
]
_PAGING: list[JsonSchema] = [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    },
    {
        "name": "after",
        "in": "query",
        "description": "The `next` of the page before.",
        "schema": {"type": "string"},
    },
]


def _sort(schema: EntitySchema) -> JsonSchema:
    names = [name for name in schema.by_name if name in schema.sortable]
    orders = [order for name in names for order in (name, f"-{name}")]
    return {"name": "sort", "in": "query", "schema": {"type": "string", "enum": orders, "default": "id"}}


def _filters(schema: EntitySchema) -> list[JsonSchema]:
    fields = [field for name, field in schema.by_name.items() if name in schema.sortable]
    return [parameter for field in fields for parameter in _field_filters(field)]


def _field_filters(field: FieldSchema) -> list[JsonSchema]:
    value = {name: item for name, item in written(field, with_default=False).items() if name != "description"}
    several = {"type": "array", "items": value}
    ordered = () if field.type.kind in _UNORDERED else _ORDERED
    return [
        {"name": field.name, "in": "query", "schema": value},
        *({"name": f"{field.name}__{op}", "in": "query", "schema": value} for op in ordered),
        {
            "name": f"{field.name}__in",
            "in": "query",
            "style": "form",
            "explode": False,
            "schema": several,
        },
    ]
