"""Mail that the realm sends, and where it goes: a port, and a folder of files until a deployment has a mail server.

The texts hold nothing that whoever filled in a form has typed: a registration is a way to have mail sent to a stranger.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Final, Protocol

from holdfast.errors import Unavailable

_DOMAIN: Final = "holdfast.localhost"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of plain ASCII text to one address."""

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class MailSender(Protocol):
    """Takes mail and answers for it from then on."""

    async def send(self, mail: Mail) -> None:
        """Accept a message, durably. Raises Unavailable."""


class FileMailSender:
    """Writes each message as a file `<time>-<random>.eml` (RFC 5322), readable by its owner alone, as a whole or not at all."""

    def __init__(
        self,
        folder: Path,
        *,
        sender: str = f"Holdfast <no-reply@{_DOMAIN}>",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """See `MailSender`."""
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            raise Unavailable(f"Mail cannot be written ({type(error).__name__}).", where="mail") from None

    def _write(self, mail: Mail) -> None:
        now = self._clock().astimezone(UTC)
        content = self._bytes(mail, now)
        name = f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}.eml"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = self._folder / f".{name}"
        try:
            _write_private(building, content)
            building.replace(self._folder / name)
        finally:
            building.unlink(missing_ok=True)

    def _bytes(self, mail: Mail, now: datetime) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = mail.to
        message["Date"] = format_datetime(now)
        message["Message-ID"] = make_msgid(domain=_DOMAIN)
        message["Subject"] = mail.subject
        # 7bit leaves long links in one piece, where the default would fold them.
        message.set_content(mail.text, cte="7bit")
        return message.as_bytes()


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def verification_mail(to: str, token: str, *, link: str | None) -> Mail:
    """Asks whether the address is the reader's. `link` is the page that takes the token, to which it is appended."""
    way = (
        f"open this link:\n\n{link}{token}\n"
        if link
        else f"send this token to POST /auth/verify:\n\n{token}\n"
    )
    return Mail(
        to,
        "Confirm your e-mail address",
        "Somebody has registered with this e-mail address.\n\n"
        f"If it was you, and just now, {way}\n"
        "It holds for 24 hours, and the password is the one that was typed then.\n\n"
        "If it was not you, do nothing: without your answer nothing comes of it.\n",
    )


def known_address_mail(to: str) -> Mail:
    """Tells whoever has an account that somebody has tried to make another one of it."""
    return Mail(
        to,
        "You have an account already",
        "Somebody has registered with this e-mail address, which has an account already.\n\n"
        "If it was you, log in with the password that you chose before.\n\n"
        "If it was not you, do nothing: nothing has changed.\n",
    )
