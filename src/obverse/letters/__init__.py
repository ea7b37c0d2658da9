"""Letters: what is mailed and texted to people, and what became of it.

A room posts letters in its own commit, so that whoever is told was told the truth. They are sealed at rest,
and a courier sends them until they are taken, bounce, or have been tried for three days. A letter is a
template, a language and the data for it; what it says stands in `templates/`.
"""

from obverse.letters.errors import LetterNotFound, LetterUnderWay, UnknownTemplate
from obverse.letters.jobs import Courier, letters_rekey
from obverse.letters.model import Channel, Language, Letter, LetterState, LetterStatus
from obverse.letters.rendering import Renderer
from obverse.letters.rules import check_mail_address, check_phone_number
from obverse.letters.service import Letters

__all__ = [
    "Channel",
    "Courier",
    "Language",
    "Letter",
    "LetterNotFound",
    "LetterState",
    "LetterStatus",
    "LetterUnderWay",
    "Letters",
    "Renderer",
    "UnknownTemplate",
    "check_mail_address",
    "check_phone_number",
    "letters_rekey",
]
