"""A root in a hardware token behind PKCS #11 (OASIS, v2.40 and later). Extra `pkcs11`.

The root is an AES-256 key that the token made and does not give out. The token itself encrypts tenants' keys, by CKM_AES_GCM
with the context as associated data; what it returns stands in an envelope whose key id is the token object's CKA_ID. Tokens
report a wrong tag in ways of their own (SoftHSM: CKR_GENERAL_ERROR), so after a failure a probe decides: a token that still
works did not like the data, one that does not is gone.

One session, under a lock: a provider is asked once a tenant, and sessions are no threads' to share. It is opened again when it
was lost, and after a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

from holdfast.crypto.envelope import (
    HEADER,
    KEY_ID,
    NONCE,
    NONCE_BYTES,
    OVERHEAD,
    SEALED,
    Suite,
    header,
    key_id_of,
)
from holdfast.crypto.providers.port import ProviderInfo
from holdfast.crypto.secret import ID_BYTES, KEY_BYTES, SecretKey, framed
from holdfast.errors import ConfigurationError, HoldfastError, Unavailable, Unreadable, WrongKey

_PROBE: Final = framed(b"probe")


class Pkcs11:
    """The provider over one key of one token."""

    def __init__(self, *, module: str, token: str, pin: str, label: str = "holdfast") -> None:
        """`module` is the path of the token's library, `token` and `label` name token and key.

        Raises ConfigurationError for what is not there, WrongKey for a PIN that is not the token's, Unavailable for no answer.
        """
        self._module, self._token, self._pin, self._label = module, token, pin, label
        self._lock = threading.Lock()
        self._key: Any = None
        self._session: Any = None
        self._process = os.getpid()
        with self._lock:
            self._header = header(Suite.AES_256_GCM, bytes(self._connect().id))
        self.reference = f"pkcs11:{self._header[KEY_ID].hex()}"

    @classmethod
    def create(cls, *, module: str, token: str, pin: str, label: str = "holdfast") -> Pkcs11:
        """The same over a new key, made in the token. Raises ConfigurationError where the token has one of that label already."""
        library = _library()
        try:
            with _session(library, module, token, pin, rw=True) as session:
                wanted = {
                    library.Attribute.CLASS: library.ObjectClass.SECRET_KEY,
                    library.Attribute.LABEL: label,
                }
                if any(True for _ in session.get_objects(wanted)):
                    raise ConfigurationError(
                        "The token has a key of this label already.",
                        where=f"{token}/{label}",
                        hint="Removing it would make what it sealed unreadable.",
                    )
                session.generate_key(
                    library.KeyType.AES,
                    KEY_BYTES * 8,
                    label=label,
                    id=os.urandom(ID_BYTES),
                    store=True,
                    template={library.Attribute.SENSITIVE: True, library.Attribute.EXTRACTABLE: False},
                )
        except library.exceptions.PKCS11Error as error:
            raise _explained(library, error, token, label) from None
        return cls(module=module, token=token, pin=pin, label=label)

    def wrap(self, key: SecretKey, context: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        parameters = self._parameters(nonce, context)
        sealed = self._do(lambda token_key: token_key.encrypt(key.reveal(), **parameters))
        return self._header + nonce + sealed

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        try:
            if key_id_of(wrapped) != self._header[KEY_ID] or len(wrapped) != OVERHEAD + KEY_BYTES:
                raise WrongKey(where=self._where)
        except Unreadable:
            raise WrongKey(where=self._where) from None
        if wrapped[HEADER] != self._header:
            raise WrongKey(where=self._where)
        parameters = self._parameters(wrapped[NONCE], context)
        return SecretKey(self._do(lambda token_key: token_key.decrypt(wrapped[SEALED], **parameters)))

    def describe(self) -> ProviderInfo:
        return ProviderInfo("pkcs11", self.reference, self._where, hardware=True)

    def health(self) -> None:
        self._do(self._probe)

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    @property
    def _where(self) -> str:
        return f"{self._token}/{self._label}"

    def _parameters(self, nonce: bytes, context: bytes) -> dict[str, Any]:
        library = _library()
        gcm = library.GCMParams(nonce=nonce, aad=self._header + context, tag_bits=128)
        return {"mechanism": library.Mechanism.AES_GCM, "mechanism_param": gcm}

    def _do(self, work: Callable[[Any], bytes | None]) -> bytes:
        """The work, on the token's key; once more on a new session where the old one has died."""
        library = _library()
        with self._lock:
            try:
                if self._key is None or self._process != os.getpid():
                    self._reconnect()
                return work(self._key) or b""
            except library.exceptions.PKCS11Error:
                if self._works():
                    raise WrongKey(where=self._where) from None
            self._reconnect()
            try:
                return work(self._key) or b""
            except library.exceptions.PKCS11Error as error:
                if self._works():
                    raise WrongKey(where=self._where) from None
                self._disconnect()
                raise _explained(library, error, self._token, self._label) from None

    def _works(self) -> bool:
        try:
            self._probe(self._key)
        except _library().exceptions.PKCS11Error:
            return False
        return True

    def _probe(self, token_key: Any) -> None:
        token_key.encrypt(bytes(KEY_BYTES), **self._parameters(os.urandom(NONCE_BYTES), _PROBE))

    def _connect(self) -> Any:
        """The key, on a new session."""
        library = _library()
        try:
            self._session = _session(library, self._module, self._token, self._pin)
            self._key = self._session.get_key(
                object_class=library.ObjectClass.SECRET_KEY,
                key_type=library.KeyType.AES,
                label=self._label,
            )
        except library.exceptions.PKCS11Error as error:
            self._disconnect()
            raise _explained(library, error, self._token, self._label) from None
        return self._key

    def _reconnect(self) -> None:
        """Begin with the library afresh: most of them see only then that a token is back, and none works across a fork."""
        library = _library()
        self._disconnect()
        self._process = os.getpid()
        try:
            library.lib(self._module).reinitialize()
        except library.exceptions.PKCS11Error as error:
            raise _explained(library, error, self._token, self._label) from None
        if header(Suite.AES_256_GCM, bytes(self._connect().id)) != self._header:
            self._disconnect()
            raise WrongKey("The token has another key under this label.", where=self._where)

    def _disconnect(self) -> None:
        session, self._session, self._key = self._session, None, None
        if session is not None:
            try:
                session.close()
            except _library().exceptions.PKCS11Error:
                pass  # it was gone already

    def __repr__(self) -> str:
        return f"Pkcs11({self._where})"

    def __reduce__(self) -> str:
        raise TypeError("A provider is not copied or pickled.")


