-- What outlives a deleted row for those who hold a copy of it. One line a row: the last of its deaths.
-- :owner, :runtime, :realm and :maintenance are replaced by quoted role names.
create table if not exists holdfast.tombstones (
  tenant_id uuid not null,
  entity text collate "C" not null,
  row_id uuid not null,
  number bigint not null,
  owner_id uuid,
  device text,
  primary key (tenant_id, entity, row_id)
);

create index if not exists tombstones_number_idx on holdfast.tombstones (tenant_id, entity, number);

-- Tombstones at or below the horizon may have been collected.
alter table holdfast.tenant_heads add column if not exists horizon bigint not null default 0;

grant select, insert, update on holdfast.tombstones to :runtime;
grant select, delete on holdfast.tombstones to :maintenance;
grant update (horizon) on holdfast.tenant_heads to :maintenance;
