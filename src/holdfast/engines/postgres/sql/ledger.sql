-- The ledger of revisions, which stands before the first of them.
-- :owner, :runtime, :realm and :maintenance are replaced by quoted role names.

create schema if not exists holdfast;

create table if not exists holdfast.revisions (
  revision text primary key,
  checksum text not null,
  applied_at timestamptz not null default now(),
  applied_by text not null default session_user
);

grant usage on schema holdfast to :runtime, :realm, :maintenance;
grant select on holdfast.revisions to :runtime, :realm, :maintenance;
