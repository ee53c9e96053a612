"""What every provider promises.

1.  `unwrap(wrap(key, context), context)` is the key. For another context, or anything that this root did not wrap: WrongKey.
2.  The root does not leave the provider, and nothing that it raises, logs or shows holds a key, a passphrase or a PIN.
3.  Where what stands behind it does not answer (a token pulled out, a service down or throttling): Unavailable, with a hint. The
    same call may succeed later, on the same provider: it reconnects by itself.
4.  Calls block and may come from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from holdfast.crypto.secret import SecretKey


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What may be shown of a provider."""

    kind: str
    """`passphrase-file`, `os-keyring`, `pkcs11`, `aws-kms` or `memory`."""
    reference: str
    """Names the root. Stands in the records of what it wraps."""
    where: str
    """The file, service, token or region, without anything secret."""
    durable: bool = True
    """Whether the root is there after a restart."""
    hardware: bool = False
    """Whether this provider keeps the root where this process cannot read it."""


class KeyProvider(Protocol):
    """A root. What `wrap` and `unwrap` mean stands with `envelope.Wrapper`, which every provider is."""

    @property
    def reference(self) -> str:
        """Names the root."""

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        """`key`, sealed under the root and bound to `context`. Raises Unavailable."""

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        """The key again. Raises WrongKey, Unavailable."""

    def describe(self) -> ProviderInfo:
        """What may be shown."""

    def health(self) -> None:
        """Return if the root is there and works. Raises WrongKey, Unavailable."""

    def close(self) -> None:
        """Forget the root, or leave the session to it. Twice does no harm."""
