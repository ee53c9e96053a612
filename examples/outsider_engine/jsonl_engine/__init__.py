"""An engine for Holdfast that its authors have never seen: one append-only file of JSON lines, replayed when it is opened.

Everything is held in memory; a transaction is one line, and it is committed when that line is on the disk. Made to be
read, for tenants of some thousand rows. Open `engine.py` first, then `state.py`: what stands, and how a write changes it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from holdfast.engines.port import Engine
from holdfast.errors import ConfigurationError
from jsonl_engine.engine import JsonlEngine

__all__ = ["JsonlEngine", "open_engine"]


async def open_engine(url: str) -> Engine:
    """The engine at `jsonl:///folder/file.jsonl`, which is made if it is not there: what the entry point names."""
    path = Path(unquote(urlsplit(url).path))
    if not path.name:
        raise ConfigurationError(
            "The URL names no file.", where="DATABASE_URL", hint="Write jsonl:///folder/file.jsonl."
        )
    return JsonlEngine.open(path)
