"""A way to the server on which answers are lost, delayed and replaced, and everything sent is kept."""

from __future__ import annotations

import httpx


class Wire(httpx.AsyncBaseTransport):
    """`lose("/push")` carries the next push out and loses its answer; `answer("/push", 429)` answers in the server's place."""

    def __init__(self) -> None:
        self._server = httpx.AsyncHTTPTransport()
        self._planned: list[tuple[str, httpx.Response | None]] = []
        self.sent: list[httpx.Request] = []

    def lose(self, path: str, *, times: int = 1) -> None:
        self._planned += [(path, None)] * times

    def answer(self, path: str, status: int, body: str = "", *, times: int = 1, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._planned += [(path, httpx.Response(status, text=body, headers=named)) for _ in range(times)]

    def asked(self, path: str) -> list[httpx.Request]:
        """What was sent to paths that end so."""
        return [request for request in self.sent if request.url.path.endswith(path)]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        for planned in self._planned:
            if request.url.path.endswith(planned[0]):
                self._planned.remove(planned)
                return await self._planned_answer(request, planned[1])
        return await self._server.handle_async_request(request)

    async def _planned_answer(self, request: httpx.Request, answer: httpx.Response | None) -> httpx.Response:
        if answer is not None:
            return answer
        carried_out = await self._server.handle_async_request(request)
        await carried_out.aread()
        await carried_out.aclose()
        raise httpx.ReadError("the answer is lost", request=request)

    async def aclose(self) -> None:
        await self._server.aclose()
