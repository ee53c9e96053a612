"""Whatever is uploaded, it is read or refused with a StatementError: nothing else escapes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.packs.finance.statements import CsvMapping, StatementError, read_statement

FILES = Path(__file__).parents[3] / "data" / "statements"
SAMPLES = [path.read_bytes() for path in sorted(FILES.iterdir()) if path.suffix in {".ofx", ".qfx", ".csv"}]
MAPPING = CsvMapping(date="#1", amount="#2", description=("#3",), default_currency="EUR")

wreckage = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 40),
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                [
                    b"<",
                    b">",
                    b"</",
                    b"<STMTTRN>",
                    b"</OFX>",
                    b"<OFX>",
                    b"&#0;",
                    b"&#x110000;",
                    b"<!--",
                    b"]]>",
                    b'"',
                ]
            ),
            st.sampled_from(
                [b"\n", b";", b",", b"-", b"99999999999999999999", b"\x00", b"\xff\xfe", b"<A:>", b"<MEMO/>"]
            ),
        ),
    ),
    min_size=1,
    max_size=6,
)


def attempt(data: bytes) -> None:
    for mapping in (None, MAPPING):
        with suppress(StatementError):
            assert read_statement(data, mapping=mapping)


@given(st.sampled_from(SAMPLES), wreckage)
@settings(max_examples=300, deadline=None)
def test_a_damaged_statement(sample: bytes, damage: list[tuple[float, int, bytes]]) -> None:
    data = bytearray(sample)
    for where, length, filling in damage:
        at = int(where * len(data))
        data[at : at + length] = filling
    attempt(bytes(data))


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data: bytes) -> None:
    attempt(data)


@given(st.text(alphabet='Date,;Amount"\n\t 0123456789.-/<>&OFX', max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    attempt(text.encode())
