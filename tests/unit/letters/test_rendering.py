"""What letters say: every template in both languages and forms; amounts and times as each has them."""

import re
from email import message_from_bytes
from email.policy import SMTP

import jinja2
import pytest
from tests.factories.letters import SAMPLES, won, written

from obverse.letters import Channel, Language
from obverse.letters.rendering import TEMPLATES, Renderer, exists
from obverse.networks.mail.mime import compose

SHARED = {"layout"}
MAIL = sorted({path.stem for path in TEMPLATES.glob("??/*") if not path.stem.startswith("sms_")} - SHARED)
SMS = sorted({path.stem.removeprefix("sms_") for path in TEMPLATES.glob("??/sms_*")})


@pytest.mark.parametrize("template", MAIL)
def test_every_letter_is_there_in_both_languages_and_forms_and_takes_the_same_data(template: str) -> None:
    assert template in SAMPLES, "give it a line in tests/factories/letters.py"
    for language in Language:
        letter = written(template, language)
        assert letter.subject
        assert letter.html is not None
        assert letter.html.count("<html") == letter.html.count("</html>") == 1
        assert f'lang="{language}"' in letter.html
        assert "{" + "{" not in letter.text + letter.html
        assert "\n\n\n" not in letter.text
        without_style = re.sub("(?s)<style>.*</style>", "", letter.html)
        assert not re.search(r"(?i)(?:src|url\(|@import|<link|<script)", without_style), (
            "nothing from elsewhere"
        )


@pytest.mark.parametrize("template", SMS)
def test_every_text_message_is_there_in_both_languages(template: str) -> None:
    assert template in SAMPLES, "give it a line in tests/factories/letters.py"
    for language in Language:
        letter = written(template, language, channel=Channel.SMS)
        assert letter.text == letter.text.strip() != ""
        assert (letter.subject, letter.html) == ("", None)


@pytest.mark.parametrize(
    ("language", "amount", "told"),
    [
        (Language.KOREAN, won(12_000), "12,000원"),
        (Language.KOREAN, won(-12_000), "-12,000원"),
        (Language.KOREAN, {"amount_minor": 123_456, "currency": "USD"}, "1,234.56달러"),
        (Language.ENGLISH, won(12_000), "KRW 12,000"),
        (Language.ENGLISH, {"amount_minor": 5, "currency": "USD"}, "USD 0.05"),
        (Language.ENGLISH, {"amount_minor": -50, "currency": "USD"}, "USD -0.50"),
    ],
)
def test_amounts_are_written_as_the_language_writes_them(
    language: Language, amount: dict[str, object], told: str
) -> None:
    assert told in written("charged", language, balance=amount).text.splitlines()[3]


@pytest.mark.parametrize(
    ("language", "moment", "told"),
    [
        (Language.KOREAN, "2026-12-31T15:00:00Z", "2026년 12월 31일(목)"),
        (Language.ENGLISH, "2026-12-31T15:00:00Z", "31 December 2026"),
        (Language.ENGLISH, "2026-12-31T15:00:00.000001Z", "1 January 2027"),
        (Language.ENGLISH, "2026-12-31", "31 December 2026"),
    ],
    ids=["Korean", "midnight ends the day before", "a moment later is the next day", "a day"],
)
def test_the_last_day_is_told_in_the_programmes_time_zone(language: Language, moment: str, told: str) -> None:
    assert told in written("expiry_notice", language, expires_at=moment).text


def test_a_name_that_the_data_lack_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(jinja2.UndefinedError, match="amount"):
        written("gift", data={name: value for name, value in SAMPLES["gift"].items() if name != "amount"})


@pytest.mark.parametrize("link", ["https://elsewhere.example/x", "gifts/x", "/gifts/x y", "/gifts/\nx"])
def test_a_link_leads_to_us_or_the_letter_is_not_written(link: str) -> None:
    with pytest.raises(ValueError, match="path"):
        written("gift", link=link)


def test_links_begin_where_the_platform_is_found() -> None:
    renderer = Renderer(public_url="https://pay.example/obverse/", time_zone="Asia/Seoul")
    assert "https://pay.example/obverse/gifts/3yR0wq" in written("gift", renderer=renderer).text


def test_html_is_escaped_and_text_is_not() -> None:
    letter = written("gift", from_name="<b>Kim & Lee</b>", message='"><script>alert(1)</script>')
    assert letter.html is not None
    assert "<script" not in letter.html
    assert "&lt;b&gt;Kim &amp; Lee&lt;/b&gt;" in letter.html
    assert "<b>Kim & Lee</b>" in letter.text


INJECTIONS = {
    "CR LF": "Kim\r\nBcc: all@mail.example",
    "LF": "Kim\nBcc: all@mail.example",
    "CR": "Kim\rBcc: all@mail.example",
    "two lines end headers": "Kim\r\n\r\n<html>mine</html>",
    "Unicode's line separators": "Kim\u2028Bcc: all@mail.example\u0085x",
    "NUL": "Kim\x00Bcc: all@mail.example",
    "an encoded word": "=?utf-8?b?DQpCY2M6IGFsbEBtYWlsLmV4YW1wbGU=?=",
}


@pytest.mark.parametrize("name", INJECTIONS.values(), ids=INJECTIONS)
@pytest.mark.parametrize("language", list(Language))
def test_no_name_makes_a_header(name: str, language: Language) -> None:
    letter = written("gift", language, from_name=name)
    raw = compose(letter, "Obverse", "no-reply@obverse.example")
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert names == [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted",
                     b"MIME-Version", b"Content-Type"]  # fmt: skip
    assert max(map(len, head.split(b"\r\n"))) <= 100
    assert str(message_from_bytes(raw, policy=SMTP)["Subject"]) == letter.subject
    assert letter.subject.isprintable()


def test_a_mail_reads_back_as_it_was_written() -> None:
    letter = written("gift", Language.KOREAN, from_name="김" * 60)
    mail = message_from_bytes(compose(letter, "옵버스", "no-reply@obverse.example"), policy=SMTP)
    assert mail["From"] == "옵버스 <no-reply@obverse.example>"
    assert mail["To"] == "person@mail.example"
    assert mail["Message-ID"] == "<let_01h455vb4pex5vsknk084sn02q@obverse.example>"
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content() == letter.text
    assert html.get_content() == letter.html


@pytest.mark.parametrize("template", ["gift", "statement"])
def test_a_mail_can_be_written_to_the_wire_as_it_is(template: str) -> None:
    """RFC 5321 4.5.2: a line that begins with a dot would have to be changed on the way."""
    raw = compose(written(template, Language.KOREAN), "Obverse", "no-reply@obverse.example")
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert not [line for line in lines if line.startswith(b".") or b"\r" in line or b"\n" in line]
    assert max(map(len, lines)) <= 78


def test_a_text_message_is_cut_to_what_a_long_message_holds() -> None:
    rows = [{**SAMPLES["statement"]["rows"][0], "merchant": "가" * 40}] * 100
    assert len(written("statement", Language.KOREAN, channel=Channel.SMS, rows=rows).text) == 1_000


@pytest.mark.parametrize("name", ["nothing", "../en/gift", "gift.txt", "", "layout/x"])
def test_only_templates_that_are_there_exist(name: str) -> None:
    assert not exists(Channel.MAIL, Language.ENGLISH, name)
    assert exists(Channel.MAIL, Language.ENGLISH, "gift")
    assert not exists(Channel.SMS, Language.ENGLISH, "gift"), "it has no short form"
