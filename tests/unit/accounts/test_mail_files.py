from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.accounts.mail import FileMailSender, Mail, known_address_mail, verification_mail
from holdfast.errors import Unavailable
from tests.accounts_fixtures import read_mail, token_in

NOW = datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)
TOKEN = "ev_" + "t" * 43


def sender(folder: Path) -> FileMailSender:
    return FileMailSender(folder, clock=lambda: NOW)


async def test_a_mail_is_a_message_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "mail"
    await sender(folder).send(Mail("ada@example.com", "A subject", "First line\nSecond line\n"))
    [path] = folder.iterdir()
    assert path.name.startswith("20261120T123456.000789Z-")
    assert path.suffix == ".eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mail = read_mail(path)
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "A subject")
    assert mail["Date"].datetime == NOW.replace(microsecond=0)
    assert mail["Message-ID"]
    assert mail["From"]
    assert mail.get_content().splitlines() == ["First line", "Second line"]
    assert b"\r\n" in path.read_bytes()


async def test_mails_of_one_moment_do_not_meet(tmp_path: Path) -> None:
    for _ in range(5):
        await sender(tmp_path).send(Mail("ada@example.com", "S", "T"))
    assert len(list(tmp_path.iterdir())) == 5


async def test_a_long_link_stays_in_one_piece(tmp_path: Path) -> None:
    link = "https://app.example/" + "x" * 120 + "?token="
    await sender(tmp_path).send(verification_mail("ada@example.com", TOKEN, link=link))
    [path] = tmp_path.iterdir()
    assert (link + TOKEN).encode() in path.read_bytes()


async def test_a_mail_without_a_link_says_what_to_do_with_the_token(tmp_path: Path) -> None:
    mail = verification_mail("ada@example.com", TOKEN, link=None)
    await sender(tmp_path).send(mail)
    [path] = tmp_path.iterdir()
    assert token_in(read_mail(path)) == TOKEN
    assert "/auth/verify" in mail.text


async def test_no_header_is_smuggled_in(tmp_path: Path) -> None:
    for mail in (Mail("a@b.cc\nBcc: all@b.cc", "S", "T"), Mail("a@b.cc", "S\r\nBcc: all@b.cc", "T")):
        with pytest.raises(ValueError):
            await sender(tmp_path).send(mail)
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_a_part_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as caught:
        await sender(tmp_path / "file" / "mail").send(Mail("ada@example.com", "S", "T"))
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_mail_does_not_show_whom_it_is_for() -> None:
    for mail in (
        known_address_mail("ada@example.com"),
        verification_mail("ada@example.com", TOKEN, link=None),
    ):
        assert "ada@example.com" not in repr(mail)
        assert TOKEN not in repr(mail)
        assert mail.text.isascii()
