"""What is no statement, or a broken one, is refused with a stable code and without a value of the file."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from holdfast import HoldfastError, InvalidInput
from holdfast.packs.finance.statements import MAX_BYTES, CsvMapping, StatementError, read_statement

FILES = Path(__file__).parents[3] / "data" / "statements"
CHECKING = (FILES / "us_checking.ofx").read_bytes()
CARD = (FILES / "us_card.qfx").read_text()


def refused(data: bytes | Path, *, mapping: CsvMapping | None = None) -> StatementError:
    with pytest.raises(StatementError) as caught:
        read_statement(data, mapping=mapping)
    return caught.value


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("statement.ofx", CHECKING)
    return buffer.getvalue()


NOT_STATEMENTS = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "a byte order mark alone": b"\xef\xbb\xbf\n",
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "a ZIP archive or a workbook": archive(),
    "an old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "gzip": gzip.compress(CHECKING),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "bytes": bytes(range(256)) * 8,
    "a login page": b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Session expired</body></html>",
    "a login page with a comment": b"\n<!-- 7 -->\n<HTML><body>Sign in</body></HTML>",
    "QIF": b"!Type:Bank\nD01/31'24\nT-4.50\nPShop\n^\n",
    "CAMT": b'<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"></Document>',
    "MT940": b":20:STARTUMSE\n:25:10010010/123\n:28C:00001/001\n",
    "OFC": b"<OFC><DTD>2<CPAGE>1252<ACCTSTMT></ACCTSTMT></OFC>",
    "JSON": b'{"transactions": []}',
    "other XML": b"<?xml version='1.0'?><rss><channel/></rss>",
    "prose": b"Dear customer,\nyour statement is attached.\n",
    "an OFX file without a statement": b"OFXHEADER:100\n<OFX><SIGNONMSGSRSV1></SIGNONMSGSRSV1></OFX>",
    "a failed login": (FILES / "signon_error.qfx").read_bytes(),
}


@pytest.mark.parametrize("what", NOT_STATEMENTS)
def test_what_is_not_a_statement(what: str) -> None:
    error = refused(NOT_STATEMENTS[what])
    assert error.code == "not_a_statement"
    assert error.status == 422
    assert error.hint or "not a bank statement" in error.message


def test_the_error_of_a_bank_is_named_by_its_number_alone() -> None:
    error = refused(FILES / "signon_error.qfx")
    assert "15500" in error.message
    assert "Signon failed" not in str(error)


def test_errors_are_invalid_input() -> None:
    assert issubclass(StatementError, InvalidInput)
    assert issubclass(StatementError, HoldfastError)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.75, 0.9, 0.97])
def test_a_download_that_broke_off(share: float) -> None:
    cut = CHECKING[: int(len(CHECKING) * share)]
    assert refused(cut).code == "truncated_statement"


def test_a_header_alone_is_a_download_that_broke_off() -> None:
    assert refused(CHECKING[: CHECKING.index(b"<OFX>")]).code == "truncated_statement"


def test_only_the_last_closing_tag_may_be_missing() -> None:
    [statement] = read_statement(CHECKING.replace(b"</OFX>", b""))
    assert len(statement.lines) == 4
    assert refused(CHECKING.replace(b"</BANKMSGSRSV1>\r\n</OFX>", b"")).code == "truncated_statement"


@pytest.mark.parametrize("opening", ["<!--", "<![CDATA["])
def test_a_section_without_an_end(opening: str) -> None:
    assert refused(CARD.replace("<NAME>", f"<NAME>{opening}", 1).encode()).code == "truncated_statement"


@pytest.mark.parametrize(
    ("tag", "value", "where"),
    [
        ("TRNAMT", "-62.195", "transaction 1, TRNAMT"),
        ("TRNAMT", "sixty-two", "transaction 1, TRNAMT"),
        ("TRNAMT", "NaN", "transaction 1, TRNAMT"),
        ("TRNAMT", "1E5", "transaction 1, TRNAMT"),
        ("TRNAMT", "-99999999999999.00", "transaction 1, TRNAMT"),
        ("TRNAMT", "", "transaction 1, TRNAMT"),
        ("DTPOSTED", "20240231", "transaction 1, DTPOSTED"),
        ("DTPOSTED", "00000000", "transaction 1, DTPOSTED"),
        ("DTPOSTED", "yesterday", "transaction 1, DTPOSTED"),
        ("DTPOSTED", "", "transaction 1, DTPOSTED"),
    ],
)
def test_a_transaction_that_cannot_be_read_is_named_by_number_and_field(
    tag: str, value: str, where: str
) -> None:
    old = {"TRNAMT": "<TRNAMT>-62.19", "DTPOSTED": "<DTPOSTED>20240214120000[0:GMT]"}[tag]
    error = refused(CARD.replace(old, f"<{tag}>{value}").encode())
    assert (error.code, error.where) == ("bad_ofx", where)
    assert not value or value not in str(error)


def test_an_amount_that_could_be_read_in_two_ways_is_never_guessed() -> None:
    one = "OFXHEADER:100\n<OFX><STMTRS><CURDEF>EUR<BANKTRANLIST>{}</BANKTRANLIST></STMTRS></OFX>"
    line = "<STMTTRN><DTPOSTED>20240101<TRNAMT>{}<FITID>1</STMTTRN>"
    assert refused(one.format(line.format("1,234")).encode()).code == "bad_ofx"
    [statement] = read_statement(one.format(line.format("1,234") + line.format("5.60")).encode())
    assert [str(found.amount) for found in statement.lines] == ["1234.00", "5.60"]


def test_a_line_in_another_currency() -> None:
    foreign = CARD.replace("<NAME>TULIP", "<CURRENCY><CURRATE>1.1<CURSYM>EUR</CURRENCY><NAME>TULIP")
    assert refused(foreign.encode()).code == "mixed_currencies"
    original = CARD.replace("<NAME>TULIP", "<ORIGCURRENCY><CURRATE>1.1<CURSYM>EUR</ORIGCURRENCY><NAME>TULIP")
    assert read_statement(original.encode()) == read_statement(CARD.encode())


def test_a_file_without_a_currency() -> None:
    assert refused(CARD.replace("<CURDEF>USD", "").encode()).code == "currency_unknown"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.ofx"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    error = refused(path)
    assert (error.code, error.status) == ("statement_too_large", 413)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    error = refused(tmp_path / "absent.ofx")
    assert (error.code, error.where) == ("not_a_statement", "absent.ofx")
    assert str(tmp_path) not in str(error)


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "bad_statement"


def test_a_currency_of_the_caller_that_is_none() -> None:
    with pytest.raises(StatementError):
        read_statement(CHECKING, currency="dollars")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE OFX [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/hostname">]>'
)


def test_entities_are_never_expanded_and_nothing_external_is_opened() -> None:
    text = CARD[CARD.index("<OFX>") :].replace("TULIP &amp; THORN FLORIST", "&b;&c;")
    [statement] = read_statement((BOMB + text).encode())
    assert statement.lines[0].description == "&b;&c;"


@pytest.mark.parametrize(
    "hostile",
    [
        "<" * 300_000,
        "<A" * 150_000,
        "<" + "A" * 300_000,
        "<A>" * 100_000 + "</A>",
        "<![CDATA[" * 40_000,
        "<!--" * 80_000,
    ],
)
def test_hostile_markup_is_refused_in_the_time_it_takes_to_read_it(hostile: str) -> None:
    assert refused(f"<OFX>{hostile}".encode()).code in {"not_a_statement", "truncated_statement"}
