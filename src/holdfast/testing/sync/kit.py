"""The conformance kit's bench: devices that speak WatermelonDB's sync protocol over HTTP, and the running of rules on them.

A rule is a function of a `Bench`. It plays devices, says with `expect` what must hold, and returns what it saw. Nothing is
assumed of the server but the protocol; only the standard library is needed. Not here: the rules (`rules.py`) and the command
(`__main__.py`).
"""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlsplit

Outcome: TypeAlias = Literal["passed", "failed", "not checked"]
Row: TypeAlias = dict[str, Any]

_LETTERS: Final = string.ascii_letters + string.digits
_SHOWN: Final = 400
"""So many characters of what was sent and of what came stand in the evidence."""
_CURRENT: Final = object()


class Failed(Exception):
    """The server does not keep the rule."""


class NotChecked(Exception):
    """The rule cannot be seen here, for a reason that the message gives."""


class Unreachable(Exception):
    """There is no server to speak with."""


class NoPull(Unreachable):
    """There is a server, and no pull where it was looked for."""


def expect(holds: object, message: str) -> None:
    """Raise Failed where it does not hold."""
    if not holds:
        raise Failed(message)


@dataclass(frozen=True, slots=True)
class Target:
    """The server, who speaks with it, and a table of which rows may be made."""

    pull: str
    push: str
    table: str
    row: Mapping[str, Any]
    text: str
    number: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    second: Mapping[str, str] | None = None
    """The headers of another user, who may not see the first one's rows."""
    device_header: str | None = None
    wrapped: bool = False
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def succeeded(self) -> bool:
        """Whether a client would take it for a success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body. Raises Failed where it is not JSON, NaN and Infinity included."""
        try:
            return json.loads(self.text, parse_constant=_refuse)
        except ValueError:
            raise Failed("the body is not JSON") from None


def _refuse(name: str) -> Any:
    raise ValueError(name)


@dataclass(frozen=True, slots=True)
class Pull:
    """The answer to a pull: objects, lists and rows are what they must be, and nothing else is taken for granted."""

    reply: Reply
    body: Mapping[str, Any]
    table: str

    @property
    def timestamp(self) -> Any:
        """The cursor, whatever it is."""
        return self.body.get("timestamp")

    @property
    def changes(self) -> Mapping[str, Any]:
        """All tables."""
        changes: Mapping[str, Any] = self.body["changes"]
        return changes

    def listed(self, kind: str) -> list[Any]:
        """One array of the kit's table, empty where it is missing."""
        items: list[Any] = self.changes.get(self.table, {}).get(kind, [])
        return items

    @property
    def rows(self) -> dict[str, Row]:
        """The rows to make or replace, by id."""
        rows = [*self.listed("created"), *self.listed("updated")]
        return {row["id"]: row for row in rows if isinstance(row.get("id"), str)}

    @property
    def created(self) -> set[str]:
        """The ids in `created`."""
        return {str(row.get("id")) for row in self.listed("created")}

    @property
    def deleted(self) -> set[str]:
        """The ids in `deleted`."""
        return {item for item in self.listed("deleted") if isinstance(item, str)}


