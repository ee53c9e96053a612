"""Which rule can merge which type of field. The rules themselves are `sync`'s; a declaration is checked here, early."""

from __future__ import annotations

from types import MappingProxyType

from holdfast.errors import DeclarationError
from holdfast.model.markers import MergeRule
from holdfast.model.types import FieldType

_ORDERED = frozenset({"text", "integer", "float", "decimal", "date", "instant"})
_FITTING = MappingProxyType(
    {
        "max": _ORDERED,
        "min": _ORDERED,
        "counter": frozenset({"integer", "decimal"}),
        "union": frozenset({"json"}),
    }
)
"""Rule → the kinds of field that it can merge; other rules merge all."""


def check_merge(rule: MergeRule, kind: FieldType, *, where: str) -> None:
    """Raises DeclarationError for a rule that makes no sense of the field's values."""
    fitting = _FITTING.get(rule)
    if fitting is not None and kind.kind not in fitting:
        raise DeclarationError(
            f"Merge({rule!r}) does not fit this field",
            where=where,
            hint=f"It merges fields of kind {', '.join(sorted(fitting))}.",
        )
