from __future__ import annotations

import copy
import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.errors import ConfigurationError, NotAuthenticated
from holdfast.identity.refresh import (
    DEFAULT_POLICY,
    Decision,
    End,
    Expired,
    FamilyState,
    Misuse,
    Presented,
    RefreshTokens,
    Regrant,
    Replay,
    Rotate,
    decide,
    fingerprint,
    matches,
    parse,
)
from tests.machines import examples

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
FAMILY = UUID("0192f3a0-0000-7000-8000-00000000abcd")
TOKENS = RefreshTokens(b"\x01" * 32)


def family(**changes: object) -> FamilyState:
    state = FamilyState(family_id=FAMILY, created_at=START, last_used=START)
    return replace(state, **changes)  # type: ignore[arg-type]


def present(number: int, device: str | None = None) -> Presented:
    return TOKENS.check(TOKENS.mint(FAMILY, number), device=device)


def rotated(state: FamilyState, number: int, now: datetime) -> FamilyState:
    decision = decide(state, present(number), now=now)
    assert isinstance(decision, Rotate)
    return decision.state


# --- the token -------------------------------------------------------------------------------------------------------


def test_a_token_is_derived_and_not_drawn() -> None:
    assert TOKENS.mint(FAMILY, 7) == RefreshTokens(b"\x01" * 32).mint(FAMILY, 7)
    assert TOKENS.mint(FAMILY, 7).startswith("rt_0192f3a000007000800000000000abcd.7.")
    others = {
        TOKENS.mint(FAMILY, 8),
        TOKENS.mint(uuid4(), 7),
        RefreshTokens(b"\x02" * 32).mint(FAMILY, 7),
    }
    macs = {token.rpartition(".")[2] for token in others | {TOKENS.mint(FAMILY, 7)}}
    assert len(macs) == 4


def test_a_token_is_the_same_in_every_release() -> None:
    """Computed by hand with RFC 5869 and RFC 2104; a change here signs everybody out."""
    extracted = hmac.new(b"\0" * 32, b"\x01" * 32, hashlib.sha256).digest()
    info = b"holdfast refresh family v1" + FAMILY.bytes
    secret = hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
    mac = hmac.new(secret, (7).to_bytes(8, "big"), hashlib.sha256).digest()
    assert TOKENS.mint(FAMILY, 7).rpartition(".")[2] == urlsafe_b64encode(mac).rstrip(b"=").decode()


@given(st.uuids(), st.integers(0, 999_999_999))
def test_what_was_minted_is_read_back(family_id: UUID, number: int) -> None:
    presented = TOKENS.check(TOKENS.mint(family_id, number), device="phone")
    assert presented == Presented(family_id, number, "phone")


def test_every_changed_character_is_noticed() -> None:
    token = TOKENS.mint(FAMILY, 12)
    for position in range(len(token)):
        for character in "0A_.é\n":
            forged = token[:position] + character + token[position + 1 :]
            if forged != token:
                with pytest.raises(NotAuthenticated) as caught:
                    TOKENS.check(forged)
                assert forged not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token + "A",
        lambda token: token.upper(),
        lambda token: token.replace("rt_", "at_"),
        lambda token: token.replace(".12.", ".012."),
        lambda token: token.replace(".12.", ".-12."),
        lambda token: token.replace(".12.", ".+12."),
        lambda token: token.replace(".12.", ".１２."),
        lambda token: token.replace(".12.", ".12.0."),
        lambda token: token.replace(".12.", "." + "9" * 5000 + "."),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
    ],
)
def test_a_token_has_one_form(change: object) -> None:
    assert callable(change)
    with pytest.raises(NotAuthenticated):
        TOKENS.check(change(TOKENS.mint(FAMILY, 12)))


def test_a_token_of_another_server_is_nobodys() -> None:
    with pytest.raises(NotAuthenticated):
        TOKENS.check(RefreshTokens(b"\x02" * 32).mint(FAMILY, 0))


