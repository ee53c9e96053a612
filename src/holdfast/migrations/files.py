"""Writes revision files: the steps as plain data, and beside them the SQL that PostgreSQL will run, for review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pprint import pformat

from holdfast.engines.postgres.review import review_sql
from holdfast.model.steps import Step, describe_step

_TEMPLATE = '''"""{message}"""

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}

STEPS = {steps}
'''


def write_revision(
    folder: Path,
    *,
    branch: str,
    number: int,
    message: str,
    steps: Sequence[Step],
    down: str | None = None,
    depends_on: tuple[str, ...] = (),
) -> Path:
    """Write `NNNN_message.py` and `.sql` into `folder`; returns the Python file. Refuses to overwrite."""
    stem = f"{number:04}_{'_'.join(message.lower().split())}"
    text = _TEMPLATE.format(
        message=message,
        id=f"{branch}_{number:04}",
        down=down,
        labels=(branch,) if down is None else None,
        depends=depends_on or None,
        steps=pformat([describe_step(step) for step in steps], width=110, sort_dicts=False),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.py"
    with path.open("x") as file:
        file.write(text)
    path.with_suffix(".sql").write_text(review_sql(steps))
    return path
