"""Parts of statements: what happened, as the tables of other rooms have it.

The journal has no index by account, because every payment would pay for it. So what payments did to a balance
is found by card, payment and step; the amounts of holds and of what was released are the journal's own; and
what others than payments moved is found by `balance_entries`. Together they are all that ever moved what can
be spent of a balance, which is what makes a running balance the ledger's.
"""

from typing import Final


def numbered(id_: str, number: str) -> str:
    """SQL: the id for number 0, and for any other number up to 15 one that differs in its last digit only.

    So what one event did to several sources has ids of its own, which sort where the event's does.
    """
    last_digit = f"('x' || right({id_}::text, 1))::bit(4)::int"
    other = f"overlay({id_}::text placing to_hex(({last_digit} + ({number})::int) % 16) from 36)::uuid"
    return f"case when {number} = 0 then {id_} else {other} end"


IS_LOAD: Final = "p.purpose in ('load', 'activation')"

# What a payment (or a load, which is stored like one) is to its holder.
PAID_KIND: Final = """
case p.purpose when 'load' then 'load' when 'activation' then 'bought'
    else case when p.entry = 'metered' then 'call' else 'payment' end end
"""

# What was in a lot and went to no payment; a balance that expires names itself as the reason.
MOVED_KIND: Final = """
case when t.credit_account_id = lot.account_id
        then case lot.kind when 'bought' then 'bought' when 'charged' then 'charge'
            when 'given' then 'gift' else 'points' end
    when t.subject_id = lot.source_id then 'expiry'
    when lot.kind = 'earned' then 'points'
    else 'payout' end
"""

MOVED_MINOR: Final = (
    "case when t.credit_account_id = lot.account_id then t.amount_minor else -t.amount_minor end"
)

# A capture counts where the hold that it would have taken from had been released by time: everything before
# it is in the hold, and after it nothing is.
IS_LATE: Final = """
s.kind = 'capture' and not p.captured_at_once and exists (
    select from actions as e where e.request_key = 'expiry:' || p.id and e.partition_id = p.partition_id
        and e.id < s.id
)
"""

# Steps that move what can be spent. A load moves nothing before it is carried out, and the provisional credit
# of a dispute is held until that is decided.
STEPS: Final = f"(s.kind in ('load', 'load_reversal', 'refund', 'reversal', 'dispute_lost') or {IS_LATE})"

STEP_KIND: Final = (
    f"case when s.kind in ('capture', 'load', 'load_reversal') then {PAID_KIND} else 'refund' end"
)

STEP_SIGN: Final = "case when s.kind in ('capture', 'load_reversal') then -1 else 1 end"
