"""Tokens that must not hold: forged, confused, malformed, or signed by us and still not one of ours.

Most of them carry a genuine signature, so that nothing but the rule under attack can refuse them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import NotAuthenticated, TokenExpired
from holdfast.identity.jws import MAX_TOKEN_BYTES, open_compact
from holdfast.identity.signing import SigningKey, key_set
from holdfast.identity.tokens import verify

ISSUER, AUDIENCE = "https://holdfast.example", "holdfast"
IAT: Final = 1_795_176_000
DAY: Final = 86_400
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
USER = "0192f3a0-0000-7000-8000-0000000000aa"

KEY, NEXT, STRANGER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
KEYS = key_set([KEY.verifying, NEXT.verifying])
PUBLIC_PEM = KEY.verifying.to_pem()
PUBLIC_DER = KEY.verifying.public.public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
PUBLIC_POINT = KEY.verifying.public.public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
)
PUBLIC_JWK = json.dumps(KEY.verifying.jwk()).encode()

HEADER: Final[dict[str, Any]] = {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": USER,
    "tenant": "0192f3a0-0000-7000-8000-0000000000bb",
    "sid": "0192f3a0-0000-7000-8000-0000000000cc",
    "jti": "0192f3a0-0000-7000-8000-0000000000dd",
    "epoch": 1,
    "amr": ["pwd"],
    "auth_time": IAT,
    "iat": IAT,
    "nbf": IAT,
    "exp": IAT + DAY,
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def as_json(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes) else json.dumps(value).encode()


def sign(message: bytes, key: SigningKey = KEY, *, high: bool = False) -> bytes:
    r, s = decode_dss_signature(key.private.sign(message, ec.ECDSA(hashes.SHA256())))
    low = min(s, ORDER - s)
    return r.to_bytes(32, "big") + (ORDER - low if high else low).to_bytes(32, "big")


def token(header: object = HEADER, payload: object = CLAIMS, key: SigningKey = KEY) -> str:
    """A token over exactly these bytes, signed as ours are."""
    message = f"{b64(as_json(header))}.{b64(as_json(payload))}"
    return f"{message}.{b64(sign(message.encode(), key))}"


def with_header(**changes: Any) -> str:
    return token(header=HEADER | changes)


def with_claims(**changes: Any) -> str:
    return token(payload=CLAIMS | changes)


def without_claim(name: str) -> str:
    return token(payload={key: value for key, value in CLAIMS.items() if key != name})


def raw_claims(old: str, new: str) -> str:
    text = json.dumps(CLAIMS)
    assert text.count(old) == 1
    return token(payload=text.replace(old, new).encode())


def raw_header(old: str, new: str) -> str:
    text = json.dumps(HEADER)
    assert text.count(old) == 1
    return token(header=text.replace(old, new).encode())


def unsigned(alg: str) -> str:
    return f"{b64(as_json(HEADER | {'alg': alg}))}.{b64(as_json(CLAIMS))}."


def with_mac(secret: bytes, alg: str = "HS256", digest: Callable[..., Any] = hashlib.sha256) -> str:
    message = f"{b64(as_json(HEADER | {'alg': alg}))}.{b64(as_json(CLAIMS))}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), digest).digest())}"


def with_signature(change: Callable[[bytes], bytes]) -> str:
    message, _, signature = token().rpartition(".")
    return f"{message}.{b64(change(from_b64(signature)))}"


def high_s() -> str:
    message = token().rpartition(".")[0]
    return f"{message}.{b64(sign(message.encode(), high=True))}"


def der_signature() -> str:
    message = token().rpartition(".")[0]
    return f"{message}.{b64(KEY.private.sign(message.encode(), ec.ECDSA(hashes.SHA256())))}"


def spare_bits(part: int) -> str:
    """The same bytes with a bit set that base64url does not carry."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for filler in range(3):
        parts = token(header=b" " * filler + as_json(HEADER), payload=b" " * filler + as_json(CLAIMS)).split(
            "."
        )
        if len(parts[part]) % 4:
            last = alphabet[alphabet.index(parts[part][-1]) + 1]
            changed = parts[part][:-1] + last
            assert from_b64(changed) == from_b64(parts[part])
            parts[part] = changed
            message = ".".join(parts[:2])
            signature = parts[2] if part == 2 else b64(sign(message.encode()))
            return f"{message}.{signature}"
    raise AssertionError


def unencoded_payload() -> str:
    header = b64(as_json(HEADER | {"b64": False, "crit": ["b64"]}))
    return f"{header}..{b64(sign(f'{header}.'.encode() + as_json(CLAIMS)))}"


