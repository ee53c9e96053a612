"""CSV files of known banks, of unknown ones with a mapping, and what is wrong with the others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from holdfast.packs.finance.statements import CsvMapping, Statement, StatementError, read_statement
from holdfast.packs.finance.statements.csv_presets import PRESETS

FILES = Path(__file__).parents[3] / "data" / "statements"
SIMPLE = CsvMapping(date="Date", amount="Amount", description=("What",), default_currency="EUR")

# File: institution, account type, currency, tails, then day, amount and description of each line.
KNOWN: dict[str, tuple[str, str, str, list[str | None], list[tuple[str, str, str]]]] = {
    "chase_checking.csv": (
        "Chase",
        "checking",
        "USD",
        [None],
        [
            ("2024-01-31", "-45.10", "ORCHARD GROCERS 0042 PORTLAND, OR"),
            ("2024-01-31", "-2.50", "METRO FARE"),
            ("2024-01-31", "-2.50", "METRO FARE"),
            ("2024-01-15", "1500.00", "BRIGHT AND SONS PAYROLL"),
        ],
    ),
    "chase_card.csv": (
        "Chase",
        "credit",
        "USD",
        [None],
        [
            ("2024-02-12", "-62.19", "TULIP & THORN FLORIST"),
            ("2024-02-20", "400.00", "Payment Thank You-Mobile"),
        ],
    ),
    "bank_of_america.csv": (
        "Bank of America",
        "checking",
        "USD",
        [None],
        [
            ("2024-03-04", "-1234.56", "LAKESIDE RENTALS DES:RENT"),
            ("2024-03-15", "2500.00", "COUNTY PAYROLL"),
        ],
    ),
    "capital_one_360.csv": (
        "Capital One",
        "checking",
        "USD",
        ["4795"],
        [
            ("2024-08-03", "-9.07", "Debit Card Purchase - CORNER DINER"),
            ("2024-08-13", "246.03", "Deposit from KINETIC PAYROLL"),
        ],
    ),
    "citi_card.csv": (
        "Citi",
        "credit",
        "USD",
        [None],
        [
            ("2024-12-28", "-398.80", "PLUM HARDWARE SUNNYVALE CA"),
            ("2024-12-21", "1037.98", "ONLINE PAYMENT, THANK YOU"),
        ],
    ),
    "discover_card.csv": (
        "Discover",
        "credit",
        "USD",
        [None],
        [
            ("2024-09-12", "-9.99", "APPLE ORCHARD CIDERS"),
            ("2024-09-29", "10.73", "INTERNET PAYMENT - THANK YOU"),
        ],
    ),
    "schwab_checking.csv": (
        "Charles Schwab",
        "checking",
        "USD",
        [None],
        [("2024-07-31", "0.11", "Interest Paid"), ("2024-07-15", "-1200.00", "Rent payment")],
    ),
    "rbc.csv": (
        "RBC",
        "other",
        "CAD",
        ["2345", "1234"],
        [
            ("2024-09-15", "2500.00", "PAYROLL DEPOSIT - MAPLE MILLS"),
            ("2024-09-06", "-450.00", "INTERAC E-TRF- 1234"),
            ("2024-09-18", "-45.12", "BOOK BARN TORONTO ON"),
        ],
    ),
    "westpac.csv": (
        "Westpac",
        "other",
        "AUD",
        ["3456", "1912"],
        [
            ("2024-09-10", "420.00", "DEPOSIT WATTLE PTY LTD"),
            ("2024-09-12", "-35.00", "MERCHANT FEES"),
            ("2024-09-13", "-6.50", "BEACH KIOSK"),
        ],
    ),
    "nationwide.csv": (
        "Nationwide",
        "checking",
        "GBP",
        [None],
        [("2024-06-03", "-10.99", "HARBOUR FISH BAR"), ("2024-06-01", "1820.00", "TAMAR COUNCIL SALARY")],
    ),
    "lloyds.csv": (
        "Lloyds Banking Group",
        "checking",
        "GBP",
        ["5678"],
        [("2024-04-15", "-12.50", "CORNER STORES"), ("2024-04-16", "2500.00", "SALARY")],
    ),
    "monzo.csv": (
        "Monzo",
        "checking",
        "GBP",
        [None],
        [
            ("2024-03-12", "-3.40", "Coffee Cart - COFFEE CART LEEDS"),
            ("2024-03-13", "2000.00", "Old Mill Ltd - WAGES"),
        ],
    ),
    "revolut.csv": (
        "Revolut",
        "checking",
        "EUR",
        [None],
        [("2024-04-03", "-3.46", "Casa Limón"), ("2024-04-05", "-504.25", "Exchanged to USD")],
    ),
    "n26.csv": (
        "N26",
        "checking",
        "EUR",
        [None],
        [
            ("2024-04-10", "-23.45", "Buchladen am Markt"),
            ("2024-04-12", "2500.00", "Beispiel GmbH - Gehalt April"),
        ],
    ),
    "dkb.csv": (
        "DKB",
        "checking",
        "EUR",
        [None],
        [
            ("2024-10-02", "-1080.00", "Hausverwaltung Nord - Miete Oktober"),
            ("2024-10-01", "3283.30", "Beispiel GmbH - Lohn / Gehalt 09/24"),
        ],
    ),
    "sparkasse.csv": (
        "Sparkasse",
        "checking",
        "EUR",
        ["5030"],
        [("2024-04-24", "-3.58", "BÄCKEREI SÜß - 2024-04-23T20:21 Debitk.")],
    ),
    "ing_nl.csv": (
        "ING",
        "checking",
        "EUR",
        ["4567"],
        [
            ("2024-01-02", "-12.34", "Kaaswinkel De Brug - Pasvolgnr: 001 02-01-2024"),
            ("2024-01-25", "2450.00", "Voorbeeld BV - Salaris januari"),
        ],
    ),
    "boursorama.csv": (
        "Boursorama",
        "checking",
        "EUR",
        ["5678"],
        [
            ("2024-09-12", "-23.45", "CARTE 11/09/24 ÉPICERIE DU COIN CB*1234"),
            ("2024-09-10", "2850.00", "VIR SEPA SALAIRE EXEMPLE SA"),
        ],
    ),
}


def told(statements: list[Statement]) -> list[tuple[str, str, str]]:
    return [
        (line.posted.isoformat(), str(line.amount), line.description)
        for statement in statements
        for line in statement.lines
    ]


def refused(text: str, mapping: CsvMapping | None = SIMPLE) -> StatementError:
    with pytest.raises(StatementError) as caught:
        read_statement(text.encode(), mapping=mapping)
    return caught.value


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_bank_s_file_needs_no_mapping(name: str) -> None:
    institution, account_type, currency, tails, lines = KNOWN[name]
    statements = read_statement(FILES / name)
    assert {statement.institution for statement in statements} == {institution}
    assert {(statement.account_type, statement.currency) for statement in statements} == {
        (account_type, currency)
    }
    assert [statement.account_number_tail for statement in statements] == tails
    assert told(statements) == lines


@pytest.mark.parametrize(
    ("name", "left_out"),
    [("revolut.csv", 2), ("dkb.csv", 1), ("citi_card.csv", 1), ("bank_of_america.csv", 1)],
)
def test_pending_reverted_and_empty_rows_are_left_out_and_counted(name: str, left_out: int) -> None:
    assert [statement.left_out for statement in read_statement(FILES / name)] == [left_out]


def test_fields_that_hold_line_ends_and_a_currency_that_only_the_caller_knows() -> None:
    [statement] = read_statement(FILES / "american_express.csv", currency="USD")
    assert told([statement]) == [
        ("2024-08-29", "-11.18", "RIDE HOME"),
        ("2024-08-25", "256.87", "AUTOPAY PAYMENT - THANK YOU"),
    ]
    assert statement.lines[0].source_id.startswith("320242430000001-")
    assert statement.lines[0].category == "Transportation-Taxis"
    with pytest.raises(StatementError) as caught:
        read_statement(FILES / "american_express.csv")
    assert caught.value.code == "currency_unknown"


def test_merchant_and_category_are_read() -> None:
    [statement] = read_statement(FILES / "monzo.csv")
    assert [(line.merchant, line.category) for line in statement.lines] == [
        ("Coffee Cart", "Eating out"),
        ("Old Mill Ltd", "Income"),
    ]


def test_no_preset_takes_another_one_s_file() -> None:
    for preset in PRESETS:
        row = [*preset.begins, *sorted(preset.headings - set(preset.begins))]
        fitting = [other for other in PRESETS if other.fits(row)]
        assert max(fitting, key=lambda other: len(other.headings)) == preset


def test_an_unknown_bank_s_columns_are_named_with_how_to_map_them() -> None:
    with pytest.raises(StatementError) as caught:
        read_statement(FILES / "unknown_bank.csv")
    assert caught.value.code == "unknown_csv"
    assert "Posted, Details, Value, Ref" in caught.value.message
    assert "--map date=" in (caught.value.hint or "")


def test_a_mapping_from_toml_in_utf16_with_semicolons() -> None:
    mapping = CsvMapping.load(FILES / "unknown_bank.toml")
    [statement] = read_statement(FILES / "unknown_bank.csv", mapping=mapping)
    assert (statement.account_type, statement.institution) == ("savings", "Valley Credit Union")
    assert told([statement]) == [
        ("2024-01-31", "-45.10", "Orchard grocers"),
        ("2024-02-02", "1500.00", "Salary"),
    ]
    assert [line.source_id.partition("-")[0] for line in statement.lines] == ["A1", "A2"]


def test_columns_by_number_where_there_are_no_headings() -> None:
    mapping = CsvMapping.parse("date=#1,amount=#2,description=#5,date_format=mdy,default_currency=USD")
    [statement] = read_statement(b'"01/31/2024","-42.10","*","","MARKET 1842"\n', mapping=mapping)
    assert told([statement]) == [("2024-01-31", "-42.10", "MARKET 1842")]


def test_rows_without_headings_are_not_repeated_in_the_error() -> None:
    error = refused("01/31/2024,-42.10,MARKET STREET\n02/01/2024,-3.00,CAFE\n", None)
    assert error.code == "unknown_csv"
    assert "MARKET" not in str(error)
    assert "#1" in (error.hint or "")


def test_what_stands_above_the_table_is_not_repeated_in_the_error() -> None:
    error = refused("Holder;Erika Beispiel\n\nTag;Wert;Zweck\n31.01.2024;5,00;a\n01.02.2024;6,00;b\n", None)
    assert "Tag, Wert, Zweck" in error.message
    assert "Erika" not in str(error)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("2024-01-31,5,a", "5.00"),
        ('2024-01-31,"1,234.50",a', "1234.50"),
        ('2024-01-31,"1.234,50",a', "1234.50"),
        ("2024-01-31,(7.25),a", "-7.25"),
        ("2024-01-31,$-7.25,a", "-7.25"),
        ("2024-01-31,7.25-,a", "-7.25"),
        ("2024-01-31,7.25 DR,a", "-7.25"),
        ("2024-01-31,7.25 CR,a", "7.25"),
        ("2024-01-31,\u22127.25,a", "-7.25"),
        ("2024-01-31,1 234.50,a", "1234.50"),
        ("2024-01-31,1'234.50,a", "1234.50"),
        ("2024-01-31,CHF 12.00,a", "12.00"),
        ('2024-01-31,"12,00 kr",a', "12.00"),
        ("2024-01-31,-0.00,a", "0.00"),
        ("2024-01-31,7.2500,a", "7.25"),
        ('2024-01-31,"=""7.25""",a', "7.25"),
    ],
)
def test_amounts_as_banks_write_them(rows: str, expected: str) -> None:
    [statement] = read_statement(f"Date,Amount,What\n{rows}\n".encode(), mapping=SIMPLE)
    assert [str(line.amount) for line in statement.lines] == [expected]


