"""OFX and QFX in the dialects of real banks, each a file under tests/data/statements."""

from __future__ import annotations

import logging
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast.packs.finance.statements import Statement, read_statement

FILES = Path(__file__).parents[3] / "data" / "statements"


def only(name: str) -> Statement:
    [statement] = read_statement(FILES / name)
    return statement


def told(statement: Statement) -> list[tuple[date, Decimal, str]]:
    return [(line.posted, line.amount, line.description) for line in statement.lines]


def test_a_us_checking_account_with_utf8_declared_as_1252() -> None:
    statement = only("us_checking.ofx")
    assert (statement.account_type, statement.currency) == ("checking", "USD")
    assert (statement.account_number_tail, statement.institution) == ("6789", "Harbor Point Bank")
    assert (statement.ledger_balance, statement.as_of) == (Decimal("5210.37"), date(2024, 1, 31))
    assert told(statement) == [
        (date(2024, 1, 5), Decimal("-4.50"), "CAFÉ ÉTOILE BOSTON MA"),
        (date(2024, 1, 5), Decimal("-4.50"), "CAFÉ ÉTOILE BOSTON MA"),
        (date(2024, 1, 31), Decimal("3120.00"), "BRIGHT & SONS PAYROLL"),
        (date(2024, 1, 18), Decimal("-850.00"), "Check 1043"),
    ]
    assert [line.merchant for line in statement.lines] == [
        "CAFÉ ÉTOILE",
        "CAFÉ ÉTOILE",
        "BRIGHT & SONS PAYROLL",
        None,
    ]


def test_the_day_is_the_one_that_the_bank_writes_in_any_time_zone() -> None:
    posted = [line.posted for line in only("us_checking.ofx").lines]
    assert date(2024, 1, 31) in posted  # 23:30 at -5 is February in UTC


def test_a_qfx_card_file_with_a_blank_line_before_its_header() -> None:
    statement = only("us_card.qfx")
    assert (statement.account_type, statement.account_number_tail) == ("credit", "5678")
    assert statement.ledger_balance == Decimal("-812.44")
    assert told(statement) == [
        (date(2024, 2, 14), Decimal("-62.19"), "TULIP & THORN FLORIST"),
        (date(2024, 2, 20), Decimal("400.00"), "Payment Thank You-Mobile"),
    ]


def test_decimal_commas_in_1252_declared_as_utf8() -> None:
    statement = only("br_checking.ofx")
    assert statement.ledger_balance == Decimal("2004.10")
    assert told(statement) == [
        (date(2024, 3, 5), Decimal("-12.90"), "Cartão padaria São João"),
        (date(2024, 3, 5), Decimal("-12.90"), "Cartão padaria São João"),
        (date(2024, 3, 6), Decimal("1250.00"), "Transferência recebida"),
    ]


def test_a_line_of_text_without_an_amount_is_left_out_and_counted() -> None:
    assert only("br_checking.ofx").left_out == 1


def test_a_header_without_charset_and_no_ledger_balance() -> None:
    statement = only("br_card.ofx")
    assert (statement.ledger_balance, statement.as_of) == (None, None)
    assert told(statement) == [(date(2024, 3, 12), Decimal("-33.30"), "Livraria Página & Café 3/3")]


def test_xml_with_two_accounts_cdata_and_double_escapes() -> None:
    current, savings = read_statement(FILES / "uk_accounts.ofx")
    assert (current.account_number_tail, savings.account_number_tail) == ("6677", "4433")
    assert (current.account_type, savings.account_type) == ("checking", "savings")
    assert [line.description for line in current.lines] == ["Fish & Chips <Penryn>", "Rowan's Bakery"]
    assert [line.description for line in savings.lines] == ["Interest"]


def test_pending_lines_are_left_out_and_counted() -> None:
    current, savings = read_statement(FILES / "uk_accounts.ofx")
    assert (len(current.lines), current.left_out) == (2, 1)
    assert savings.left_out == 0


def test_wrong_closing_tags_empty_values_and_a_bare_less_than() -> None:
    statement = only("au_card.ofx")
    assert statement.account_number_tail == "4321"
    assert told(statement) == [
        (date(2024, 6, 11), Decimal("-7.00"), "WATTLE ST NEWS"),
        (date(2024, 6, 11), Decimal("-7.00"), "WATTLE ST NEWS"),
        (date(2024, 6, 12), Decimal("-120.00"), "DENTIST <BALANCE DUE"),
    ]


def test_a_file_on_one_line_in_latin_1() -> None:
    statement = only("fr_oneline.ofx")
    assert (statement.currency, statement.ledger_balance) == ("EUR", Decimal("2210.05"))
    assert told(statement)[0] == (date(2024, 9, 2), Decimal("-15.60"), "BOULANGERIE DU CHÂTEAU - CB 01/09")


def test_an_investment_account_has_payments_as_lines_and_its_whole_value_as_balance() -> None:
    statement = only("us_broker.qfx")
    assert (statement.account_type, statement.currency) == ("investment", "USD")
    # 9363.75 in shares, 1020.005 in cash, 20.00 owed on margin
    assert (statement.ledger_balance, statement.as_of) == (Decimal("10363.75"), date(2024, 3, 31))
    assert told(statement) == [
        (date(2024, 3, 1), Decimal("500.00"), "TRANSFER IN"),
        (date(2024, 3, 15), Decimal("12.34"), "DIVIDEND RECEIVED - ALDER TIMBER CORP"),
        (date(2024, 3, 29), Decimal("-4.00"), "ADVISORY FEE - ALDER TIMBER CORP"),
    ]


