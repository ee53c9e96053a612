-- The ledger of revisions.
create table if not exists holdfast__revisions (
  revision text not null primary key,
  checksum text not null,
  applied_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) strict, without rowid;

-- Of each revision how far it has come, step by step; `cursor` is the row behind which a fill goes on.
create table if not exists holdfast__revision_steps (
  revision text not null,
  step integer not null check (step >= 0),
  checksum text not null,
  release text not null,
  phase text not null,
  applied_by text not null,
  started_at real not null,
  finished_at real,
  cursor text,
  primary key (revision, step)
) strict, without rowid;

-- What the columns that were set aside held, by the table's stable name.
create table if not exists holdfast__set_aside (
  entity text not null,
  field text not null,
  declared text not null,
  primary key (entity, field)
) strict, without rowid;