def test_one_amount_of_the_file_tells_the_decimal_sign_of_another() -> None:
    text = "Date;Amount;What\n2024-01-31;1.234;a\n2024-01-31;5,60;b\n"
    [statement] = read_statement(text.encode(), mapping=SIMPLE)
    assert [str(line.amount) for line in statement.lines] == ["1234.00", "5.60"]


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("2024-01-31,1.234,a", "row 3, column Amount"),  # a thousand, or more than two decimals
        ("2024-01-31,12.345678,a", "row 3, column Amount"),
        ("2024-01-31,about ten,a", "row 3, column Amount"),
        ("2024-01-31,NaN,a", "row 3, column Amount"),
        ("2024-01-31,1e3,a", "row 3, column Amount"),
        ("2024-02-30,5,a", "row 3, column Date"),
        ("soon,5,a", "row 3, column Date"),
        (",5,a", "row 3, column Date"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_number_and_column(row: str, where: str) -> None:
    error = refused(f"Date,Amount,What\n2024-01-30,5,a\n{row}\n")
    assert (error.code, error.where) == ("bad_csv", where)
    assert not any(value in str(error) for value in row.split(",") if len(value) > 1)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["31/01/2024", "01/02/2024"], ["2024-01-31", "2024-02-01"]),
        (["01/31/2024", "02/01/2024"], ["2024-01-31", "2024-02-01"]),
        (["01.02.2024", "03.02.2024"], ["2024-02-01", "2024-02-03"]),
        (["01.02.24"], ["2024-02-01"]),
        (["05/05/2024"], ["2024-05-05"]),
        (["20240201"], ["2024-02-01"]),
        (["2024-02-01 23:59:59"], ["2024-02-01"]),
        (["2024-02-01T23:59:59+11:00"], ["2024-02-01"]),
        (["1 Feb 2024", "Feb 3, 2024"], ["2024-02-01", "2024-02-03"]),
        (["Thu, 1 Feb 2024"], ["2024-02-01"]),
    ],
)
def test_dates_tell_their_order(dates: list[str], expected: list[str]) -> None:
    rows = "".join(f'"{written}",5,a\n' for written in dates)
    [statement] = read_statement(f"Date,Amount,What\n{rows}".encode(), mapping=SIMPLE)
    assert [line.posted.isoformat() for line in statement.lines] == expected