class Wire:
    """Requests to one server, and the last of them for the evidence. Never holds a header in what it shows."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.last = ""
        values = [*target.headers.values(), *(target.second or {}).values()]
        hidden = {part for value in values for part in (value, value.rpartition(" ")[2]) if len(part) > 3}
        self._hidden = sorted(hidden, key=len, reverse=True)

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Reply:
        """One exchange. Raises Failed where there is no answer."""
        sent = None if body is None else json.dumps(body)
        shown = f"{method} {urlsplit(url).path}?{urlsplit(url).query} {sent or ''}".replace("? ", " ")
        try:
            reply = self._exchange(method, url, headers, sent)
        except (OSError, HTTPException) as error:
            self.last = f"sent: {self._shown(shown)}; came: nothing"
            raise Failed(f"no answer ({type(error).__name__})") from None
        self.last = f"sent: {self._shown(shown)}; came: {reply.status} {self._shown(reply.text)}"
        return reply

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], sent: str | None) -> Reply:
        parts = urlsplit(url)
        made = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = made(parts.hostname or "", parts.port, timeout=self.target.timeout)
        own = {"Accept": "application/json"} | ({} if sent is None else {"Content-Type": "application/json"})
        address = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, address, None if sent is None else sent.encode(), {**own, **headers})
            return _read(connection.getresponse())
        finally:
            connection.close()

    def _shown(self, text: str) -> str:
        for part in self._hidden:
            text = text.replace(part, "…")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read(response: HTTPResponse) -> Reply:
    body = response.read().decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, body)


class Device:
    """A device as the kit plays it: it shows its cursor, and keeps the one that it is given."""

    def __init__(self, bench: Bench, name: str, *, second: bool = False) -> None:
        target = bench.target
        own = target.second if second else target.headers
        self.cursor: Any = None
        self.headers = dict(own or {})
        if target.device_header:
            self.headers[target.device_header] = f"conformance-{name}"
        self._wire, self._target = bench.wire, target

    def ask(self, since: Any = None, **query: str) -> Reply:
        """A pull as WatermelonDB's documentation writes it, whatever comes."""
        asked = {"schema_version": "1", "migration": "null", **query}
        if since is not None:
            asked["last_pulled_at"] = str(since)
        return self._wire.ask("GET", addressed(self._target.pull, asked), self.headers)

    def ask_by_post(self, members: Mapping[str, Any]) -> Reply:
        """A pull whose parameters stand in the body."""
        return self._wire.ask("POST", self._target.pull, self.headers, members)

    def pull(self, since: Any = _CURRENT, **query: str) -> Pull:
        """A pull that must succeed; its cursor is kept."""
        pulled = self.read(self.ask(self.cursor if since is _CURRENT else since, **query))
        self.cursor = pulled.timestamp
        return pulled

    def read(self, reply: Reply) -> Pull:
        """An answer that must be one to a pull."""
        expect(reply.status == 200, f"a pull is answered {reply.status}")
        body = reply.json()
        expect(
            isinstance(body, dict) and isinstance(body.get("changes"), dict),
            "the answer to a pull has no `changes`",
        )
        for name, table in body["changes"].items():
            expect(isinstance(table, dict), f"the changes of `{name}` are no object")
            for kind in ("created", "updated"):
                rows = table.get(kind, [])
                readable = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
                expect(readable, f"`{kind}` of `{name}` is no list of rows")
            expect(isinstance(table.get("deleted", []), list), f"`deleted` of `{name}` is no list")
        return Pull(reply, body, self._target.table)

    def push(self, changes: Mapping[str, Any]) -> Reply:
        """Push a body, whatever comes."""
        body = {"changes": changes, "lastPulledAt": self.cursor} if self._target.wrapped else changes
        asked = {} if self.cursor is None else {"last_pulled_at": str(self.cursor)}
        return self._wire.ask("POST", addressed(self._target.push, asked), self.headers, body)

    def send(
        self, created: Iterable[Row] = (), updated: Iterable[Row] = (), deleted: Iterable[str] = ()
    ) -> Reply:
        """Push rows of the kit's table, whatever comes."""
        arrays = {"created": list(created), "updated": list(updated), "deleted": list(deleted)}
        return self.push({self._target.table: arrays})

    def create(self, *rows: Row) -> Reply:
        """Push new rows; it must succeed."""
        return pushed(self.send(created=map(as_created, rows)))

    def edit(self, row: Row, **columns: Any) -> Row:
        """Pull, as a client does first, and push an edit; both must succeed. Returns the row as the device then has it."""
        self.pull()
        edited = {**row, **columns}
        pushed(self.send(updated=[as_updated(edited, *columns)]))
        return edited

    def delete(self, *ids: str) -> Reply:
        """Pull, as a client does first, and push deletes; both must succeed."""
        self.pull()
        return pushed(self.send(deleted=ids))


def addressed(url: str, asked: Mapping[str, str]) -> str:
    """The address with these parameters behind those that it has."""
    if not asked:
        return url
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"


def as_created(row: Mapping[str, Any]) -> Row:
    """A row that the device made, as the client sends it."""
    return {**row, "_status": "created", "_changed": ""}


def as_updated(row: Mapping[str, Any], *columns: str) -> Row:
    """A row that the device edited, as the client sends it: whole, with the names of the edited columns."""
    return {**row, "_status": "updated", "_changed": ",".join(columns)}


def pushed(reply: Reply) -> Reply:
    """The answer to a push that must succeed."""
    expect(reply.succeeded, f"a push is answered {reply.status}")
    return reply


def same(sent: Any, came: Any) -> bool:
    """Whether a client reads what came as what was sent: a boolean may be 0 or 1, a number is never text."""
    if isinstance(sent, bool):
        return type(came) in (bool, int) and came == sent
    if isinstance(sent, int | float):
        return type(came) in (int, float) and came == sent
    return type(sent) is type(came) and bool(sent == came)


