"""`python -m holdfast.testing.sync URL`: the conformance kit against a server."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.testing.sync.kit import Bench, NoPull, Result, Rule, Target, Unreachable, reach, run_rules
from holdfast.testing.sync.rules import RULES

_MARKS: Final = {"passed": "✓", "failed": "✗", "not checked": "–"}
_WIDE: Final = 100_000
"""What is read by a program is not wrapped."""
_HOLDFAST: Final = "/api/v1/sync"
_TABLE: Final = "financial_accounts"
_ROW: Final[dict[str, Any]] = {
    "name": "Everyday",
    "account_type": "checking",
    "institution": None,
    "balance": 12.5,
    "currency": "USD",
    "interest_rate": None,
    "is_active": True,
    "metadata": "{}",
}


class BadUsage(Exception):
    """The options do not go together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the kit; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        chosen = _chosen(options.only)
        bench = _reached(options)
    except (BadUsage, Unreachable) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    results = run_rules(bench, chosen, tell=_progress())
    failed = [result for result in results if result.outcome == "failed"]
    if options.json:
        rules = [asdict(result) for result in results]
        _say(json.dumps({"ok": not failed, "rules": rules, "left": sorted(bench.left)}, indent=2))
    else:
        _print(results)
    if bench.left:
        sys.stderr.write(f"{len(bench.left)} rows of `{bench.table}` could not be taken away.\n")
    return 1 if failed else 0


def _reached(options: argparse.Namespace) -> Bench:
    """The server, at the URL or, where that is the root of a Holdfast server, at its sync."""
    bench = Bench(_target(options))
    try:
        reach(bench)
    except NoPull as missing:
        if options.pull or options.push:
            raise
        bench = Bench(_target(options, below=_HOLDFAST))
        try:
            reach(bench)
        except NoPull:
            raise missing from None
    return bench


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.testing.sync",
        description="Which rules of WatermelonDB's sync protocol a server keeps.",
    )
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="the root: URL/pull and URL/push, or that of a Holdfast server"
    )
    parser.add_argument("--pull", metavar="URL", help="where to pull from")
    parser.add_argument("--push", metavar="URL", help="where to push to")
    parser.add_argument("--token", help="the bearer token of the user")
    parser.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be repeated"
    )
    parser.add_argument(
        "--second-token", metavar="TOKEN", help="another user, who may not see the first one's rows"
    )
    parser.add_argument("--table", help=f"a table whose rows may be made; {_TABLE} by default")
    parser.add_argument("--row", metavar="FILE|JSON", help="every column of a row of it, without id")
    parser.add_argument("--text-column", metavar="NAME", help="a text that may be edited")
    parser.add_argument("--number-column", metavar="NAME", help="a number that may be edited")
    parser.add_argument("--device-header", default="X-Holdfast-Device", metavar="NAME", help="names a device")
    parser.add_argument("--wrapped", action="store_true", help="push {changes, lastPulledAt}")
    parser.add_argument("--only", metavar="RULES", help="such as pull_04,T3")
    parser.add_argument("--json", action="store_true", help="the result for programs")
    return parser


def _chosen(only: str | None) -> list[Rule]:
    if only is None:
        return list(RULES)
    wanted = {name.strip().lower() for name in only.split(",") if name.strip()}
    unknown = wanted - {rule.name.lower() for rule in RULES}
    if unknown or not wanted:
        raise BadUsage(f"there is no such rule: {', '.join(sorted(unknown)) or only!r}")
    return [rule for rule in RULES if rule.name.lower() in wanted]


def _target(options: argparse.Namespace, *, below: str = "") -> Target:
    root = (options.url or "").rstrip("/")
    if not root and not (options.pull and options.push):
        raise BadUsage("give the URL, or --pull and --push")
    root += below
    row = _row(options)
    headers = _headers(options.header, options.token)
    second = None
    if options.second_token is not None:
        others = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        second = _headers([], options.second_token) | others
    return Target(
        pull=_address(options.pull or f"{root}/pull"),
        push=_address(options.push or f"{root}/push"),
        table=options.table or _TABLE,
        row=row,
        text=_column(row, options.text_column, str) or "",
        number=_column(row, options.number_column, int, float),
        headers=headers,
        second=second,
        device_header=options.device_header or None,
        wrapped=options.wrapped,
    )


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadUsage(f"{url} is no http or https address")
    return url


def _headers(given: Sequence[str], token: str | None) -> dict[str, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    for header in given:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise BadUsage("a header is written 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


def _row(options: argparse.Namespace) -> dict[str, Any]:
    if (options.table is None) != (options.row is None):
        raise BadUsage("--table and --row go together")
    if options.row is None:
        return dict(_ROW)
    try:
        text = options.row if options.row.lstrip().startswith("{") else Path(options.row).read_text("utf-8")
        row = json.loads(text)
    except (OSError, ValueError):
        raise BadUsage("--row is neither a JSON object nor a file that holds one") from None
    if not isinstance(row, dict):
        raise BadUsage("--row is not a JSON object")
    row.pop("id", None)
    return row


def _column(row: dict[str, Any], named: str | None, *kinds: type) -> str | None:
    """The named column, or the first of these types. A row must have a text to edit."""
    fitting = [name for name, value in row.items() if type(value) in kinds]
    if named is not None and named not in fitting:
        raise BadUsage(f"the row has no `{named}` with a {'text' if str in kinds else 'number'}")
    if not fitting and str in kinds:
        raise BadUsage("the row has no text to edit")
    return named or next(iter(fitting), None)


class _Steps:
    """Which rule is being tried, on a terminal's standard error."""

    def __call__(self, name: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{name}" if name else "\r\x1b[K")
            sys.stderr.flush()


def _progress() -> _Steps:
    return _Steps()


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _print(results: Sequence[Result]) -> None:
    _progress()("")
    names = max(len(result.name) for result in results) + 2
    indent = names + 12
    _say(f"{'Rule':<{names}}  {'Took':>8}  Evidence")
    width = max(30, shutil.get_terminal_size().columns - indent) if sys.stdout.isatty() else _WIDE
    for result in results:
        said = [result.evidence] + ([result.says] if result.outcome == "failed" else [])
        lines = [line for text in said for line in textwrap.wrap(text, width) or [""]]
        head = f"{_MARKS[result.outcome]} {result.name}"
        _say(f"{head:<{names}}  {f'{result.seconds * 1000:.0f} ms':>8}  {lines[0]}")
        for line in lines[1:]:
            _say(f"{'':<{indent}}{line}")
    count = {outcome: sum(result.outcome == outcome for result in results) for outcome in _MARKS}
    _say()
    _say(", ".join(f"{number} {outcome}" for outcome, number in count.items()))


if __name__ == "__main__":
    sys.exit(main())