def test_dates_that_could_be_read_in_two_ways_are_never_guessed() -> None:
    text = "Date,Amount,What\n01/02/2024,5,a\n03/04/2024,5,a\n"
    error = refused(text)
    assert (error.code, error.where) == ("bad_csv", "column Date")
    assert "date_format" in (error.hint or "")
    for form, expected in {
        "dmy": date(2024, 2, 1),
        "mdy": date(2024, 1, 2),
        "%d/%m/%Y": date(2024, 2, 1),
    }.items():
        mapping = CsvMapping(date="Date", amount="Amount", date_format=form, default_currency="EUR")
        assert read_statement(text.encode(), mapping=mapping)[0].lines[0].posted == expected


@pytest.mark.parametrize(
    "text",
    [
        'Date,Amount,What\n2024-01-30,5,a\n2024-01-31,7,"a long descr',
        "Date,Amount,What\n2024-01-30,5,a\n2024-01-31,5,b\n2024-0",
        "Date,Amount,What\n2024-01-30,5,a\n2024-01-31,5",
    ],
)
def test_a_table_that_ends_in_the_middle_of_a_row(text: str) -> None:
    assert refused(text).code == "truncated_statement"


def test_a_last_row_without_a_line_end_is_whole() -> None:
    assert (
        len(read_statement(b"Date,Amount,What\n2024-01-30,5,a\n2024-01-31,5,b", mapping=SIMPLE)[0].lines) == 2
    )


