"""Server-sent events: the lines of a stream as the numbers that its `head` events carry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import orjson


async def read_heads(lines: AsyncIterator[str]) -> AsyncGenerator[int, None]:
    """The number of each `head`; other events, comments and what cannot be read are passed over."""
    kind = ""
    data: list[str] = []
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if kind == "head" and data:
                number = _number("\n".join(data))
                if number is not None:
                    yield number
            kind, data = "", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def _number(data: str) -> int | None:
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    number = said.get("number") if isinstance(said, dict) else None
    return number if type(number) is int else None
