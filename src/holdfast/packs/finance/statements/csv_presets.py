"""Mappings for the CSV exports of well-known banks, recognised by their headings.

A preset's headings are the columns that its mapping uses and those under `also`, which set it apart; where they are
words that any table may have, they must also begin the row in the bank's order. A currency is stated only where the
bank has no other; anywhere else the file or the caller says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.packs.finance.statements.csv_mapping import CsvMapping


@dataclass(frozen=True, slots=True)
class Preset:
    """One bank's file: its mapping and the headings by which it is known."""

    mapping: CsvMapping
    headings: frozenset[str]
    begins: tuple[str, ...] = ()

    def fits(self, row: Sequence[str]) -> bool:
        """Whether a row of headings, each as `heading` gives it, is this bank's."""
        return self.headings <= set(row) and tuple(row[: len(self.begins)]) == self.begins


def heading(text: str) -> str:
    """A heading as it is compared: banks change case, spacing and quotation between one export and the next."""
    return " ".join(text.replace("\ufeff", "").strip(" '\"\t").casefold().split())


def _preset(institution: str, *also: str, begins: str = "", **fields: Any) -> Preset:
    description = fields.pop("description")
    parts = (description,) if isinstance(description, str) else tuple(description)
    mapping = CsvMapping(institution=institution, description=parts, **fields)
    headings = frozenset(heading(name) for name in (*mapping.columns().values(), *also))
    return Preset(mapping, headings, tuple(map(heading, begins.split(","))) if begins else ())


_US: Final[dict[str, Any]] = {"date_format": "mdy", "decimal": ".", "default_currency": "USD"}
_UK: Final[dict[str, Any]] = {"date_format": "dmy", "decimal": ".", "default_currency": "GBP"}
_DE: Final[dict[str, Any]] = {"date_format": "dmy", "decimal": ",", "default_currency": "EUR"}

