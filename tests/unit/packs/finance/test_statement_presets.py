"""One row of each bank whose file is not under tests/data/statements, below that bank's headings."""

from __future__ import annotations

import pytest

from holdfast.packs.finance.statements import read_statement

ROWS = {
    "Bank of America": (
        (
            "Posted Date,Reference Number,Payee,Address,Amount\n"
            '03/14/2024,24445726072300602934358,"CORNER GROCER 800-555-0133 VA","800-555-0133  VA ",-41.76\n'
        ),
        ("credit", "USD", "2024-03-14", "-41.76", "CORNER GROCER 800-555-0133 VA"),
    ),
    "Capital One": (
        (
            "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
            "2024-02-24,2024-02-27,0733,GARDEN CENTRE,Merchandise,26.73,\n"
        ),
        ("credit", "USD", "2024-02-27", "-26.73", "GARDEN CENTRE"),
    ),
    "American Express": (
        "Date,Description,Card Member,Account #,Amount\n15/01/2024,BOOK FAIR,A MEMBER,-71002,25.50\n",
        ("credit", "GBP", "2024-01-15", "-25.50", "BOOK FAIR"),
    ),
    "Apple Card": (
        (
            "Transaction Date,Clearing Date,Description,Merchant,Category,Type,Amount (USD),Purchased By\n"
            '12/30/2024,12/31/2024,"RIVER MKT 1616","River Market","Grocery","Purchase","42.99","A Member"\n'
        ),
        ("credit", "USD", "2024-12-31", "-42.99", "RIVER MKT 1616"),
    ),
    "Ally Bank": (
        "Date, Time, Amount, Type, Description\n2024-01-02, 10:00:00, -5.00, Withdrawal, COFFEE CART\n",
        ("checking", "USD", "2024-01-02", "-5.00", "COFFEE CART"),
    ),
    "USAA": (
        (
            "Date,Description,Original Description,Category,Amount,Status\n"
            "2024-08-12,Lumen,LUMEN BILL PMT 0042,Utilities,-80.43,Posted\n"
        ),
        ("checking", "USD", "2024-08-12", "-80.43", "LUMEN BILL PMT 0042"),
    ),
    "Tangerine": (
        "Date,Transaction,Name,Memo,Amount\n6/1/2024,DEBIT,TRANSIT FARE,Rewards earned: 0.03,-3.35\n",
        ("checking", "CAD", "2024-06-01", "-3.35", "TRANSIT FARE - Rewards earned: 0.03"),
    ),
    "Barclays": (
        (
            "Number,Date,Account,Amount,Subcategory,Memo\n"
            " ,02/04/2024,20-00-00 12345678,-60.00,Card,INVENTED CAFE\t   ON 01 APR\n"
        ),
        ("checking", "GBP", "2024-04-02", "-60.00", "INVENTED CAFE ON 01 APR"),
    ),
    "NatWest Group": (
        (
            "Date, Type, Description, Value, Balance, Account Name, Account Number\n"
            '15 Apr 2024,POS,"\'4242 14APR24 COFFEE SHOP",-3.50,96.50,"\'CURRENT","\'112233-12345678",\n'
        ),
        ("checking", "GBP", "2024-04-15", "-3.50", "4242 14APR24 COFFEE SHOP"),
    ),
    "Starling Bank": (
        (
            "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
            "25/07/2024,Green Grocer,GREEN GROCER S/MKTS,CARD,-22.80,1176.65,GROCERIES,\n"
        ),
        ("checking", "GBP", "2024-07-25", "-22.80", "Green Grocer - GREEN GROCER S/MKTS"),
    ),
    "Wise": (
        (
            "TransferWise ID,Date,Amount,Currency,Description,Payment Reference,Running Balance,Merchant\n"
            "CARD-123,31-01-2024,-9.99,EUR,Card transaction issued by Songs,,50.01,Songs\n"
        ),
        ("checking", "EUR", "2024-01-31", "-9.99", "Card transaction issued by Songs"),
    ),
    "ING-DiBa": (
        (
            "Umsatzanzeige;Datei erstellt am: 17.02.2024 22:11\n\nIBAN;DE02 5001 0517 0137 0750 30\nKontoname;Girokonto\n\n"
            "Buchung;Wertstellungsdatum;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;Betrag;Währung\n"
            "17.02.2024;17.02.2024;Fahrradladen;Lastschrift;Rechnung 7;1.446,10;EUR;-140,47;EUR\n"
        ),
        ("checking", "EUR", "2024-02-17", "-140.47", "Fahrradladen - Rechnung 7"),
    ),
    "Rabobank": (
        (
            '"IBAN/BBAN","Munt","BIC","Volgnr","Datum","Rentedatum","Bedrag","Saldo na trn","Tegenrekening IBAN/BBAN",'
            '"Naam tegenpartij","Omschrijving-1"\n'
            '"NL44RABO0123456789","EUR","RABONL2U","000000000000001234","2024-01-31","2024-01-31","-45,00","+955,00",'
            '"","Bloemenhuis","Rozen "\n'
        ),
        ("checking", "EUR", "2024-01-31", "-45.00", "Bloemenhuis - Rozen"),
    ),
}


@pytest.mark.parametrize("institution", ROWS)
def test_a_row_below_the_bank_s_headings(institution: str) -> None:
    text, expected = ROWS[institution]
    [statement] = read_statement(text.encode(), currency="GBP" if institution == "American Express" else None)
    [line] = statement.lines
    found = (
        statement.account_type,
        line.currency,
        line.posted.isoformat(),
        str(line.amount),
        line.description,
    )
    assert statement.institution == institution
    assert found == expected
