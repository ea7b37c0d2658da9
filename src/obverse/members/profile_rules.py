"""What a profile must look like (WA-1), and whether somebody's form is about its member (WA-8). Pure."""

import re
import unicodedata
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.letters.rules import check_mail_address
from obverse.members.model import BirthCalendar, HolderForm, Person, Profile, ProfileChange

NAME_LENGTH_MAX: Final = 60
QUESTION_LENGTH_MAX: Final = 100
ANSWER_LENGTH_MIN: Final = 2
ANSWER_LENGTH_MAX: Final = 100
_TYPED_MAX: Final = 200
"""Nothing longer is looked at: some characters grow eighteenfold when they are brought into one form."""
_BORN_IN_MIN: Final = 1900

_CHOSEN_ID: Final = re.compile(r"[0-9A-Za-z]{8,12}")
_NICKNAME: Final = re.compile(r"[0-9A-Za-z가-힣]{4,12}")
"""Letters that are told apart at a glance: with all of Unicode, two nicknames could look the same."""
_LATIN_NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z .'-]*[A-Za-z.])?")
_MOBILE: Final = re.compile(r"\+[1-9][0-9]{7,14}")
_BIRTH_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_SPACING: Final = re.compile(r"[\s.()-]")
_COUNTRY_CODE_MAX: Final = 3


def clean_profile(profile: Profile, today: date) -> Profile:
    """The profile in the form in which it is kept. Raises `InvalidRequest`, which never repeats a value."""
    _check_time_zone(profile.time_zone)
    return replace(
        profile,
        chosen_id=chosen_id(profile.chosen_id),
        nickname=nickname(profile.nickname),
        person=_clean_person(profile.person, today),
    )


def changed_profile(profile: Profile, change: ProfileChange, today: date) -> Profile:
    """The profile with what the change names. Raises `InvalidRequest`."""
    wanted = {
        field: value for field in change.__struct_fields__ if (value := getattr(change, field)) is not None
    }
    person = {field: wanted.pop(field) for field in Person.__struct_fields__ if field in wanted}
    return clean_profile(replace(profile, person=replace(profile.person, **person), **wanted), today)


def chosen_id(text: str) -> str:
    """A member ID of the member's choice: 8 to 12 letters and digits. Raises `InvalidRequest`."""
    return _matching(_CHOSEN_ID, text, "A member ID has 8 to 12 letters (a to z) and digits.", "member_id")


def nickname(text: str) -> str:
    """A nickname: 4 to 12 Latin or Korean letters and digits. Raises `InvalidRequest`."""
    return _matching(
        _NICKNAME, text, "A nickname has 4 to 12 Latin or Korean letters and digits.", "nickname"
    )


def key_of(text: str) -> str:
    """What is the same for two IDs or nicknames that differ only in case or width."""
    return unicodedata.normalize("NFKC", text[:_TYPED_MAX]).lower()


def mobile(number: Secret, param: str = "mobile") -> Secret:
    """A mobile number in E.164. Raises `InvalidRequest`."""
    text = _SPACING.sub("", number.reveal()[:_TYPED_MAX])
    if _MOBILE.fullmatch(text) is None:
        raise InvalidRequest("A mobile number is written with its country code: +821012345678.", param)
    return Secret(text)


def mail_key(address: Secret) -> Secret:
    """What a mail address is found by. Capitals do not matter, whatever RFC 5321 says of the local part."""
    return Secret("mail:" + address.reveal().lower())


def question(text: Secret) -> Secret:
    """A question of the member's choice (WA-2). Raises `InvalidRequest`."""
    return _line(text, QUESTION_LENGTH_MAX, "question")