def test_a_secret_has_a_length_and_does_not_show() -> None:
    with pytest.raises(ConfigurationError):
        RefreshTokens(b"\x01" * 31)
    assert "\\x01" not in repr(TOKENS)
    token = TOKENS.mint(FAMILY, 0)
    assert token.rpartition(".")[2] not in repr(parse(token))


def test_a_fingerprint_stands_for_a_token() -> None:
    token = TOKENS.mint(FAMILY, 0)
    assert matches(token, fingerprint(token))
    assert not matches(TOKENS.mint(FAMILY, 1), fingerprint(token))
    assert not matches("é\ud800", fingerprint(token))
    assert len(fingerprint(token)) == 64
    assert token not in fingerprint(token)


# --- the decision ----------------------------------------------------------------------------------------------------


def test_the_live_token_rotates() -> None:
    later = START + DAY
    state = rotated(family(), 0, later)
    assert state == family(counter=1, rotated_at=later, last_used=later)


@pytest.mark.parametrize("seconds", [0, 1, 29.999])
def test_a_retry_within_the_grace_gets_the_same_successor(seconds: float) -> None:
    state = rotated(family(), 0, START)
    assert decide(state, present(0), now=START + seconds * SECOND) == Regrant(1)


@pytest.mark.parametrize("seconds", [30, 31, 86_400])
def test_a_replay_after_the_grace_kills_the_family(seconds: float) -> None:
    state = rotated(family(), 0, START)
    now = START + seconds * SECOND
    decision = decide(state, present(0), now=now)
    assert decision == Replay(replace(state, revoked=True), Misuse.USED_BEFORE)
    assert isinstance(decision, Replay)
    for number in range(3):
        assert decide(decision.state, present(number), now=now) == Expired(End.REVOKED)


def test_fifty_at_once_make_one_successor_and_sign_nobody_out() -> None:
    """The store is a compare-and-swap; all fifty have read the family before the first of them writes."""
    stored = family()
    seen = [copy.copy(stored) for _ in range(50)]
    handed_out = []
    for state in seen:
        decision: Decision = decide(state, present(0), now=START)
        if isinstance(decision, Rotate) and stored.counter != state.counter:
            decision = decide(stored, present(0), now=START + SECOND)
        if isinstance(decision, Rotate):
            stored = decision.state
            handed_out.append(TOKENS.mint(FAMILY, stored.counter))
        else:
            assert isinstance(decision, Regrant)
            handed_out.append(TOKENS.mint(FAMILY, decision.successor))
    assert len(handed_out) == 50
    assert set(handed_out) == {TOKENS.mint(FAMILY, 1)}
    assert stored.counter == 1


def test_two_rotations_old_is_a_replay_even_within_the_grace() -> None:
    state = rotated(rotated(family(), 0, START), 1, START + SECOND)
    decision = decide(state, present(0), now=START + 2 * SECOND)
    assert isinstance(decision, Replay)
    assert decision.misuse is Misuse.USED_BEFORE


def test_a_number_that_was_never_issued_kills_the_family() -> None:
    decision = decide(family(counter=3, rotated_at=START), present(4), now=START)
    assert isinstance(decision, Replay)
    assert decision.misuse is Misuse.NEVER_ISSUED


def test_a_family_ends_when_it_is_idle() -> None:
    state = family()
    assert state.expires_at() == START + 7 * DAY
    assert isinstance(decide(state, present(0), now=START + 7 * DAY - SECOND), Rotate)
    assert decide(state, present(0), now=START + 7 * DAY) == Expired(End.IDLE)


def test_a_family_ends_however_much_it_is_used() -> None:
    state = family()
    for day in range(1, 30):
        state = rotated(state, day - 1, START + day * DAY)
    assert state.expires_at() == START + 30 * DAY
    assert isinstance(decide(state, present(29), now=START + 30 * DAY - SECOND), Rotate)
    assert decide(state, present(29), now=START + 30 * DAY) == Expired(End.ABSOLUTE)


