"""The reference pages are what the code declares. `python scripts/reference.py` writes them."""

from __future__ import annotations

from typing import get_args

import pytest
from scripts.reference import FOLDER, PAGES

from holdfast.engines.port import Capability
from holdfast.errors import HoldfastError
from holdfast.model.markers import MergeRule
from holdfast.model.merging import MERGE_RULES
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
