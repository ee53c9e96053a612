"""The file: a line is there when it is on the disk, whole, and not before.

The first line says what the file is. A last line that is not whole was never committed, and is cut off when the file is
opened. One process at a time has the file: the lock ends with it, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from holdfast.engines.port import Position
from holdfast.errors import Conflict, SchemaError, Unavailable

Line = dict[str, Any]
FORMAT: Final = 1
_BEGINS: Final = b'{"journal":'


class Journal:
    """An open, locked journal. `lines` is how many it has had since it was made, those that were removed included."""

    def __init__(self, path: Path) -> None:
        """Raises Conflict where another process has it, SchemaError for a file that is no journal."""
        self.path = path
        self._handle = _open(path)
        self._broken = False
        try:
            self._header, count = self._examine()
        except BaseException:
            os.close(self._handle)
            raise
        self.lines: int = self._header["lines"] + count

    def position(self) -> Position:
        """A copy is another file, with another number, and so another medium."""
        here = os.fstat(self._handle).st_ino
        name: str = self._header["medium"]
        return Position(name if here == self._header["inode"] else f"{name}:{here}", self.lines)

    def read(self) -> Iterator[Line]:
        """Every line but the first."""
        with self.path.open("rb") as file:
            next(file)
            for text in file:
                yield json.loads(text)

    def append(self, line: Line) -> None:
        """Returns once the line is on the disk. Raises Unavailable; from then on nothing is written any more, since nobody
        knows what the disk has of it: open the file anew.
        """
        self._demand_whole()
        try:
            _write(self._handle, _text(line))
        except OSError as error:
            self._broken = True
            raise Unavailable(f"the journal cannot be written: {error.strerror}") from None
        self.lines += 1

    def rewrite(self, keep: Callable[[Line], bool], more: Sequence[Line] = ()) -> None:
        """Leave lines out for good, and put `more` behind those that stay: a new file takes the place of the old one, at once
        or not at all.
        """
        self._demand_whole()
        aside = self.path.with_name(f"{self.path.name}.new")
        aside.unlink(missing_ok=True)
        handle = _open(aside)
        try:
            kept = [*(line for line in self.read() if keep(line)), *more]
            header = _header(handle, self._header["medium"], self.lines - len(kept))
            _write(handle, _text(header) + b"".join(map(_text, kept)))
            aside.replace(self.path)
            _sync_folder(self.path)
        except BaseException:
            os.close(handle)
            raise
        os.close(self._handle)
        self._handle, self._header = handle, header

    def _demand_whole(self) -> None:
        if self._broken:
            raise Unavailable("the journal could not be written", hint="Open the store anew.")

    def close(self) -> None:
        """Give the file back."""
        os.close(self._handle)

    def _examine(self) -> tuple[Line, int]:
        """The first line, and how many there are behind it. A last one that is not whole is cut off."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole and not _parses(whole[whole.rfind(b"\n", 0, -1) + 1 :]):
            whole = whole[: whole.rfind(b"\n", 0, -1) + 1]
        if not whole:
            if content[: len(_BEGINS)] != _BEGINS[: len(content)]:
                raise SchemaError("This file is no journal.", where=str(self.path))
            header = _header(self._handle, str(uuid4()), 0)
            os.ftruncate(self._handle, 0)
            _write(self._handle, _text(header))
            _sync_folder(self.path)
            return header, 0
        first = whole.partition(b"\n")[0]
        if not first.startswith(_BEGINS) or not _parses(first):
            raise SchemaError("This file is no journal.", where=str(self.path))
        header = json.loads(first)
        if header["journal"] != FORMAT:
            raise SchemaError("This journal was written by another version.", where=str(self.path))
        os.ftruncate(self._handle, len(whole))
        return header, whole.count(b"\n") - 1


def _open(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the journal cannot be opened: {error.strerror}", where=str(path)) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Conflict("Another process has this journal.", where=str(path)) from None
    return handle


def _header(handle: int, medium: str, lines: int) -> Line:
    return {"journal": FORMAT, "medium": medium, "inode": os.fstat(handle).st_ino, "lines": lines}


def _text(line: Line) -> bytes:
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _parses(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _write(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]
    os.fsync(handle)


def _sync_folder(path: Path) -> None:
    """A new name is on the disk once its folder is."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
