"""The source as text, for what no test of behaviour can show: that something is nowhere done."""

from __future__ import annotations

import re
from pathlib import Path

import holdfast

SOURCE = Path(holdfast.__file__).parent


def lines_that_match(pattern: str, *, below: str = "") -> list[str]:
    """`file: line` of each line of Python or SQL that matches, case ignored."""
    wanted = re.compile(pattern, re.IGNORECASE)
    files = [path for path in (SOURCE / below).rglob("*") if path.suffix in {".py", ".sql"}]
    assert files, f"no source below {below}"
    return [
        f"{path.relative_to(SOURCE)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if wanted.search(line)
    ]
