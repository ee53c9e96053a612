"""The recovery kit: what opens the tenants' keys when the root is lost.

A kit is an X25519 key pair. The public half lies with the deployment, and every tenant's key is sealed to it when it is made (HPKE,
RFC 9180: DHKEM X25519 with HKDF-SHA256, AES-256-GCM, base mode, the key record's context as info). The private half is in nobody's
computer: its 32 bytes are split into SLIP-39 shares, of which two of three, or three of five, make it again; or they are derived
from one recovery code that a single person keeps. So a server makes tenants without ever holding what could open them all.

    shares  SLIP-0039 mnemonics of 33 words (by `shamir-mnemonic`, the reference implementation, which does not guard against who
            watches the machine it runs on: split and join them in a command, not in a server)
    code    24 characters of Crockford's base 32, 120 random bits, and his check symbol (mod 37): it finds one wrong character or two
            that changed places. Case, hyphens and blanks do not matter; O is 0, I and L are 1
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.crypto.envelope import unreadable
from holdfast.crypto.secret import SecretKey, framed
from holdfast.errors import BadKit, ConfigurationError, WrongKey

SPLITS: Final = frozenset({(2, 3), (3, 5)})
"""Which shares are made: so many of so many."""
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECKS: Final = _DIGITS + "*~$=U"
_CODE_LENGTH: Final = 24
_GROUP: Final = 5
_SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class RecoveryPublic:
    """The half that seals. Lies with the deployment."""

    __slots__ = ("_public", "public")

    def __init__(self, public: bytes) -> None:
        """`public` is the key's 32 bytes. Raises ValueError for what is none."""
        self._public = X25519PublicKey.from_public_bytes(public)
        self.public = public

    @property
    def id(self) -> str:
        """Names the kit; printed on every share."""
        return SecretKey(self.public).id.hex()[:8]

    def seal(self, key: SecretKey, context: bytes) -> bytes:
        """`key`, for the kit alone to open, bound to `context`: 80 bytes."""
        return _SUITE.encrypt(key.reveal(), self._public, info=framed(b"recovery", context))

    def __repr__(self) -> str:
        return f"RecoveryPublic({self.id})"


class RecoverySecret:
    """The half that opens. Made of shares or a code by `open_kit`, and held no longer than a command runs."""

    __slots__ = ("_private", "public")

    def __init__(self, seed: SecretKey) -> None:
        self._private = X25519PrivateKey.from_private_bytes(seed.reveal())
        self.public = RecoveryPublic(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def open(self, sealed: bytes, context: bytes) -> SecretKey:
        """The key that was sealed to the public half under this context. Raises Unreadable."""
        try:
            return SecretKey(_SUITE.decrypt(sealed, self._private, info=framed(b"recovery", context)))
        except (InvalidTag, ValueError, TypeError):
            raise unreadable() from None

    def __repr__(self) -> str:
        return f"RecoverySecret({self.public.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A recovery key is not copied or pickled.")


@dataclass(frozen=True, slots=True)
class RecoveryKit:
    """A kit just made: what people keep, and the public half. It exists once, to be written down and read back."""

    parts: tuple[str, ...] = field(repr=False)
    """The shares, or the one code."""
    threshold: int
    public: RecoveryPublic

    def to_text(self, store: str) -> str:
        """The kit as a page to be printed or, in development, kept as a file; `read_kit` reads it."""
        needed = (
            "this code" if self.threshold == len(self.parts) == 1 else f"{self.threshold} of these shares"
        )
        lines = [
            f"# Recovery kit {self.public.id} of {store}",
            f"# Whoever has {needed} can open everything that is sealed there. Keep each where the others are not.",
            *self.parts,
        ]
        return "\n".join(lines) + "\n"


def make_shares(threshold: int, count: int) -> RecoveryKit:
    """A new kit for several people. Raises BadKit for another split than two of three or three of five."""
    if (threshold, count) not in SPLITS:
        raise BadKit("Shares are made 2 of 3 or 3 of 5.", hint="One person alone keeps a recovery code.")
    seed = SecretKey.generate()
    (parts,) = _library().generate_mnemonics(1, [(threshold, count)], seed.reveal())
    return RecoveryKit(tuple(parts), threshold, RecoverySecret(seed).public)


def make_code() -> RecoveryKit:
    """A new kit for one person."""
    number = secrets.randbits(_CODE_LENGTH * 5)
    return RecoveryKit((_spell(number),), 1, RecoverySecret(_stretched(number)).public)


