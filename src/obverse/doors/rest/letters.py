"""Letters, for operators: what became of each, and sending one again.

Neither to whom a letter goes nor what it says is shown.
"""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Body, Limit, ListView, Reason, View, list_view, page_request
from obverse.kit.ids import LetterId, from_text, to_text
from obverse.letters import Channel, Language, LetterState, LetterStatus
from obverse.letters.model import Problem

_OPERATORS: Final = Allow(Scope.OPERATE)


class SendAgain(Body, frozen=True):
    """Why. Goes to the audit log."""

    reason: Reason


class LetterError(View, frozen=True):
    """Why the last attempt came to nothing; `reply` is the SMTP or HTTP code, null where nobody answered."""

    problem: Problem
    reply: int | None


class LetterView(View, frozen=True):
    """`subject` is the id of what it is about; `over` is when it was sent or given up."""

    id: str
    object: str
    state: LetterState
    template: str
    channel: Channel
    language: Language
    subject: str
    member: str | None
    attempts: int
    next_attempt: datetime | None
    last_error: LetterError | None
    created: datetime
    over: datetime | None


@get("/v1/letters", before_request=_OPERATORS, tags=["letters"])
async def list_letters(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[LetterState | None, QueryParameter(name="state")] = None,
) -> ListView[LetterView]:
    """Letters, newest first. `state=bounced` shows those that nobody will get."""
    page = await services(request).letters.list(page_request("let", limit, after), state_)
    return list_view("let", page, _view)


@post(
    "/v1/letters/{letter_id:str}/send_again",
    before_request=_OPERATORS,
    status_code=200,
    tags=["letters"],
)
async def send_letter_again(
    request: HttpRequest, letter_id: FromPath[str], data: JSONBody[SendAgain]
) -> LetterView:
    """Send a letter that is over once more, to the same address and with the same Message-ID."""
    id_ = LetterId(from_text("let", letter_id))
    actor = caller_of(request).actor
    return _view(await services(request).letters.send_again(id_, actor=actor, reason=data.reason))


def _view(letter: LetterStatus) -> LetterView:
    last = letter.last
    return LetterView(
        id=to_text("let", letter.id),
        object="letter",
        state=letter.state,
        template=letter.template,
        channel=letter.channel,
        language=letter.language,
        subject=str(letter.subject_id),
        member=to_text("mem", letter.member_id) if letter.member_id is not None else None,
        attempts=letter.attempts,
        next_attempt=letter.next_at,
        last_error=LetterError(last.problem, last.reply) if last is not None and last.problem else None,
        created=letter.created_at,
        over=letter.over_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [list_letters, send_letter_again]
