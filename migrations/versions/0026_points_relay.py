"""Points relay: keys of issuers, links that may be repeated, how often an issuer may ask, and
what issuers owe.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = """
-- A key of one points issuer may look up its own accounts, and nothing else (PR-9).
alter table api_keys
    add column points_issuer_id uuid references points_issuers,
    add constraint api_keys_one_holder check (merchant_id is null or points_issuer_id is null);
create index api_keys_points_issuer on api_keys (points_issuer_id, id) where points_issuer_id is not null;

alter table points_accounts
    -- What makes the beginning of a link safe to repeat.
    add column request_key text,
    add column request_fingerprint bytea,
    -- Keyed hash over issuer and handle: whatever its owner calls the account, it stands behind one member.
    add column handle_hash bytea;
create unique index points_accounts_request on points_accounts (request_key) where request_key is not null;
create unique index points_accounts_handle on points_accounts (issuer_id, handle_hash) where state = 'proved';
create index points_accounts_pending on points_accounts (expires_at) where state = 'pending';

-- When it was told last that this issuer acknowledges nothing.
alter table points_issuers add column silence_told_at timestamptz;

-- How often each issuer has asked in the minute in which it asked last.
create table points_lookups (
    issuer_id uuid primary key references points_issuers,
    minute timestamptz not null,
    count int not null
) with (fillfactor = 50);

grant select, insert, update on points_lookups to obverse_app;

-- what issuers owe ------------------------------------------------------------------------------------------
-- Awaits being put on the invoices of the points issuers among its legs.
alter table actions add column to_invoice boolean not null default false;
create index actions_to_invoice on actions (id) where to_invoice;

-- What each step of a payment is to an issuer: the unique key is the mark that none is invoiced twice. Lines
-- are written one transaction after the other, so that numbers rise as they can be seen.
create table points_invoice_lines (
    partition_id smallint not null,
    id uuid not null,
    number bigint not null generated always as identity,
    issuer_id uuid not null references points_issuers,
    action_id uuid not null,
    position smallint not null,
    authorization_id uuid not null,
    merchant_id uuid not null references merchants,
    kind text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    units bigint not null,
    rate_numerator bigint not null,
    rate_denominator bigint not null,
    -- The leg's `network_ref` and `network_approval`.
    reference text,
    approval_code text,
    created_at timestamptz not null,
    primary key (id, partition_id),
    constraint points_invoice_lines_action unique (action_id, position, partition_id)
);
create unique index points_invoice_lines_issuer on points_invoice_lines (issuer_id, number);
create index points_invoice_lines_leg on points_invoice_lines (authorization_id, position);

-- Its lines are those of its issuer above `above_number`, up to `to_number`.
create table points_invoices (
    id uuid primary key,
    issuer_id uuid not null references points_issuers,
    currency char(3) not null,
    above_number bigint not null,
    to_number bigint not null check (to_number > above_number),
    lines bigint not null check (lines > 0),
    units bigint not null,
    previous_minor bigint not null,
    charges_minor bigint not null check (charges_minor >= 0),
    credits_minor bigint not null check (credits_minor >= 0),
    payments_minor bigint not null check (payments_minor >= 0),
    balance_minor bigint not null,
    reference text not null constraint points_invoices_reference unique
        check (reference ~ '^OBV-I-[0-9A-Z]{10}$'),
    due_on date,
    issued_at timestamptz not null,
    constraint points_invoices_follow unique (issuer_id, above_number),
    constraint points_invoices_add_up
        check (balance_minor = previous_minor + charges_minor - credits_minor - payments_minor),
    check ((balance_minor > 0) = (due_on is not null))
);
create index points_invoices_issuer on points_invoices (issuer_id, to_number);

-- The invoice that its reference names, and the issuer's newest one at that time, which counts it.
create table points_invoice_payments (
    receipt_id uuid not null,
    invoice_id uuid not null references points_invoices,
    newest_id uuid not null references points_invoices,
    amount_minor bigint not null check (amount_minor > 0),
    created_at timestamptz not null,
    primary key (receipt_id, invoice_id)
);
create index points_invoice_payments_newest on points_invoice_payments (newest_id);

-- What an invoice says is never changed.
grant select, insert on points_invoice_lines, points_invoices, points_invoice_payments to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
