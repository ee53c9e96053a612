"""Statements kept in `.sql` files, each under `-- name:`, with other facts of its own in the same form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"(?<!:):([a-z_]+)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """One statement of a file."""

    name: str
    text: str
    facts: Mapping[str, str]

    def with_values(self, values: Mapping[str, str]) -> str:
        """The statement with its `:names` replaced by SQL."""
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.text)


@cache
def blocks_of(file: str) -> tuple[Block, ...]:
    """The blocks of `sql/<file>` in order."""
    text = files("holdfast.engines.postgres").joinpath("sql", file).read_text(encoding="utf-8")
    return tuple(_block(part) for part in re.split(r"^(?=-- name: )", text, flags=re.MULTILINE)[1:])


def block(file: str, name: str) -> Block:
    """The block `name` of `sql/<file>`."""
    return next(found for found in blocks_of(file) if found.name == name)


def _block(text: str) -> Block:
    facts = dict(_HEADER.findall(text))
    return Block(facts.pop("name"), _HEADER.sub("", text).strip().rstrip(";"), facts)
