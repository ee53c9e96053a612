"""The boot canary: a known value under the root, so that another root is found out at start and not row by row. Pure.

Kept beside the key records as JSON: the root's reference and what the provider made of the known value.
"""

from __future__ import annotations

import base64
from typing import Final

import orjson

from holdfast.crypto.envelope import Wrapper
from holdfast.crypto.secret import SecretKey, framed
from holdfast.errors import HoldfastError, Unavailable, WrongKey

_KNOWN: Final = b"holdfast: the right key sings it"
_CONTEXT: Final = framed(b"canary")


def make_canary(root: Wrapper) -> bytes:
    """The record to keep. Raises Unavailable."""
    wrapped = base64.b64encode(root.wrap(SecretKey(_KNOWN), _CONTEXT)).decode()
    return orjson.dumps({"root": root.reference, "canary": wrapped}, option=orjson.OPT_SORT_KEYS)


def check_canary(record: bytes, root: Wrapper) -> None:
    """Return if this is the root that the record was made under. Raises WrongKey, which names both, or Unavailable."""
    reference, wrapped = _parse(record)
    if reference != root.reference:
        raise _another(reference, root)
    try:
        whole = root.unwrap(wrapped, _CONTEXT) == SecretKey(_KNOWN)
    except Unavailable:
        raise
    except HoldfastError:
        whole = False
    if not whole:
        raise _another(reference, root)


def _parse(record: bytes) -> tuple[str, bytes]:
    try:
        plain = orjson.loads(record)
        reference, text = plain["root"], plain["canary"]
        if not isinstance(reference, str):
            raise ValueError
        return reference, base64.b64decode(text, validate=True)
    except (ValueError, KeyError, TypeError):
        raise WrongKey(
            "The record that tells the right root from a wrong one is damaged.",
            hint="Put the key records back from a backup.",
        ) from None


def _another(reference: str, root: Wrapper) -> WrongKey:
    return WrongKey(
        f"This store was sealed under {reference[:200]}, and the provider here has {root.reference}."
        if reference != root.reference
        else f"The provider has {reference[:200]} by name, and it does not open what that sealed.",
        where="key provider",
        hint="Configure the provider that the store was made with, or make a new root from the recovery kit.",
    )
