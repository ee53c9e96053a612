"""Recovery kits: made, written down badly, read back, and told apart."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.recovery import (
    RecoveryKit,
    RecoveryPublic,
    make_code,
    make_shares,
    open_kit,
    read_kit,
)
from holdfast.crypto.secret import SecretKey
from holdfast.errors import BadKit, Unreadable, WrongKey
from tests.unit.crypto.sealing import flipped


def refused(parts: Sequence[str], match: str) -> None:
    with pytest.raises(BadKit, match=match) as caught:
        open_kit(parts)
    told = str(caught.value).lower()
    assert not any(word in told.split() for part in parts for word in part.lower().split() if len(word) > 6)


@pytest.mark.parametrize(("threshold", "count"), [(2, 3), (3, 5)])
def test_any_that_are_enough_make_the_key_again(threshold: int, count: int) -> None:
    kit = make_shares(threshold, count)
    assert len(kit.parts) == count
    assert all(len(part.split()) == 33 for part in kit.parts)
    for size in range(threshold, count + 1):
        for chosen in itertools.permutations(kit.parts, size):
            if chosen <= tuple(sorted(chosen)):
                assert open_kit(chosen).public.public == kit.public.public
    for chosen in itertools.combinations(kit.parts, threshold - 1):
        refused(chosen, f"{threshold} different shares are needed, and there are {threshold - 1}")


def test_shares_may_be_typed_carelessly() -> None:
    kit = make_shares(2, 3)
    typed = [f"  {kit.parts[0].upper()} ", kit.parts[2].replace(" ", "\n  "), ""]
    assert open_kit(typed).public.public == kit.public.public


def test_what_is_wrong_with_shares_is_said_and_nothing_of_them() -> None:
    kit, other = make_shares(2, 3), make_shares(2, 3)
    refused([kit.parts[0], kit.parts[0]], "2 different shares are needed, and there are 1")
    refused([kit.parts[0], other.parts[1]], "Share 2 is of another kit")
    refused([kit.parts[0], " ".join(kit.parts[1].split()[:-1])], "Share 2 is mistyped")
    words = kit.parts[1].split()
    refused([kit.parts[0], " ".join([*words[:5], words[6], words[5], *words[7:]])], "Share 2 is mistyped")
    refused([kit.parts[0], " ".join([*words[:-1], "foreign"])], "Share 2 is mistyped")
    refused([], "no share and no code")
    refused(["", " "], "no share and no code")


def test_a_forged_share_of_the_same_kit_is_found() -> None:
    """With a good checksum and the kit's own name: only joining tells."""
    import shamir_mnemonic

    kit = make_shares(2, 3)
    share = shamir_mnemonic.Share.from_mnemonic(kit.parts[1])
    forged = share.__class__(**{**share.__dict__, "value": flipped(share.value, 9)}).mnemonic()
    refused([kit.parts[0], forged], "do not make one key")
    refused([kit.parts[0], kit.parts[2], forged], "do not make one key")


def test_other_splits_are_not_made() -> None:
    for split in ((1, 1), (1, 3), (2, 2), (4, 3), (0, 0)):
        with pytest.raises(BadKit, match="2 of 3 or 3 of 5"):
            make_shares(*split)


def test_a_code_opens_however_it_is_typed() -> None:
    kit = make_code()
    (code,) = kit.parts
    assert [len(group) for group in code.split("-")] == [5] * 5
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", " "), f" {code}\n"):
        assert open_kit([typed]).public.public == kit.public.public
    careless = code.replace("0", "o").replace("1", "l")
    assert open_kit([careless]).public.public == kit.public.public


@given(place=st.integers(0, 28), other=st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_character_is_found(place: int, other: str) -> None:
    (code,) = make_code().parts
    if code[place] in {"-", other}:
        return
    refused([code[:place] + other + code[place + 1 :]], "mistyped")


@given(place=st.integers(0, 22))
def test_two_that_changed_places_are_found(place: int) -> None:
    (code,) = make_code().parts
    plain = code.replace("-", "")
    if plain[place] != plain[place + 1]:
        swapped = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
        refused([swapped], "mistyped")


def test_a_code_of_another_length_or_with_foreign_characters_is_refused() -> None:
    (code,) = make_code().parts
    refused([code[:-1]], "has 25 characters, and this has 24")
    refused([code + "0"], "has 25 characters, and this has 26")
    refused(["U" + code[1:]], "a character that none has")
    refused(["é" + code[1:]], "a character that none has")


def test_a_whole_kit_of_another_store_is_told_by_name() -> None:
    kit, other = make_shares(2, 3), make_code()
    with pytest.raises(WrongKey, match=f"{kit.public.id}, not {other.public.id}"):
        open_kit(kit.parts, expected=other.public)
    assert open_kit(kit.parts, expected=RecoveryPublic(kit.public.public))


@pytest.mark.parametrize("kit", [make_code(), make_shares(3, 5)], ids=["code", "shares"])
def test_a_kit_is_read_back_from_its_page(kit: RecoveryKit) -> None:
    page = kit.to_text("the store of a household")
    assert kit.public.id in page
    assert read_kit(page) == kit.parts
    assert open_kit(read_kit(page), expected=kit.public)


def test_what_is_sealed_to_a_kit_opens_for_its_context_alone() -> None:
    kit, key = make_code(), SecretKey.generate()
    sealed, secret = kit.public.seal(key, b"here"), open_kit(kit.parts)
    assert secret.open(sealed, b"here") == key
    for broken in (b"", sealed[:-1], sealed + b"\x00", flipped(sealed, 7), flipped(sealed, 400)):
        with pytest.raises(Unreadable):
            secret.open(broken, b"here")
    with pytest.raises(Unreadable):
        secret.open(sealed, b"there")
    with pytest.raises(Unreadable):
        open_kit(make_code().parts).open(sealed, b"here")


def test_nothing_of_a_kit_is_shown() -> None:
    kit = make_shares(2, 3)
    shown = repr(kit) + repr(open_kit(kit.parts)) + repr(kit.public)
    assert not any(part[:12] in shown for part in kit.parts)
    with pytest.raises(TypeError):
        pickle.dumps(open_kit(kit.parts))
