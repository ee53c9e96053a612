"""Holdfast: the production data layer for Python applications.

The front door. Whatever an application or a pack needs is a name of this module; everything below is private to Holdfast.
The names are loaded when they are first used, so that `import holdfast` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast import blocking
    from holdfast.errors import (
        ConfigurationError,
        Conflict,
        Duplicate,
        Forbidden,
        HoldfastError,
        InvalidInput,
        NotAuthenticated,
        NotFound,
        StaleVersion,
    )
    from holdfast.identity.principal import Principal, Role
    from holdfast.model.entity import Entity
    from holdfast.model.ids import new_id
    from holdfast.model.job import Job
    from holdfast.model.markers import (
        Converted,
        Digits,
        MaxLength,
        Member,
        Merge,
        Ref,
        Sealed,
        ServerSet,
        Was,
    )
    from holdfast.model.pack import Pack
    from holdfast.model.policies import Index, Keep, Owned, Personal, Shared, Synced, Unique, Unjournaled
    from holdfast.model.schedule import Daily, Every
    from holdfast.runtime.assembly import Platform, open_platform, open_store
    from holdfast.runtime.jobs.context import JobContext
    from holdfast.store.session import Page, Session
    from holdfast.store.store import Store
    from holdfast.tenancy.isolation import Isolation
    from holdfast.tenancy.scope import Scope

_HOMES = {
    "holdfast.errors": (
        "ConfigurationError",
        "Conflict",
        "Duplicate",
        "Forbidden",
        "HoldfastError",
        "InvalidInput",
        "NotAuthenticated",
        "NotFound",
        "StaleVersion",
    ),
    "holdfast.identity.principal": ("Principal", "Role"),
    "holdfast.model.entity": ("Entity",),
    "holdfast.model.ids": ("new_id",),
    "holdfast.model.job": ("Job",),
    "holdfast.model.markers": (
        "Converted",
        "Digits",
        "MaxLength",
        "Member",
        "Merge",
        "Ref",
        "Sealed",
        "ServerSet",
        "Was",
    ),
    "holdfast.model.pack": ("Pack",),
    "holdfast.model.policies": (
        "Index",
        "Keep",
        "Owned",
        "Personal",
        "Shared",
        "Synced",
        "Unique",
        "Unjournaled",
    ),
    "holdfast.model.schedule": ("Daily", "Every"),
    "holdfast.runtime.assembly": ("Platform", "open_platform", "open_store"),
    "holdfast.runtime.jobs.context": ("JobContext",),
    "holdfast.store.session": ("Page", "Session"),
    "holdfast.store.store": ("Store",),
    "holdfast.tenancy.isolation": ("Isolation",),
    "holdfast.tenancy.scope": ("Scope",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    __version__: str

__all__ = [  # noqa: RUF022 (by what a user does first)
    # declare
    "Entity",
    "Pack",
    "Digits",
    "MaxLength",
    "Member",
    "Merge",
    "Ref",
    "Sealed",
    "ServerSet",
    "Was",
    "Converted",
    "Index",
    "Keep",
    "Owned",
    "Personal",
    "Shared",
    "Synced",
    "Unique",
    "Unjournaled",
    "new_id",
    # background jobs
    "Job",
    "Every",
    "Daily",
    "JobContext",
    # store
    "open_store",
    "blocking",
    "Scope",
    "Principal",
    "Role",
    "Store",
    "Session",
    "Page",
    "Isolation",
    # a whole deployment, for a pack's commands
    "open_platform",
    "Platform",
    # what may go wrong
    "HoldfastError",
    "InvalidInput",
    "NotAuthenticated",
    "NotFound",
    "Conflict",
    "Duplicate",
    "StaleVersion",
    "Forbidden",
    "ConfigurationError",
    # which one this is
    "__version__",
]


def __getattr__(name: str) -> Any:
    """The public name, loaded from where it lives."""
    home = _HOME_OF.get(name)
    if home is not None:
        value = getattr(_load(home, name), name)
    elif name == "blocking":
        value = _load("holdfast.blocking", name)
    elif name == "__version__":
        value = import_module("holdfast.runtime.version").holdfast_version()
    else:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    globals()[name] = value
    return value


def _load(home: str, name: str) -> Any:
    try:
        return import_module(home)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holdfast":
            raise
        from holdfast.errors import missing_extra

        raise missing_extra(error.name, "server", where=f"holdfast.{name}") from error
