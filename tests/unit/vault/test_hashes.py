"""Keyed hashes: found under every live version, told apart by purpose."""

import hashlib
from pathlib import Path

from tests.factories.vault import a_key_file, a_real_number, a_vault, a_vault_on

from obverse.kit.secret import Secret
from obverse.vault import Vault


def test_a_number_has_one_hash_per_live_version_the_active_first(tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    (only,) = vault.number_hashes(a_real_number())
    vault.add_key_versions()
    first, second = vault.number_hashes(a_real_number())
    assert (first.key_version, second.key_version) == (2, 1)
    assert second == only
    assert first.digest != only.digest
    vault.drop_old_key_versions()
    assert vault.number_hashes(a_real_number()) == (first,)


def test_a_hash_is_keyed_so_that_a_list_of_all_numbers_does_not_undo_it() -> None:
    number = a_real_number()
    digest = a_vault(1).number_hashes(number)[0].digest
    assert digest != a_vault(2).number_hashes(number)[0].digest
    assert digest != hashlib.sha256(number.reveal().encode()).digest()


def test_the_same_text_hashes_differently_for_each_purpose() -> None:
    vault, text = a_vault(), a_real_number()
    digests = {vault.number_hashes(text)[0].digest, vault.identity_hash(text), vault.token_hash(text)}
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {32}


def test_identity_and_token_hashes_outlive_a_rotation(tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    text = Secret("900101-1234567")
    before = vault.identity_hash(text), vault.token_hash(text)
    number, cvv = vault.card_number("941012", 3), vault.cvv(Secret("1"), "2912")
    vault.add_key_versions()
    vault.drop_old_key_versions()
    assert (vault.identity_hash(text), vault.token_hash(text)) == before
    assert (vault.card_number("941012", 3), vault.cvv(Secret("1"), "2912")) == (number, cvv)


def test_a_stale_vault_reloads_when_it_meets_an_unknown_version(tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    stale, fresh = a_vault_on(path, 1), a_vault_on(path, 2)
    fresh.add_key_versions()
    sealed = fresh.seal(Secret("secret"), b"here")
    assert sealed.key_version == 2
    assert stale.active_encryption == 1
    assert stale.open(sealed, b"here") == Secret("secret")
    assert stale.active_encryption == 2


def test_a_stale_vault_never_seals_under_an_old_version(tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    stale, fresh = a_vault_on(path, 1), a_vault_on(path, 2)
    fresh.add_key_versions()
    assert stale.seal(Secret("secret"), b"here").key_version == 2


def test_reloading_is_true_once_for_each_change(tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    stale, fresh = a_vault_on(path, 1), a_vault_on(path, 2)
    assert stale.reload_if_changed() is False
    fresh.add_key_versions()
    assert fresh.reload_if_changed() is False
    assert stale.reload_if_changed() is True
    assert stale.reload_if_changed() is False
    assert stale.number_hashes(a_real_number()) == fresh.number_hashes(a_real_number())


def test_p11_a_vault_and_what_it_gives_print_no_number(tmp_path: Path) -> None:
    vault: Vault = a_vault_on(a_key_file(tmp_path))
    number = vault.card_number("941012", 3)
    cvv = vault.cvv(number, "2912")
    shown = f"{vault!r} {number!r} {number} {cvv!r} {vault.number_hashes(number)!r} {vars(vault)!r}"
    assert number.reveal() not in shown
    assert f"'{cvv.reveal()}'" not in shown


def test_randomness_is_passed_in_so_that_a_run_can_be_replayed() -> None:
    one, same = a_vault(7), a_vault(7)
    assert one.seal(Secret("x"), b"c") == same.seal(Secret("x"), b"c")
