"""How a finding reads: one line that says where, what, and what to do about it."""

from __future__ import annotations


def finding(what: str, fix: str) -> str:
    """The line."""
    return f"{what}. Fix: {fix}."
