"""Settings: where they come from, which wins, and what is said when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.runtime.settings import Settings, declared_settings, load_settings, shown
from holdfast.tenancy.isolation import Isolation

SECRET = "hunter2-very-secret"


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(folder, environ)


def test_without_anything_an_embedded_store_is_used(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.embedded
    assert settings.development
    assert settings.port == 8000
    assert settings.packs == ("finance",)
    assert settings.cors_origins == ()
    assert not settings.sources


def test_the_environment_wins_over_the_env_file_and_that_over_toml(tmp_path: Path) -> None:
    (tmp_path / "holdfast.toml").write_text('port = 1\nhost = "a"\npacks = ["one", "two"]\n')
    (tmp_path / ".env").write_text("HOLDFAST_PORT=2\nHOLDFAST_HOST='b' # comment\n")
    settings = load(tmp_path, HOLDFAST_PORT="3")
    assert (settings.port, settings.host, settings.packs) == (3, "b", ("one", "two"))
    assert settings.sources == {
        "port": "the environment",
        "host": ".env, line 2",
        "packs": "holdfast.toml",
    }


def test_the_command_line_wins_over_all(tmp_path: Path) -> None:
    settings = load(tmp_path, HOLDFAST_PORT="3").changed("--port", port="4")
    assert settings.port == 4
    assert settings.sources["port"] == "--port"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, HOLDFAST_PORT="", DATABASE_URL=" ").embedded


@pytest.mark.parametrize(
    ("variable", "text", "part"),
    [
        ("HOLDFAST_PORT", "eighty", "whole number from 0 to 65535"),
        ("HOLDFAST_PORT", "65536", "whole number"),
        ("HOLDFAST_POOL_SIZE", "-1", "whole number from 1"),
        ("HOLDFAST_REQUIRE_ISOLATION", "strong", "library, file, credential, database"),
        ("HOLDFAST_CORS_ORIGINS", "https://a.example,*", "no origin"),
        ("HOLDFAST_CORS_ORIGINS", "https://a.example/", "no origin"),
        ("HOLDFAST_TRUSTED_PROXIES", "somewhere", "no network"),
        ("HOLDFAST_ACCESS_LOG", "perhaps", "neither yes nor no"),
        ("DATABASE_URL", "mysql://root@localhost/db", "postgresql://"),
        ("DATABASE_URL", "postgresql://h", "names no database"),
        ("DATABASE_PRIMARY", "oracle", "none of"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(tmp_path: Path, variable: str, text: str, part: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, **{variable: text})
    assert part in raised.value.message
    assert raised.value.where == f"{variable} from the environment"
    assert raised.value.hint


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{SECRET}@host/db",
        f"postgresql://me:{SECRET}@host:port/db",
        f"postgresql://me:{SECRET}@[host/db",
        f"postgresql://me:{SECRET}@host",
    ],
)
def test_no_error_shows_a_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, DATABASE_URL=url)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_settings_never_show_a_password(tmp_path: Path) -> None:
    url = f"postgresql://me:{SECRET}@host:5433/db?password={SECRET}"
    settings = load(tmp_path, DATABASE_URL=url)
    assert settings.database_url is not None
    assert settings.database_url.text == url
    assert SECRET not in repr(settings)
    assert shown(settings.database_url) == "postgresql://me@host:5433/db"


def test_primary_must_agree_with_the_url(tmp_path: Path) -> None:
    assert load(tmp_path, DATABASE_PRIMARY="postgres").engine == "postgresql"
    with pytest.raises(ConfigurationError, match="DATABASE_PRIMARY says postgresql"):
        load(tmp_path, DATABASE_PRIMARY="postgresql", DATABASE_URL="memory://")


def test_two_engines_in_two_urls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="different engines"):
        load(tmp_path, DATABASE_URL="memory://", DATABASE_ADMIN_URL="postgresql://h/db")


def test_a_misspelt_key_in_a_file_is_an_error_with_the_right_name(tmp_path: Path) -> None:
    (tmp_path / "holdfast.toml").write_text("prot = 1\n")
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path)
    assert raised.value.hint == "Did you mean port?"
    (tmp_path / "holdfast.toml").unlink()
    (tmp_path / ".env").write_text("A=1\nHOLDFAST_PROT=1\n")
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path)
    assert raised.value.where == ".env, line 2"
    assert raised.value.hint == "Did you mean HOLDFAST_PORT?"


def test_an_unknown_variable_of_the_environment_is_told_and_not_refused(tmp_path: Path) -> None:
    assert load(tmp_path, HOLDFAST_PROT="1", OTHER="1").unknown == ("HOLDFAST_PROT",)


def test_a_broken_file_says_where(tmp_path: Path) -> None:
    (tmp_path / "holdfast.toml").write_text("port = 1\nhost = \n")
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path)
    assert raised.value.where is not None
    assert raised.value.where.startswith("holdfast.toml")
    (tmp_path / "holdfast.toml").write_text("port = 1.5\n")
    with pytest.raises(ConfigurationError, match="text, a number or a list"):
        load(tmp_path)


def test_an_env_file_may_belong_to_others_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        '# ours\nexport HOLDFAST_HOST="h # x"\nOTHER=a=b\n\nHOLDFAST_PORT=5 # five\n'
    )
    settings = load(tmp_path)
    assert (settings.host, settings.port) == ("h # x", 5)


def test_every_setting_is_declared_once_with_a_sentence() -> None:
    declared = list(declared_settings())
    assert len({each.variable for each in declared}) == len(declared)
    for each in declared:
        assert each.name
        assert each.variable.isupper()
        assert each.sentence.endswith(".")


def test_a_memory_store_is_for_development_and_isolates_least(tmp_path: Path) -> None:
    settings = load(tmp_path, DATABASE_URL="memory://", HOLDFAST_REQUIRE_ISOLATION="Database")
    assert settings.development
    assert not settings.embedded
    assert settings.require_isolation is Isolation.DATABASE
