"""The packs of a deployment: found by name among the installed ones, or in a module of the application.

Nothing imports a pack: an installed one is an entry point of the group `holdfast.packs`, one of your own is written
`module:ATTRIBUTE`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import walk_tb

from holdfast.errors import ConfigurationError, DeclarationError
from holdfast.model.catalog import Catalog
from holdfast.model.pack import Pack

GROUP = "holdfast.packs"
REALM = "realm"
SYNC = "sync"
JOBS = "jobs"
_OF_CODE = (NameError, TypeError, AttributeError, ImportError)
_OURS = Path(__file__).parents[1]
_PYTHON = Path(importlib.__file__).parents[1]


def load_packs(names: Iterable[str]) -> tuple[Pack, ...]:
    """The packs of these names, in this order. Raises ConfigurationError for one that is unknown or does not load."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    packs: dict[str, Pack] = {}
    for name in names:
        pack = _checked(name, _load(name, installed))
        if pack.name in packs or pack.name in {REALM, SYNC, JOBS}:
            raise ConfigurationError(f"Two packs are called {pack.name}.", where=f"HOLDFAST_PACKS, {name}")
        packs[pack.name] = pack
    return tuple(packs.values())


def realm_pack() -> Pack:
    """People, tenants and sessions, declared like any other rows. Always enabled."""
    from holdfast.accounts.entities import ENTITIES

    return Pack(name=REALM, entities=ENTITIES, revisions="holdfast.accounts.revisions")


def sync_pack() -> Pack:
    """What the hub keeps about devices and conflicts. Always enabled."""
    from holdfast.sync.entities import ENTITIES

    return Pack(name=SYNC, entities=ENTITIES, revisions="holdfast.sync.revisions")


def jobs_pack() -> Pack:
    """Where the background jobs stand, and what they did. Always enabled."""
    from holdfast.runtime.jobs.entities import ENTITIES

    return Pack(name=JOBS, entities=ENTITIES, revisions="holdfast.runtime.jobs.revisions")


def own_packs() -> tuple[Pack, ...]:
    """The platform's own packs, which every deployment has."""
    return realm_pack(), sync_pack(), jobs_pack()


def catalog_of(packs: Iterable[Pack]) -> Catalog:
    """Every entity of these packs, checked against one another."""
    return Catalog({pack.name: pack.entities for pack in packs})


def _load(name: str, installed: Mapping[str, EntryPoint]) -> object:
    try:
        if ":" in name:
            return _from_module(name)
        if name in installed:
            return installed[name].load()
    except DeclarationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The pack does not load: {_told(error)}.",
            where=f"HOLDFAST_PACKS, {name}",
            hint="Import it in a Python shell to see the whole of it.",
        ) from error
    raise _unknown(name, sorted(installed))


def _from_module(name: str) -> object:
    """An application's pack. Its module is looked for in the working directory too, as `python -m` would."""
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return getattr(importlib.import_module(module), attribute)


def _told(error: Exception) -> str:
    """`entities.py:12: NameError: name 'Sharedd' is not defined`: the application's file and line, and what is wrong there.

    The text is shown of errors that speak of code; others may hold anything.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    about = f": {error}" if isinstance(error, _OF_CODE) else ""
    at = [
        f"{_shown(frame.f_code.co_filename)}:{line}: "
        for frame, line in walk_tb(error.__traceback__)
        if _is_the_applications(frame.f_code.co_filename)
    ]
    if at:
        return f"{at[-1]}{type(error).__name__}{about}"
    return f"{type(error).__name__}{_about(error)}"


def _is_the_applications(file: str) -> bool:
    path = Path(file)
    return (
        path.is_absolute()
        and not path.is_relative_to(_OURS)
        and "site-packages" not in path.parts
        and (not path.is_relative_to(_PYTHON))
    )


def _shown(file: str) -> str:
    """Relative to the working directory where it is below it."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _about(error: Exception) -> str:
    """What a failed import was looking for; other messages may hold anything."""
    match error:
        case ImportError(name=str(missing)):
            return f", {missing} is missing" if isinstance(error, ModuleNotFoundError) else f" in {missing}"
        case AttributeError(name=str(missing)):
            return f", there is no {missing}"
        case _:
            return ""


def _checked(name: str, found: object) -> Pack:
    if not isinstance(found, Pack):
        raise ConfigurationError("This is not a holdfast.Pack.", where=f"HOLDFAST_PACKS, {name}")
    return found


def _unknown(name: str, installed: list[str]) -> ConfigurationError:
    close = get_close_matches(name, installed, n=1)
    known = f"Installed are {', '.join(installed)}" if installed else "No pack is installed"
    hint = f"Did you mean {close[0]}?" if close else f"{known}; one of your own is written module:ATTRIBUTE."
    return ConfigurationError("There is no such pack.", where=f"HOLDFAST_PACKS, {name[:64]}", hint=hint)
