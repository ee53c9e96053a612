"""The vectors of project Wycheproof for what sealing rests on, through our own functions.

They are not part of the repository: they are looked for beside it, in `shared/data/wycheproof`, or beside the folder that it
lies in. Envelopes hold 12-byte nonces and 16-byte tags, so that vectors for others do not decide; how many do is asserted.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from holdfast.crypto.blind import BlindIndex
from holdfast.crypto.envelope import NONCE_BYTES, TAG_BYTES, Suite, aead
from holdfast.crypto.providers.passphrase import Pbkdf2
from holdfast.crypto.secret import SecretKey
from tests.unit.crypto.sealing import WYCHEPROOF, wycheproof

SUITES = {
    Suite.AES_256_GCM: ("aes_gcm_test.json", 94, 11),
    Suite.AES_256_GCM_SIV: ("aes_gcm_siv_test.json", 103, 0),
}


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each test with its group. Skips, and says so, where the file is not there."""
    groups = wycheproof(name)
    if not groups:
        pytest.skip(f"Wycheproof's vectors are not there: no {WYCHEPROOF / name} beside the repository")
    return [(group, test) for group in groups for test in group["tests"]]


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_opens_what_is_valid_and_nothing_else(suite: Suite) -> None:
    name, decided, other_nonces = SUITES[suite]
    found = [(group, test) for group, test in vectors(name) if group["keySize"] == 256]
    ours = [test for group, test in found if group["ivSize"] == NONCE_BYTES * 8]
    assert all(group["tagSize"] == TAG_BYTES * 8 for group, _ in found)
    refused_by_size = [g for g, _ in found if not 8 <= g["ivSize"] // 8 <= 128]
    assert (len(found) - len(refused_by_size), len(refused_by_size)) == (decided, other_nonces)
    assert ours
    for test in ours:
        cipher = aead(suite, bytes.fromhex(test["key"]))
        nonce, aad, message = (bytes.fromhex(test[part]) for part in ("iv", "aad", "msg"))
        sealed = bytes.fromhex(test["ct"] + test["tag"])
        if test["result"] == "valid":
            assert cipher.decrypt(nonce, sealed, aad) == message, test["tcId"]
            assert cipher.encrypt(nonce, message, aad) == sealed, test["tcId"]
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, aad)


def test_blind_indexes_are_hmac_sha256() -> None:
    for group, test in vectors("hmac_sha256_test.json"):
        entry = BlindIndex(bytes.fromhex(test["key"]), 1, bits=group["tagSize"]).entry(
            bytes.fromhex(test["msg"])
        )
        assert (entry[2:] == bytes.fromhex(test["tag"])) == (test["result"] == "valid"), test["tcId"]


def test_keys_are_derived_by_hkdf_sha256() -> None:
    """Ours is the second half, for keys that are uniform already; the first, over an HMAC that is tested above."""
    decided = 0
    for _, test in vectors("hkdf_sha256_test.json"):
        salt, material = bytes.fromhex(test["salt"]), bytes.fromhex(test["ikm"])
        extracted = BlindIndex(salt or bytes(32), 1, bits=256).entry(material)[2:]
        expand = SecretKey(extracted).expand
        info, size = bytes.fromhex(test["info"]), test["size"]
        if test["result"] == "valid":
            assert expand(info, size) == bytes.fromhex(test["okm"]), test["tcId"]
            decided += 1
        else:
            with pytest.raises(ValueError, match="larger"):
                expand(info, size)
    assert decided > 80


def test_passphrases_are_stretched_by_pbkdf2_sha256() -> None:
    """Ours makes 32 bytes, the first block: shorter and longer ones begin with it."""
    decided = 0
    for _, test in vectors("pbkdf2_hmacsha256_test.json"):
        passphrase, salt, key = (bytes.fromhex(test[part]) for part in ("password", "salt", "dk"))
        stretched = Pbkdf2(test["iterationCount"]).stretch(passphrase, salt)
        shared = min(len(key), len(stretched))
        assert stretched[:shared] == key[:shared], test["tcId"]
        decided += 1
    assert decided == 60