def read_kit(text: str) -> tuple[str, ...]:
    """The shares or the code on a page: every line that is neither empty nor begins with `#`."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def open_kit(parts: Sequence[str], *, expected: RecoveryPublic | None = None) -> RecoverySecret:
    """The secret half, of a code or of shares as people have typed them; of more shares than needed, each is tried.

    Raises BadKit, which says what is wrong with which part and quotes nothing of it, and WrongKey for a whole kit that is not
    the `expected` one.
    """
    given = [part for part in parts if part.strip()]
    if not given:
        raise BadKit("There is no share and no code.", hint="Give the shares one a line, or the code.")
    code = _read_code(given[0]) if len(given) == 1 and len(given[0].split()) < 8 else None
    secret = RecoverySecret(_joined(given) if code is None else _stretched(code))
    if expected is not None and secret.public.public != expected.public:
        raise WrongKey(
            f"This kit is whole, and is not the one of this store: {secret.public.id}, not {expected.id}.",
            hint="Look for the kit with that name on it.",
        )
    return secret


def _joined(texts: Sequence[str]) -> SecretKey:
    library = _library()
    shares: dict[int, Any] = {}
    for position, text in enumerate(texts, start=1):
        share = _share(library, text, position)
        known = next(iter(shares.values()), share)
        if share.common_parameters() != known.common_parameters():
            raise BadKit(
                f"Share {position} is of another kit than the first.",
                hint="Shares of one kit begin with the same two words.",
            )
        shares[share.index] = share
    needed = known.member_threshold
    if len(shares) < needed:
        raise BadKit(
            f"{needed} different shares are needed, and there are {len(shares)}.",
            hint="Ask the others who keep one.",
        )
    words = [shares[index].mnemonic() for index in sorted(shares)]
    found = {_combined(library, _window(words, start, needed)) for start in range(_turns(len(words), needed))}
    if len(found) != 1:
        raise _mixed()
    return SecretKey(found.pop())


def _turns(count: int, needed: int) -> int:
    """How many windows of `needed` shares touch each of `count` at least once."""
    return 1 if count == needed else count


def _window(words: list[str], start: int, needed: int) -> list[str]:
    return [words[(start + step) % len(words)] for step in range(needed)]


def _combined(library: Any, words: Iterable[str]) -> bytes:
    try:
        combined: bytes = library.combine_mnemonics(list(words))
    except library.MnemonicError:
        raise _mixed() from None
    return combined


def _share(library: Any, text: str, position: int) -> Any:
    try:
        share = library.Share.from_mnemonic(" ".join(text.lower().split()))
    except (library.MnemonicError, ValueError):
        raise BadKit(
            f"Share {position} is mistyped or cut off: its checksum does not hold.",
            hint="A share has 33 words; compare each with the page.",
        ) from None
    if (share.group_count, share.group_threshold) != (1, 1) or len(share.value) != 32:
        raise BadKit(f"Share {position} is none of ours.", hint="Look for the page that names this store.")
    return share


def _mixed() -> BadKit:
    return BadKit(
        "These shares do not make one key: they come from different kits.",
        hint="Take shares from pages that carry the same kit's name.",
    )


def _spell(number: int) -> str:
    digits = "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(_CODE_LENGTH)))
    whole = digits + _CHECKS[number % 37]
    return "-".join(whole[start : start + _GROUP] for start in range(0, len(whole), _GROUP))


def _read_code(text: str) -> int:
    plain = re.sub(r"[\s-]", "", text).upper()
    digits, check = plain[:-1].translate(str.maketrans("OIL", "011")), plain[-1:]
    if check in {"O", "I", "L"}:
        check = check.translate(str.maketrans("OIL", "011"))
    if len(digits) != _CODE_LENGTH:
        raise BadKit(
            f"A recovery code has {_CODE_LENGTH + 1} characters, and this has {len(plain)}.",
            hint="Hyphens and blanks do not count.",
        )
    if not set(digits) <= set(_DIGITS):
        raise BadKit(
            "The code has a character that none has.", hint="Codes have no U inside; O is 0, I and L are 1."
        )
    number = 0
    for digit in digits:
        number = number << 5 | _DIGITS.index(digit)
    if check != _CHECKS[number % 37]:
        raise BadKit("The code is mistyped: its last character does not fit.", hint="Compare each character.")
    return number


def _stretched(number: int) -> SecretKey:
    """The seed of a code. Its 120 bits are random, so there is nothing to slow down."""
    code = number.to_bytes(_CODE_LENGTH * 5 // 8, "big")
    return SecretKey(HKDF(SHA256(), 32, None, framed(b"holdfast/1", b"recovery-code")).derive(code))


def _library() -> Any:
    try:
        import shamir_mnemonic
    except ImportError:
        raise ConfigurationError(
            "The library for SLIP-39 shares is not installed.", hint="pip install 'holdfast[server]'"
        ) from None
    return shamir_mnemonic
