"""Sealed values in an attacker's hands: altered at random, put together from parts, moved. Nothing opens, and one error tells it.

HOLDFAST_TEST_EXAMPLES makes it longer, as it does the state machines: times 100 is a million.
"""

from __future__ import annotations

import pickle
import random
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from holdfast.crypto.blind import IndexRoot
from holdfast.crypto.cipher import Allowance, ColumnCipher
from holdfast.crypto.envelope import Suite, WrappingKey, key_id_of
from holdfast.crypto.hierarchy import DataKey, KeyKind, KeyRecord, make_key, open_key
from holdfast.crypto.providers.local import MemoryProvider
from holdfast.crypto.recovery import make_code, open_kit
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.signatures import Signer
from holdfast.crypto.vault import OpenKeys
from holdfast.errors import HoldfastError, Unreadable, WrongKey
from holdfast.testing.clock import START
from tests.machines import examples
from tests.unit.crypto.sealing import OTHER_TENANT, PERSON, ROW, TENANT, fresh_row

PLANTED = b'"planted-secret-of-a-person"'
TABLE, COLUMN = "finance.transactions", "merchant"


def ciphers(*, suite: Suite = Suite.AES_256_GCM) -> list[ColumnCipher]:
    """Two keys' ciphers of two columns."""
    made = []
    for key in (SecretKey.generate(), SecretKey.generate()):
        for column in (COLUMN, "category"):
            allowance = Allowance()
            allowance.add(1_000)
            made.append(
                ColumnCipher(
                    key, suite=suite, tenant_id=TENANT, table=TABLE, column=column, allowance=allowance
                )
            )
    return made


def mutations(whole: list[bytes], count: int, draw: random.Random) -> Iterator[bytes]:
    """So many altered envelopes: bits turned, parts cut out, doubled, exchanged between two, filled with anything."""
    made = 0
    while made < count:
        one, other = bytearray(draw.choice(whole)), draw.choice(whole)
        match draw.randrange(7):
            case 0:
                for _ in range(draw.randint(1, 4)):
                    one[draw.randrange(len(one))] ^= 1 << draw.randrange(8)
            case 1:
                del one[draw.randrange(len(one)) :]
            case 2:
                del one[: draw.randint(1, len(one))]
            case 3:
                at = draw.randint(0, len(one))
                one[at:at] = draw.randbytes(draw.randint(1, 20))
            case 4:
                start, end = sorted(draw.sample(range(len(one) + 1), 2))
                one[start:end] = other[start:end]
            case 5:
                start, end = sorted(draw.sample(range(len(one) + 1), 2))
                one[start:end] = draw.randbytes(end - start)
            case _:
                one[:] = draw.randbytes(draw.randrange(120))
        if bytes(one) not in whole:
            made += 1
            yield bytes(one)


def refusal(cipher: ColumnCipher, envelope: bytes) -> str | None:
    """What is told of an envelope; None where it opens, and any other exception goes on."""
    try:
        cipher.open(envelope, ROW)
    except Unreadable as error:
        return str(error)
    return None


@pytest.mark.parametrize("suite", list(Suite))
def test_no_altered_envelope_is_accepted_and_nothing_but_one_error_comes(suite: Suite) -> None:
    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    makers = ciphers(suite=suite)
    one = makers[0]
    whole = [maker.seal(PLANTED, ROW) for maker in makers for _ in range(5)]
    whole += [one.seal(draw.randbytes(length), fresh_row()) for length in range(40)]
    refusals = [refusal(one, envelope) for envelope in mutations(whole, examples(5_000), draw)]
    assert len(refusals) == examples(5_000)
    assert set(refusals) == {str(Unreadable(where=f"{TABLE}.{COLUMN}"))}, f"seed {seed}"


def test_no_altered_wrap_is_accepted() -> None:
    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    wrapping = [WrappingKey(SecretKey.generate()) for _ in range(3)]
    whole = [one.wrap(SecretKey.generate(), b"here") for one in wrapping for _ in range(10)]
    for wrapped in mutations(whole, examples(1_000), draw):
        with pytest.raises(Unreadable):
            wrapping[0].unwrap(wrapped, b"here")


def test_a_value_is_good_for_one_place_under_one_key() -> None:
    """Every value at every place: with each of two tenants, tables, columns, rows, keys and suites, only its own opens it."""
    places = [
        (key, suite, tenant, table, column)
        for key in (SecretKey.generate(), SecretKey.generate())
        for suite in Suite
        for tenant in (TENANT, OTHER_TENANT)
        for table in (TABLE, "finance.goals")
        for column in (COLUMN, "category")
    ]
    rows = (ROW, fresh_row())
    allowance = Allowance()
    allowance.add(1_000)
    made = [
        ColumnCipher(key, suite=suite, tenant_id=tenant, table=table, column=column, allowance=allowance)
        for key, suite, tenant, table, column in places
    ]
    sealed = [(place, row, maker.seal(PLANTED, row)) for place, maker in enumerate(made) for row in rows]
    opened = 0
    for place, row, envelope in sealed:
        for elsewhere, maker in enumerate(made):
            for other in rows:
                try:
                    data = maker.open(envelope, other)
                except Unreadable:
                    assert (place, row) != (elsewhere, other)
                else:
                    assert (place, row, data) == (elsewhere, other, PLANTED)
                    opened += 1
    assert opened == len(sealed) == 64