@pytest.mark.parametrize("device", [None, "other"])
@pytest.mark.parametrize("number", [0, 1])
def test_another_device_kills_the_family(device: str | None, number: int) -> None:
    state = family(device="phone", counter=1, rotated_at=START)
    decision = decide(state, present(number, device), now=START + SECOND)
    assert isinstance(decision, Replay)
    assert decision.misuse is Misuse.OTHER_DEVICE
    assert decide(state, present(0, "phone"), now=START + SECOND) == Regrant(1)
    assert isinstance(decide(state, present(1, "phone"), now=START + SECOND), Rotate)


def test_an_unbound_family_takes_any_device() -> None:
    assert isinstance(decide(family(), present(0, "anything"), now=START), Rotate)


def test_a_token_of_another_family_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="another family"):
        decide(family(), Presented(uuid4(), 0), now=START)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        decide(family(), present(0), now=START.replace(tzinfo=None))


class Family(RuleBasedStateMachine):
    """A family under clients that retry, thieves that wait, and time."""

    @initialize(secret=st.binary(min_size=32, max_size=32))
    def log_in(self, secret: bytes) -> None:
        self.tokens = RefreshTokens(secret)
        self.now = START
        self.state = family()
        self.issued = [self.tokens.mint(FAMILY, 0)]
        self.consumed_at: dict[int, datetime] = {}
        self.dead = False

    @rule(seconds=st.sampled_from([0.0, 0.001, 1.0, 29.0, 29.999, 30.0, 31.0, 3600.0, 86_400.0, 604_799.0]))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def refresh(self) -> None:
        self.show(len(self.issued) - 1)

    @rule()
    @precondition(lambda self: len(self.issued) > 1)
    def retry(self) -> None:
        self.show(len(self.issued) - 2)

    @rule(data=st.data())
    def show_any(self, data: st.DataObject) -> None:
        self.show(data.draw(st.integers(0, len(self.issued) - 1)))

    def show(self, number: int) -> None:
        presented = self.tokens.check(self.issued[number])
        decision = decide(self.state, presented, now=self.now)
        assert decision == decide(self.state, presented, now=self.now)
        live = len(self.issued) - 1
        if self.over():
            assert isinstance(decision, Expired)
        elif number == live:
            assert isinstance(decision, Rotate)
            self.state = decision.state
            self.consumed_at[number] = self.now
            self.issued.append(self.tokens.mint(FAMILY, decision.state.counter))
        elif number == live - 1 and self.now - self.consumed_at[number] < DEFAULT_POLICY.grace:
            assert isinstance(decision, Regrant)
            assert self.tokens.mint(FAMILY, decision.successor) == self.issued[-1]
        else:
            assert isinstance(decision, Replay)
            self.state, self.dead = decision.state, True

    def over(self) -> bool:
        last = max(self.consumed_at.values(), default=START)
        return (
            self.dead or self.now - START >= DEFAULT_POLICY.absolute or self.now - last >= DEFAULT_POLICY.idle
        )

    @invariant()
    def one_token_rotates_and_it_is_the_last(self) -> None:
        rotating = [
            number
            for number, token in enumerate(self.issued)
            if isinstance(decide(self.state, self.tokens.check(token), now=self.now), Rotate)
        ]
        assert rotating == ([] if self.over() else [len(self.issued) - 1])

    @invariant()
    def no_token_is_issued_twice(self) -> None:
        assert len(set(self.issued)) == len(self.issued)
        assert self.state.counter == len(self.issued) - 1

    @invariant()
    def it_expires_when_it_says(self) -> None:
        if not self.dead:
            assert (self.now >= self.state.expires_at()) is self.over()


TestFamily = Family.TestCase
TestFamily.settings = settings(max_examples=examples(60), stateful_step_count=25, deadline=None)
