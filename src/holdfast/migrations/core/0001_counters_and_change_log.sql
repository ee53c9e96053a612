-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.

-- create the counters, the change log and the field history
-- The tenants' counters, the change log and the field history.
-- "holdfast_owner", "holdfast_runtime", "holdfast_realm" and "holdfast_maintenance" are replaced by quoted role names, :tenant by the row policy.

-- One row a tenant. Room on each page for the versions that a busy tenant leaves behind.
create table if not exists holdfast.tenant_heads (
  tenant_id uuid primary key references realm.tenants (id),
  head bigint not null default 0 check (head >= 0)
) with (fillfactor = 20);

create table if not exists holdfast.changes (
  tenant_id uuid not null,
  number bigint not null,
  flush_end bigint not null,
  format smallint not null,
  entity text collate "C" not null,
  row_id uuid not null,
  op text collate "C" not null check (op in ('c', 'u', 'd')),
  fields text[] not null,
  version bigint not null,
  actor uuid,
  device text,
  at timestamptz not null,
  commitment bytea not null,
  primary key (tenant_id, number)
);

create table if not exists holdfast.field_history (
  tenant_id uuid not null,
  entity text collate "C" not null,
  row_id uuid not null,
  number bigint not null,
  field text collate "C" not null,
  value bytea not null,
  owner_id uuid,
  primary key (tenant_id, entity, row_id, number, field)
);

-- Refuses a write that comes by another way than a flush: a guard against mistakes, not against an attacker.
create or replace function holdfast.guard() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('app.flush', true) is distinct from 'on' then
    raise exception using errcode = 'ZH001', message = 'journaled rows are written by a flush';
  end if;
  return null;
end $$;

-- The tenant's counter, locked, and its head: the first thing that a flush does.
create or replace function holdfast.lock_tenant(t uuid) returns bigint
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $$
declare
  h bigint;
begin
  select head into h from holdfast.tenant_heads where tenant_id = t for no key update;
  if not found then
    insert into holdfast.tenant_heads (tenant_id) values (t) on conflict do nothing;
    select head into strict h from holdfast.tenant_heads where tenant_id = t for no key update;
  end if;
  return h;
end $$;

revoke all on function holdfast.guard(), holdfast.lock_tenant(uuid) from public;
grant execute on function holdfast.lock_tenant(uuid) to "holdfast_runtime";
grant select, insert, update on holdfast.tenant_heads to "holdfast_runtime";
grant select, insert on holdfast.changes, holdfast.field_history to "holdfast_runtime";
grant select, delete on holdfast.tenant_heads, holdfast.changes, holdfast.field_history to "holdfast_maintenance";
alter table holdfast.tenant_heads enable row level security;
alter table holdfast.tenant_heads force row level security;
drop policy if exists "tenant_heads_tenant" on holdfast.tenant_heads;
create policy "tenant_heads_tenant" on holdfast.tenant_heads for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "tenant_heads_floor" on holdfast.tenant_heads;
create policy "tenant_heads_floor" on holdfast.tenant_heads as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
alter table holdfast.changes enable row level security;
alter table holdfast.changes force row level security;
drop policy if exists "changes_tenant" on holdfast.changes;
create policy "changes_tenant" on holdfast.changes for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "changes_floor" on holdfast.changes;
create policy "changes_floor" on holdfast.changes as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
alter table holdfast.field_history enable row level security;
alter table holdfast.field_history force row level security;
drop policy if exists "field_history_tenant" on holdfast.field_history;
create policy "field_history_tenant" on holdfast.field_history for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "field_history_floor" on holdfast.field_history;
create policy "field_history_floor" on holdfast.field_history as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "field_history_owner" on holdfast.field_history;
create policy "field_history_owner" on holdfast.field_history as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (owner_id is null or "owner_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check (owner_id is null or "owner_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
create or replace trigger guard before insert or update or delete on holdfast.tenant_heads for each statement execute function holdfast.guard();
create or replace trigger guard before insert or update or delete on holdfast.changes for each statement execute function holdfast.guard();
create or replace trigger guard before insert or update or delete on holdfast.field_history for each statement execute function holdfast.guard();