class Bench:
    """What a rule plays with. Remembers the rows that were made, so that they can be taken away again."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.wire = Wire(target)
        self.left: set[str] = set()
        """Ids of rows that could not be taken away."""
        self._made: set[str] = set()
        self._second_came = False

    @property
    def table(self) -> str:
        """The table's name."""
        return self.target.table

    @property
    def text(self) -> str:
        """The column of text that is edited."""
        return self.target.text

    @property
    def number(self) -> str:
        """The column of numbers that is edited. Raises NotChecked where there is none."""
        if self.target.number is None:
            raise NotChecked("the table has no column of numbers: name one with --number-column")
        return self.target.number

    def device(self, name: str, *, second: bool = False) -> Device:
        """A device that has never synchronised."""
        if second and self.target.second is None:
            raise NotChecked("needs another user: --second-token")
        self._second_came = self._second_came or second
        return Device(self, name, second=second)

    def synced(self, name: str, *, second: bool = False) -> Device:
        """A device that has had its first sync."""
        made = self.device(name, second=second)
        made.pull()
        return made

    def row(self, **columns: Any) -> Row:
        """A new row."""
        return {**self.target.row, self.text: self.word(), **columns, "id": self.new_id()}

    def new_id(self) -> str:
        """An id as WatermelonDB makes one."""
        made = "".join(secrets.choice(_LETTERS) for _ in range(16))
        self._made.add(made)
        return made

    def word(self) -> str:
        """A text that stands nowhere else."""
        return "kit " + "".join(secrets.choice(_LETTERS) for _ in range(8))

    def amount(self) -> float:
        """A number that most likely stands nowhere else: two digits behind the point, and exact in binary."""
        return secrets.randbelow(10_000) + 100 + secrets.choice((0.25, 0.5, 0.75))

    def standing(self, *, second: bool = False) -> dict[str, Row]:
        """The rows of the table as a first sync gives them now."""
        return self.device("c", second=second).pull().rows

    def clean(self) -> None:
        """Take away what rules have made; what cannot be is in `left`."""
        ids = sorted(self._made)
        users = (False, True) if self._second_came else (False,)
        taken = [self._taken_away(ids, second=second) for second in users if ids]
        if not all(taken):
            self.left |= self._made
        self._made.clear()
        self._second_came = False

    def _taken_away(self, ids: list[str], *, second: bool) -> bool:
        try:
            device = self.synced("z", second=second)
            standing = self.standing(second=second)
            ids = [row_id for row_id in ids if row_id in standing]
            return not ids or device.send(deleted=ids).succeeded
        except Failed:
            return False


Check: TypeAlias = Callable[[Bench], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a server must do. `says` is the sentence for people, `check` returns what it saw."""

    name: str
    says: str
    check: Check


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a rule."""

    name: str
    outcome: Outcome
    seconds: float
    evidence: str
    says: str


def rule(check: Check) -> Rule:
    """The rule of a function: its name is the rule's, its docstring says what a server must do."""
    name: str = getattr(check, "__name__", "")
    says = " ".join((check.__doc__ or "").split())
    return Rule(name.upper() if name.startswith("t") else name, says, check)


def run_rules(
    bench: Bench, rules: Iterable[Rule], *, tell: Callable[[str], None] | None = None
) -> list[Result]:
    """Try each, and take away what it made."""
    results = []
    for each in rules:
        if tell is not None:
            tell(each.name)
        results.append(_tried(bench, each))
        bench.clean()
    return results


def _tried(bench: Bench, tried: Rule) -> Result:
    began = time.monotonic()
    bench.wire.last = ""
    outcome: Outcome = "passed"
    try:
        evidence = tried.check(bench)
    except NotChecked as error:
        outcome, evidence = "not checked", str(error)
    except Failed as error:
        outcome, evidence = "failed", f"{error}; {bench.wire.last}"
    except (AttributeError, TypeError) as error:  # nothing is taken for granted, and something was
        outcome, evidence = (
            "failed",
            f"an answer has another shape ({type(error).__name__}); {bench.wire.last}",
        )
    return Result(tried.name, outcome, time.monotonic() - began, evidence, tried.says)


def reach(bench: Bench) -> None:
    """Raise Unreachable where there is no server, or none that lets the user in."""
    try:
        reply = bench.device("a").ask()
    except Failed:
        raise Unreachable(f"{bench.target.pull} does not answer") from None
    if reply.status in (401, 403):
        raise Unreachable(f"the server does not let this user in ({reply.status}): --token or --header")
    if reply.status in (404, 405):
        raise NoPull(
            f"there is no pull at {bench.target.pull} ({reply.status}): give the root of sync, for a Holdfast server "
            "URL/api/v1/sync, or --pull and --push"
        )
