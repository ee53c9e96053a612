"""A root that this process holds in memory: what the memory, file and keyring providers share."""

from __future__ import annotations

from holdfast.crypto.envelope import WrappingKey
from holdfast.crypto.providers.port import ProviderInfo
from holdfast.crypto.secret import SecretKey
from holdfast.errors import Unavailable, Unreadable, WrongKey


class LocalRoot:
    """A provider whose root is a `SecretKey`. Wraps are envelopes, and name the root by its id."""

    def __init__(self, root: SecretKey, *, kind: str, where: str, durable: bool = True) -> None:
        self._root: SecretKey | None = root
        self._wrapping: WrappingKey | None = WrappingKey(root)
        self._info = ProviderInfo(kind, f"{kind}:{root.id.hex()}", where, durable=durable)

    @property
    def reference(self) -> str:
        return self._info.reference

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        return self._open().wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        try:
            return self._open().unwrap(wrapped, context)
        except Unreadable:
            raise WrongKey(where=self._info.where) from None

    def describe(self) -> ProviderInfo:
        return self._info

    def health(self) -> None:
        self._open()

    def close(self) -> None:
        if self._root is not None:
            self._root.destroy()
        self._root = self._wrapping = None

    def _open(self) -> WrappingKey:
        if self._wrapping is None:
            raise Unavailable(
                "The root key has been put away.", where=self._info.where, hint="Open the provider again."
            )
        return self._wrapping

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reference})"


class MemoryProvider(LocalRoot):
    """A root that is gone with the process: for tests and stores that forget."""

    def __init__(self) -> None:
        super().__init__(SecretKey.generate(), kind="memory", where="this process", durable=False)
