"""Sealed values open where they were sealed, unaltered, and nowhere else."""

import os

import pytest
from tests.factories.vault import a_vault

from obverse.kit.secret import Sealed, Secret
from obverse.vault import SealBroken, UnknownKeyVersion
from obverse.vault.sealing import Sealer

PLAIN = Secret("9530100000000001, 주소")
CONTEXT = b"vault_card:1"


def test_what_was_sealed_opens() -> None:
    vault = a_vault()
    assert vault.open(vault.seal(PLAIN, CONTEXT), CONTEXT) == PLAIN


def test_the_same_text_never_seals_to_the_same_bytes() -> None:
    vault = a_vault()
    sealed = [vault.seal(PLAIN, CONTEXT).ciphertext for _ in range(100)]
    assert len(set(sealed)) == 100
    assert len({ciphertext[:12] for ciphertext in sealed}) == 100  # the nonces


def test_every_altered_byte_is_refused() -> None:
    vault = a_vault()
    sealed = vault.seal(PLAIN, CONTEXT)
    for at in range(len(sealed.ciphertext)):
        altered = bytearray(sealed.ciphertext)
        altered[at] ^= 1
        with pytest.raises(SealBroken):
            vault.open(Sealed(sealed.key_version, bytes(altered)), CONTEXT)


@pytest.mark.parametrize("length", [0, 5, 12, 20], ids=lambda n: f"{n} bytes left")
def test_a_ciphertext_cut_short_is_refused(length: int) -> None:
    vault = a_vault()
    sealed = vault.seal(PLAIN, CONTEXT)
    with pytest.raises(SealBroken):
        vault.open(Sealed(sealed.key_version, sealed.ciphertext[:length]), CONTEXT)


def test_a_ciphertext_moved_to_another_place_is_refused() -> None:
    vault = a_vault()
    with pytest.raises(SealBroken):
        vault.open(vault.seal(PLAIN, CONTEXT), b"vault_card:2")


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        a_vault(2).open(a_vault(1).seal(PLAIN, CONTEXT), CONTEXT)


def test_an_unknown_key_version_is_named() -> None:
    vault = a_vault()
    with pytest.raises(UnknownKeyVersion) as refused:
        vault.open(vault.seal(PLAIN, CONTEXT)._replace(key_version=9), CONTEXT)
    assert refused.value.version == 9


def test_sealing_uses_the_newest_key_and_opens_with_the_older_ones() -> None:
    old = Sealer({1: b"1" * 32}, os.urandom)
    both = Sealer({1: b"1" * 32, 2: b"2" * 32}, os.urandom)
    assert both.seal(PLAIN, CONTEXT).key_version == 2
    assert both.open(old.seal(PLAIN, CONTEXT), CONTEXT) == PLAIN


def test_a_broken_seal_says_nothing_of_what_was_inside() -> None:
    vault = a_vault()
    sealed = vault.seal(PLAIN, CONTEXT)
    with pytest.raises(SealBroken) as refused:
        vault.open(sealed, b"elsewhere")
    assert "9530" not in str(refused.value)
    assert sealed.ciphertext.hex()[:16] not in str(refused.value)
