"""Which rule can merge which type of field. The rules themselves are `sync`'s; a declaration is checked here, early."""

from __future__ import annotations

from types import MappingProxyType

from holdfast.errors import DeclarationError
from holdfast.model.markers import MergeRule
from holdfast.model.types import FieldType

MERGE_RULES: MappingProxyType[MergeRule, str] = MappingProxyType(
    {
        "last_writer": "What arrives later stands.",
        "device": "What the device sent stands.",
        "server": "What stands on the server stays.",
        "max": "The larger stands; a value beats none.",
        "min": "The smaller stands; a value beats none.",
        "counter": "Both differences are added up.",
        "union": "What either side added to the list is in, what either removed is out.",
        "manual": "What stands on the server stays until a person decides, in the conflict inbox.",
    }
)
"""Rule → what it does with a field that both sides have changed."""
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
