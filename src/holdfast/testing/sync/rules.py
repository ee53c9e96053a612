"""All rules of the kit in their order, and the page that says what each asks of a server."""

from __future__ import annotations

from typing import Final

from holdfast.testing.sync import rules_pull, rules_push, rules_traps
from holdfast.testing.sync.kit import Rule

RULES: Final[tuple[Rule, ...]] = (*rules_pull.RULES, *rules_push.RULES, *rules_traps.RULES)

_PAGE: Final = """\
# Does a server speak WatermelonDB's sync protocol?

`python -m holdfast.testing.sync` asks any server that speaks the protocol over HTTP, in whatever language it is written, and
says which rules it does not keep. It needs nothing besides Holdfast's library: no database, no server of Holdfast's.

```
python -m holdfast.testing.sync http://127.0.0.1:8000/api/v1/sync --token "$TOKEN"
```

It plays several devices of one user: they make, edit and delete rows of one table, and the rows are taken away again. Give it
a user of its own, since it pulls all that the user may see many times.

| Option | |
|---|---|
| `URL` | The root: the kit pulls from `URL/pull` and pushes to `URL/push`; a Holdfast server's own URL does as well. |
| `--pull`, `--push` | The two addresses, where they are others, or one and the same. |
| `--token`, `--header "Name: value"` | Who asks; `--header` may be repeated. |
| `--second-token` | Another user, who may not see the first one's rows. |
| `--table`, `--row` | A table, and a row of it as JSON or as a file that holds it, without `id`: every column, with values that the server takes. Without them, `financial_accounts` of Holdfast's finance pack. |
| `--text-column`, `--number-column` | The columns that are edited; by default the first text and the first number of the row. |
| `--device-header` | The header that names a device (`X-Holdfast-Device`); empty for none. Servers that do not know it ignore it. |
| `--wrapped` | Push `{changes, lastPulledAt}` in the place of the bare changes. |
| `--only pull_04,T3` | These rules alone. |
| `--json` | The result for programs. |

The exit code is 0 where no rule fails, 1 where one does, and 2 where the kit could not ask. A rule that fails shows the last
thing that was sent and what came back, never a token. What cannot be seen on this server is `not checked`, with the reason.

## Rules

The names are the protocol's: of a pull, of a push, and of the traps (T). Where the protocol leaves a choice, such as an error
or a merge when two devices have edited one row, either passes.
"""


def reference_page() -> str:
    """The page `docs/reference/sync-conformance.md`."""
    lines = ["", "| Rule | What a server must do, and why |", "|---|---|"]
    lines += [f"| `{rule.name}` | {rule.says} |" for rule in RULES]
    return _PAGE + "\n".join(lines) + "\n"
