"""One request, and again while that may help: time limits, backoff with jitter, the server's Retry-After."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from holdfast.client.encoding import encoded
from holdfast.client.problems import is_passing, problem_of
from holdfast.errors import HoldfastError, NotAuthenticated, Unavailable

if TYPE_CHECKING:
    import httpx

_LONGEST_DELAY: Final = 60.0
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to try. Times in seconds."""

    retries: int = 3
    """Further tries of a request that may succeed later."""
    first_delay: float = 1.0
    """Before the first of them; doubled each time, with jitter."""
    request: float = 10.0
    """What one try may take."""
    all_tries: float = 30.0
    """What a request may take with all its tries and waits. Each page and each part of a push starts it anew."""

    def delay(self, failures: int) -> float:
        """From half to the whole of the doubled delay, so that devices that failed together do not return together."""
        most = min(self.first_delay * 2.0 ** min(failures, 16), _LONGEST_DELAY)
        return most * (0.5 + random.random() / 2)  # noqa: S311 (a delay, not a secret)


@dataclass(frozen=True, slots=True)
class _Failed:
    error: HoldfastError
    passing: bool


class Transport:
    """Sends requests to one server. `headers(rejected)` gives those that say who asks; `rejected` are the ones that were
    answered with 401 just before.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        patience: Patience,
        headers: Callable[[Headers | None], Awaitable[Headers]],
    ) -> None:
        self._http = http
        self._patience = patience
        self._headers = headers

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Headers | None = None,
        again: bool,
        signed: bool = True,
    ) -> Any:
        """The answer's JSON, None where it is empty. `again` says that repeating the request does no harm."""
        deadline = time.monotonic() + self._patience.all_tries
        content = None if body is None else encoded(body)
        given = {**({} if content is None else {"content-type": "application/json"}), **(headers or {})}
        rejected: Headers | None = None
        failures = 0
        while True:
            who = await self._headers(rejected) if signed else {}
            left = max(0.001, min(self._patience.request, deadline - time.monotonic()))
            answer = await self._try(method, path, content, {**given, **who}, left)
            if not isinstance(answer, _Failed):
                return answer
            if isinstance(answer.error, NotAuthenticated) and signed and rejected is None:
                rejected = who
                continue
            delay = answer.error.retry_after
            delay = self._patience.delay(failures) if delay is None else delay
            if (
                not (again and answer.passing)
                or failures >= self._patience.retries
                or time.monotonic() + delay > deadline
            ):
                raise answer.error
            failures += 1
            await asyncio.sleep(delay)

    async def _try(
        self, method: str, path: str, content: bytes | None, headers: Headers, seconds: float
    ) -> Any:
        from httpx import RequestError

        try:
            async with asyncio.timeout(seconds):
                answer = await self._http.request(method, path, content=content, headers=headers)
        except TimeoutError:
            return _Failed(Unavailable("the server did not answer in time"), passing=True)
        except RequestError as error:
            return _Failed(unreachable(error), passing=True)
        if not answer.is_success:
            return _Failed(problem_of(answer), is_passing(answer))
        if not answer.content:
            return None
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            return _Failed(
                Unavailable(
                    "the answer is not JSON",
                    hint="Does a proxy or a sign-in page of the network stand in between?",
                ),
                passing=True,
            )


def unreachable(error: httpx.RequestError) -> Unavailable:
    """No answer came: the kind of failure, without the address."""
    return Unavailable(f"the server could not be reached: {type(error).__name__}")
