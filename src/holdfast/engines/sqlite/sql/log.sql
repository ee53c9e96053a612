-- The tenants' counters, the change log and the field history. Tombstones at or below the horizon may have been collected; `tended`
-- counts what a schema change has done to rows without a number, so that no flush writes over it what it had read before.
create table if not exists holdfast__tenant_heads (
  tenant_id blob not null primary key references realm__tenants (id),
  head integer not null default 0 check (head >= 0),
  horizon integer not null default 0 check (horizon >= 0),
  tended integer not null default 0
) strict, without rowid;

create table if not exists holdfast__changes (
  tenant_id blob not null,
  number integer not null,
  flush_end integer not null,
  format integer not null,
  entity text not null,
  row_id blob not null,
  op text not null check (op in ('c', 'u', 'd')),
  fields text not null,
  version integer not null,
  actor blob,
  device text,
  at integer not null,
  commitment blob not null,
  primary key (tenant_id, number)
) strict, without rowid;

create table if not exists holdfast__field_history (
  tenant_id blob not null,
  entity text not null,
  row_id blob not null,
  number integer not null,
  field text not null,
  value blob not null,
  owner_id blob,
  primary key (tenant_id, entity, row_id, number, field)
) strict, without rowid;
