"""The daily statement: what a member's day came to, told once, the next morning (WA-13).

Days are the member's own: each time zone goes through its days in order. A day that is over is gathered in
one statement, as what it means to each member, and then told part by part: the letters, what was told, and
the crossing off are one commit. So a process that dies leaves a day that others finish, and no member hears
of one day twice.
"""

from obverse.notifications.statements.model import Told
from obverse.notifications.statements.service import Statements

__all__ = ["Statements", "Told"]
