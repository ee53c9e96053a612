"""Ed25519 signatures (RFC 8032) under a key that names itself. For what is shown to others: certificates, checkpoints."""

from __future__ import annotations

import hashlib
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.crypto.secret import SecretKey, framed


class Verifier:
    """The public half."""

    __slots__ = ("_public", "public")

    def __init__(self, public: bytes) -> None:
        """`public` is the key's 32 bytes. Raises ValueError for what is none."""
        self._public = Ed25519PublicKey.from_public_bytes(public)
        self.public = public

    @property
    def id(self) -> str:
        """The first 16 bytes of the key's SHA-256, in hexadecimal."""
        return hashlib.sha256(self.public).hexdigest()[:32]

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether the other half has signed exactly this."""
        try:
            self._public.verify(signature, message)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def __repr__(self) -> str:
        return f"Verifier({self.id})"


class Signer:
    """The private half. Its seed is a `SecretKey`, and is kept as other keys are: wrapped by a provider."""

    __slots__ = ("_private", "verifier")

    def __init__(self, seed: SecretKey) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self.verifier = Verifier(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"Signer({self.verifier.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signing key is not copied or pickled.")


def domain(purpose: str, message: bytes) -> bytes:
    """The bytes that are signed for a purpose: a signature for one is none for another."""
    return framed(b"holdfast/1", purpose.encode()) + message