def own_key(**place: Any) -> str:
    return token(header=HEADER | {"kid": STRANGER.kid} | place, key=STRANGER)


def doubled(text: bytes) -> bytes:
    """The object with its first key a second time, the genuine value last."""
    name: str = next(iter(json.loads(text)))
    return b'{"' + name.encode() + b'":"other",' + text[1:]


FORGED: dict[str, Callable[[], str]] = {
    # No signature, or none that counts.
    **{
        f"alg {alg!r} and no signature": partial(unsigned, alg)
        for alg in ("none", "None", "NONE", "nOnE", "")
    },
    "alg none with the genuine signature": lambda: with_header(alg="none"),
    "no alg": lambda: token(header={key: value for key, value in HEADER.items() if key != "alg"}),
    "alg null": lambda: with_header(alg=None),
    "alg as a list": lambda: with_header(alg=["ES256"]),
    "alg in lower case": lambda: with_header(alg="es256"),
    "signature stripped": lambda: token().rpartition(".")[0],
    "signature empty": lambda: token().rpartition(".")[0] + ".",
    "signature all zero": lambda: with_signature(lambda _: bytes(64)),
    "signature r = s = 1": lambda: with_signature(lambda _: (bytes(31) + b"\1") * 2),
    "signature r = s = order": lambda: with_signature(lambda _: ORDER.to_bytes(32, "big") * 2),
    "signature one bit off": lambda: with_signature(lambda good: good[:-1] + bytes([good[-1] ^ 1])),
    "signature with a byte more": lambda: with_signature(lambda good: good + b"\0"),
    "signature with a byte less": lambda: with_signature(lambda good: good[:-1]),
    "signature in DER": der_signature,
    "signature with the other s": high_s,
    "signature of another token": lambda: (
        f"{token().rpartition('.')[0]}.{with_claims(epoch=2).rpartition('.')[2]}"
    ),
    "payload of another token": lambda: ".".join(
        [token().split(".")[0], with_claims(epoch=2).split(".")[1], token().split(".")[2]]
    ),
    # A key that is not ours, or ours used as something else.
    "key of a stranger under our kid": lambda: token(key=STRANGER),
    "another of our keys under this kid": lambda: token(key=NEXT),
    "HS256 keyed with the public key, PEM": lambda: with_mac(PUBLIC_PEM),
    "HS256 keyed with the public key, PEM stripped": lambda: with_mac(PUBLIC_PEM.strip()),
    "HS256 keyed with the public key, DER": lambda: with_mac(PUBLIC_DER),
    "HS256 keyed with the public key, point": lambda: with_mac(PUBLIC_POINT),
    "HS256 keyed with the public key, JWK": lambda: with_mac(PUBLIC_JWK),
    "HS256 keyed with the kid": lambda: with_mac(KEY.kid.encode()),
    "HS256 keyed with nothing": lambda: with_mac(b""),
    "HS512 keyed with the public key, PEM": lambda: with_mac(PUBLIC_PEM, "HS512", hashlib.sha512),
    "ES256 whose signature is a MAC": lambda: with_mac(PUBLIC_PEM, "ES256", hashlib.sha512),
    **{
        f"genuine signature called {alg}": partial(with_header, alg=alg)
        for alg in ("RS256", "PS256", "ES384", "ES256K", "EdDSA", "HS256")
    },
    # A key that the token brings or points at.
    "own key in jwk": lambda: own_key(jwk=STRANGER.verifying.jwk()),
    "own key in jwk under our kid": lambda: token(HEADER | {"jwk": STRANGER.verifying.jwk()}, key=STRANGER),
    "own key behind jku": lambda: own_key(jku="https://attacker.example/jwks.json"),
    "own key behind x5u": lambda: own_key(x5u="https://attacker.example/cert.pem"),
    "own key in x5c": lambda: own_key(x5c=[base64.b64encode(PUBLIC_DER).decode()]),
    "jku beside a genuine signature": lambda: with_header(jku="https://attacker.example/jwks.json"),
    "jwk beside a genuine signature": lambda: with_header(jwk=KEY.verifying.jwk()),
    # kid is a key of a dictionary, whatever it looks like.
    **{
        f"kid {name}": partial(with_header, kid=kid)
        for name, kid in {
            "empty": "",
            "a device": "../../../../../../dev/null",
            "the environment": "/proc/self/environ",
            "a file": "file:///dev/null",
            "an address": "https://attacker.example/key.pem",
            "SQL": "x' UNION SELECT 'secret' --",
            "a command": "key; sleep 5",
            "ours and a NUL": KEY.kid + "\0",
            "ours and a blank": KEY.kid + " ",
            "ours in other cases": KEY.kid.swapcase(),
            "long": "A" * 5_000,
            "a stranger's": STRANGER.kid,
            "None": None,
            "True": True,
            "0": 0,
            "1.5": 1.5,
            "a list of ours": [KEY.kid],
            "an object with ours": {"kid": KEY.kid},
        }.items()
    },
    "no kid": lambda: token(header={key: value for key, value in HEADER.items() if key != "kid"}),
    # What the header asks for.
    **{
        f"typ {typ!r}": partial(with_header, typ=typ)
        for typ in (
            "JWT",
            "refresh",
            "rt+jwt",
            "id+jwt",
            "AT+JWT",
            "application/at+jwt",
            "",
            None,
            ["at+jwt"],
        )
    },
    "no typ": lambda: token(header={key: value for key, value in HEADER.items() if key != "typ"}),
    "crit unknown": lambda: with_header(crit=["exp"]),
    "crit empty": lambda: with_header(crit=[]),
    "crit unknown, extension there": lambda: with_header(crit=["urn:x"], **{"urn:x": True}),
    "payload not encoded": unencoded_payload,
    "b64 false, encoded all the same": lambda: with_header(b64=False, crit=["b64"]),
    "compressed": lambda: token(HEADER | {"zip": "DEF"}, zlib.compress(as_json(CLAIMS))),
    "zip bomb": lambda: token(HEADER | {"zip": "DEF"}, zlib.compress(b" " * 4_000_000)),
    "nested token": lambda: token(HEADER | {"cty": "JWT"}, token().encode()),
    "nested token, not announced": lambda: token(payload=token().encode()),
    "encrypted form": lambda: ".".join(
        [b64(as_json({"alg": "dir", "enc": "A256GCM"})), "", "AAAA", "AAAA", "AAAA"]
    ),
    "header key twice": lambda: token(header=doubled(as_json(HEADER))),
    "header alg twice, none first": lambda: raw_header('"alg"', '"alg": "none", "alg"'),
    "header alg twice, spelled with an escape": lambda: raw_header('"alg"', '"\\u0061lg": "none", "alg"'),
    "header a list": lambda: token(header=[HEADER]),
    "header a string": lambda: token(header="ES256"),
    "header null": lambda: token(header=b"null"),
    "header empty": lambda: token(header={}),
    "header not JSON": lambda: token(header=b"\xff\xfe"),
    "header with a byte order mark": lambda: token(header=b"\xef\xbb\xbf" + as_json(HEADER)),
    "header in UTF-16": lambda: token(header=json.dumps(HEADER).encode("utf-16")),
    "header nested too deep": lambda: token(header=b"[" * 5_000),
    "header with a number of 5000 digits": lambda: raw_header('"at+jwt"', "9" * 5_000),
    # Whose it is.
    **{f"no {name}": partial(without_claim, name) for name in CLAIMS},
    **{f"{name} null": partial(with_claims, **{name: None}) for name in CLAIMS},
    **{
        f"iss {iss!r}": partial(with_claims, iss=iss)
        for iss in (
            "https://holdfast.example/",
            "HTTPS://HOLDFAST.EXAMPLE",
            "https://attacker.example",
            "",
            [ISSUER],
        )
    },
    **{
        f"aud {aud!r}": partial(with_claims, aud=aud)
        for aud in (
            "another",
            "Holdfast",
            "",
            [],
            [AUDIENCE],
            [AUDIENCE, "another"],
            ["another", AUDIENCE],
            {AUDIENCE: 1},
            True,
        )
    },
    **{
        f"{name} {value!r}": partial(with_claims, **{name: value})
        for name in ("sub", "sid", "tenant", "jti")
        for value in (
            "",
            "admin",
            1,
            [USER],
            USER.upper(),
            USER.replace("-", ""),
            "{" + USER + "}",
            "urn:uuid:" + USER,
            USER + " ",
            USER + "\n",
            "' OR 1=1 --",
        )
    },
    **{f"epoch {value!r}": partial(with_claims, epoch=value) for value in (-1, "1", 1.0, True, 2**53, [1])},
    **{
        f"amr {value!r}": partial(with_claims, amr=value)
        for value in ("pwd", [], [1], [None], [""], ["pwd\n"], ["PWD"], ["pwd"] * 9, {"pwd": 1})
    },
    # When it holds.
    **{
        f"{name} {value!r}": partial(with_claims, **{name: value})
        for name in ("exp", "iat", "nbf", "auth_time")
        for value in (
            str(IAT + 60),
            float(IAT + 60),
            1e308,
            True,
            -1,
            2**63,
            10**30,
            [IAT + 60],
            {"at": IAT},
            "",
        )
    },
    **{
        f"{name} {number}": partial(raw_claims, f'"{name}": {CLAIMS[name]}', f'"{name}": {number}')
        for name in ("exp", "iat", "nbf")
        for number in ("NaN", "Infinity", "-Infinity", "1e999", "1E400", "-0.0", "9" * 5_000, "0x6B0A3F40")
    },
    "iat in the future": lambda: with_claims(iat=IAT + 60, exp=IAT + 120),
    "nbf in the future": lambda: with_claims(nbf=IAT + 60),
    "auth_time after iat": lambda: with_claims(auth_time=IAT + 1),
    "lifetime over a day": lambda: with_claims(exp=IAT + DAY + 1),
    "lifetime of ten years": lambda: with_claims(exp=IAT + 3_650 * DAY),
    "lifetime stretched by an early iat": lambda: with_claims(
        iat=IAT - 2 * DAY, exp=IAT + DAY, auth_time=IAT - 2 * DAY
    ),
    "ended before it began": lambda: with_claims(exp=IAT - 1),
    # What the payload is.
    **{
        f"claim {name} twice": partial(raw_claims, f'"{name}"', f'"{name}": "other", "{name}"')
        for name in CLAIMS
    },
    "NaN in a claim that nobody reads": lambda: raw_claims('"epoch"', '"x": NaN, "epoch"'),
    "claim twice, deep inside": lambda: raw_claims('"epoch"', '"x": {"a": 1, "a": 2}, "epoch"'),
    "claim twice, spelled with an escape": lambda: raw_claims('"exp"', '"\\u0065xp": 1, "exp"'),
    "payload a list": lambda: token(payload=[CLAIMS]),
    "payload null": lambda: token(payload=b"null"),
    "payload empty object": lambda: token(payload={}),
    "payload two objects": lambda: token(payload=as_json(CLAIMS) + as_json(CLAIMS)),
    "payload not UTF-8": lambda: token(payload=as_json(CLAIMS).replace(b"pwd", b"p\xffd")),
    "payload with a byte order mark": lambda: token(payload=b"\xef\xbb\xbf" + as_json(CLAIMS)),
    "payload in UTF-16": lambda: token(payload=json.dumps(CLAIMS).encode("utf-16")),
    "payload nested too deep": lambda: token(payload=b'{"a":' * 1_000),
    "payload nested deeper": lambda: token(payload=b"[" * 5_500),
    # What the text is.
    "empty": lambda: "",
    "dots": lambda: "..",
    "four parts": lambda: token() + ".AAAA",
    "four parts, the last empty": lambda: token() + ".",
    "leading dot": lambda: "." + token(),
    "empty header": lambda: "." + token().partition(".")[2],
    "empty payload": lambda: token().split(".")[0] + ".." + token().split(".")[2],
    "padding on the signature": lambda: token() + "==",
    "padding in the header": lambda: token().replace(".", "=.", 1),
    "white space before": lambda: " " + token(),
    "line feed after": lambda: token() + "\n",
    "line feed inside": lambda: token().replace(".", ".\n", 1),
    "NUL after": lambda: token() + "\0",
    "a word before": lambda: "Bearer " + token(),
    "quotation marks": lambda: f'"{token()}"',
    "a letter beyond ASCII": lambda: token()[:-1] + "Ａ",
    "half a surrogate pair": lambda: token() + "\ud800",
    "standard alphabet": lambda: (
        with_signature(lambda _: b"\xfb\xff" * 32).replace("_", "/").replace("-", "+")
    ),
    "JSON serialisation": lambda: json.dumps(
        dict(zip(("protected", "payload", "signature"), token().split("."), strict=True))
    ),
    "spare bits in the header": lambda: spare_bits(0),
    "spare bits in the payload": lambda: spare_bits(1),
    "spare bits in the signature": lambda: spare_bits(2),
    "nine kibibytes, genuine": lambda: with_claims(padding="x" * 7_000),
    "a mebibyte": lambda: "A" * 2**20,
    "a mebibyte of dots": lambda: "." * 2**20,
    "a mebibyte of kid": lambda: with_header(kid="A" * 2**20),
}


