"""The ES256 vectors of project Wycheproof, through our own reading of the compact form.

They sign the text `foo`, which is no set of claims, so they meet `jws` and not `tokens`. The vectors are not part of
the repository: they are looked for beside it, in `shared/data/wycheproof`, or beside the folder that it lies in.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.errors import NotAuthenticated
from holdfast.identity.jws import open_compact
from holdfast.identity.signing import VerifyingKey

FILE = Path("shared") / "data" / "wycheproof" / "json_web_signature_test.json"
REPOSITORY = Path(__file__).resolve().parents[3]

# Labelled invalid for what the JWK says of its use, not for what the token says. There is no way to bring a JWK into
# this verifier: its keys come from our own PEM, and a key that is there is there for ES256.
RESTRICTED_KEYS = {354, 356}


def _vectors() -> list[tuple[int, str, str, dict[str, Any]]]:
    for folder in list(REPOSITORY.parents)[:2]:
        if (folder / FILE).is_file():
            groups = json.loads((folder / FILE).read_text(encoding="utf-8"))["testGroups"]
            return [
                (test["tcId"], test["result"], test["jws"], group["public"])
                for group in groups
                if group.get("public", {}).get("crv") == "P-256"
                for test in group["tests"]
            ]
    return []


VECTORS = _vectors()
pytestmark = pytest.mark.skipif(
    not VECTORS, reason=f"Wycheproof's vectors are not there: no {FILE} beside the repository"
)


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _keys(jwk: dict[str, Any]) -> dict[str, VerifyingKey]:
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
    return {jwk["kid"]: VerifyingKey(numbers.public_key())}


def test_all_the_vectors_are_there() -> None:
    assert len(VECTORS) == 41
    assert sum(result == "valid" for _, result, _, _ in VECTORS) == 2


@pytest.mark.parametrize(
    ("number", "result", "token", "jwk"), VECTORS, ids=[f"tcId-{number}" for number, *_ in VECTORS]
)
def test_vector(number: int, result: str, token: str, jwk: dict[str, Any]) -> None:
    if result == "valid" or number in RESTRICTED_KEYS:
        assert open_compact(token, keys=_keys(jwk), typ=None).payload == b"foo"
    else:
        with pytest.raises(NotAuthenticated):
            open_compact(token, keys=_keys(jwk), typ=None)
