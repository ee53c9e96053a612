"""Writes revision files: the steps as plain data, and beside them the SQL that PostgreSQL will run, for review."""

from __future__ import annotations

import re
from pathlib import Path
from pprint import pformat

from holdfast.engines.postgres.review import functions_sql, schema_sql
from holdfast.errors import SchemaError
from holdfast.migrations.revision import Revision
from holdfast.model.steps import Schemas, describe_step, undo

_TEMPLATE = '''"""{message}"""

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}
{phase}
STEPS = {steps}
'''
_POST = """
# Only once no code from before this change runs any more.
PHASE = "post"
"""


def write_revision(
    folder: Path,
    revision: Revision,
    *,
    down: str | None = None,
    depends_on: tuple[str, ...] = (),
    before: Schemas | None = None,
) -> Path:
    """Write `NNNN_message.py` and `.sql` into `folder`; returns the Python file. Refuses to overwrite."""
    number = revision.id.rpartition("_")[2]
    text = _TEMPLATE.format(
        message=_one_line(revision.message),
        id=revision.id,
        down=down,
        labels=(revision.branch,) if down is None else None,
        depends=depends_on or None,
        phase=_POST if revision.phase == "post" else "",
        steps=pformat([describe_step(step) for step in revision.steps], width=110, sort_dicts=False),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}_{_slug(revision.message)}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SchemaError("a file of this name is there already", where=str(path)) from None
    path.with_suffix(".sql").write_text(sql_file(revision, before or {}), encoding="utf-8")
    return path


def sql_file(revision: Revision, before: Schemas, *, functions: bool = True) -> str:
    """The SQL of a revision, and of taking it back, or why that cannot be; behind both the generated functions."""
    there = schema_sql(revision.steps)
    made = functions_sql(revision.steps, shown=functions)
    try:
        back = undo(revision.steps, before)
    except SchemaError as error:
        return f"{there}\n\n-- TO TAKE IT BACK\n-- {error.message} ({error.where}).\n{made}"
    returned = functions_sql(back, shown=functions, why=", TO TAKE IT BACK")
    if not functions:
        return f"{there}{made}\n\n-- TO TAKE IT BACK\n{schema_sql(back)}{returned}"
    return f"{there}\n\n-- TO TAKE IT BACK\n{schema_sql(back)}{made}{returned}"


def _slug(message: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40].strip("_") or "change"


def _one_line(message: str) -> str:
    """As it may stand in a docstring."""
    return " ".join(message.split()).replace("\\", "/").replace('"', "'")