def answer(text: Secret) -> Secret:
    """The answer in the one form in which it is hashed: people do not remember capitals and spaces.

    Raises `InvalidRequest`.
    """
    folded = unicodedata.normalize("NFKC", text.reveal()[:_TYPED_MAX]).casefold()
    kept = "".join(character for character in folded if character.isalnum())
    if not ANSWER_LENGTH_MIN <= len(kept) <= ANSWER_LENGTH_MAX:
        raise InvalidRequest(
            f"An answer has {ANSWER_LENGTH_MIN} to {ANSWER_LENGTH_MAX} letters and digits.", "answer"
        )
    return Secret(kept)


def is_about(person: Person, form: HolderForm) -> bool:
    """Whether everything in this form is the person's own (WA-8), however it is written.

    A telephone number may be written as at home, without the country's code.
    """
    return (
        _name_key(form.name) in (_name_key(person.name), _name_key(person.latin_name))
        and (form.phone is None or _same_phone(person.mobile, form.phone))
        and (form.mail is None or mail_key(Secret(form.mail.reveal().strip())) == mail_key(person.mail))
    )


def _same_phone(own: Secret, written: Secret) -> bool:
    text = _SPACING.sub("", unicodedata.normalize("NFKC", written.reveal()[:_TYPED_MAX]))
    if text.startswith("+"):
        return Secret(text) == own
    national = text.removeprefix("0")
    code = own.reveal()[1:].removesuffix(national)
    return text != national and national.isdigit() and 1 <= len(code) <= _COUNTRY_CODE_MAX


def _name_key(name: Secret) -> str:
    folded = unicodedata.normalize("NFKC", name.reveal()[:_TYPED_MAX]).casefold()
    return "".join(character for character in folded if character.isalnum())


def _clean_person(person: Person, today: date) -> Person:
    latin = _line(person.latin_name, NAME_LENGTH_MAX, "latin_name")
    if _LATIN_NAME.fullmatch(latin.reveal()) is None:
        raise InvalidRequest("Write the name in Latin letters.", "latin_name")
    name = _line(person.name, NAME_LENGTH_MAX, "name")
    if not any(character.isalpha() for character in name.reveal()):
        raise InvalidRequest("A name has letters.", "name")
    _check_birth_date(person.birth_date.reveal(), person.calendar, today)
    return replace(
        person,
        name=name,
        latin_name=latin,
        mail=check_mail_address(person.mail, "mail"),
        mobile=mobile(person.mobile),
        question=None if person.question is None else question(person.question),
    )


def _check_birth_date(text: str, calendar: BirthCalendar, today: date) -> None:
    """A lunar month has up to thirty days, February too, so such a date may be none of the solar calendar."""
    found = _BIRTH_DATE.fullmatch(text)
    if found is None:
        raise InvalidRequest("A birth date is written YYYY-MM-DD.", "birth_date")
    year, month, day = (int(part) for part in found.groups())
    try:
        solar = date(year, month, day if calendar is BirthCalendar.SOLAR else min(day, 28))
    except ValueError:
        solar = None
    lunar_day = calendar is BirthCalendar.SOLAR or 1 <= day <= 30
    if solar is None or not lunar_day or not year >= _BORN_IN_MIN or solar > today:
        raise InvalidRequest("There is no such birth date.", "birth_date")


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest("Give a time zone by its IANA name, such as Asia/Seoul.", "time_zone") from None


def _matching(pattern: re.Pattern[str], text: str, rule: str, param: str) -> str:
    found = pattern.fullmatch(unicodedata.normalize("NFKC", text[:_TYPED_MAX]))
    if found is None:
        raise InvalidRequest(rule, param)
    return found.group()


def _line(text: Secret, length_max: int, param: str) -> Secret:
    """One line of text without what cannot be seen, its spaces brought to one each."""
    line = " ".join(unicodedata.normalize("NFKC", text.reveal()[:_TYPED_MAX]).split())
    if not 1 <= len(line) <= length_max or not line.isprintable() or len(text.reveal()) > _TYPED_MAX:
        raise InvalidRequest(f"{param} has 1 to {length_max} characters.", param)
    return Secret(line)