def check(text: str, seconds: int = 0) -> object:
    now = datetime.fromtimestamp(IAT + seconds, UTC)
    return verify(text, keys=KEYS, audience=AUDIENCE, issuer=ISSUER, now=now)


def test_the_genuine_token_holds() -> None:
    """The positive control: every attack below is this token with one thing changed."""
    assert check(token())
    assert check(token(HEADER | {"kid": NEXT.kid}, key=NEXT))


def test_a_claim_that_is_not_known_is_ignored() -> None:
    assert check(with_claims(colour="blue"))


def test_the_size_is_bounded_and_not_less() -> None:
    room = next(
        size for size in range(6_000, 0, -1) if len(with_claims(padding="x" * size)) <= MAX_TOKEN_BYTES
    )
    assert check(with_claims(padding="x" * room))
    with pytest.raises(NotAuthenticated):
        check(with_claims(padding="x" * (room + 3)))


@pytest.mark.parametrize("attack", FORGED)
def test_a_forged_token_does_not_hold(attack: str) -> None:
    text = FORGED[attack]()
    with pytest.raises(NotAuthenticated) as caught:
        check(text)
    assert type(caught.value) is NotAuthenticated
    told = str(caught.value) + repr(caught.value)
    assert len(told) < 400
    assert not any(part in told for part in text.split(".") if len(part) > 8)


