"""Packs: found by name or in a module, and clear errors for the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError, DeclarationError
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
    with pytest.raises(
        ConfigurationError,
        match=r"broken_pack\.py:1: ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
    ):
        load_packs(["broken_pack:PACK"])
    with pytest.raises(ConfigurationError, match="there is no NOTHING"):
        load_packs(["os:NOTHING"])


def test_what_is_no_pack_is_refused(here: Path) -> None:
    (here / "more_notes.py").write_text(MODULE)
    with pytest.raises(ConfigurationError, match=r"not a holdfast\.Pack"):
        load_packs(["more_notes:NOT_ONE"])
    with pytest.raises(ConfigurationError, match="Two packs are called finance"):
        load_packs(["finance", "more_notes:FINANCE"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MODULE.replace("(Shared(),)", "(Sharedd(),)"), ":4: NameError: name 'Sharedd' is not defined."),
        ("\nx = = 3\n", ":2: SyntaxError: invalid syntax."),
        ("import holdfast\nholdfast.Index('a', wen='b')\n", ":2: TypeError: "),
        (
            "import holdfast\nholdfast.Indexx\n",
            ":2: AttributeError: module 'holdfast' has no attribute 'Indexx'.",
        ),
        ("from holdfast import Ownd\n", ":1: ImportError: cannot import name 'Ownd' from 'holdfast'"),
        ("raise ValueError('a value')\n", ":1: ValueError."),
    ],
    ids=["name", "syntax", "type", "attribute", "import", "value"],
)
def test_a_mistake_in_a_packs_module_is_shown_with_its_line(
    here: Path, request: pytest.FixtureRequest, text: str, told: str
) -> None:
    name = f"mistaken_{request.node.callspec.id}"
    (here / f"{name}.py").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_packs([f"{name}:PACK"])
    assert f"The pack does not load: {name}.py{told}" in raised.value.message


def test_entities_without_their_comma_are_told(here: Path) -> None:
    (here / "commaless.py").write_text(MODULE.replace("entities=(Note,)", "entities=(Note)"))
    with pytest.raises(DeclarationError, match="entities is a tuple") as raised:
        load_packs(["commaless:PACK"])
    assert "entities=(Product,)" in raised.value.hint
