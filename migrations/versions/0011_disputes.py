"""Disputes, and the documents that merchants answer them with.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = """
create table disputes (
    id uuid primary key,
    authorization_id uuid not null,
    card_id uuid not null,
    merchant_id uuid not null,
    member_id uuid not null,
    -- Who held the card, and so who disputes: a giver neither sees nor touches what a recipient does (OT-8).
    opened_by text not null check (opened_by in ('member', 'recipient')),
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    reason text not null,
    statement text not null check (length(statement) between 1 and 2000),
    state text not null check (state in
        ('opening', 'refused', 'open', 'answered', 'unanswered', 'closing', 'closed')),
    answer_due_at timestamptz not null,
    answer text check (length(answer) between 1 and 2000),
    outcome text check (outcome in ('merchant_pays', 'member_pays')),
    ended_by text check (ended_by in ('holder', 'merchant', 'operator')),
    ended_at timestamptz,
    request_key text not null unique,
    fingerprint bytea not null,
    created_at timestamptz not null,
    check ((state in ('closing', 'closed')) = (outcome is not null)),
    check ((outcome is null) = (ended_by is null) and (outcome is null) = (ended_at is null)),
    check (state <> 'answered' or answer is not null)
);
-- One dispute at a time, and none after one that was not withdrawn.
create unique index disputes_authorization on disputes (authorization_id)
    where state <> 'refused' and not (state = 'closed' and ended_by = 'holder');
create index disputes_withdrawn on disputes (authorization_id) where state = 'closed' and ended_by = 'holder';
create index disputes_state on disputes (state, id);
create index disputes_merchant on disputes (merchant_id, id);
create index disputes_member on disputes (member_id, id);
create index disputes_card on disputes (card_id, id);
-- What the background finishes, and what it waits for.
create index disputes_under_way on disputes (id) where state in ('opening', 'closing');
create index disputes_awaiting_answer on disputes (answer_due_at) where state = 'open';

create table dispute_documents (
    dispute_id uuid not null references disputes,
    number smallint not null check (number between 1 and 5),
    name text not null check (length(name) between 1 and 100),
    media_type text not null,
    digest bytea not null,
    content bytea not null check (octet_length(content) between 1 and 1048576),
    created_at timestamptz not null,
    primary key (dispute_id, number),
    unique (dispute_id, digest)
);

grant select, insert, update on disputes to obverse_app;
-- evidence stays as it was handed in
grant select, insert on dispute_documents to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
