"""squawk, an outsider that knows what locks tables, reads the SQL of every kind of change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.engines.postgres.review import review_sql
from holdfast.model.planning import plan
from tests.migrations.bench import catalog, of_app
from tests.migrations.test_steps import CHANGES

EXPECTED = {
    "prefer-robust-stmts": "each statement is run only where the catalog says that it is still to be done",
    "renaming-column": "a column is set aside, or comes back, when no code names it",
    "ban-drop-not-null": "of a column that code leaves empty from now on",
    "ban-drop-constraint": "of a rule that is no longer declared, and in the phase before the code that breaks it",
    "ban-drop-default": "of columns that a trigger keeps in step",
    "ban-drop-function": "the function of that trigger",
    "changing-column-type": "to a longer text or more digits, which changes the catalog alone: see below",
    "prefer-text-field": "lengths are declared",
    "require-lock-timeout": "the runner sets it for each transaction",
    "require-statement-timeout": "a validation or a fill takes the time that it takes, and blocks nobody",
}
_TYPES = re.compile(r'alter column "\w+" type (\S+)')


@pytest.fixture(scope="module")
def squawk() -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    found = shutil.which("squawk", path=path)
    if found is None:
        pytest.skip("WARNING: squawk is not installed; no outsider has read the SQL")
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_an_outsider_finds_nothing_but_what_is_meant(squawk: str, change: str, tmp_path: Path) -> None:
    old, new = (of_app(catalog(entity)) for entity in CHANGES[change])
    made = plan(old, new)
    file = tmp_path / "change.sql"
    file.write_text(review_sql((*made.pre, *made.post)))
    done = subprocess.run(
        [squawk, "--reporter", "json", "--pg-version", "15", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {finding["rule_name"] for finding in json.loads(done.stdout or "[]")}
    assert found <= EXPECTED.keys()
    types = _TYPES.findall(file.read_text())
    assert all(kind.startswith(("varchar", "text", "numeric")) for kind in types)
