"""What an import drags in, looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdfast

HEAVY = frozenset(
    {
        # web
        "fastapi",
        "starlette",
        "uvicorn",
        "httpx",
        "opentelemetry",
        # databases and migrations
        "asyncpg",
        "psycopg",
        "sqlite3",
        "sqlalchemy",
        "alembic",
        "mako",
        # the cloud, numbers, secrets
        "boto3",
        "botocore",
        "aiobotocore",
        "numpy",
        "pandas",
        "pyarrow",
        "cryptography",
        "argon2",
        "jwt",
        # terminals
        "typer",
        "click",
        "rich",
        "pygments",
        # what entities need, and nothing before them
        "pydantic",
        "anyio",
    }
)
OURS = frozenset({"holdfast"})


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement has loaded beyond what the interpreter starts with."""
    program = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def parts(modules: set[str]) -> set[str]:
    """The top-level packages of other people's among them."""
    names = {name.partition(".")[0] for name in modules} - {"cython_runtime"}
    return {name for name in names - sys.stdlib_module_names - OURS if not name.startswith("_")}


# What an import loads of others', and at most how many modules: of ours, and in all, with room for another Python's own.
BOUNDS = {
    "import holdfast": (set(), 1, 45),
    "import holdfast.errors": (set(), 2, 45),
    "import holdfast.client": ({"orjson"}, 11, 192),
    "from holdfast import Entity, Pack, Owned": (
        {"annotated_types", "orjson", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
        | {"uuid_utils"},
        16,
        290,
    ),
}


@pytest.mark.parametrize("statement", BOUNDS)
def test_an_import_loads_what_is_known_and_no_more(statement: str) -> None:
    """Whoever raises a number here has looked at what has come."""
    others, ours, everything = BOUNDS[statement]
    loaded = loaded_by(statement)
    assert parts(loaded) == others
    mine = {name for name in loaded if name.partition(".")[0] == "holdfast"}
    assert len(mine) <= ours, sorted(mine)
    assert len(loaded) <= everything, sorted(loaded)


@pytest.mark.parametrize("statement", ["import holdfast", "import holdfast.client"])
def test_nothing_heavy_is_among_it(statement: str) -> None:
    assert {name.partition(".")[0] for name in loaded_by(statement)}.isdisjoint(HEAVY)


def test_a_client_that_is_made_brings_httpx_and_no_server() -> None:
    """Where rich is not installed; where it is, httpx loads it by itself."""
    hidden = "import sys; sys.modules.update(rich=None, click=None, pygments=None)"
    loaded = parts(loaded_by(f"{hidden}\nfrom holdfast.client import Client; Client('http://127.0.0.1:9')"))
    assert loaded - {"rich", "click", "pygments"} <= {
        "anyio",
        "certifi",
        "h11",
        "httpcore",
        "httpx",
        "idna",
        "orjson",
        "sniffio",
        "truststore",
        "typing_extensions",
    }


def test_declaring_an_entity_needs_no_engine_and_no_server() -> None:
    loaded = loaded_by("from holdfast import Entity, Pack, Owned")
    assert {name.partition(".")[0] for name in loaded}.isdisjoint(HEAVY - {"pydantic"})
    assert not {name for name in loaded if name.startswith(("holdfast.engines", "holdfast.store"))}


def test_the_command_line_loads_what_a_verb_needs() -> None:
    loaded = {name.partition(".")[0] for name in loaded_by("import holdfast.cli.main")}
    assert loaded.isdisjoint({"fastapi", "uvicorn", "asyncpg", "alembic", "sqlalchemy", "anyio", "httpx"})


def test_a_key_providers_library_waits_until_that_provider_is_opened() -> None:
    providers = ("aws_kms", "local", "os_keyring", "passphrase", "pkcs11")
    statement = "import holdfast.crypto.vault, " + ", ".join(
        f"holdfast.crypto.providers.{name}" for name in providers
    )
    libraries = {"argon2", "boto3", "botocore", "keyring", "pkcs11", "shamir_mnemonic"}
    assert loaded_by(statement).isdisjoint(libraries)


@pytest.mark.parametrize("name", holdfast.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(holdfast, name) is not None


@pytest.mark.parametrize(
    ("hidden", "statement", "extra"),
    [
        ("httpx", "from holdfast.client import Client; Client('http://127.0.0.1:9')", "client"),
        ("jwt", "import holdfast; holdfast.open_store('memory://')", "server"),
        ("jwt", "from holdfast import open_platform", "server"),
        ("jwt", "import holdfast; holdfast.blocking.open_store('memory://').__enter__()", "server"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(hidden: str, statement: str, extra: str) -> None:
    program = f"import sys; sys.modules[{hidden!r}] = None\n{statement}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "ConfigurationError: [configuration_error]" in last
    assert f"{hidden} is not installed" in last
    assert last.endswith(f"Hint: pip install 'holdfast[{extra}]'")
