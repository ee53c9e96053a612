-- What outlives a deleted row for those who hold a copy of it. One line a row: the last of its deaths.
create table if not exists holdfast__tombstones (
  tenant_id blob not null,
  entity text not null,
  row_id blob not null,
  number integer not null,
  owner_id blob,
  device text,
  primary key (tenant_id, entity, row_id)
) strict, without rowid;

create index if not exists holdfast__tombstones__number__idx on holdfast__tombstones (tenant_id, entity, number);
