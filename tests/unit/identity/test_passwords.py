from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import argon2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import ConfigurationError, InvalidInput
from holdfast.identity.email import parse_email
from holdfast.identity.passwords import (
    FLOOR,
    MAX_LENGTH,
    Cost,
    PasswordHasher,
    check_new_password,
    common_passwords,
)

CHEAP = Cost(passes=1, memory_kib=8, lanes=1)
GOOD = "violet umbrella 42"


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(CHEAP, floor=CHEAP)


def test_the_default_cost_is_written_into_the_record() -> None:
    hasher = PasswordHasher()
    record = hasher.hash(GOOD)
    assert record.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert hasher.verify(record, GOOD)
    assert not hasher.verify(record, GOOD + "!")


@pytest.mark.parametrize(
    "cost", [Cost(passes=1), Cost(memory_kib=FLOOR.memory_kib - 1), Cost(lanes=0), CHEAP]
)
def test_a_cost_below_the_floor_is_refused(cost: Cost) -> None:
    with pytest.raises(ConfigurationError):
        PasswordHasher(cost)


def test_the_floor_itself_is_accepted() -> None:
    assert PasswordHasher(FLOOR).hash(GOOD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_salt_is_the_randomness_that_was_given() -> None:
    fixed = PasswordHasher(CHEAP, floor=CHEAP, random_bytes=lambda size: b"\x07" * size)
    assert fixed.hash(GOOD) == fixed.hash(GOOD)
    assert fixed.hash(GOOD).split("$")[4] == "BwcHBwcHBwcHBwcHBwcHBw"


def test_two_records_of_one_password_differ(hasher: PasswordHasher) -> None:
    assert hasher.hash(GOOD) != hasher.hash(GOOD)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=8, max_size=128))
def test_what_was_hashed_is_what_matches_and_nothing_near_it(password: str) -> None:
    hasher = PasswordHasher(CHEAP, floor=CHEAP)
    record = hasher.hash(password)
    assert hasher.verify(record, password)
    for other in {password[:-1], password + " ", password.swapcase(), password.strip()} - {password}:
        assert not hasher.verify(record, other)


def test_nothing_is_truncated(hasher: PasswordHasher) -> None:
    longest = "x" * MAX_LENGTH
    record = hasher.hash(longest)
    assert hasher.verify(record, longest)
    assert not hasher.verify(record, longest[:-1] + "y")
    assert not hasher.verify(record, longest + "x")


def test_length_counts_characters_and_not_bytes(hasher: PasswordHasher) -> None:
    hasher.hash("é" * 128)
    hasher.hash("🦉" * 128)
    with pytest.raises(InvalidInput):
        hasher.hash("🦉" * 7)


@pytest.mark.parametrize(
    "password", ["", "short12", "x" * 129, "with a \0 NUL", "half \ud800 a pair", "\0" * 8]
)
def test_what_cannot_be_a_password(hasher: PasswordHasher, password: str) -> None:
    for refuse in (hasher.hash, check_new_password):
        with pytest.raises(InvalidInput) as caught:
            refuse(password)
        assert set(caught.value.fields) == {"password"}
        assert not password or password not in str(caught.value) + caught.value.fields["password"]
    assert not hasher.verify(hasher.hash(GOOD), password)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=8,t=1,p=1$AAAA",
        "$argon2id$v=x$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
        "$argon2i$v=19$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$é",
    ],
)
def test_a_damaged_record_matches_nothing_and_wants_a_rehash(hasher: PasswordHasher, record: str) -> None:
    assert hasher.verify(record, GOOD) is False
    assert hasher.needs_rehash(record)


def test_another_kind_of_argon2_is_no_record_of_ours(hasher: PasswordHasher) -> None:
    record = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=argon2.Type.I).hash(GOOD)
    assert hasher.verify(record, GOOD) is False
    assert hasher.needs_rehash(record)


def test_a_record_of_another_cost_still_matches_and_wants_a_rehash(hasher: PasswordHasher) -> None:
    stronger = PasswordHasher(Cost(passes=2, memory_kib=16, lanes=1), floor=CHEAP)
    record = hasher.hash(GOOD)
    assert stronger.verify(record, GOOD)
    assert stronger.needs_rehash(record)
    assert not hasher.needs_rehash(record)


def test_nobody_logs_in_as_an_unknown_user(hasher: PasswordHasher) -> None:
    for password in (GOOD, "", "the password that nobody has"):
        assert hasher.verify(None, password) is False


def test_an_unknown_user_costs_what_a_known_one_does() -> None:
    cost = Cost(passes=2, memory_kib=8 * 1024, lanes=1)
    hasher = PasswordHasher(cost, floor=CHEAP)
    record = hasher.hash(GOOD)
    wrong = _milliseconds(lambda: hasher.verify(record, "another password"))
    for same in (
        lambda: hasher.verify(None, "another password"),
        lambda: hasher.verify(record, "short"),
        lambda: hasher.verify(record, "half \ud800 a pair"),
        lambda: hasher.verify(record, "x" * 100_000),
        lambda: hasher.verify("$argon2id$damaged", "another password"),
    ):
        assert 0.4 < _milliseconds(same) / wrong < 2.5


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        start = time.thread_time()  # not the clock's: others use the machine too
        work()
        times.append((time.thread_time() - start) * 1000)
    return median(times)


@pytest.mark.parametrize(
    "password", ["P@ssW0rd", "PassWord123", "12345678", "QWERTYUIOP", "letmein!", "aaaaaaaa"]
)
def test_common_passwords_are_refused_in_any_case(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_new_password(password)
    assert password not in str(caught.value) + caught.value.fields["password"]


@pytest.mark.parametrize("password", ["Ada.Lovelace@Example.com", "ada.lovelace", "ADA.LOVELACE"])
def test_the_address_is_no_password(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_new_password(password, email=parse_email("Ada.Lovelace@Example.com"))
    check_new_password(password, email=parse_email("charles.babbage@example.com"))


@pytest.mark.parametrize("password", [GOOD, "aaaaaaab", "        x", "пароль на всех", "x" * MAX_LENGTH])
def test_there_are_no_composition_rules(password: str) -> None:
    check_new_password(password, email=parse_email("ada@example.com"))


def test_the_list_is_what_a_comparison_in_lower_case_needs() -> None:
    listed = common_passwords()
    assert {"password", "superman", "iloveyou", "qwertyuiop"} <= listed
    assert len(listed) >= 500
    assert all(entry == entry.lower() == entry.strip() and 8 <= len(entry) <= MAX_LENGTH for entry in listed)
