"""Keys that sign access tokens: ES256, which is ECDSA over P-256 with SHA-256 (RFC 7518 §3.4), and nothing else.

A key's id is its RFC 7638 thumbprint, so that it cannot name another key. Private keys do not appear in a
representation and cannot be pickled; where the PEM is kept is the caller's affair.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.errors import ConfigurationError
from holdfast.identity import _base64url


@dataclass(frozen=True, slots=True, eq=False)
class VerifyingKey:
    """The public half: tells whether a token was signed by its other half."""

    algorithm: ClassVar[str] = "ES256"

    public: ec.EllipticCurvePublicKey = field(repr=False)
    kid: str = field(init=False)

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a key on another curve."""
        _require_p256(self.public.curve)
        object.__setattr__(self, "kid", _thumbprint(self.public))

    @classmethod
    def from_pem(cls, pem: bytes) -> VerifyingKey:
        """Read a SubjectPublicKeyInfo. Raises `ConfigurationError` for anything but a P-256 public key."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise _unusable()
        return cls(key)

    def to_pem(self) -> bytes:
        """The key as SubjectPublicKeyInfo in PEM."""
        return self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 7517), for publication."""
        return _coordinates(self.public) | {"kid": self.kid, "alg": self.algorithm, "use": "sig"}


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """The private half: makes signatures."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    verifying: VerifyingKey = field(init=False)

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a key on another curve."""
        object.__setattr__(self, "verifying", VerifyingKey(self.private.public_key()))

    def __reduce__(self) -> str:
        raise TypeError("A signing key is not copied or pickled.")

    @property
    def kid(self) -> str:
        """The key's id: the RFC 7638 thumbprint of its public half."""
        return self.verifying.kid

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key from the operating system's randomness."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Read an unencrypted private key. Raises `ConfigurationError` for anything but one on P-256."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _unusable()
        return cls(key)

    def to_pem(self) -> bytes:
        """The key as unencrypted PKCS #8 in PEM. Secret: keep it where only the server can read it."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def key_set(keys: Iterable[VerifyingKey]) -> Mapping[str, VerifyingKey]:
    """Keys by id: the one that signs now, the next, and the previous for as long as its tokens live."""
    return MappingProxyType({key.kid: key for key in keys})


def jwks(keys: Iterable[VerifyingKey]) -> dict[str, list[dict[str, str]]]:
    """Keys as a JSON Web Key Set, for publication."""
    return {"keys": [key.jwk() for key in keys]}


def _coordinates(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    point = public.public_numbers()
    x, y = (_base64url.encode(number.to_bytes(32, "big")) for number in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _thumbprint(public: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 §3: SHA-256 over the required members, in lexical order, without white space."""
    canonical = json.dumps(_coordinates(public), separators=(",", ":"), sort_keys=True)
    return _base64url.encode(hashlib.sha256(canonical.encode("ascii")).digest())


def _require_p256(curve: ec.EllipticCurve) -> None:
    if not isinstance(curve, ec.SECP256R1):
        raise _unusable()


def _unusable() -> ConfigurationError:
    return ConfigurationError("This is not an unencrypted P-256 key in PEM.", where="token signing key")
