"""The certificate of an erasure: what was destroyed, when, said so that anybody can check who said it. Pure.

    {"certificate": {"format": 1, "kind": "erasure", …}, "signature": {"algorithm": "Ed25519", "key": "…", "value": "…"}}

What is signed is the domain `erasure` and the certificate's canonical JSON (sorted keys, no white space), so that the document may
be printed and indented. It names the person by the id alone, which says nothing once the person is gone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.crypto.signatures import Signer, Verifier, domain
from holdfast.errors import Unreadable
from holdfast.model.types import InstantType, UuidType

FORMAT: Final = 1
_KIND: Final = "erasure"
_INSTANT, _UUID = InstantType(), UuidType()
_FIELDS: Final = frozenset(
    {
        "format",
        "kind",
        "certificate_id",
        "store_id",
        "tenant_id",
        "subject_id",
        "erased_at",
        "keys",
        "index_entries",
    }
)


@dataclass(frozen=True, slots=True)
class ErasureCertificate:
    """What is certified. `keys` are the ids of the destroyed keys, `index_entries` how many blind index entries were deleted."""

    certificate_id: UUID
    store_id: str
    tenant_id: UUID
    subject_id: UUID
    erased_at: datetime
    keys: tuple[str, ...]
    index_entries: int

    def _canonical(self) -> bytes:
        return orjson.dumps(self._plain(), option=orjson.OPT_SORT_KEYS)

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": _KIND,
            "certificate_id": str(self.certificate_id),
            "store_id": self.store_id,
            "tenant_id": str(self.tenant_id),
            "subject_id": str(self.subject_id),
            "erased_at": _INSTANT.encode(self.erased_at),
            "keys": list(self.keys),
            "index_entries": self.index_entries,
        }


def issue(certificate: ErasureCertificate, signer: Signer) -> bytes:
    """The signed document, indented JSON."""
    signature = signer.sign(domain(_KIND, certificate._canonical()))
    document = {
        "certificate": certificate._plain(),
        "signature": {
            "algorithm": "Ed25519",
            "key": signer.verifier.id,
            "value": base64.b64encode(signature).decode(),
        },
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def verify(document: bytes, keys: Mapping[str, Verifier]) -> ErasureCertificate:
    """The certificate, if one of `keys` (by id) has signed it. Raises Unreadable for everything else."""
    try:
        outer = orjson.loads(document)
        certificate = _read(outer["certificate"])
        signature = outer["signature"]
        signed_by = keys[signature["key"]]
        value = base64.b64decode(signature["value"], validate=True)
        whole = signature["algorithm"] == "Ed25519" and set(outer) == {"certificate", "signature"}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refused() from None
    if not whole or not signed_by.holds(value, domain(_KIND, certificate._canonical())):
        raise _refused()
    return certificate


def _read(plain: dict[str, Any]) -> ErasureCertificate:
    if set(plain) != _FIELDS or plain["format"] != FORMAT or plain["kind"] != _KIND:
        raise ValueError
    certificate = ErasureCertificate(
        certificate_id=_UUID.decode(plain["certificate_id"]),
        store_id=str(plain["store_id"]),
        tenant_id=_UUID.decode(plain["tenant_id"]),
        subject_id=_UUID.decode(plain["subject_id"]),
        erased_at=_INSTANT.decode(plain["erased_at"]),
        keys=tuple(map(str, plain["keys"])),
        index_entries=int(plain["index_entries"]),
    )
    # One spelling only, down to 12 and 12.0: what is read is what was signed.
    if certificate._canonical() != orjson.dumps(plain, option=orjson.OPT_SORT_KEYS):
        raise ValueError
    return certificate


def _refused() -> Unreadable:
    return Unreadable(
        "This is no certificate that one of these keys has signed.",
        hint="Take the document as it was issued, and the public key of the store that issued it.",
    )