PRESETS: Final[tuple[Preset, ...]] = (
    # United States
    _preset(
        "Chase",
        "Details",
        "Type",
        "Balance",
        date="Posting Date",
        amount="Amount",
        description="Description",
        **_US,
    ),
    _preset(
        "Chase",
        "Transaction Date",
        "Type",
        date="Post Date",
        amount="Amount",
        description="Description",
        category="Category",
        account_type="credit",
        **_US,
    ),
    _preset(
        "Bank of America", "Running Bal.", date="Date", amount="Amount", description="Description", **_US
    ),
    _preset(
        "Bank of America",
        "Address",
        date="Posted Date",
        amount="Amount",
        description="Payee",
        id="Reference Number",
        account_type="credit",
        **_US,
    ),
    _preset(
        "Capital One",
        "Transaction Date",
        "Card No.",
        date="Posted Date",
        debit="Debit",
        credit="Credit",
        description="Description",
        category="Category",
        account_type="credit",
        decimal=".",
        default_currency="USD",
    ),
    _preset(
        "Capital One",
        "Balance",
        date="Transaction Date",
        amount="Transaction Amount",
        direction="Transaction Type",
        description="Transaction Description",
        account="Account Number",
        **_US,
    ),
    _preset(
        "Citi",
        begins="Status,Date,Description,Debit,Credit",
        date="Date",
        debit="Debit",
        credit="Credit",
        description="Description",
        status="Status",
        account_type="credit",
        **_US,
    ),
    _preset(
        "Discover",
        "Trans. Date",
        date="Post Date",
        amount="Amount",
        description="Description",
        category="Category",
        invert_sign=True,
        account_type="credit",
        **_US,
    ),
    _preset(
        "American Express",
        "Card Member",
        "Account #",
        date="Date",
        amount="Amount",
        description="Description",
        invert_sign=True,
        account_type="credit",
        decimal=".",
    ),
    _preset(
        "American Express",
        "Card Member",
        "Account #",
        "Appears On Your Statement As",
        date="Date",
        amount="Amount",
        description="Description",
        category="Category",
        id="Reference",
        invert_sign=True,
        account_type="credit",
        decimal=".",
    ),
    _preset(
        "Apple Card",
        "Transaction Date",
        date="Clearing Date",
        amount="Amount (USD)",
        description="Description",
        merchant="Merchant",
        category="Category",
        invert_sign=True,
        account_type="credit",
        **_US,
    ),
    _preset(
        "Charles Schwab",
        "Type",
        "RunningBalance",
        date="Date",
        debit="Withdrawal",
        credit="Deposit",
        description="Description",
        status="Status",
        **_US,
    ),
    _preset(
        "Ally Bank",
        begins="Date,Time,Amount,Type,Description",
        date="Date",
        amount="Amount",
        description="Description",
        date_format="ymd",
        decimal=".",
        default_currency="USD",
    ),
    _preset(
        "USAA",
        date="Date",
        amount="Amount",
        description="Original Description",
        merchant="Description",
        category="Category",
        status="Status",
        decimal=".",
        default_currency="USD",
    ),
    # Canada, Australia
    _preset(
        "RBC",
        "Account Type",
        foreign="USD$",
        date="Transaction Date",
        amount="CAD$",
        description=("Description 1", "Description 2"),
        account="Account Number",
        account_type="other",
        date_format="mdy",
        decimal=".",
    ),
    _preset(
        "Tangerine",
        "Transaction",
        date="Date",
        amount="Amount",
        description=("Name", "Memo"),
        merchant="Name",
        date_format="mdy",
        decimal=".",
        default_currency="CAD",
    ),
    _preset(
        "Westpac",
        "Serial",
        date="Date",
        debit="Debit Amount",
        credit="Credit Amount",
        description="Narrative",
        category="Categories",
        account="Bank Account",
        account_type="other",
        date_format="dmy",
        decimal=".",
        default_currency="AUD",
    ),
    # United Kingdom
    _preset(
        "Barclays",
        "Number",
        "Subcategory",
        date="Date",
        amount="Amount",
        description="Memo",
        account="Account",
        **_UK,
    ),
    _preset(
        "Lloyds Banking Group",
        "Sort Code",
        date="Transaction Date",
        debit="Debit Amount",
        credit="Credit Amount",
        description="Transaction Description",
        account="Account Number",
        **_UK,
    ),
    _preset(
        "NatWest Group",
        "Type",
        "Account Name",
        date="Date",
        amount="Value",
        description="Description",
        account="Account Number",
        **_UK,
    ),
    _preset(
        "Nationwide",
        "Transaction type",
        date="Date",
        debit="Paid out",
        credit="Paid in",
        description="Description",
        **_UK,
    ),
    _preset(
        "Monzo",
        "Local currency",
        date="Date",
        amount="Amount",
        description=("Name", "Description"),
        merchant="Name",
        category="Category",
        id="Transaction ID",
        currency="Currency",
        decimal=".",
        date_format="dmy",
    ),
    _preset(
        "Starling Bank",
        "Type",
        date="Date",
        amount="Amount (GBP)",
        description=("Counter Party", "Reference"),
        merchant="Counter Party",
        **_UK,
    ),
    # Several countries
    _preset(
        "Revolut",
        "Product",
        "Started Date",
        date="Completed Date",
        amount="Amount",
        fee="Fee",
        description="Description",
        currency="Currency",
        status="State",
        decimal=".",
    ),
    _preset(
        "Wise",
        date="Date",
        amount="Amount",
        description="Description",
        id="TransferWise ID",
        currency="Currency",
        decimal=".",
        date_format="dmy",
    ),
    _preset(
        "N26",
        "Value Date",
        "Partner Iban",
        date="Booking Date",
        amount="Amount (EUR)",
        description=("Partner Name", "Payment Reference"),
        merchant="Partner Name",
        decimal=".",
        date_format="ymd",
    ),
    # Germany, the Netherlands, France
    _preset(
        "DKB",
        payer="Zahlungspflichtige*r",
        date="Buchungsdatum",
        amount="Betrag (\u20ac)",
        description=("Zahlungsempf\u00e4nger*in", "Verwendungszweck"),
        merchant="Zahlungsempf\u00e4nger*in",
        status="Status",
        **_DE,
    ),
    _preset(
        "Sparkasse",
        "Valutadatum",
        date="Buchungstag",
        amount="Betrag",
        description=("Beguenstigter/Zahlungspflichtiger", "Verwendungszweck"),
        merchant="Beguenstigter/Zahlungspflichtiger",
        currency="Waehrung",
        account="Auftragskonto",
        status="Info",
        date_format="dmy",
        decimal=",",
    ),
    _preset(
        "ING-DiBa",
        "Wertstellungsdatum",
        date="Buchung",
        amount="Betrag",
        description=("Auftraggeber/Empf\u00e4nger", "Verwendungszweck"),
        merchant="Auftraggeber/Empf\u00e4nger",
        **_DE,
    ),
    _preset(
        "ING",
        "Tegenrekening",
        date="Datum",
        amount="Bedrag (EUR)",
        direction="Af Bij",
        description=("Naam / Omschrijving", "Mededelingen"),
        merchant="Naam / Omschrijving",
        account="Rekening",
        decimal=",",
    ),
    _preset(
        "Rabobank",
        "Rentedatum",
        date="Datum",
        amount="Bedrag",
        description=("Naam tegenpartij", "Omschrijving-1"),
        merchant="Naam tegenpartij",
        id="Volgnr",
        currency="Munt",
        account="IBAN/BBAN",
        decimal=",",
    ),
    _preset(
        "Boursorama",
        "dateVal",
        date="dateOp",
        amount="amount",
        description="label",
        merchant="supplierFound",
        category="category",
        account="accountNum",
        decimal=",",
        default_currency="EUR",
    ),
)
