"""The vectors of NIST and of the RFCs, from the package that accompanies `cryptography`, through our own functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from holdfast.crypto.blind import BlindIndex
from holdfast.crypto.envelope import Suite, aead
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.signatures import Signer, Verifier
from tests.unit.crypto.sealing import flipped

package: Any = pytest.importorskip(
    "cryptography_vectors", reason="cryptography-vectors is not installed: NIST's vectors are not tested"
)


def blocks(*path: str) -> Iterator[dict[str, str]]:
    """The `name = value` blocks of a response file, each with what its section says; a line alone is a value of ''."""
    section: dict[str, str] = {}
    block: dict[str, str] = {}
    for raw in lines(*path):
        line = raw.strip()
        if line.startswith("["):
            if block:
                yield section | block
                block = {}
            name, _, value = line.strip("[]").partition("=")
            section[name.strip()] = value.strip()
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            if name.strip() in {"Count", "COUNT"} and block:
                yield section | block
                block = {}
            block[name.strip()] = value.strip()
    if block:
        yield section | block


def lines(*path: str) -> list[str]:
    with package.open_vector_file("/".join(path), "r") as file:
        text: str = file.read()
    return text.splitlines()


@pytest.mark.parametrize("name", ["gcmDecrypt256.rsp", "gcmEncryptExtIV256.rsp"])
def test_aes_gcm(name: str) -> None:
    decided = 0
    for test in blocks("ciphers", "AES", "GCM", name):
        if (test["IVlen"], test["Taglen"]) != ("96", "128"):
            continue
        cipher = aead(Suite.AES_256_GCM, bytes.fromhex(test["Key"]))
        nonce, aad = bytes.fromhex(test["IV"]), bytes.fromhex(test["AAD"])
        sealed = bytes.fromhex(test["CT"] + test["Tag"])
        if "FAIL" in test:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, aad)
        else:
            data = bytes.fromhex(test["PT"])
            assert cipher.decrypt(nonce, sealed, aad) == data
            assert cipher.encrypt(nonce, data, aad) == sealed
        decided += 1
    assert decided == 375


def test_aes_gcm_siv() -> None:
    decided = 0
    for test in blocks("ciphers", "AES", "GCM-SIV", "openssl.txt"):
        if len(test["Key"]) != 64:
            continue
        cipher = aead(Suite.AES_256_GCM_SIV, bytes.fromhex(test["Key"]))
        nonce, aad = bytes.fromhex(test["IV"]), bytes.fromhex(test.get("AAD", ""))
        data, sealed = bytes.fromhex(test["Plaintext"]), bytes.fromhex(test["Ciphertext"] + test["Tag"])
        assert cipher.decrypt(nonce, sealed, aad) == data
        assert cipher.encrypt(nonce, data, aad) == sealed
        decided += 1
    assert decided > 20


def test_hmac_sha256() -> None:
    """RFC 4231."""
    block = dict[str, str]()
    decided = 0
    for line in [*lines("HMAC", "rfc-4231-sha256.txt"), "Len = 0"]:
        name, _, value = line.partition("=")
        if name.strip() == "Len" and "MD" in block:
            entry = BlindIndex(bytes.fromhex(block["Key"]), 1, bits=256).entry(bytes.fromhex(block["Msg"]))
            assert entry[2:] == bytes.fromhex(block["MD"])
            decided += 1
        block[name.strip()] = value.strip()
    assert decided >= 6


def test_hkdf_sha256() -> None:
    """RFC 5869: from the pseudorandom key to the output, which is the half that is ours."""
    decided = 0
    for test in blocks("KDF", "rfc-5869-HKDF-SHA256.txt"):
        expand = SecretKey(bytes.fromhex(test["PRK"])).expand
        assert expand(bytes.fromhex(test["info"]), int(test["L"])) == bytes.fromhex(test["OKM"])
        decided += 1
    assert decided >= 3


def test_ed25519() -> None:
    decided = 0
    for line in lines("asymmetric", "Ed25519", "sign.input"):
        secret, public, message, signed, _ = (
            bytes.fromhex(part) if part else b"" for part in line.split(":")
        )
        signature = signed[:64]
        signer = Signer(SecretKey(secret[:32]))
        assert signer.verifier.public == public
        assert signer.sign(message) == signature
        verifier = Verifier(public)
        assert verifier.holds(signature, message)
        assert not verifier.holds(signature, message + b"\x00")
        assert not verifier.holds(flipped(signature, decided % 512), message)
        decided += 1
    assert decided == 1_024
