"""What a letter says: its template in its language, filled with its data.

Templates are `templates/<language>/<name>.txt`, whose first line is `Subject: ...`, and `<name>.html`; a text
message has `sms_<name>.txt` alone, without a subject. A name that a template asks for and the data lack is an
error. HTML is escaped; a subject is one line, whatever is in it.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context, select_autoescape
from jinja2.runtime import Context

from obverse.kit.money import minor_digits
from obverse.kit.secret import Secret
from obverse.letters.model import Channel, Contents, Due, Language, Written
from obverse.letters.rules import SMS_LENGTH_MAX

TEMPLATES: Final = Path(__file__).parent / "templates"

_SUBJECT: Final = "Subject: "
_SUBJECT_LENGTH_MAX: Final = 200
_KOREAN_UNITS: Final = {"KRW": "원", "USD": "달러", "JPY": "엔", "EUR": "유로", "CNY": "위안"}
_KOREAN_DAYS: Final = "월화수목금토일"


@cache
def exists(channel: Channel, language: Language, template: str) -> bool:
    """Whether letters of this kind can be written."""
    name = template if channel is Channel.MAIL else f"sms_{template}"
    return template.isidentifier() and (TEMPLATES / language / f"{name}.txt").is_file()


class Renderer:
    """Writes letters; every template is compiled once."""

    def __init__(self, *, public_url: str, time_zone: str) -> None:
        """Links lead to `public_url`; times are told in `time_zone` where a letter has none of its own."""
        self._environments = {language: _environment(language, public_url) for language in Language}
        self._time_zone = time_zone
        self._compiled: dict[tuple[Channel, Language, str], _Compiled] = {}

    def write(self, letter: Due, contents: Contents) -> Written:
        """Raises what Jinja and the filters raise where template and data do not fit."""
        key = letter.channel, letter.language, letter.template
        if (compiled := self._compiled.get(key)) is None:
            environment = self._environments[letter.language]
            compiled = self._compiled[key] = _compile(environment, letter.channel, letter.template)
        given = {**contents.data, "time_zone": contents.time_zone or self._time_zone}
        text = compiled.text.render(given)
        subject = _one_line(compiled.subject.render(given)) if compiled.subject is not None else ""
        html = compiled.html.render(given, subject=subject) if compiled.html is not None else None
        if letter.channel is Channel.SMS:
            text = text.strip()[:SMS_LENGTH_MAX]
        return Written(letter.id, Secret(contents.to), subject, text, html, letter.created_at)


class _Compiled(msgspec.Struct, frozen=True):
    text: Template
    subject: Template | None
    html: Template | None


def _compile(environment: Environment, channel: Channel, template: str) -> _Compiled:
    if channel is Channel.SMS:
        return _Compiled(environment.get_template(f"sms_{template}.txt"), None, None)
    assert environment.loader is not None, "every environment has one"
    source, _, _ = environment.loader.get_source(environment, f"{template}.txt")
    subject, _, text = source.partition("\n")
    if not subject.startswith(_SUBJECT):
        raise ValueError(f"The first line of {template}.txt is no subject.")
    return _Compiled(
        text=environment.from_string(text),
        subject=environment.from_string(subject.removeprefix(_SUBJECT)),
        html=environment.get_template(f"{template}.html"),
    )


def _one_line(text: str) -> str:
    """Without anything that could begin another header, or hide: line breaks and controls become spaces."""
    printable = "".join([letter if letter.isprintable() else " " for letter in text])
    return " ".join(printable.split())[:_SUBJECT_LENGTH_MAX]


def _environment(language: Language, public_url: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES / language, TEMPLATES]),
        autoescape=select_autoescape(["html"], default_for_string=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    base = public_url.rstrip("/")

    def url(path: str) -> str:
        """Where a path of ours is found."""
        if not path.startswith("/") or not path.isprintable() or " " in path:
            raise ValueError("A link in a letter is a path of the platform.")
        return base + path

    korean = language is Language.KOREAN
    environment.globals["language"] = language.value
    environment.filters |= {
        "url": url,
        "money": _won if korean else _amount,
        "date": _in_zone(_korean_date if korean else _english_date),
        "last_day": _in_zone(_korean_date if korean else _english_date, before=True),
        "time": _in_zone(lambda at: f"{at:%H:%M}"),
    }
    return environment


# amounts ---------------------------------------------------------------------------------------------------


def _money(value: Mapping[str, Any]) -> tuple[str, str]:
    """Digits grouped by thousands with as many decimals as the currency has, and the currency."""
    amount_minor, currency = value["amount_minor"], value["currency"]
    digits = minor_digits(currency)
    whole, decimals = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole:,}" + (f".{decimals:0{digits}}" if digits else ""), currency


def _won(value: Mapping[str, Any]) -> str:
    digits, currency = _money(value)
    return digits + _KOREAN_UNITS.get(currency, f" {currency}")


def _amount(value: Mapping[str, Any]) -> str:
    digits, currency = _money(value)
    return f"{currency} {digits}"


# times -----------------------------------------------------------------------------------------------------


def _in_zone(written: Callable[[Any], str], *, before: bool = False) -> Callable[[Context, str], str]:
    """A filter over days and moments as JSON has them; moments are told in the letter's time zone.

    `before` is for moments at which something ends: its last day is the one before a midnight.
    """

    @pass_context
    def filter_(context: Context, value: str) -> str:
        if len(value) == len("2026-11-20"):
            return written(date.fromisoformat(value))
        moment = datetime.fromisoformat(value).astimezone(ZoneInfo(context["time_zone"]))
        return written(moment - timedelta.resolution if before else moment)

    return filter_


def _korean_date(day: date) -> str:
    return f"{day.year}년 {day.month}월 {day.day}일({_KOREAN_DAYS[day.weekday()]})"


def _english_date(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