def _library() -> Any:
    try:
        import pkcs11
    except ImportError:
        raise ConfigurationError(
            "The library for PKCS #11 is not installed.", hint="pip install 'holdfast[pkcs11]'"
        ) from None
    return pkcs11


def _session(library: Any, module: str, token: str, pin: str, *, rw: bool = False) -> Any:
    found = library.lib(module).get_token(token_label=token)
    try:
        return found.open(user_pin=pin, rw=rw)
    except (
        library.exceptions.UserAlreadyLoggedIn
    ):  # by another session of this process, which shares its login
        return found.open(rw=rw)


def _explained(library: Any, error: Exception, token: str, label: str) -> HoldfastError:
    """What to tell of an error outside the data: the driver's own text is left out."""
    known, where = library.exceptions, f"{token}/{label}"
    match error:
        case (
            known.PinIncorrect()
            | known.PinInvalid()
            | known.PinLenRange()
            | known.PinLocked()
            | known.PinExpired()
        ):
            return WrongKey(
                "The token does not take this PIN.",
                where=where,
                hint="Check the PIN before trying again: tokens lock after a few mistakes.",
            )
        case known.NoSuchKey() | known.MultipleObjectsReturned():
            return ConfigurationError(
                "The token has no key of this label, or several.",
                where=where,
                hint="Name the key that sealed this store, or make one in the token for a new store.",
            )
        case _:
            return Unavailable(
                f"The hardware token does not answer ({type(error).__name__}).",
                where=where,
                hint="See that the token is connected and the path of its library is right; then repeat.",
            )
