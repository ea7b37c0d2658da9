"""Members in full: names, contact, nicknames, recovery, passkeys, one-time codes, sign-in history.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = """
-- Who joins for the wallet gives no address, and who has passkeys may do without a password.
alter table members
    alter column address_sealed drop not null,
    alter column address_key drop not null,
    add constraint members_address check ((address_sealed is null) = (address_key is null)),
    alter column password_hash drop not null;

create table member_profiles (
    member_id uuid primary key references members,
    -- The member ID of their own choice, as they write it.
    chosen_id text not null check (chosen_id ~ '^[0-9A-Za-z]{8,12}$'),
    nickname text not null check (length(nickname) between 4 and 12),
    nickname_key text not null constraint member_profiles_nickname unique,
    -- Name, Latin name, birth date, mail, mobile and question: what names a person, in one seal.
    person_sealed bytea not null,
    person_key smallint not null,
    mail_hash bytea not null,
    answer_hash text,
    language text not null check (language in ('ko', 'en')),
    time_zone text not null,
    statements text not null check (statements in ('mail', 'sms', 'none'))
);
create unique index member_profiles_chosen_id on member_profiles (lower(chosen_id));
-- Not unique: a family may share one mailbox.
create index member_profiles_mail on member_profiles (mail_hash);
create index member_profiles_person_key on member_profiles (person_key);

-- A new mail address or mobile number, until the code that was sent there comes back.
create table member_changes (
    id uuid primary key,
    member_id uuid not null references members,
    kind text not null check (kind in ('mail', 'mobile')),
    value_sealed bytea not null,
    value_key smallint not null,
    code_hash bytea not null,
    expires_at timestamptz not null,
    unique (member_id, kind)
);
create index member_changes_value_key on member_changes (value_key);

-- signing in ------------------------------------------------------------------------------------------------
alter table member_sessions
    add column id uuid not null unique default gen_random_uuid(),
    add column method text not null default 'password',
    add column origin text not null default '';

create table sign_ins (
    id uuid primary key,
    member_id uuid not null references members,
    method text not null check (method in ('password', 'password_otp', 'passkey', 'recovery')),
    outcome text not null check (outcome in ('ok', 'wrong', 'unfinished')),
    -- The network it came from, cut down so far that it names no host.
    origin text not null,
    created_at timestamptz not null
);
create index sign_ins_member on sign_ins (member_id, id);

create table member_totp (
    member_id uuid primary key references members,
    secret_sealed bytea not null,
    secret_key smallint not null,
    confirmed boolean not null default false,
    -- The newest time step a code was accepted of; it and everything before it is used up.
    last_step bigint not null default 0
);
create index member_totp_secret_key on member_totp (secret_key);

create table member_recovery_codes (
    code_hash bytea primary key,
    member_id uuid not null references members
);
create index member_recovery_codes_member on member_recovery_codes (member_id);

create table member_passkeys (
    id uuid primary key,
    member_id uuid not null references members,
    credential_id bytea not null unique,
    public_key bytea not null,
    sign_count bigint not null check (sign_count >= 0),
    name text not null,
    created_at timestamptz not null,
    last_used_at timestamptz
);
create index member_passkeys_member on member_passkeys (member_id);

-- Challenges that were answered, until they would have ended anyhow.
create table passkey_challenges (
    challenge_hash bytea primary key,
    expires_at timestamptz not null
);

-- recovery --------------------------------------------------------------------------------------------------
-- Every request is written down alike, whether or not anybody has that mail address.
create table recovery_requests (
    id uuid primary key,
    mail_hash bytea not null
);

create table member_recoveries (
    token_hash bytea primary key,
    member_id uuid not null references members,
    expires_at timestamptz not null
);

grant select, insert, update on member_profiles, sign_ins, member_totp, member_passkeys, member_changes
    to obverse_app;
grant delete on member_changes, sign_ins, member_totp, member_passkeys to obverse_app;
grant select, insert, delete
    on member_recovery_codes, passkey_challenges, recovery_requests, member_recoveries
    to obverse_app;
-- To lock what is being dealt with.
grant update (expires_at) on member_recoveries to obverse_app;
grant update (mail_hash) on recovery_requests to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
