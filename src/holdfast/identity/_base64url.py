"""Base64url without padding (RFC 7515 §2)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode text that is known to be base64url: what is foreign to it would be skipped in silence."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
