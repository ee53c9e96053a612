"""`Client`: one person's session on one device, against one server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from holdfast.client.answers import Grant, read_grant, read_page, read_push
from holdfast.client.changes import (
    MOST_ROWS,
    Changes,
    Page,
    Pulled,
    Pushed,
    divide,
    join_answers,
    join_pages,
)
from holdfast.client.events import read_heads
from holdfast.client.problems import is_passing, problem_of
from holdfast.client.tokens import TokenKeeper, Tokens
from holdfast.client.transport import Headers, Patience, Transport, unreachable
from holdfast.errors import HoldfastError, InvalidInput, NotAuthenticated, Unavailable, missing_extra

if TYPE_CHECKING:
    import httpx

_DEVICE: Final = re.compile(r"[!-~]([ -~]{0,62}[!-~])?\Z", re.ASCII)
_ROOT: Final = "/api/v1"
_SILENCE: Final = 90.0
"""A stream of events that is silent for so many seconds is taken for a lost one."""
_HARMLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Client:
    """Use it as `async with Client(…) as client:`. Safe to share between tasks of one event loop.

    `url` is where the server is, `https://data.example.com`, with the path below which it is mounted if there is one.
    `device` names one local copy of the data in 1 to 64 printable ASCII characters: the server remembers what each has, so two
    copies need two names, and a service that keeps no copy needs none. `tokens` are those of an earlier run, and
    `on_tokens` is called with each new ones, to be stored before anything else happens (None: the session has ended).
    """

    def __init__(
        self,
        url: str,
        *,
        device: str | None = None,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] = lambda _: None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport` is httpx's, for proxies, certificates and tests. Raises InvalidInput for a device's name that no server
        takes, and for a URL that leads to none or holds credentials.
        """
        if device is not None and not _DEVICE.match(device):
            raise InvalidInput("a device is named in 1 to 64 printable ASCII characters", where="device")
        # Here and not above: where rich is installed, httpx loads it, for a command line of its own.
        try:
            from httpx import AsyncClient
        except ModuleNotFoundError as error:
            raise missing_extra(error.name, "client", where="holdfast.client") from error

        self._patience = patience or Patience()
        self._http = AsyncClient(
            base_url=_root(url),
            transport=transport,
            timeout=self._patience.request,
            headers={} if device is None else {"x-holdfast-device": device},
        )
        self._keeper = TokenKeeper(tokens, self._exchange, on_tokens)
        self._transport = Transport(self._http, self._patience, self._authorization)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back. The session goes on, on the server: see `sign_out`."""
        await self._http.aclose()

    # -- the session ----------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Tokens | None:
        """What to keep for the next run, or None."""
        return self._keeper.tokens

    async def sign_in(self, email: str, password: str, *, tenant: str | None = None) -> None:
        """Begin a session, in the person's own tenant or in another by its id or slug. Tried once.

        Raises NotAuthenticated, the same whatever is wrong; RateLimited with `retry_after`; Forbidden for a tenant that does
        not have this person; Unavailable.
        """
        body = {"email": email, "password": password, **({} if tenant is None else {"tenant": tenant})}
        grant = await self._transport.send("POST", "/auth/login", body=body, again=False, signed=False)
        self._keeper.take(Tokens.granted(read_grant(grant)))

    async def switch(self, tenant: str) -> None:
        """Go on in another tenant of the same person. A device's local copy belongs to one tenant."""
        grant = await self._transport.send("POST", "/auth/switch", body={"tenant": tenant}, again=True)
        self._keeper.take(Tokens.granted(read_grant(grant), self.tokens))

    async def sign_out(self) -> None:
        """End the session on the server, and forget its tokens."""
        with suppress(NotAuthenticated):  # it has ended already
            await self._transport.send("POST", "/auth/logout", again=True)
        self._keeper.take(None)

    async def _authorization(self, rejected: Headers | None) -> Headers:
        before = None if rejected is None else rejected["authorization"].removeprefix("Bearer ")
        return {"authorization": f"Bearer {await self._keeper.access_token(before)}"}

    async def _exchange(self, refresh_token: str) -> Grant:
        """The next tokens. Where the answer is lost, the same one may be asked for again, for half a minute."""
        body = {"refresh_token": refresh_token}
        return read_grant(
            await self._transport.send("POST", "/auth/refresh", body=body, again=True, signed=False)
        )

    # -- synchronisation ------------------------------------------------------------------------------------------

    async def pages(
        self,
        cursor: int | None,
        *,
        schema_version: int | None = None,
        migration: Mapping[str, Any] | None = None,
        replacement: bool = False,
        page_size: int | None = None,
    ) -> AsyncGenerator[Page, None]:
        """What has changed since `cursor`, or everything (None), page by page; the arguments are `pull`'s."""
        asked: dict[str, Any] = {"schema_version": schema_version, "migration": migration, "paging": 1}
        if page_size is not None:
            asked["limit"] = page_size
        more = True
        while more:
            afresh = {"replacement": 1} if replacement and cursor is None else {}
            body = {"last_pulled_at": cursor, **asked, **afresh}
            page = read_page(await self._transport.send("POST", "/sync/pull", body=body, again=True), cursor)
            cursor, more = page.cursor, page.more
            asked["migration"] = None
            yield page

    async def pull(
        self,
        cursor: int | None,
        *,
        schema_version: int | None = None,
        migration: Mapping[str, Any] | None = None,
        replacement: bool = False,
        page_size: int | None = None,
    ) -> Pulled:
        """What has changed since `cursor`, the one of the pull before (None: everything).

        Raises CursorExpired (410) where the server cannot go on from there: the device stayed away too long, another person
        signed in, or the server was restored. Then start afresh: `pull(None, replacement=True)`, put it in the place of what
        the device has, and keep what it has not pushed yet. `migration` says what an app has come to know since its last
        pull: `{"from": 1, "tables": […], "columns": [{"table": …, "columns": […]}]}`.
        """
        joined = [
            page
            async for page in self.pages(
                cursor,
                schema_version=schema_version,
                migration=migration,
                replacement=replacement,
                page_size=page_size,
            )
        ]
        return join_pages(joined)

    async def push(
        self, changes: Changes, cursor: int | None, *, key: str | None = None, part_size: int = MOST_ROWS
    ) -> Pushed:
        """Send what the device has changed since its last push; `cursor` is the one of the last pull.

        In parts of at most a thousand rows and 8 MiB, each with an idempotency key, so that a part whose answer was lost is not taken
        twice. With a `key` of the caller's the same holds across runs, as long as the changes are the same. What fails is to be
        pushed again as a whole: what was taken already changes nothing. Raises CursorExpired as `pull` does, and
        InvalidInput before anything is sent where a row holds what JSON cannot.
        """
        name = key or uuid4().hex
        answers = []
        for number, part in enumerate(divide(changes, part_size)):
            answer = await self._transport.send(
                "POST",
                "/sync/push",
                body={"changes": part, "lastPulledAt": cursor},
                headers={"idempotency-key": f"{name}.{number}"},
                again=True,
            )
            answers.append(read_push(answer))
        return join_answers(answers)

    async def events(self) -> AsyncGenerator[int, None]:
        """The tenant's head now, and whenever it has moved: time to pull. Goes on until it is closed or cancelled.

        A stream that ends or is lost is opened again, with growing delays. An event that is lost costs nothing but time: pull
        now and then all the same. Raises what no later try can mend, NotAuthenticated for instance.
        """
        last: int | None = None
        failures = 0
        rejected: Headers | None = None
        while True:
            try:
                who = await self._authorization(rejected)
                async with aclosing(self._stream(who)) as heads:
                    async for number in heads:
                        failures, rejected = 0, None
                        if number != last:
                            last = number
                            yield number
            except NotAuthenticated:
                if rejected is not None or self.tokens is None:
                    raise
                rejected = who
                continue
            except Unavailable:
                pass
            await asyncio.sleep(self._patience.delay(failures))
            failures += 1

    async def _stream(self, who: Headers) -> AsyncGenerator[int, None]:
        from httpx import RequestError, Timeout

        headers = {**who, "accept": "text/event-stream"}
        timeout = Timeout(self._patience.request, read=_SILENCE)
        try:
            async with self._http.stream("GET", "/sync/events", headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _refused(answer)
                async for number in read_heads(answer.aiter_lines()):
                    yield number
        except RequestError as error:
            raise unreachable(error) from None

    # -- everything else ------------------------------------------------------------------------------------------

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: Headers | None = None
    ) -> Any:
        """Any other request below `/api/v1`, signed: `request("GET", "/data/finance/transactions?limit=10")`. Returns the
        answer's JSON. Tried again only where repeating it does no harm.
        """
        return await self._transport.send(method, path, body=body, headers=headers, again=method in _HARMLESS)


def _root(url: str) -> str:
    """Where the API is. Credentials in a URL would stand in httpx's log, and in the place of the session's."""
    from httpx import URL, InvalidURL

    try:
        parsed = URL(url)
    except InvalidURL:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidInput("a server's URL begins with http:// or https:// and names a host", where="url")
    if parsed.userinfo:
        raise InvalidInput(
            "a server's URL holds no credentials", where="url", hint="Call sign_in, or give `tokens`."
        )
    return url.rstrip("/") + _ROOT


def _refused(answer: httpx.Response) -> HoldfastError:
    """What no later try can mend as it is, and everything else as Unavailable."""
    error = problem_of(answer)
    if is_passing(answer) and not isinstance(error, Unavailable):
        return Unavailable(error.message, hint=error.hint, retry_after=error.retry_after)
    return error
