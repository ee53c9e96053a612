from __future__ import annotations

import json
import pickle
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt import PyJWK

from holdfast.errors import ConfigurationError, NotAuthenticated, TokenExpired
from holdfast.identity.signing import SigningKey, VerifyingKey, jwks, key_set
from holdfast.identity.tokens import AccessClaims, begin_claims, issue, verify

NOW = datetime(2026, 11, 20, 12, 0, 0, 654_321, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ISSUER, AUDIENCE = "https://holdfast.example", "holdfast"
KEY = SigningKey.generate()
KEYS = key_set([KEY.verifying])
PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def claims(*, now: datetime = NOW, lifetime: timedelta = 24 * HOUR, **changes: object) -> AccessClaims:
    made = begin_claims(
        issuer=ISSUER,
        audience=AUDIENCE,
        user_id=UUID(int=1),
        tenant_id=UUID(int=2),
        session_id=UUID(int=3),
        token_id=UUID(int=4),
        epoch=5,
        methods=["pwd", "otp"],
        authenticated_at=now - HOUR,
        now=now,
        lifetime=lifetime,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def check(token: str, *, now: datetime = NOW) -> AccessClaims:
    return verify(token, keys=KEYS, audience=AUDIENCE, issuer=ISSUER, now=now)


def decoded(token: str, part: int) -> dict[str, object]:
    segment = token.split(".")[part]
    value = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    assert isinstance(value, dict)
    return value


# --- claims ----------------------------------------------------------------------------------------------------------


def test_what_is_issued_is_read_back() -> None:
    made = claims()
    assert check(issue(made, key=KEY)) == made
    assert made.issued_at == made.not_before == NOW.replace(microsecond=0)
    assert made.expires_at - made.issued_at == 24 * HOUR


@settings(max_examples=60, deadline=None)
@given(
    ids=st.lists(st.uuids(), min_size=4, max_size=4),
    epoch=st.integers(0, 2**53 - 1),
    methods=st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,15}", fullmatch=True), min_size=1, max_size=8),
    now=st.integers(10**7, 10**11).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    seconds=st.integers(1, 86_400),
)
def test_every_valid_statement_survives(
    ids: list[UUID], epoch: int, methods: list[str], now: datetime, seconds: int
) -> None:
    user, tenant, session, token = ids
    made = claims(
        now=now,
        lifetime=timedelta(seconds=seconds),
        user_id=user,
        tenant_id=tenant,
        session_id=session,
        token_id=token,
        epoch=epoch,
        methods=tuple(methods),
    )
    assert check(issue(made, key=KEY), now=made.issued_at) == made


def test_the_token_holds_what_it_must_and_nothing_about_the_person() -> None:
    token = issue(claims(), key=KEY)
    assert decoded(token, 0) == {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}
    assert decoded(token, 1) == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(UUID(int=1)),
        "tenant": str(UUID(int=2)),
        "sid": str(UUID(int=3)),
        "jti": str(UUID(int=4)),
        "epoch": 5,
        "amr": ["pwd", "otp"],
        "auth_time": 1795172400,
        "iat": 1795176000,
        "nbf": 1795176000,
        "exp": 1795262400,
    }


def test_a_time_in_another_zone_is_the_same_time() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-7)))
    assert claims(now=there) == claims()


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(TypeError):
        claims(now=naive)
    with pytest.raises(TypeError):
        check(issue(claims(), key=KEY), now=naive)


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_token_ends_to_the_second() -> None:
    made = claims()
    token = issue(made, key=KEY)
    check(token, now=made.expires_at - timedelta(microseconds=1))
    for late in (timedelta(0), SECOND, 1000 * HOUR):
        with pytest.raises(TokenExpired):
            check(token, now=made.expires_at + late)


def test_another_servers_clock_may_be_five_seconds_ahead() -> None:
    made = claims()
    token = issue(made, key=KEY)
    assert check(token, now=made.issued_at - 5 * SECOND) == made
    with pytest.raises(NotAuthenticated):
        check(token, now=made.issued_at - 6 * SECOND)


def test_a_lifetime_over_the_cap_is_refused_while_it_still_runs() -> None:
    for seconds, fine in ((86_400, True), (86_401, False), (0, False), (-1, False)):
        token = issue(claims(lifetime=seconds * SECOND), key=KEY)
        if fine:
            check(token)
        else:
            with pytest.raises(NotAuthenticated):
                check(token, now=NOW - 2 * SECOND)


