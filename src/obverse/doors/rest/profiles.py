"""Profiles of wallet members: what they joined with, and changing it (WA-1)."""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from obverse.doors.rest.auth import Allow, member_of, proved
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, SecretText, View
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.letters import Language
from obverse.members import (
    BirthCalendar,
    ContactChange,
    ContactKind,
    Person,
    Profile,
    ProfileChange,
    Statements,
)

_MEMBERS: Final = Allow(members=True)

NameText = Annotated[str, Meta(min_length=1, max_length=60)]
BirthDay = Annotated[
    str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", description="YYYY-MM-DD of `calendar`.")
]
Mail = Annotated[str, Meta(min_length=3, max_length=254)]
Mobile = Annotated[str, Meta(min_length=8, max_length=30, description="E.164: +821012345678.")]
ChosenId = Annotated[str, Meta(min_length=1, max_length=40, description="8 to 12 letters and digits.")]
Nickname = Annotated[
    str, Meta(min_length=1, max_length=40, description="4 to 12 Latin or Korean letters and digits.")
]
TimeZone = Annotated[str, Meta(min_length=1, max_length=64, description="IANA, e.g. Asia/Seoul.")]
Code = Annotated[str, Meta(min_length=1, max_length=40, extra_json_schema={"format": "password"})]


class ProfileFields(Body, frozen=True):
    """What somebody joins the wallet with. `time_zone` is the programme's where it is not given.

    `question` and `answer`, given together, are what a forgotten ID or password is recovered by (WA-2).
    """

    name: NameText
    latin_name: NameText
    birth_date: BirthDay
    member_id: ChosenId
    nickname: Nickname
    mail: Mail
    mobile: Mobile
    calendar: BirthCalendar = BirthCalendar.SOLAR
    language: Language = Language.KOREAN
    time_zone: TimeZone | None = None
    statements: Statements = Statements.MAIL
    question: SecretText | None = None
    answer: SecretText | None = None


class ProfileFieldsToChange(Body, frozen=True):
    """What is to be changed; what is left out stays. Mail and mobile have routes of their own."""

    name: NameText | None = None
    latin_name: NameText | None = None
    birth_date: BirthDay | None = None
    calendar: BirthCalendar | None = None
    nickname: Nickname | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    statements: Statements | None = None


class NewMail(Body, frozen=True):
    """The new mail address."""

    mail: Mail


class NewMobile(Body, frozen=True):
    """The new mobile number."""

    mobile: Mobile


class SentCode(Body, frozen=True):
    """The code that was sent."""

    code: Code


class NewQuestion(Body, frozen=True):
    """A question of the member's own, and what they will answer.

    `current_password` is for who has not signed in with a passkey.
    """

    question: SecretText
    answer: SecretText
    current_password: SecretText | None = None


class ProfileView(View, frozen=True):
    """A member's own data, for nobody else. `question` is null where nothing can be recovered by one."""

    object: str
    member_id: str
    nickname: str
    name: str
    latin_name: str
    birth_date: str
    calendar: BirthCalendar
    mail: str
    mobile: str
    language: Language
    time_zone: str
    statements: Statements
    question: str | None


class ContactChangeView(View, frozen=True):
    """A code is on its way to the new address and good until `expires`."""

    object: str
    kind: ContactKind
    expires: datetime


@get("/v1/members/me/profile", before_request=_MEMBERS, tags=["profiles"])
async def get_profile(request: HttpRequest) -> ProfileView:
    """What this member has told of themselves."""
    return _view(await services(request).members.profiles.get(member_of(request)))


@post("/v1/members/me/profile", before_request=_MEMBERS, tags=["profiles"])
async def create_profile(request: HttpRequest, data: JSONBody[ProfileFields]) -> ProfileView:
    """Become a wallet member, having joined without a profile."""
    members = services(request).members
    return _view(await members.profiles.add(member_of(request), *profile_of(data, members.time_zone)))


@patch("/v1/members/me/profile", before_request=_MEMBERS, tags=["profiles"])
async def change_profile(request: HttpRequest, data: JSONBody[ProfileFieldsToChange]) -> ProfileView:
    """Change what is named."""
    change = ProfileChange(
        name=_secret(data.name),
        latin_name=_secret(data.latin_name),
        birth_date=_secret(data.birth_date),
        calendar=data.calendar,
        nickname=data.nickname,
        language=data.language,
        time_zone=data.time_zone,
        statements=data.statements,
    )
    return _view(await services(request).members.profiles.change(member_of(request), change))


