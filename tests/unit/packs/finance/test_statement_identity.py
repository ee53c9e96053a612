"""Importing a statement again, or one that overlaps it, adds nothing; identical purchases both stay."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.packs.finance.statements import StatementLine, read_statement

FILES = Path(__file__).parents[3] / "data" / "statements"
START = date(2024, 1, 1)

# Few days, amounts, names and ids, so that everything collides: ids that are missing, reused, or shared by twins.
Entry = tuple[int, int, str, str]
entries = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([-450, -1000, 250]),
        st.sampled_from(["Kiosk", "Tram", "Café"]),
        st.sampled_from(["", "0", "1", "2", "77", "20240101001"]),
    ),
    max_size=14,
)


def ofx(found: list[Entry]) -> bytes:
    lines = "".join(
        f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{START + timedelta(days=day):%Y%m%d}<TRNAMT>{Decimal(amount) / 100}"
        f"<FITID>{bank_id}<NAME>{name}</STMTTRN>"
        for day, amount, name, bank_id in found
    )
    return (
        "OFXHEADER:100\n\n<OFX><STMTRS><CURDEF>EUR<BANKACCTFROM><ACCTID>123456<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST>{lines}</BANKTRANLIST></STMTRS></OFX>"
    ).encode()


def table(found: list[Entry]) -> bytes:
    rows = "".join(
        f"{START + timedelta(days=day)},{name},{name},Food,{Decimal(amount) / 100},Posted\n"
        for day, amount, name, _ in found
    )
    return f"Date,Description,Original Description,Category,Amount,Status\n{rows}".encode()


def lines(data: bytes) -> dict[str, StatementLine]:
    [statement] = read_statement(data)
    assert len({line.source_id for line in statement.lines}) == len(statement.lines)
    return {line.source_id: line for line in statement.lines}


@given(entries)
@settings(max_examples=150, deadline=None)
def test_no_line_is_lost_and_no_id_is_shared(found: list[Entry]) -> None:
    for form in (ofx, table):
        assert len(lines(form(found))) == len(found)


@given(entries, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_the_lines_changes_no_id(found: list[Entry], shuffle: random.Random) -> None:
    shuffled = list(found)
    shuffle.shuffle(shuffled)
    for form in (ofx, table):
        assert lines(form(shuffled)) == lines(form(found))


@given(entries, st.integers(0, 6), st.integers(0, 6))
@settings(max_examples=150, deadline=None)
def test_overlapping_periods_together_hold_each_line_once(
    found: list[Entry], first: int, second: int
) -> None:
    early, late = max(first, second), min(first, second)
    for form in (ofx, table):
        whole = lines(form(found))
        until = lines(form([entry for entry in found if entry[0] < early]))
        since = lines(form([entry for entry in found if entry[0] >= late]))
        assert until | since == whole


@given(entries)
@settings(max_examples=50, deadline=None)
def test_reading_twice_gives_the_same_values(found: list[Entry]) -> None:
    assert read_statement(ofx(found)) == read_statement(ofx(found))


def test_files_that_number_their_lines_from_one_do_not_hide_one_another() -> None:
    september = lines(ofx([(0, -450, "Kiosk", "1"), (1, -1000, "Tram", "2")]))
    october = lines(ofx([(4, -450, "Kiosk", "1"), (5, 250, "Café", "2")]))
    assert not september.keys() & october.keys()


def test_a_description_that_the_bank_touches_up_keeps_its_id() -> None:
    before = lines(ofx([(0, -450, "KIOSK 0042", "20240101001")]))
    after = lines(ofx([(0, -450, "Kiosk, Main Street", "20240101001")]))
    assert before.keys() == after.keys()


def test_the_bank_s_id_begins_ours() -> None:
    [statement] = read_statement(FILES / "us_checking.ofx")
    assert [line.source_id for line in statement.lines] == [
        "202401050001-304996be",
        "202401050002-304996be",
        "202401310007-7fd0c89e",
        "202401180003-98a29353",
    ]


def test_identical_purchases_stay_where_the_bank_gives_them_one_id_and_where_it_gives_none() -> None:
    [brazil] = read_statement(FILES / "br_checking.ofx")
    [australia] = read_statement(FILES / "au_card.ofx")
    assert [line.source_id for line in brazil.lines[:2]] == [
        "202403051290-e658c3c7",
        "202403051290-e658c3c7-2",
    ]
    assert [line.source_id for line in australia.lines[:2]] == [
        "3e5d152f7d8d481f7ae26a71baf790b3",
        "3e5d152f7d8d481f7ae26a71baf790b3-2",
    ]


def test_ids_are_stored_so_their_rules_do_not_change() -> None:
    """If this fails, every line that was imported before would be imported again."""
    [statement] = read_statement(FILES / "repeated_ids.ofx")
    assert [line.source_id for line in statement.lines] == [
        "c0884dc109f0da90e3fd7894d5c44e8c",
        "9f900f94e90cb58617eb1380750bf58f",
        "21302970191741-2b0747d0",
        "4542f55f0fb960ee36fcb471b50d5802",
        "7f2d9dd2f058369a97958fc01be9e04a",
    ]


def test_an_id_is_short_enough_to_index() -> None:
    found = lines(ofx([(0, -450, "Kiosk", "9" * 4000)]))
    assert all(len(source_id) < 100 for source_id in found)
