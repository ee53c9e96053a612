"""Which rule can merge which type of field is told at the declaration."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, get_args

import pytest
from pydantic import JsonValue

from holdfast.errors import DeclarationError
from holdfast.model.entity import schema_of
from holdfast.model.markers import Digits, Merge, MergeRule
from tests.unit.model.declaring import declare

NUMBERS = {"max", "min", "counter"}
ORDERED = {"max", "min"}
ALWAYS = {"last_writer", "server", "device", "manual"}
FITTING: list[tuple[Any, set[str]]] = [
    (int, NUMBERS),
    (Annotated[Decimal, Digits(9, 2)], NUMBERS),
    (float, ORDERED),
    (str, ORDERED),
    (bool, set()),
    (bytes, set()),
    (JsonValue, {"union"}),
]


@pytest.mark.parametrize("rule", get_args(MergeRule))
@pytest.mark.parametrize(
    ("kind", "rules"), FITTING, ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:30]
)
def test_a_rule_fits_a_field_or_is_refused(kind: Any, rules: set[str], rule: MergeRule) -> None:
    field = Annotated[kind, Merge(rule)]
    if rule in ALWAYS | rules:
        assert schema_of(declare(field=field), pack="app").by_name["field"].merge == rule
        return
    with pytest.raises(DeclarationError) as caught:
        schema_of(declare(field=field), pack="app")
    assert "field" in str(caught.value.where)
