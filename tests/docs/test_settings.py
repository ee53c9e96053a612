"""The page of settings is what the code declares. `python -m tests.docs.test_settings` prints what it must hold."""

from __future__ import annotations

from pathlib import Path

from holdfast.runtime.settings import declared_settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
_HEAD = """# Settings

They come from `holdfast.toml` in the working directory, then `.env` there, then the environment, later ones over earlier
ones. In `holdfast.toml` a setting has its short name; everywhere else it is the variable. `holdfast settings` shows what
holds here, and where it came from.

| Variable | In `holdfast.toml` | Default | |
|---|---|---|---|
"""


def rendered() -> str:
    """The page."""
    rows = [
        f"| `{each.variable}` | `{each.name}` | {f'`{each.default}`' if each.default else ''} | {each.sentence} |\n"
        for each in declared_settings()
    ]
    return _HEAD + "".join(rows)


def test_the_page_holds_every_setting_as_it_is_declared() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered()


if __name__ == "__main__":
    print(rendered(), end="")  # noqa: T201
