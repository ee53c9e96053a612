-- The ledger of revisions, which stands before the first of them.
-- :owner, :runtime, :realm and :maintenance are replaced by quoted role names.

create schema if not exists holdfast;

create table if not exists holdfast.revisions (
  revision text primary key,
  checksum text not null,
  applied_at timestamptz not null default now(),
  applied_by text not null default session_user
);

-- How far each revision has come: a line a step, and of a table that is filled, the last row.
create table if not exists holdfast.revision_steps (
  revision text not null,
  step integer not null,
  checksum text not null,
  release text not null default '',
  phase text not null default 'pre',
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  cursor text,
  primary key (revision, step)
);

grant usage on schema holdfast to :runtime, :realm, :maintenance;
grant select on holdfast.revisions, holdfast.revision_steps to :runtime, :realm, :maintenance;