def test_a_key_id_in_the_header_never_chooses_a_key_of_another_person() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    keys = []
    for subject in (PERSON, OTHER_TENANT):
        key = DataKey(
            *make_key(KeyKind.DATA, tenant_id=TENANT, subject_id=subject, wrapper=wrapper, at=START)
        )
        key.allowance.add(1)
        keys.append(key)
    mine, theirs = keys
    envelope = mine.cipher(TABLE, COLUMN).seal(PLANTED, ROW)
    both = OpenKeys({key.id: key for key in keys})
    assert both.open(TABLE, COLUMN, envelope, ROW) == PLANTED
    renamed = envelope[:2] + theirs.id + envelope[18:]
    with pytest.raises(Unreadable):
        both.open(TABLE, COLUMN, renamed, ROW)
    with pytest.raises(Unreadable):
        OpenKeys({theirs.id: theirs}).open(TABLE, COLUMN, envelope, ROW)
    # Even a store that lists the key under another's name opens nothing with it.
    with pytest.raises(Unreadable):
        OpenKeys({mine.id: theirs}).open(TABLE, COLUMN, envelope, ROW)
    assert key_id_of(renamed) == theirs.id


def failures() -> Iterator[HoldfastError]:
    """Every error of sealing, with secrets in reach of each."""
    root, other = MemoryProvider(), MemoryProvider()
    secret = SecretKey(PLANTED.ljust(32)[:32])
    kit = make_code()
    _, record = make_key(KeyKind.TENANT, tenant_id=TENANT, wrapper=root, at=START, kit=kit.public)
    maker = ciphers()[0]
    envelope = maker.seal(PLANTED, ROW)

    def attempt(work: Any, *arguments: Any) -> Iterator[HoldfastError]:
        try:
            work(*arguments)
        except HoldfastError as error:
            yield error

    yield from attempt(maker.open, envelope[:-1], ROW)
    yield from attempt(maker.open, PLANTED, ROW)
    yield from attempt(maker.open_many, [(envelope, ROW), (PLANTED, ROW)])
    yield from attempt(root.unwrap, other.wrap(secret, b"x"), b"x")
    yield from attempt(open_key, record, other)
    yield from attempt(open_key, replace(record, check=secret.reveal()), root)
    yield from attempt(open_kit, [PLANTED.decode()])
    yield from attempt(open_kit, [kit.parts[0][:-1] + "?"])
    yield from attempt(open_kit, [" ".join([PLANTED.decode()] * 33)])
    while True:
        try:
            maker.seal(PLANTED, ROW)
        except HoldfastError as error:
            yield error
            return


def test_no_error_tells_a_secret() -> None:
    seen = list(failures())
    assert {type(error).__name__ for error in seen} >= {"Unreadable", "WrongKey", "BadKit", "Unavailable"}
    for error in seen:
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(vars(error))
        quoted = re.findall(r"planted-secret|706c616e746564", told)
        assert not quoted, type(error).__name__
        assert error.hint


def test_what_holds_a_key_is_not_pickled() -> None:
    root = MemoryProvider()
    secret, record = make_key(KeyKind.TENANT, tenant_id=TENANT, wrapper=root, at=START)
    holders = [
        secret,
        root,
        WrappingKey(secret),
        DataKey(secret, record),
        DataKey(secret, record).cipher(TABLE, COLUMN),
        IndexRoot(secret, record),
        IndexRoot(secret, record).index(TABLE, COLUMN, "unique"),
        open_kit(make_code().parts),
        Signer(secret),
        OpenKeys({record.id: DataKey(secret, record)}),
    ]
    for holder in holders:
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(holder)


def test_a_record_shows_no_wrap_and_a_key_no_bytes() -> None:
    root = MemoryProvider()
    secret, record = make_key(KeyKind.TENANT, tenant_id=TENANT, wrapper=root, at=START)
    assert isinstance(record, KeyRecord)
    for thing in (
        secret,
        record,
        root,
        DataKey(secret, record),
        WrappingKey(secret),
        [secret, {"key": secret}],
    ):
        shown = f"{thing!r} {thing!s}"
        assert secret.reveal().hex() not in shown
        assert repr(secret.reveal())[2:14] not in shown
        assert repr(record.wrap)[2:14] not in shown
    assert issubclass(WrongKey, HoldfastError)
