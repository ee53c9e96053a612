"""How people come to be known: they register and answer a mail, or an operator adds them.

Nobody learns from a registration whether an address has an account. Both ways hash one password, commit once, log one
event and send one mail, and both answer None; the mail says the rest. Only a development store signs a new person in at
once, so there the answer tells: for an address that is known it is None, never a session, whatever the password.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from holdfast.accounts.attempts import LoginAttempts
from holdfast.accounts.directory import Directory
from holdfast.accounts.entities import Credential, User, Verification
from holdfast.accounts.grant import Grant, NewUser
from holdfast.accounts.hashing import HashingPool
from holdfast.accounts.log import Event, RealmLog
from holdfast.accounts.mail import Mail, MailSender, known_address_mail, verification_mail
from holdfast.accounts.people import Person, checked_device, checked_name, new_person
from holdfast.accounts.sessions import Sessions
from holdfast.errors import Busy, Duplicate, InvalidInput, NotFound, StaleVersion
from holdfast.identity.email import EmailAddress, parse_email
from holdfast.identity.passwords import check_new_password

ANSWER_WITHIN: Final = timedelta(hours=24)
_TOKEN: Final = re.compile(r"ev_[A-Za-z0-9_-]{43}")
_GENERATED_BYTES: Final = 16
_TRIES: Final = 5


class Registration:
    """Registers and adds people, and verifies their addresses."""

    def __init__(
        self,
        directory: Directory,
        log: RealmLog,
        *,
        hashing: HashingPool,
        attempts: LoginAttempts,
        sessions: Sessions,
        mail: MailSender,
        clock: Callable[[], datetime],
        development: bool,
        verification_link: str | None,
    ) -> None:
        self._directory = directory
        self._log = log
        self._hashing = hashing
        self._attempts = attempts
        self._sessions = sessions
        self._mail = mail
        self._clock = clock
        self._development = development
        self._link = verification_link

    async def register(self, email: str, name: str, password: str, *, device: str | None) -> Grant | None:
        """Register somebody. Raises InvalidInput for what could not be an account's, known or not."""
        address, name, device = parse_email(email), checked_name(name), checked_device(device)
        check_new_password(password, email=address)
        password_hash = await self._hashing.hash(password)
        person = new_person(address, name=name, password_hash=password_hash, verified=False)
        known = await self._directory.user_by_email(address.key)
        if known is None and await self._store_new(address, person):
            if not self._development:
                return None
            return await self._sessions.begin(person.user, person.access, device=device)
        known = known or await self._directory.user_by_email(address.key)
        if known is None:
            raise Busy("this registration met another one")
        await self._register_again(address, known, name=name, password_hash=password_hash)
        return None

    async def verify(self, token: str) -> None:
        """The address belongs to who registered it. Raises InvalidInput."""
        if not _TOKEN.fullmatch(token):
            raise _no_token()
        for _ in range(_TRIES):
            answered, user = await self._unanswered(token)
            if await self._answer(answered, user):
                if answered.password_hash is not None:
                    await self._sessions.end_all(user.id)
                await self._log.record(Event.EMAIL_VERIFIED, user_id=user.id)
                return
        raise Busy("this address is being verified more than once")

    async def add(self, email: str, name: str, *, password: str | None) -> NewUser:
        """Add somebody whose address an operator vouches for. Raises Duplicate for one that is known."""
        address, name = parse_email(email), checked_name(name)
        chosen = secrets.token_urlsafe(_GENERATED_BYTES) if password is None else password
        check_new_password(chosen, email=address)
        hashed = await self._hashing.hash(chosen)
        person = new_person(address, name=name, password_hash=hashed, verified=True)
        try:
            async with self._directory.open("add a user") as session:
                await session.batch(person.rows)
        except Duplicate:
            raise Duplicate("there is a user with this e-mail address", where="user") from None
        await self._log.record(Event.USER_ADDED, user_id=person.user.id, tenant_id=person.tenant.id)
        return NewUser(person.user.id, person.tenant.id, chosen if password is None else None)

    # -- steps ----------------------------------------------------------------------------------------------------

    async def _store_new(self, address: EmailAddress, person: Person) -> bool:
        """Store somebody new and send the mail. False where the address became known meanwhile."""
        token, verification = self._ask(person.user)
        try:
            async with self._directory.open("register a user") as session:
                await session.batch([*person.rows, verification])
        except Duplicate:
            return False
        await self._log.record(Event.USER_REGISTERED, user_id=person.user.id, tenant_id=person.tenant.id)
        await self._send(address, verification_mail(address.address, token, link=self._link))
        return True

    async def _register_again(
        self, address: EmailAddress, user: User, *, name: str, password_hash: str
    ) -> None:
        """The same work as for somebody new. What was typed waits for the answer to this very mail."""
        token, verification = self._ask(user)
        mail = known_address_mail(user.email)
        if not user.email_verified:
            verification.name, verification.password_hash = name, password_hash
            mail = verification_mail(user.email, token, link=self._link)
        async with self._directory.open("register a user again") as session:
            # For a verified address it is a row that nothing will ever ask for: it takes the time that a new one takes.
            await session.put(verification)
        await self._log.record(Event.REGISTRATION_REPEATED, user_id=user.id)
        await self._send(address, mail)

    async def _unanswered(self, token: str) -> tuple[Verification, User]:
        """What a token still stands for, and who would be verified. Raises InvalidInput."""
        asked = await self._directory.verification(_hash(token))
        user = await self._directory.user(asked.user_id) if asked else None
        if asked is None or user is None or user.email_verified or self._clock() >= asked.expires_at:
            raise _no_token()
        return asked, user

    def _ask(self, user: User) -> tuple[str, Verification]:
        token = f"ev_{secrets.token_urlsafe(32)}"
        expires_at = self._clock() + ANSWER_WITHIN
        return token, Verification(user_id=user.id, token_hash=_hash(token), expires_at=expires_at)

    async def _answer(self, answered: Verification, user: User) -> bool:
        """Let a verification take effect, once. False where the rows have moved on."""
        changes: dict[str, object] = {"email_verified": True}
        if answered.name is not None:
            changes["name"] = answered.name
        credential = await self._directory.credential(user.id)
        try:
            async with self._directory.open("verify an address") as session:
                await session.delete(Verification, answered.id)
                await session.patch(User, user.id, changes, if_version=user.version)
                if answered.password_hash is not None and credential is not None:
                    await session.patch(
                        Credential,
                        credential.id,
                        {"hash": answered.password_hash},
                        if_version=credential.version,
                    )
        except (StaleVersion, NotFound):
            return False
        return True

    async def _send(self, address: EmailAddress, mail: Mail) -> None:
        if self._attempts.may_mail(self._attempts.key(address.key)):
            await self._mail.send(mail)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _no_token() -> InvalidInput:
    return InvalidInput(
        "The verification does not hold, or not any more.",
        hint="Register again to be sent a new one.",
        fields={"token": "does not hold"},
    )