def test_the_cap_can_be_lowered() -> None:
    token = issue(claims(lifetime=2 * HOUR), key=KEY)
    with pytest.raises(NotAuthenticated):
        verify(token, keys=KEYS, audience=AUDIENCE, issuer=ISSUER, now=NOW, max_lifetime=HOUR)


def test_only_what_would_otherwise_hold_is_called_expired() -> None:
    """A forged token is told nothing but that it does not hold, however old it is."""
    stranger = SigningKey.generate()
    for token in (issue(claims(), key=stranger), issue(claims(audience="another"), key=KEY)):
        with pytest.raises(NotAuthenticated) as caught:
            check(token, now=NOW + 1000 * HOUR)
        assert not isinstance(caught.value, TokenExpired)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_no_error_carries_the_token_along() -> None:
    genuine = issue(claims(), key=KEY)
    header, payload, signature = genuine.split(".")
    for token in (
        genuine[:-4] + "AAAA",
        f"{payload}.{payload}.{signature}",
        issue(claims(audience="secret-audience"), key=KEY),
        f"{header}.{payload}",
        genuine + "é",
    ):
        with pytest.raises(NotAuthenticated) as caught:
            check(token)
        told = repr(caught.value) + str(caught.value)
        assert not any(piece in told for piece in (header, payload, signature, "secret-audience"))
        assert caught.value.__context__ is None
        assert caught.value.code == "not_authenticated"


# --- keys ------------------------------------------------------------------------------------------------------------


def test_tokens_of_the_previous_and_the_next_key_hold_while_they_are_kept() -> None:
    previous, current, following = (SigningKey.generate() for _ in range(3))
    keys = key_set(key.verifying for key in (previous, current, following))
    for key in (previous, current, following):
        assert verify(issue(claims(), key=key), keys=keys, audience=AUDIENCE, issuer=ISSUER, now=NOW)
    retired = key_set([current.verifying, following.verifying])
    with pytest.raises(NotAuthenticated):
        verify(issue(claims(), key=previous), keys=retired, audience=AUDIENCE, issuer=ISSUER, now=NOW)


def test_keys_survive_their_pem() -> None:
    again = SigningKey.from_pem(KEY.to_pem())
    assert again.kid == KEY.kid
    public = VerifyingKey.from_pem(KEY.verifying.to_pem())
    assert public.kid == KEY.kid
    token = issue(claims(), key=again)
    assert verify(token, keys=key_set([public]), audience=AUDIENCE, issuer=ISSUER, now=NOW)


def test_a_coordinate_that_begins_with_zeros_is_not_cut() -> None:
    while True:
        key = SigningKey.generate().verifying
        if key.public.public_numbers().x >> 248 == 0:
            break
    jwk = key.jwk()
    assert len(jwk["x"]) == len(jwk["y"]) == 43
    assert PyJWK(jwk).key.public_numbers() == key.public.public_numbers()


def test_the_key_id_is_the_published_thumbprint() -> None:
    """The key of RFC 9449 §4.1 and its thumbprint of §6.1."""
    x, y = (
        int.from_bytes(urlsafe_b64decode(text + "="), "big")
        for text in (
            "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        )
    )
    key = VerifyingKey(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
    assert key.kid == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_what_is_published_is_public() -> None:
    published = jwks([KEY.verifying])
    assert [set(key) for key in published["keys"]] == [{"kty", "crv", "x", "y", "kid", "alg", "use"}]


def test_a_private_key_does_not_show_and_does_not_travel() -> None:
    secret = KEY.private.private_numbers().private_value
    assert str(secret) not in repr(KEY)
    assert "private" not in repr(KEY)
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(*PEM, serialization.NoEncryption())


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        KEY.verifying.to_pem(),
        _pem(ec.generate_private_key(ec.SECP384R1())),
        _pem(ec.generate_private_key(ec.SECP256K1())),
        _pem(rsa.generate_private_key(65_537, 2048)),
        _pem(ed25519.Ed25519PrivateKey.generate()),
        KEY.private.private_bytes(*PEM, serialization.BestAvailableEncryption(b"passphrase")),
    ],
)
def test_only_a_p256_key_signs(pem: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SigningKey.from_pem(pem)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize(
    "pem",
    [
        b"not a key",
        KEY.to_pem(),
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_only_a_p256_key_verifies(pem: bytes) -> None:
    with pytest.raises(ConfigurationError):
        VerifyingKey.from_pem(pem)


def test_every_signature_is_the_lower_of_its_two() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for _ in range(40):
        signature = urlsafe_b64decode(issue(claims(token_id=uuid4()), key=KEY).split(".")[2] + "==")
        assert int.from_bytes(signature[32:], "big") <= order // 2
