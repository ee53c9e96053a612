"""Streams of events: many that idle, one that is listened to, and how long a write takes to get from device to device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkError
from benchmarks.sync.device import Device, fresh_id, new_row, push_body

AT_ONCE = 50
TIMEOUT = 60.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def latencies(
    writer: Device, reader: Device, idle: Sequence[Device], times: int, number: Callable[[], int]
) -> list[float]:
    """Seconds from sending a push of one row to the other device's having it."""
    return asyncio.run(_latencies(writer, reader, idle, times, number))


async def _latencies(
    writer: Device, reader: Device, idle: Sequence[Device], times: int, number: Callable[[], int]
) -> list[float]:
    gate = asyncio.Semaphore(AT_ONCE)
    opened = await asyncio.gather(*(_listen(device, gate) for device in idle))
    drains = [asyncio.create_task(_drain(stream)) for stream, _ in opened]
    try:
        events, _ = await _listen(reader, gate)
        await _event(events)
        pushes, pulls = await _connect(writer), await _connect(reader)
        return [
            await _once(writer, reader, events, pushes, pulls, new_row(number(), row_id), row_id)
            for row_id in [fresh_id() for _ in range(times)]
        ]
    finally:
        for task in drains:
            task.cancel()
        for _, sink in opened:
            sink.close()


async def _once(
    writer: Device,
    reader: Device,
    events: asyncio.StreamReader,
    pushes: Streams,
    pulls: Streams,
    row: bytes,
    row_id: str,
) -> float:
    started = perf_counter()
    pushed = asyncio.create_task(_ask(pushes, writer.request("POST", writer.push_path(), push_body([row]))))
    async with asyncio.timeout(TIMEOUT):
        await _event(events)
        answer = await _ask(pulls, reader.request("GET", reader.pull_path()))
        taken = perf_counter() - started
        await pushed
    if row_id.encode() not in answer:
        raise BenchmarkError("a device was told to pull, and did not get what was written")
    reader.cursor = json.loads(answer)["timestamp"]
    return taken


async def _connect(device: Device) -> Streams:
    where = urlsplit(device.base_url)
    return await asyncio.open_connection(where.hostname, where.port, limit=1 << 24)


async def _listen(device: Device, gate: asyncio.Semaphore) -> Streams:
    """A stream of events, past its head."""
    async with gate, asyncio.timeout(TIMEOUT):
        source, sink = await _connect(device)
        sink.write(device.request("GET", f"{device.path}/events"))
        head = await source.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError("a stream of events was not opened")
        return source, sink


async def _event(source: asyncio.StreamReader) -> None:
    """Wait for the next event; comments are none."""
    while not (await source.readuntil(b"\n")).startswith(b"data:"):
        pass


async def _drain(source: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await source.read(65_536):
            pass


async def _ask(streams: Streams, request: bytes) -> bytes:
    source, sink = streams
    sink.write(request)
    head = (await source.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise BenchmarkError("a device's request was refused")
    return await source.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