def test_an_investment_balance_is_unknown_where_the_positions_are_not_in_the_file() -> None:
    text = (FILES / "us_broker.qfx").read_text()
    start, end = text.index("<INVPOSLIST>"), text.index("</INVPOSLIST>") + len("</INVPOSLIST>")
    [statement] = read_statement((text[:start] + text[end:]).encode())
    assert (statement.ledger_balance, statement.as_of) == (None, None)


def test_the_broker_s_own_total_goes_before_the_sum() -> None:
    text = (FILES / "us_broker.qfx").read_text()
    total = "<BALLIST><BAL><NAME>Networth<DESC>total<BALTYPE>DOLLAR<VALUE>10400.01</BAL></BALLIST></INVBAL>"
    [statement] = read_statement(text.replace("</INVBAL>", total).encode())
    assert statement.ledger_balance == Decimal("10400.01")


def test_a_pension_plan_is_a_retirement_account() -> None:
    statement = only("us_retirement.ofx")
    assert (statement.account_type, statement.ledger_balance) == ("retirement", Decimal("41250.55"))
    assert statement.lines == ()


def test_a_file_of_several_documents_holds_several_statements() -> None:
    both = (FILES / "us_card.qfx").read_bytes() + (FILES / "au_card.ofx").read_bytes()
    assert [statement.currency for statement in read_statement(both)] == ["USD", "AUD"]


def test_overlapping_statements_of_one_account_in_one_file_hold_each_line_once() -> None:
    text = (FILES / "us_card.qfx").read_text()
    start, end = text.index("<CCSTMTTRNRS>"), text.index("</CREDITCARDMSGSRSV1>")
    first, second = read_statement((text[:end] + text[start:end] + text[end:]).encode())
    assert (len(first.lines), len(second.lines), second.left_out) == (2, 0, 2)


def test_a_withdrawn_line_and_its_withdrawal_are_no_lines() -> None:
    text = (FILES / "us_card.qfx").read_text()
    withdrawal = (
        "<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20240221<TRNAMT>-400.00<FITID>77"
        "<CORRECTFITID>2024022074000000000000000000001<CORRECTACTION>DELETE</STMTTRN></BANKTRANLIST>"
    )
    [statement] = read_statement(text.replace("</BANKTRANLIST>", withdrawal).encode())
    assert [line.amount for line in statement.lines] == [Decimal("-62.19")]
    assert statement.left_out == 2


def test_a_correction_with_the_id_of_what_it_corrects_is_kept() -> None:
    text = (FILES / "us_card.qfx").read_text()
    correction = "<CORRECTFITID>2024022074000000000000000000001<CORRECTACTION>REPLACE<NAME>Payment"
    [statement] = read_statement(text.replace("<NAME>Payment", correction).encode())
    assert len(statement.lines) == 2


def test_the_currency_of_the_caller_is_taken_where_the_file_has_none() -> None:
    silent = (FILES / "au_card.ofx").read_text().replace("<CURDEF>AUD", "<CURDEF>").encode()
    [statement] = read_statement(silent, currency="nzd")
    assert {statement.currency, *(line.currency for line in statement.lines)} == {"NZD"}
    [stated] = read_statement(FILES / "au_card.ofx", currency="NZD")
    assert stated.currency == "AUD"


def test_nothing_that_a_person_would_call_private_is_in_a_repr() -> None:
    statement = only("us_checking.ofx")
    written = f"{statement!r} {statement.lines[0]!r}"
    assert "CAF" not in written
    assert "5210" not in written
    assert "202401050001" not in written
    assert "0123456789"[3:8] not in written


def test_reading_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        only("us_checking.ofx")
    assert caplog.records == []


@pytest.mark.parametrize(
    "name", sorted(path.name for path in FILES.glob("*.[oq]fx") if "error" not in path.name)
)
def test_every_line_has_two_decimals_its_statement_s_currency_and_an_id_of_its_own(name: str) -> None:
    for statement in read_statement(FILES / name):
        ids = [line.source_id for line in statement.lines]
        assert len(ids) == len(set(ids))
        assert all(line.amount.as_tuple().exponent == -2 for line in statement.lines)
        assert {line.currency for line in statement.lines} <= {statement.currency}
        assert len(statement.account_number_tail or "") <= 4


@pytest.mark.parametrize("name", ["us_checking.ofx", "uk_accounts.ofx", "fr_oneline.ofx", "us_broker.qfx"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_does_not_matter(name: str, encoding: str) -> None:
    text = (FILES / name).read_bytes().decode("latin-1" if name == "fr_oneline.ofx" else "utf-8")
    assert read_statement(text.encode(encoding)) == read_statement(text.encode("utf-8"))


@pytest.mark.parametrize("name", ["us_checking.ofx", "us_card.qfx", "br_checking.ofx", "us_broker.qfx"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", ""])
def test_line_ends_do_not_matter(name: str, ends: str) -> None:
    data = (FILES / name).read_bytes()
    plain = data.replace(b"\r\n", b"\n")
    assert read_statement(plain.replace(b"\n", ends.encode())) == read_statement(data)


def test_lower_case_tags_are_read() -> None:
    text = (FILES / "us_card.qfx").read_text()
    head, body = text[: text.index("<OFX>")], text[text.index("<OFX>") :]
    for tag in ("OFX", "CCSTMTRS", "STMTTRN", "TRNAMT", "FITID", "CURDEF"):
        body = body.replace(f"<{tag}>", f"<{tag.lower()}>").replace(f"</{tag}>", f"</{tag.lower()}>")
    assert read_statement((head + body).encode()) == read_statement(FILES / "us_card.qfx")
