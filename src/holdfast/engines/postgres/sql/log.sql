-- The tenants' counters, the change log and the field history.
-- :owner, :runtime, :realm and :maintenance are replaced by quoted role names, :tenant by the row policy.

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
grant execute on function holdfast.lock_tenant(uuid) to :runtime;
grant select, insert, update on holdfast.tenant_heads to :runtime;
grant select, insert on holdfast.changes, holdfast.field_history to :runtime;
grant select, delete on holdfast.tenant_heads, holdfast.changes, holdfast.field_history to :maintenance;
