"""What an import drags in, looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdfast

HEAVY = (
    "fastapi",
    "uvicorn",
    "asyncpg",
    "alembic",
    "sqlalchemy",
    "cryptography",
    "typer",
    "rich",
    "pydantic",
    "anyio",
)


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that stand in memory after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_holdfast_costs_next_to_nothing() -> None:
    assert loaded_by("import holdfast").isdisjoint(HEAVY)


def test_declaring_an_entity_needs_no_engine_and_no_server() -> None:
    loaded = loaded_by("from holdfast import Entity, Pack, Owned")
    assert loaded.isdisjoint(set(HEAVY) - {"pydantic"})


def test_the_command_line_loads_what_a_verb_needs() -> None:
    loaded = loaded_by("import holdfast.cli.main")
    assert loaded.isdisjoint({"fastapi", "uvicorn", "asyncpg", "alembic", "sqlalchemy", "anyio"})


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
