"""Packs: found by name or in a module, and clear errors for the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.runtime.packs import catalog_of, load_packs

MODULE = """
from holdfast import Entity, Pack, Shared

class Note(Entity, table="notes", policies=(Shared(),)):
    text: str

PACK = Pack(name="app", entities=(Note,))
FINANCE = Pack(name="finance", entities=(Note,))
NOT_ONE = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_installed_pack_is_found_by_name() -> None:
    (pack,) = load_packs(["finance"])
    assert pack.name == "finance"


def test_an_application_adds_its_own(here: Path) -> None:
    (here / "notes_of_packs.py").write_text(MODULE)
    packs = load_packs(["finance", "notes_of_packs:PACK"])
    assert [pack.name for pack in packs] == ["finance", "app"]
    assert catalog_of(packs[1:]).schema("app.notes").table == "notes"


def test_an_unknown_pack_names_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_packs(["finanse"])
    assert raised.value.where == "HOLDFAST_PACKS, finanse"
    assert raised.value.hint == "Did you mean finance?"


def test_a_broken_pack_says_what_is_missing(here: Path) -> None:
    (here / "broken_pack.py").write_text("import a_module_that_nobody_has\n")
    with pytest.raises(ConfigurationError, match="a_module_that_nobody_has is missing"):
        load_packs(["broken_pack:PACK"])
    with pytest.raises(ConfigurationError, match="there is no NOTHING"):
        load_packs(["os:NOTHING"])


def test_what_is_no_pack_is_refused(here: Path) -> None:
    (here / "more_notes.py").write_text(MODULE)
    with pytest.raises(ConfigurationError, match=r"not a holdfast\.Pack"):
        load_packs(["more_notes:NOT_ONE"])
    with pytest.raises(ConfigurationError, match="Two packs are called finance"):
        load_packs(["finance", "more_notes:FINANCE"])
