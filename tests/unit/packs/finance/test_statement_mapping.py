"""Mappings are checked when they are made, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.packs.finance.statements import BadMapping, CsvMapping, read_statement


def test_a_mapping_on_the_command_line() -> None:
    mapping = CsvMapping.parse(
        'date=Posted,debit=Out,credit=In,description=Payee|Details,"merchant=Payee, full"'
    )
    assert mapping == CsvMapping(
        date="Posted", debit="Out", credit="In", description=("Payee", "Details"), merchant="Payee, full"
    )


def test_values_of_the_command_line_are_typed() -> None:
    mapping = CsvMapping.parse("date=a,amount=b,skip_rows=3,invert_sign=yes,decimal=comma,delimiter=tab")
    assert (mapping.skip_rows, mapping.invert_sign, mapping.decimal, mapping.delimiter) == (
        3,
        True,
        ",",
        "\t",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amount=Amount",
        "date=Date",
        "date=,amount=Amount",
        "date=Date,amount=Amount,debit=Out",
        "date=Date,debit=Out,direction=Way",
        "date=Date,amount=Amount,payee=Who",
        "date=Date,amount",
        'date=Date,"amount=Amount',
        "date=Date,amount=Amount,decimal=;",
        "date=Date,amount=Amount,delimiter=;;",
        "date=Date,amount=Amount,skip_rows=many",
        "date=Date,amount=Amount,skip_footer=-1",
        "date=Date,amount=Amount,invert_sign=perhaps",
        "date=Date,amount=Amount,account_type=wallet",
        "date=Date,amount=Amount,encoding=klingon",
        "date=Date,amount=Amount,encoding=zip",
    ],
)
def test_a_mapping_that_does_not_hold(text: str) -> None:
    with pytest.raises(BadMapping) as caught:
        CsvMapping.parse(text)
    assert caught.value.code == "bad_mapping"
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["date = ", "date = 5\namount = 'b'", "[columns]\ndate = 'a'", "description = [1]"]
)
def test_a_toml_file_that_does_not_hold(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(BadMapping):
        CsvMapping.load(path)


def test_a_toml_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadMapping) as caught:
        CsvMapping.load(tmp_path / "absent.toml")
    assert caught.value.where == "absent.toml"


def test_the_file_s_columns_are_named_where_a_mapped_one_is_missing() -> None:
    mapping = CsvMapping(date="Date", amount="Betrag", default_currency="EUR")
    with pytest.raises(BadMapping) as caught:
        read_statement(b"Date,Amount,What\n2024-01-30,5,a\n", mapping=mapping)
    assert "Betrag" in caught.value.message
    assert "Date, Amount, What" in caught.value.message


def test_headings_are_found_below_a_preamble_in_any_case_and_spacing() -> None:
    mapping = CsvMapping(date="booking date", amount="AMOUNT", default_currency="EUR")
    text = 'Account;DE00\n\nA sentence, with a comma.\n" Booking  Date ";"Amount";x\n31.01.2024;5,00;\n'
    [statement] = read_statement(text.encode(), mapping=mapping)
    assert len(statement.lines) == 1