def test_notes_below_the_table_and_a_second_heading_are_no_rows() -> None:
    text = "Date,Amount,What\n2024-01-30,5,a\n\nDate,Amount,What\n2024-01-31,5,b\n,,\nEnd of report\n"
    assert len(read_statement(text.encode(), mapping=SIMPLE)[0].lines) == 2


def test_footers_are_left_out_on_request() -> None:
    text = "Date,Amount,What\n2024-01-30,5,a\nTotal,5,\n"
    assert refused(text).where == "row 3, column Date"
    mapping = CsvMapping(date="Date", amount="Amount", skip_footer=1, default_currency="EUR")
    assert len(read_statement(text.encode(), mapping=mapping)[0].lines) == 1


def test_a_file_with_headings_alone_is_an_empty_statement() -> None:
    [statement] = read_statement(b"Date,Amount,What\n", mapping=SIMPLE)
    assert statement.lines == ()


def test_several_currencies_in_one_file() -> None:
    mapping = CsvMapping(date="Date", amount="Amount", currency="Cur")
    text = "Date,Amount,Cur\n2024-01-30,5,EUR\n2024-01-31,5,USD\n"
    assert refused(text, mapping).code == "mixed_currencies"
    both = (FILES / "rbc.csv").read_text() + "Chequing,06702-5012345,9/19/2024,,AMAZON,,,-20.00\n"
    error = refused(both, None)
    assert (error.code, error.where) == ("mixed_currencies", "row 5, column USD$")


