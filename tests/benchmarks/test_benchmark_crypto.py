"""The benchmark of sealing measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.errors import BenchmarkError

from benchmarks import crypto


def test_each_way_does_its_work(tmp_path: Path) -> None:
    figures = crypto.measure(sizes=(64,), rounds=1)
    assert all(value > 0 for value in figures[64].values())
    assert {"seal", "open", "seal many to raw", "open to bare", "index"} <= set(figures[64])
    page = tmp_path / "page.md"
    page.write_text(f"before\n{crypto.BEGIN}\n{crypto.END}\nafter\n", encoding="utf-8")
    crypto.write(crypto.markdown(figures), page)
    assert "| 64 |" in page.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").endswith("after\n")


def test_a_page_without_a_place_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(BenchmarkError):
        crypto.write("", page)


def test_ours_opens_what_ours_has_sealed_and_the_reference_what_it_has() -> None:
    field = crypto.Field(64)
    assert field.cipher.open(field.envelope, field.row) == field.data
    assert field.bare.decrypt(field.nonce, field.sealed, field.bound) == field.data
    assert field.bare.decrypt(field.stored[:12], field.stored[12:], field.bound) == field.data
