"""Declares entities in tests of declarations."""

from __future__ import annotations

from typing import Any

from pydantic import create_model

from holdfast.model.entity import Entity
from holdfast.model.policies import Policy, Shared


def declare(*policies: Policy, table: str = "things", **fields: Any) -> type[Entity]:
    """An entity of the given fields: an annotation, or an annotation and a default. Shared() unless said otherwise."""
    given: dict[str, Any] = {
        name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()
    }
    keywords: dict[str, Any] = {"table": table, "policies": policies or (Shared(),)}
    made: type[Entity] = create_model("Thing", __base__=Entity, __cls_kwargs__=keywords, **given)
    return made
