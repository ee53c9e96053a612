"""PKCS #11, against a real SoftHSM. What SoftHSM proves is the path to a token, and nothing of a token's strength.

Each test has a token of its own and a process of its own: the library is one a process, and reads its configuration once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
LIBRARY = next((path for path in LIBRARIES if Path(path).exists()), None)
pytest.importorskip("pkcs11", reason="the extra `pkcs11` is not installed: hardware tokens are not tested")
pytestmark = pytest.mark.skipif(
    LIBRARY is None or shutil.which("softhsm2-util") is None,
    reason="no SoftHSM here (apt install softhsm2): hardware tokens are not tested",
)

HEAD = """
import os, shutil, sys, threading
from pathlib import Path
from holdfast.crypto.providers.pkcs11 import Pkcs11
from holdfast.crypto.secret import SecretKey
from holdfast.errors import *

LIBRARY, TOKENS, PIN = os.environ["LIBRARY"], Path(os.environ["TOKENS"]), "planted-4711"
HERE = dict(module=LIBRARY, token="holdfast", pin=PIN)

def fails(kind, work, *arguments, **options):
    try:
        work(*arguments, **options)
    except kind as error:
        assert "planted" not in str(error), error
        return str(error)
    raise AssertionError(f"no {kind.__name__}")

key = SecretKey.generate()
"""


@dataclass
class Token:
    """A token of this test's, and programs that use it."""

    folder: Path

    def run(self, program: str) -> None:
        environment = os.environ | {
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "LIBRARY": str(LIBRARY),
            "TOKENS": str(self.folder / "tokens"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        done = subprocess.run(
            [sys.executable, "-c", HEAD + textwrap.dedent(program)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr[-3_000:]


@pytest.fixture
def token(tmp_path: Path) -> Token:
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n", encoding="utf-8")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "holdfast"]
    subprocess.run(
        [*command, "--pin", "planted-4711", "--so-pin", "planted-4712"],
        env=os.environ | {"SOFTHSM2_CONF": str(config)},
        check=True,
        capture_output=True,
    )
    return Token(tmp_path)


def test_what_was_wrapped_opens_after_a_restart(token: Token) -> None:
    token.run("""
        root = Pkcs11.create(**HERE)
        wrapped = root.wrap(key, b"here")
        assert root.unwrap(wrapped, b"here") == key and len(wrapped) == 78
        fails(WrongKey, root.unwrap, wrapped, b"there")
        root.health()
        Path(TOKENS, "wrapped").write_bytes(wrapped)
        Path(TOKENS, "key").write_bytes(key.reveal() + root.reference.encode())
    """)
    token.run("""
        root = Pkcs11(**HERE)
        kept = Path(TOKENS, "key").read_bytes()
        assert root.unwrap(Path(TOKENS, "wrapped").read_bytes(), b"here").reveal() == kept[:32]
        assert root.reference == kept[32:].decode()
        info = root.describe()
        assert (info.kind, info.hardware, info.where) == ("pkcs11", True, "holdfast/holdfast")
        assert "planted" not in repr(root)
    """)


def test_the_key_does_not_leave_the_token(token: Token) -> None:
    token.run("""
        import pkcs11
        root = Pkcs11.create(**HERE)
        for attribute in (pkcs11.Attribute.VALUE,):
            fails(pkcs11.PKCS11Error, lambda: root._key[attribute])
        assert root._key[pkcs11.Attribute.SENSITIVE] and not root._key[pkcs11.Attribute.EXTRACTABLE]
    """)


def test_nothing_that_was_altered_opens(token: Token) -> None:
    token.run("""
        root = Pkcs11.create(**HERE)
        wrapped = root.wrap(key, b"here")
        for bit in range(0, len(wrapped) * 8, 5):
            changed = bytearray(wrapped)
            changed[bit // 8] ^= 1 << bit % 8
            fails(WrongKey, root.unwrap, bytes(changed), b"here")
        for length in (0, 1, 17, 30, 46, 77):
            fails(WrongKey, root.unwrap, wrapped[:length], b"here")
        assert root.unwrap(wrapped, b"here") == key
    """)


def test_another_key_another_pin_and_no_token_are_told_apart(token: Token) -> None:
    token.run("""
        fails(ConfigurationError, Pkcs11, **HERE)
        root, other = Pkcs11.create(**HERE), Pkcs11.create(**HERE, label="other")
        fails(WrongKey, other.unwrap, root.wrap(key, b""), b"")
        assert "already" in fails(ConfigurationError, Pkcs11.create, **HERE)
        fails(Unavailable, Pkcs11, **HERE | {"token": "gone"})
        fails(Unavailable, Pkcs11, **HERE | {"module": "/nowhere/lib.so"})
        root.close(); other.close()
        assert "PIN" in fails(WrongKey, Pkcs11, **HERE | {"pin": "planted-0000"})
    """)


def test_a_token_that_goes_away_is_unavailable_and_works_again_when_it_is_back(token: Token) -> None:
    token.run("""
        root = Pkcs11.create(**HERE)
        wrapped = root.wrap(key, b"here")
        gone = TOKENS.with_name("gone")
        for _ in range(2):
            TOKENS.rename(gone)
            for _ in range(2):
                assert "Hint: See that the token is connected" in fails(Unavailable, root.unwrap, wrapped, b"here")
                fails(Unavailable, root.wrap, key, b"here")
                fails(Unavailable, root.health)
            gone.rename(TOKENS)
            assert root.unwrap(wrapped, b"here") == key
            root.health()
    """)


def test_another_token_in_the_same_slot_is_not_taken_for_the_first(token: Token) -> None:
    token.run("""
        import subprocess
        root = Pkcs11.create(**HERE)
        wrapped = root.wrap(key, b"here")
        TOKENS.rename(TOKENS.with_name("gone"))
        TOKENS.mkdir()
        command = ["softhsm2-util", "--init-token", "--free", "--label", "holdfast", "--pin", PIN, "--so-pin", PIN]
        subprocess.run(command, check=True, capture_output=True)
        subprocess.run([sys.executable, "-c", f"from holdfast.crypto.providers.pkcs11 import Pkcs11; Pkcs11.create(**{HERE})"], check=True)
        assert "another key" in fails(WrongKey, root.unwrap, wrapped, b"here")
    """)


def test_threads_and_forks_may_ask(token: Token) -> None:
    token.run("""
        root = Pkcs11.create(**HERE)
        wrapped = root.wrap(key, b"here")
        wrong = []

        def ask():
            for _ in range(50):
                if root.unwrap(wrapped, b"here") != key:
                    wrong.append(1)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert not wrong
        child = os.fork()
        if child == 0:
            os._exit(0 if root.unwrap(wrapped, b"here") == key else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert root.unwrap(wrapped, b"here") == key
    """)