@put("/v1/members/me/question", before_request=_MEMBERS, tags=["profiles"])
async def set_question(request: HttpRequest, data: JSONBody[NewQuestion]) -> ProfileView:
    """Set the question by which a forgotten ID or password is recovered (WA-2)."""
    session = await proved(request, _secret(data.current_password))
    profiles = services(request).members.profiles
    return _view(await profiles.set_question(session.member_id, Secret(data.question), Secret(data.answer)))


@post("/v1/members/me/mail", before_request=_MEMBERS, status_code=202, tags=["profiles"])
async def propose_mail(request: HttpRequest, data: JSONBody[NewMail]) -> ContactChangeView:
    """Have a code sent to a new mail address. The old one stays until the code comes back."""
    return await _propose(request, ContactKind.MAIL, data.mail)


@post("/v1/members/me/mobile", before_request=_MEMBERS, status_code=202, tags=["profiles"])
async def propose_mobile(request: HttpRequest, data: JSONBody[NewMobile]) -> ContactChangeView:
    """Have a code sent to a new mobile number. The old one stays until the code comes back."""
    return await _propose(request, ContactKind.MOBILE, data.mobile)


@post("/v1/members/me/mail/confirm", before_request=_MEMBERS, status_code=200, tags=["profiles"])
async def confirm_mail(request: HttpRequest, data: JSONBody[SentCode]) -> ProfileView:
    """Take the new mail address over, with the code that was sent there."""
    return await _confirm(request, ContactKind.MAIL, data.code)


@post("/v1/members/me/mobile/confirm", before_request=_MEMBERS, status_code=200, tags=["profiles"])
async def confirm_mobile(request: HttpRequest, data: JSONBody[SentCode]) -> ProfileView:
    """Take the new mobile number over, with the code that was sent there."""
    return await _confirm(request, ContactKind.MOBILE, data.code)


def profile_of(data: ProfileFields, time_zone: str) -> tuple[Profile, Secret | None]:
    """The profile as it came in, and the answer to its question."""
    if (data.question is None) != (data.answer is None):
        raise InvalidRequest("A question and its answer are given together.", "answer")
    person = Person(
        name=Secret(data.name),
        latin_name=Secret(data.latin_name),
        birth_date=Secret(data.birth_date),
        calendar=data.calendar,
        mail=Secret(data.mail),
        mobile=Secret(data.mobile),
        question=_secret(data.question),
    )
    profile = Profile(
        chosen_id=data.member_id,
        nickname=data.nickname,
        person=person,
        language=data.language,
        time_zone=data.time_zone or time_zone,
        statements=data.statements,
    )
    return profile, _secret(data.answer)


def check_twice(password: str, again: str | None, *, required: bool = True) -> None:
    """Refuse a password that was not typed alike twice (WA-1)."""
    if again is None and not required:
        return
    if again is None or Secret(again) != Secret(password):
        raise InvalidRequest("The two passwords are not the same.", "password_again")


async def _propose(request: HttpRequest, kind: ContactKind, value: str) -> ContactChangeView:
    profiles = services(request).members.profiles
    return _change_view(await profiles.propose(member_of(request), kind, Secret(value)))


async def _confirm(request: HttpRequest, kind: ContactKind, code: str) -> ProfileView:
    return _view(await services(request).members.profiles.confirm(member_of(request), kind, Secret(code)))


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _change_view(change: ContactChange) -> ContactChangeView:
    return ContactChangeView("contact_change", change.kind, change.expires_at)


def _view(profile: Profile) -> ProfileView:
    person = profile.person
    return ProfileView(
        object="profile",
        member_id=profile.chosen_id,
        nickname=profile.nickname,
        name=person.name.reveal(),
        latin_name=person.latin_name.reveal(),
        birth_date=person.birth_date.reveal(),
        calendar=person.calendar,
        mail=person.mail.reveal(),
        mobile=person.mobile.reveal(),
        language=profile.language,
        time_zone=profile.time_zone,
        statements=profile.statements,
        question=None if person.question is None else person.question.reveal(),
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    get_profile,
    create_profile,
    change_profile,
    set_question,
    propose_mail,
    propose_mobile,
    confirm_mail,
    confirm_mobile,
]