def test_the_currency_in_the_file_goes_before_the_caller_s_and_the_caller_s_before_the_preset_s() -> None:
    assert read_statement(FILES / "n26.csv", currency="USD")[0].currency == "EUR"
    assert read_statement(FILES / "revolut.csv", currency="USD")[0].currency == "EUR"
    assert read_statement(FILES / "nationwide.csv", currency="EUR")[0].currency == "EUR"


def test_a_direction_that_is_neither() -> None:
    mapping = CsvMapping(date="Date", amount="Amount", direction="Way", default_currency="EUR")
    error = refused("Date,Amount,Way\n2024-01-30,5,sideways\n", mapping)
    assert (error.code, error.where) == ("bad_csv", "row 2, column Way")
    assert "sideways" not in str(error)


def test_a_reversal_in_the_debit_column_is_money_in() -> None:
    mapping = CsvMapping(date="Date", debit="Out", credit="In", default_currency="EUR")
    text = "Date,Out,In\n2024-01-30,5,\n2024-01-30,-5,\n2024-01-31,,7\n"
    [statement] = read_statement(text.encode(), mapping=mapping)
    assert [str(line.amount) for line in statement.lines] == ["-5.00", "5.00", "7.00"]


def test_a_mapped_amount_column_that_is_empty_throughout() -> None:
    assert refused("Date,Amount,What\n2024-01-30,,a\n2024-01-31,,b\n").code == "bad_csv"


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("utf-8-sig", "Café"),
        ("utf-16", "Café"),
        ("utf-16-le", "Café"),
        ("utf-16-be", "Café"),
        ("cp1252", "Café €"),
        ("cp1251", "Продуктовый магазин"),
        ("shift_jis", "振込 給与 サンプル"),
    ],
)
def test_encodings_are_told_from_the_bytes(encoding: str, word: str) -> None:
    text = "Date;Amount;What\n" + "".join(f"2024-01-{day:02};5,10;{word}\n" for day in range(1, 29))
    [statement] = read_statement(text.encode(encoding), mapping=SIMPLE)
    assert {line.description for line in statement.lines} == {word}


def test_an_encoding_that_cannot_be_told_is_mapped() -> None:
    text = "Date;Amount;What\n2024-01-30;5,10;Zakup Żabka Łódź\n".encode("cp1250")
    mapping = CsvMapping.parse(
        "date=Date,amount=Amount,description=What,encoding=cp1250,default_currency=PLN"
    )
    assert read_statement(text, mapping=mapping)[0].lines[0].description == "Zakup Żabka Łódź"
    with pytest.raises(StatementError) as caught:
        read_statement(text, mapping=CsvMapping(date="Date", amount="Amount", encoding="utf-8"))
    assert caught.value.code == "bad_mapping"


def test_utf8_with_a_character_cut_in_half_stays_utf8() -> None:
    rows = "Date,Amount,What\n" + "2024-01-30,5,Café Étoile\n" * 4
    [statement] = read_statement(rows.encode() + b"2024-01-31,5,Caf\xc3\n", mapping=SIMPLE)
    assert [line.description for line in statement.lines] == ["Café Étoile"] * 4 + ["Caf"]
