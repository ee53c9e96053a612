"""The reference pages are what the code declares. `python scripts/reference.py` writes them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, get_args
from uuid import UUID

import pytest
from pydantic import Field, JsonValue
from scripts.reference import FOLDER, PAGES, WRITTEN

from holdfast.engines.port import Capability
from holdfast.errors import HoldfastError
from holdfast.model.markers import Digits, MaxLength, MergeRule, Ref
from holdfast.model.merging import MERGE_RULES
from holdfast.model.walk import field_type, walk
from holdfast.runtime.settings import declared_settings


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_declares(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `python scripts/reference.py`"


def test_nothing_is_left_out() -> None:
    pages = {name: (FOLDER / name).read_text(encoding="utf-8") for name in PAGES}
    assert [s.variable for s in declared_settings() if f"`{s.variable}`" not in pages["settings.md"]] == []
    assert [c.value for c in Capability if f"`{c.value}`" not in pages["capabilities.md"]] == []
    waiting = [HoldfastError]
    while waiting:
        cls = waiting.pop()
        waiting += [
            child
            for child in cls.__subclasses__()
            if child.__module__.startswith("holdfast.") and ".testing." not in child.__module__
        ]
        assert f"`{cls.code}`" in pages["errors.md"]
    assert set(MERGE_RULES) == set(get_args(MergeRule))


NAMES = {each.__name__: each for each in (Decimal, Digits, Field, MaxLength, Ref, UUID, date, datetime)} | {
    "Annotated": Annotated,
    "JsonValue": JsonValue,
    "Literal": Literal,
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_an_annotation_becomes_the_kind_that_it_stands_beside(kind: str) -> None:
    for text in WRITTEN[kind]:
        found = walk(eval(text, dict(NAMES)), where=text)
        assert field_type(found, where=text).kind == kind
        assert f"`{text}`" in (FOLDER / "declarations.md").read_text(encoding="utf-8")


def test_an_error_stands_on_its_page_once_and_under_a_public_name() -> None:
    rows = [line.split(" | ") for line in PAGES["errors.md"]().splitlines() if line.startswith("| `")]
    named = [(row[0], row[1]) for row in rows]
    assert len(named) == len(set(named))
    assert not [name for _, name in named if name.startswith("`_")]
