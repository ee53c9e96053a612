"""What stops a benchmark: figures that would mean nothing are not printed."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A target cannot be started, does not do the job, or answered wrongly while it was measured."""