@pytest.mark.parametrize(
    ("attack", "where"),
    [
        ("empty", "token form"),
        ("nine kibibytes, genuine", "token form"),
        ("spare bits in the payload", "token form"),
        ("header alg twice, none first", "token header"),
        ("jku beside a genuine signature", "token header"),
        ("alg none with the genuine signature", "token header alg"),
        ("genuine signature called HS256", "token header alg"),
        ("HS256 keyed with the public key, PEM", "token form"),
        ("HS512 keyed with the public key, PEM", "token header alg"),
        ("kid True", "token header kid"),
        ("typ 'JWT'", "token header typ"),
        ("key of a stranger under our kid", "token signature"),
        ("signature with the other s", "token signature"),
        ("claim exp twice", "token payload"),
        ("NaN in a claim that nobody reads", "token payload"),
        ("no exp", "token claim exp"),
        ("exp 1e+308", "token claim exp"),
        ("lifetime over a day", "token claim exp"),
        ("nbf in the future", "token claim nbf"),
    ],
)
def test_the_rule_under_attack_is_the_one_that_refuses(attack: str, where: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        check(FORGED[attack]())
    assert caught.value.where == where


def test_a_type_that_is_null_is_not_a_type_that_is_absent() -> None:
    with pytest.raises(NotAuthenticated):
        open_compact(with_header(typ=None), keys=KEYS, typ=None)
    without = token(header={"alg": "ES256", "kid": KEY.kid})
    assert open_compact(without, keys=KEYS, typ=None).payload == as_json(CLAIMS)


def test_the_list_is_long() -> None:
    assert len(FORGED) >= 200


@pytest.mark.parametrize("seconds", [DAY, DAY + 1, 10 * DAY])
def test_a_token_that_has_ended_does_not_hold(seconds: int) -> None:
    with pytest.raises(TokenExpired):
        check(token(), seconds)


def test_a_token_of_a_retired_key_does_not_hold() -> None:
    now = datetime.fromtimestamp(IAT, UTC)
    for keys in (key_set([NEXT.verifying]), key_set([])):
        with pytest.raises(NotAuthenticated):
            verify(token(), keys=keys, audience=AUDIENCE, issuer=ISSUER, now=now)


def test_a_token_of_another_deployment_does_not_hold() -> None:
    now = datetime.fromtimestamp(IAT, UTC)
    for issuer, audience in (
        (ISSUER, "staging"),
        ("https://staging.example", AUDIENCE),
        ("", ""),
        (ISSUER, ""),
    ):
        with pytest.raises(NotAuthenticated):
            verify(token(), keys=KEYS, audience=audience, issuer=issuer, now=now)


def test_every_single_character_matters() -> None:
    genuine = token()
    for position, character in enumerate(genuine):
        for other in "A_.":
            if other != character:
                with pytest.raises(NotAuthenticated):
                    check(genuine[:position] + other + genuine[position + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.from_regex(r"[\w-]{0,60}\.[\w-]{0,60}\.[\w-]{80,90}", fullmatch=True))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        check(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CLAIMS)), _JSON)
def test_no_value_of_a_claim_raises_anything_else(name: str, value: object) -> None:
    try:
        check(with_claims(**{name: value}))
    except NotAuthenticated:
        return
    # What still holds is a value that this claim may have.
    assert type(value) is type(CLAIMS[name])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(HEADER)), _JSON)
def test_no_value_of_the_header_holds_but_the_genuine_one(name: str, value: object) -> None:
    with pytest.raises(NotAuthenticated):
        check(with_header(**{name: value}))
