"""Certificates of erasure: anybody can check them, nobody can change them. Canaries: the right root, or a clear error."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import orjson
import pytest

from holdfast.crypto.canary import check_canary, make_canary
from holdfast.crypto.certificate import ErasureCertificate, issue, verify
from holdfast.crypto.providers.local import LocalRoot, MemoryProvider
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.signatures import Signer, Verifier, domain
from holdfast.errors import Unavailable, Unreadable, WrongKey
from holdfast.model.ids import new_id
from tests.unit.crypto.sealing import AT, OTHER_TENANT, PERSON, TENANT

SIGNER = Signer(SecretKey.generate())
KEYS = {SIGNER.verifier.id: SIGNER.verifier}
CERTIFICATE = ErasureCertificate(
    certificate_id=new_id(),
    store_id="household",
    tenant_id=TENANT,
    subject_id=PERSON,
    erased_at=AT + timedelta(microseconds=7),
    keys=("00" * 16, "11" * 16),
    index_entries=12,
)


def test_a_certificate_is_read_as_it_was_issued() -> None:
    assert verify(issue(CERTIFICATE, SIGNER), KEYS) == CERTIFICATE


def test_it_may_be_printed_in_another_shape() -> None:
    plain = orjson.loads(issue(CERTIFICATE, SIGNER))
    assert verify(orjson.dumps(plain), KEYS) == CERTIFICATE
    assert verify(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2), KEYS)


def test_another_implementation_can_check_it_by_the_documentation_alone() -> None:
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    plain = orjson.loads(issue(CERTIFICATE, SIGNER))
    signed = b"\x00\x0aholdfast/1\x00\x07erasure" + orjson.dumps(
        plain["certificate"], option=orjson.OPT_SORT_KEYS
    )
    signature = base64.b64decode(plain["signature"]["value"])
    Ed25519PublicKey.from_public_bytes(SIGNER.verifier.public).verify(signature, signed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("certificate", "tenant_id"), str(OTHER_TENANT)),
        (("certificate", "subject_id"), str(TENANT)),
        (("certificate", "index_entries"), 13),
        (("certificate", "index_entries"), "12"),
        (("certificate", "index_entries"), 12.0),
        (("certificate", "index_entries"), None),
        (("certificate", "keys"), ["00" * 16]),
        (("certificate", "keys"), "00"),
        (("certificate", "erased_at"), "2026-03-02T00:00:00.000000Z"),
        (("certificate", "erased_at"), "2026-03-01T01:00:00.000007+01:00"),
        (("certificate", "store_id"), "another"),
        (("certificate", "store_id"), 7),
        (("certificate", "kind"), "checkpoint"),
        (("certificate", "format"), 2),
        (("certificate", "more"), 1),
        (("certificate",), None),
        (("certificate",), []),
        (("signature", "key"), "00" * 16),
        (("signature", "key"), []),
        (("signature", "algorithm"), "none"),
        (("signature", "value"), ""),
        (("signature", "value"), "AAAA"),
        (("signature", "value"), 7),
        (("signature",), None),
        (("more",), 1),
    ],
    ids=str,
)
def test_whatever_is_changed_is_refused(path: tuple[str, ...], value: Any) -> None:
    plain = orjson.loads(issue(CERTIFICATE, SIGNER))
    inner = plain
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(Unreadable, match="no certificate"):
        verify(orjson.dumps(plain), KEYS)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"7", b"\xff"])
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(Unreadable):
        verify(document, KEYS)


def test_another_stores_signature_is_none_here() -> None:
    other = Signer(SecretKey.generate())
    document = issue(CERTIFICATE, other)
    with pytest.raises(Unreadable):
        verify(document, KEYS)
    with pytest.raises(Unreadable):
        verify(document.replace(other.verifier.id.encode(), SIGNER.verifier.id.encode()), KEYS)


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    assert SIGNER.verifier.holds(SIGNER.sign(domain("a", b"m")), domain("a", b"m"))
    assert not SIGNER.verifier.holds(SIGNER.sign(domain("a", b"m")), domain("b", b"m"))
    assert not SIGNER.verifier.holds(SIGNER.sign(domain("a", b"bm")), domain("ab", b"m"))
    assert not SIGNER.verifier.holds(b"", b"")


def test_a_signer_is_not_copied_or_shown() -> None:
    seed = SecretKey(b"planted-secret-planted-secret-ps")
    signer = Signer(seed)
    assert signer.verifier.id == Verifier(signer.verifier.public).id
    assert "planted" not in repr(signer) + repr(signer.verifier)
    for attempt in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(signer)


def test_a_canary_knows_its_root() -> None:
    root = MemoryProvider()
    record = make_canary(root)
    check_canary(record, root)
    other = MemoryProvider()
    with pytest.raises(WrongKey) as caught:
        check_canary(record, other)
    assert root.reference in str(caught.value)
    assert other.reference in str(caught.value)
    assert "recover" in str(caught.value)


def test_a_root_that_only_says_it_is_the_one_is_found_out() -> None:
    class Liar(MemoryProvider):
        reference = "memory:one"

    record = make_canary(Liar())
    with pytest.raises(WrongKey, match="by name"):
        check_canary(record, Liar())


def test_a_root_that_is_away_is_not_a_wrong_one() -> None:
    root = LocalRoot(SecretKey.generate(), kind="memory", where="here")
    record = make_canary(root)
    root.close()
    with pytest.raises(Unavailable):
        check_canary(record, root)


@pytest.mark.parametrize(
    "record", [b"", b"{}", b"[]", b'{"root": 1, "canary": ""}', b'{"root": "x", "canary": "?"}']
)
def test_a_damaged_canary_is_told(record: bytes) -> None:
    with pytest.raises(WrongKey, match="damaged"):
        check_canary(record, MemoryProvider())
