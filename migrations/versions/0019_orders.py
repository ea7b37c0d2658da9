"""Orders of prepaid cards, gifts among them.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = """
-- Who buys, how to reach them and the token by which they follow it are in one seal: no account is needed.
create table orders (
    id uuid primary key,
    partition_id smallint not null,
    state text not null check (state in ('unpaid', 'paid', 'allocated', 'declined', 'lapsed', 'cancelled')),
    kind text not null check (kind in ('lines', 'bulk')),
    language text not null check (language in ('ko', 'en')),
    currency char(3) not null,
    total_minor bigint not null check (total_minor > 0),
    -- What went back to where it came from.
    back_minor bigint not null default 0 check (back_minor between 0 and total_minor),
    pieces integer not null check (pieces > 0),
    -- How many of its pieces have cards: allocation goes on from here, whoever began it.
    done integer not null default 0 check (done between 0 and pieces),
    buyer_sealed bytea not null,
    buyer_key smallint not null,
    token_hash bytea not null unique,
    request_key text unique,
    fingerprint bytea not null,
    created_at timestamptz not null,
    paid_at timestamptz,
    allocated_at timestamptz,
    check (state in ('paid', 'allocated', 'cancelled') or done = 0),
    check (state <> 'allocated' or done = pieces),
    check ((state = 'allocated') <= (allocated_at is not null))
);
create index orders_buyer_key on orders (buyer_key);

-- A piece is one card, `at` its place in the order. A gift's recipient, message and sender are in one seal.
create table order_pieces (
    order_id uuid not null references orders,
    at integer not null check (at > 0),
    programme_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    state text not null check (state in ('ordered', 'ready', 'set_up', 'given', 'undelivered', 'cancelled')),
    card_id uuid unique,
    -- Until its buyer has chosen another one.
    pin_sealed bytea,
    pin_key smallint,
    gift_sealed bytea,
    gift_key smallint,
    -- The newest letter with its claim link: only this one's bounce says that nobody can claim it.
    letter_id uuid unique,
    -- The key of the request that had it sent again: repeats of that send nothing.
    sent_key text,
    primary key (order_id, at),
    check ((pin_sealed is null) = (pin_key is null)),
    check ((gift_sealed is null) = (gift_key is null)),
    check ((state in ('ordered', 'cancelled')) or card_id is not null),
    check ((state in ('given', 'undelivered')) <= (gift_sealed is not null and letter_id is not null))
);
create index order_pieces_pin_key on order_pieces (pin_key) where pin_key is not null;
create index order_pieces_gift_key on order_pieces (gift_key) where gift_key is not null;

-- Who tries to order, by a keyed hash of where from; for an hour, to be counted: cards are tried out so.
create table order_attempts (
    origin_hash bytea not null,
    created_at timestamptz not null
);
create index order_attempts_origin on order_attempts (origin_hash, created_at);
create index order_attempts_created on order_attempts (created_at);

grant select, insert, update on orders, order_pieces to obverse_app;
grant select, insert, delete on order_attempts to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
