"""Where settings come from: `holdfast.toml`, `.env`, the environment. Each gives text, and says where it stood."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigurationError

ENVIRONMENT = "the environment"
_PREFIX = "HOLDFAST_"


@dataclass(frozen=True, slots=True)
class Given:
    """A setting's text and where it stood."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """What the environment gives, and variables that look like settings and are none: others may use the prefix too."""

    given: dict[str, Given]
    unknown: tuple[str, ...]


def read_environment(environ: Mapping[str, str], by_variable: Mapping[str, str]) -> FromEnvironment:
    """Variables that are set; an empty one counts as not set."""
    given = {
        name: Given(environ[variable].strip(), ENVIRONMENT)
        for variable, name in by_variable.items()
        if environ.get(variable, "").strip()
    }
    unknown = (key for key in environ if key.startswith(_PREFIX) and key not in by_variable)
    return FromEnvironment(given, tuple(sorted(unknown)))


def read_env_file(path: Path, by_variable: Mapping[str, str]) -> dict[str, Given]:
    """The lines `NAME=value` of a file that other programs may share. A misspelt HOLDFAST_ name is an error."""
    given: dict[str, Given] = {}
    for number, variable, text in _assignments(path):
        if variable in by_variable and text:
            given[by_variable[variable]] = Given(text, f"{path.name}, line {number}")
        elif variable.startswith(_PREFIX) and variable not in by_variable:
            raise _unknown(variable, f"{path.name}, line {number}", by_variable)
    return given


def read_toml(path: Path, names: Collection[str]) -> dict[str, Given]:
    """The keys of a TOML file, each the name of a setting."""
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = text.count("\n", 0, getattr(error, "pos", 0)) + 1
        raise ConfigurationError(
            "This is not valid TOML.", where=f"{path.name}, near line {line}", hint='Write `name = "value"`.'
        ) from None
    for key in table:
        if key not in names:
            raise _unknown(key, path.name, names)
    return {key: Given(_text(value, f"{key} in {path.name}"), path.name) for key, value in table.items()}


def _text(value: Any, where: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int():
            return str(value)
        case list() if all(isinstance(item, str) for item in value):
            return ",".join(value)
        case _:
            raise ConfigurationError("A setting is text, a number or a list of texts.", where=where)


def _assignments(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, raw in enumerate(_read(path).splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        variable, equals, text = line.partition("=")
        if not equals or not variable.strip():
            raise ConfigurationError("A line is `NAME=value`.", where=f"{path.name}, line {number}")
        yield number, variable.strip(), _unquoted(text.strip())


def _unquoted(text: str) -> str:
    """A quoted value as it is; of another, what stands before a comment."""
    quote = text[:1]
    if quote in {"'", '"'} and text.find(quote, 1) > 0:
        return text[1 : text.find(quote, 1)]
    return text.partition(" #")[0].strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The file cannot be read ({type(error).__name__}).", where=str(path)
        ) from None


def _unknown(word: str, where: str, known: Collection[str]) -> ConfigurationError:
    close = get_close_matches(word, known, n=1)
    return ConfigurationError(
        f"There is no setting {word[:64]}.",
        where=where,
        hint=f"Did you mean {close[0]}?" if close else "`holdfast settings` lists all of them.",
    )
