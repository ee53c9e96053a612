"""JSON Schemas (2020-12) and examples of an entity's rows, as REST reads and writes them."""

from __future__ import annotations

from typing import Any

from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import BytesType, ChoiceType, DecimalType, FieldType, IntegerType, TextType

JsonSchema = dict[str, Any]

_DEVICE_ID = {"type": "string", "pattern": "^[0-9A-Za-z]{16}$"}
_EXAMPLES: dict[str, Any] = {
    "uuid": "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d",
    "instant": "2026-01-31T12:00:00.000000Z",
    "date": "2026-01-31",
    "boolean": True,
    "float": 1.5,
    "json": {},
    "bytes": "aGVsbG8=",
}


def row_schema(schema: EntitySchema) -> JsonSchema:
    """A row as it is read."""
    fields = list(schema.by_name.values())
    return {
        "type": "object",
        "properties": {field.name: _nullable(field, _read(field.type)) for field in fields},
        "required": [field.name for field in fields],
        "example": {field.name: example(field) for field in fields},
    }


def create_schema(schema: EntitySchema) -> JsonSchema:
    """What makes a new row: the fields that are the client's to set, and an id if the client makes one."""
    fields = _writable(schema)
    identity = schema.by_name["id"]
    return {
        "type": "object",
        "properties": {"id": written(identity), **{field.name: written(field) for field in fields}},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
        "example": {field.name: example(field) for field in fields if field.required},
    }


def patch_schema(schema: EntitySchema) -> JsonSchema:
    """What changes a row: any of the fields that are the client's to set. A JSON field is replaced whole."""
    fields = _writable(schema)
    patch: JsonSchema = {
        "type": "object",
        "properties": {field.name: written(field, with_default=False) for field in fields},
        "additionalProperties": False,
    }
    if fields:
        patch["example"] = {fields[0].name: example(fields[0])}
    return patch


def page_schema(row: str) -> JsonSchema:
    """A page of a list. `row` is the name of the row's schema."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}},
            "next": {
                "type": ["string", "null"],
                "description": "Send it as `after`, with the same filters and sort, for the next page; null on the last.",
            },
        },
        "required": ["items", "next"],
    }


def written(field: FieldSchema, *, with_default: bool = True) -> JsonSchema:
    """A field as a client writes it."""
    described = _nullable(field, _write(field.type))
    if with_default and not field.required and field.default is not None:
        described["default"] = field.default
    return described


def example(field: FieldSchema) -> Any:
    """A value that the field could hold, in plain form."""
    match field.type:
        case ChoiceType(values=values):
            return values[0]
        case DecimalType(scale=scale):
            return f"{12.5:.{scale}f}" if scale else "12"
        case IntegerType(minimum=minimum, maximum=maximum):
            return min(max(1, minimum), maximum)
        case TextType(max_length=length):
            return field.name[:length]
        case kind:
            return _EXAMPLES[kind.kind]


def _writable(schema: EntitySchema) -> list[FieldSchema]:
    return [field for field in schema.fields if not field.server_set]


def _read(kind: FieldType) -> JsonSchema:
    match kind:
        case TextType(max_length=length):
            return _with_length({"type": "string"}, length)
        case BytesType():
            return {"type": "string", "contentEncoding": "base64"}
        case ChoiceType(values=values):
            return {"type": "string", "enum": list(values)}
        case IntegerType(minimum=minimum, maximum=maximum):
            return {"type": "integer", "minimum": minimum, "maximum": maximum}
        case DecimalType():
            return {"type": "string", "pattern": _digits(kind), "format": "decimal"}
        case _:
            return dict(_SIMPLE[kind.kind])


def _write(kind: FieldType) -> JsonSchema:
    """Like `_read`, and wider where more than one spelling is taken."""
    if isinstance(kind, DecimalType):
        described = _read(kind)
        return {**described, "type": ["string", "number"], "description": "As text, or as an exact number."}
    if kind.kind == "uuid":
        return {"anyOf": [_read(kind), dict(_DEVICE_ID)]}
    return _read(kind)


_SIMPLE: dict[str, JsonSchema] = {
    "boolean": {"type": "boolean"},
    "float": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "instant": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
}


def _nullable(field: FieldSchema, described: JsonSchema) -> JsonSchema:
    if not field.nullable or not described:
        return described
    if "enum" in described:
        described["enum"] = [*described["enum"], None]
    if "anyOf" in described:
        described["anyOf"].append({"type": "null"})
        return described
    present = described["type"]
    described["type"] = [*([present] if isinstance(present, str) else present), "null"]
    return described


def _with_length(described: JsonSchema, length: int | None) -> JsonSchema:
    return described if length is None else {**described, "maxLength": length}


def _digits(kind: DecimalType) -> str:
    behind = rf"(\.\d{{1,{kind.scale}}})?" if kind.scale else ""
    return rf"^-?\d{{1,{max(1, kind.precision - kind.scale)}}}{behind}$"
