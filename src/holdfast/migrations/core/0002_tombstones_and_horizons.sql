-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.

-- create the tombstones and the tenants' horizons
-- What outlives a deleted row for those who hold a copy of it. One line a row: the last of its deaths.
-- "holdfast_owner", "holdfast_runtime", "holdfast_realm" and "holdfast_maintenance" are replaced by quoted role names.
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

grant select, insert, update on holdfast.tombstones to "holdfast_runtime";
grant select, delete on holdfast.tombstones to "holdfast_maintenance";
grant update (horizon) on holdfast.tenant_heads to "holdfast_maintenance";
alter table holdfast.tombstones enable row level security;
alter table holdfast.tombstones force row level security;
drop policy if exists "tombstones_tenant" on holdfast.tombstones;
create policy "tombstones_tenant" on holdfast.tombstones for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "tombstones_floor" on holdfast.tombstones;
create policy "tombstones_floor" on holdfast.tombstones as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "tombstones_owner" on holdfast.tombstones;
create policy "tombstones_owner" on holdfast.tombstones as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (owner_id is null or "owner_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check (owner_id is null or "owner_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
create or replace trigger guard before insert or update or delete on holdfast.tombstones for each statement execute function holdfast.guard();
