"""`python -m benchmarks.crypto`: what sealing and opening cost, beside raw AESGCM in the same run.

The reference is `cryptography`'s AESGCM as anybody would use it for stored values, in two lines: a fresh random nonce, and nonce and
ciphertext in one piece; its key and associated data are ready. Ours looks the key up, counts the message, binds the row, and checks
version, suite and key id. The bare call, with nonce and ciphertext apart already and nothing to keep, stands beside it. One thread.
Rounds take turns; each figure is a median, and each ratio the median of the ratios within a round, because machines that are shared
change their pace in between.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from benchmarks.errors import BenchmarkError

PAGE = 100
"""Rows that are sealed or opened together, in the ways that take many."""
MESSAGES = 20 * PAGE
ROUNDS = 40
SIZES = (16, 64, 512, 4_096)
SEAL_GOAL, OPEN_GOAL = 0.85, 0.75
BEGIN, END = "<!-- benchmark: crypto -->", "<!-- end of benchmark: crypto -->"

Measured = Callable[[], None]


def timed(work: Measured) -> float:
    """Nanoseconds of CPU a message."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / MESSAGES


class Field:
    """A field of so many bytes, to be sealed and opened in each way."""

    def __init__(self, size: int) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        from holdfast.crypto.blind import BlindIndex
        from holdfast.crypto.cipher import Allowance, ColumnCipher
        from holdfast.crypto.envelope import Suite, header, place
        from holdfast.crypto.secret import SecretKey

        tenant, key = UUID(int=1), SecretKey.generate()
        allowance = Allowance()
        allowance.add(10**12)
        self.cipher = ColumnCipher(
            key,
            suite=Suite.AES_256_GCM,
            tenant_id=tenant,
            table="finance.transactions",
            column="merchant",
            allowance=allowance,
        )
        self.bare = AESGCM(os.urandom(32))
        self.data, self.row = os.urandom(size), uuid4().bytes
        self.bound = (
            header(Suite.AES_256_GCM, key.id) + place(tenant, "finance.transactions", "merchant") + self.row
        )
        self.nonce = os.urandom(12)
        self.sealed = self.bare.encrypt(self.nonce, self.data, self.bound)
        self.stored = self.raw(self.data)
        self.envelope = self.cipher.seal(self.data, self.row)
        self.index = BlindIndex(os.urandom(32), 1, bits=256)

    def raw(self, data: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self.bare.encrypt(nonce, data, self.bound)

    def ways(self) -> dict[str, Measured]:
        return {
            "bare seal": self.bare_seal,
            "raw seal": self.raw_seal,
            "seal": self.seal,
            "seal many": self.seal_many,
            "bare open": self.bare_open,
            "raw open": self.raw_open,
            "open": self.open,
            "open many": self.open_many,
            "index": self.blind,
        }

    def bare_seal(self) -> None:
        encrypt, data, bound, random = self.bare.encrypt, self.data, self.bound, os.urandom
        for _ in range(MESSAGES):
            nonce = random(12)
            encrypt(nonce, data, bound)

    def bare_open(self) -> None:
        decrypt, nonce, sealed, bound = self.bare.decrypt, self.nonce, self.sealed, self.bound
        for _ in range(MESSAGES):
            decrypt(nonce, sealed, bound)

    def raw_seal(self) -> None:
        encrypt, bound, data, random = self.bare.encrypt, self.bound, self.data, os.urandom

        def seal(data: bytes, bound: bytes) -> bytes:
            nonce = random(12)
            return nonce + encrypt(nonce, data, bound)

        for _ in range(MESSAGES):
            seal(data, bound)

    def raw_open(self) -> None:
        decrypt, bound, stored = self.bare.decrypt, self.bound, self.stored

        def open_(stored: bytes, bound: bytes) -> bytes:
            return decrypt(stored[:12], stored[12:], bound)

        for _ in range(MESSAGES):
            open_(stored, bound)

    def seal(self) -> None:
        seal, data, row = self.cipher.seal, self.data, self.row
        for _ in range(MESSAGES):
            seal(data, row)

    def open(self) -> None:
        open_, envelope, row = self.cipher.open, self.envelope, self.row
        for _ in range(MESSAGES):
            open_(envelope, row)

    def seal_many(self) -> None:
        page = [(self.data, self.row)] * PAGE
        for _ in range(MESSAGES // PAGE):
            self.cipher.seal_many(page)

    def open_many(self) -> None:
        page = [(self.envelope, self.row)] * PAGE
        for _ in range(MESSAGES // PAGE):
            self.cipher.open_many(page)

    def blind(self) -> None:
        entry, data = self.index.entry, self.data
        for _ in range(MESSAGES):
            entry(data)


def measure(sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> dict[int, dict[str, float]]:
    """For each size: nanoseconds a message in each way, and the ratios of ours to the bare cipher."""
    figures: dict[int, dict[str, float]] = {}
    for size in sizes:
        ways = Field(size).ways()
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, work in ways.items():
                taken[name].append(timed(work))
        figures[size] = {name: statistics.median(values) for name, values in taken.items()}
        for name in ("seal", "seal many", "open", "open many"):
            for reference in ("raw", "bare"):
                theirs = taken[f"{reference} {name.split()[0]}"]
                ratios = [one / ours for one, ours in zip(theirs, taken[name], strict=True)]
                figures[size][f"{name} to {reference}"] = statistics.median(ratios)
    return figures


def markdown(figures: dict[int, dict[str, float]]) -> str:
    """The figures as a table, with the command that made them."""
    head = (
        f"`python -m benchmarks.crypto`, {MESSAGES} messages a round, medians of {ROUNDS} rounds, ns CPU a message."
        f" Ratios are to raw AESGCM, and in brackets to the bare call; goals at 64 bytes: {SEAL_GOAL} and {OPEN_GOAL}.\n"
    )
    lines = [
        "| bytes | raw seal | seal | ratio | by the page | raw open | open | ratio | by the page | blind index entry |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for size, found in figures.items():
        cells = [f"{size}"]
        for way in ("seal", "open"):
            cells += [f"{found[f'raw {way}']:.0f}", f"{found[way]:.0f}"]
            cells += [
                f"{found[f'{name} to raw']:.2f} ({found[f'{name} to bare']:.2f})"
                for name in (way, f"{way} many")
            ]
        lines.append(f"| {' | '.join([*cells, format(found['index'], '.0f')])} |")
    return "\n".join([head, *lines]) + "\n"


def write(text: str, path: Path) -> None:
    """Put the table between its markers. Raises BenchmarkError where the file has none."""
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{path.name} has no place for the table: {BEGIN} and then {END}")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crypto", description=__doc__)
    parser.add_argument(
        "--write", type=Path, help="a Markdown file to put the table into, between its markers"
    )
    chosen = parser.parse_args(arguments)
    text = markdown(measure())
    sys.stdout.write(text)
    if chosen.write is not None:
        write(text, chosen.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
