-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.

-- create sync.devices
create schema if not exists "sync";
create table if not exists "sync"."devices" (
  tenant_id uuid not null check (tenant_id <> '00000000-0000-0000-0000-000000000000'),
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "name" varchar(128) collate "C" not null,
  "named" boolean not null,
  "seen" bigint not null,
  "issued" bigint not null,
  "pushed" bigint not null,
  "last_seen" timestamptz not null,
  primary key (tenant_id, id),
  constraint "devices_user_id_fkey" foreign key (tenant_id, "user_id") references realm.memberships (tenant_id, user_id) on delete no action deferrable initially deferred
);
create index if not exists "devices_created_at_idx" on "sync"."devices" ("tenant_id", "created_at", "id");
create index if not exists "devices_last_seen_idx" on "sync"."devices" ("tenant_id", "last_seen", "id");
create index if not exists "devices_user_id_idx" on "sync"."devices" ("tenant_id", "user_id", "id");
alter table "sync"."devices" enable row level security;
alter table "sync"."devices" force row level security;
drop policy if exists "devices_tenant" on "sync"."devices";
create policy "devices_tenant" on "sync"."devices" for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "devices_floor" on "sync"."devices";
create policy "devices_floor" on "sync"."devices" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "devices_owner" on "sync"."devices";
create policy "devices_owner" on "sync"."devices" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
grant usage on schema "sync" to "holdfast_runtime", "holdfast_maintenance";
grant select, insert, update, delete on "sync"."devices" to "holdfast_runtime";
grant select, delete on "sync"."devices" to "holdfast_maintenance";

-- create sync.visibility
create schema if not exists "sync";
create table if not exists "sync"."visibility" (
  tenant_id uuid not null check (tenant_id <> '00000000-0000-0000-0000-000000000000'),
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  commit_salt bytea not null,
  "user_id" uuid not null,
  "tables" jsonb not null,
  primary key (tenant_id, id),
  constraint "visibility_user_id_fkey" foreign key (tenant_id, "user_id") references realm.memberships (tenant_id, user_id) on delete no action deferrable initially deferred
);
create index if not exists "visibility_created_at_idx" on "sync"."visibility" ("tenant_id", "created_at", "id");
create index if not exists "visibility_user_id_idx" on "sync"."visibility" ("tenant_id", "user_id", "id");
alter table "sync"."visibility" enable row level security;
alter table "sync"."visibility" force row level security;
drop policy if exists "visibility_tenant" on "sync"."visibility";
create policy "visibility_tenant" on "sync"."visibility" for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "visibility_floor" on "sync"."visibility";
create policy "visibility_floor" on "sync"."visibility" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "visibility_owner" on "sync"."visibility";
create policy "visibility_owner" on "sync"."visibility" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
grant usage on schema "sync" to "holdfast_runtime", "holdfast_maintenance";
grant select, insert, update, delete on "sync"."visibility" to "holdfast_runtime";
grant select, delete on "sync"."visibility" to "holdfast_maintenance";
create or replace trigger guard before insert or update or delete on "sync"."visibility" for each statement execute function holdfast.guard();

-- create sync.conflicts
create schema if not exists "sync";
create table if not exists "sync"."conflicts" (
  tenant_id uuid not null check (tenant_id <> '00000000-0000-0000-0000-000000000000'),
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "entity" varchar(128) collate "C" not null,
  "row_id" uuid not null,
  "device_id" uuid,
  "number" bigint not null,
  "base" bigint not null,
  "reason" varchar(50) collate "C" not null,
  "rules" jsonb not null,
  "state" text collate "C" not null check ("state" in ('open', 'settled', 'resolved')),
  "resolution" varchar(50) collate "C",
  "resolved_by" uuid,
  "resolved_at" timestamptz,
  primary key (tenant_id, id),
  constraint "conflicts_user_id_fkey" foreign key (tenant_id, "user_id") references realm.memberships (tenant_id, user_id) on delete no action deferrable initially deferred
);
create index if not exists "conflicts_created_at_idx" on "sync"."conflicts" ("tenant_id", "created_at", "id");
create index if not exists "conflicts_state_idx" on "sync"."conflicts" ("tenant_id", "state", "id");
create index if not exists "conflicts_row_id_idx" on "sync"."conflicts" ("tenant_id", "row_id", "id");
create index if not exists "conflicts_user_id_idx" on "sync"."conflicts" ("tenant_id", "user_id", "id");
alter table "sync"."conflicts" enable row level security;
alter table "sync"."conflicts" force row level security;
drop policy if exists "conflicts_tenant" on "sync"."conflicts";
create policy "conflicts_tenant" on "sync"."conflicts" for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "conflicts_floor" on "sync"."conflicts";
create policy "conflicts_floor" on "sync"."conflicts" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "conflicts_owner" on "sync"."conflicts";
create policy "conflicts_owner" on "sync"."conflicts" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
grant usage on schema "sync" to "holdfast_runtime", "holdfast_maintenance";
grant select, insert, update, delete on "sync"."conflicts" to "holdfast_runtime";
grant select, delete on "sync"."conflicts" to "holdfast_maintenance";

-- create sync.conflict_resolution_history
create schema if not exists "sync";
create table if not exists "sync"."conflict_resolution_history" (
  tenant_id uuid not null check (tenant_id <> '00000000-0000-0000-0000-000000000000'),
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "conflict_id" uuid not null,
  "resolution_type" varchar(50) collate "C" not null,
  "resolution_data" jsonb,
  "auto_resolved" boolean not null,
  "timestamp" timestamptz not null,
  primary key (tenant_id, id),
  constraint "conflict_resolution_history_user_id_fkey" foreign key (tenant_id, "user_id") references realm.memberships (tenant_id, user_id) on delete no action deferrable initially deferred
);
create index if not exists "conflict_resolution_history_created_at_idx" on "sync"."conflict_resolution_history" ("tenant_id", "created_at", "id");
create index if not exists "conflict_resolution_history_conflict_id_idx" on "sync"."conflict_resolution_history" ("tenant_id", "conflict_id", "id");
create index if not exists "conflict_resolution_history_timestamp_idx" on "sync"."conflict_resolution_history" ("tenant_id", "timestamp", "id");
create index if not exists "conflict_resolution_history_user_id_idx" on "sync"."conflict_resolution_history" ("tenant_id", "user_id", "id");
alter table "sync"."conflict_resolution_history" enable row level security;
alter table "sync"."conflict_resolution_history" force row level security;
drop policy if exists "conflict_resolution_history_tenant" on "sync"."conflict_resolution_history";
create policy "conflict_resolution_history_tenant" on "sync"."conflict_resolution_history" for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "conflict_resolution_history_floor" on "sync"."conflict_resolution_history";
create policy "conflict_resolution_history_floor" on "sync"."conflict_resolution_history" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "conflict_resolution_history_owner" on "sync"."conflict_resolution_history";
create policy "conflict_resolution_history_owner" on "sync"."conflict_resolution_history" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
grant usage on schema "sync" to "holdfast_runtime", "holdfast_maintenance";
grant select, insert, update, delete on "sync"."conflict_resolution_history" to "holdfast_runtime";
grant select, delete on "sync"."conflict_resolution_history" to "holdfast_maintenance";

-- create sync.push_receipts
create schema if not exists "sync";
create table if not exists "sync"."push_receipts" (
  tenant_id uuid not null check (tenant_id <> '00000000-0000-0000-0000-000000000000'),
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "body" varchar(64) collate "C" not null,
  "answer" jsonb not null,
  primary key (tenant_id, id),
  constraint "push_receipts_user_id_fkey" foreign key (tenant_id, "user_id") references realm.memberships (tenant_id, user_id) on delete no action deferrable initially deferred
);
create index if not exists "push_receipts_created_at_idx" on "sync"."push_receipts" ("tenant_id", "created_at", "id");
create index if not exists "push_receipts_user_id_idx" on "sync"."push_receipts" ("tenant_id", "user_id", "id");
alter table "sync"."push_receipts" enable row level security;
alter table "sync"."push_receipts" force row level security;
drop policy if exists "push_receipts_tenant" on "sync"."push_receipts";
create policy "push_receipts_tenant" on "sync"."push_receipts" for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "push_receipts_floor" on "sync"."push_receipts";
create policy "push_receipts_floor" on "sync"."push_receipts" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using (tenant_id = (select current_setting('app.tenant_id'))::uuid) with check (tenant_id = (select current_setting('app.tenant_id'))::uuid);
drop policy if exists "push_receipts_owner" on "sync"."push_receipts";
create policy "push_receipts_owner" on "sync"."push_receipts" as restrictive for all to "holdfast_runtime", "holdfast_maintenance" using ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*') with check ("user_id" = nullif((select current_setting('app.user_id')), '*')::uuid or (select current_setting('app.user_id')) = '*');
grant usage on schema "sync" to "holdfast_runtime", "holdfast_maintenance";
grant select, insert, update, delete on "sync"."push_receipts" to "holdfast_runtime";
grant select, delete on "sync"."push_receipts" to "holdfast_maintenance";

-- create sync.epochs
create schema if not exists "sync";
create table if not exists "sync"."epochs" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "store" uuid not null,
  "epoch" uuid not null,
  "began_at" timestamptz not null,
  "reason" varchar(128) collate "C" not null,
  primary key (id)
);
grant usage on schema "sync" to "holdfast_realm";
grant select, insert, update, delete on "sync"."epochs" to "holdfast_realm";


-- GENERATED FUNCTIONS: 13

-- prepare the hot paths of sync.devices (f09f1520)
create or replace function "sync"."get_devices_f09f1520"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"named":' || (r."named"::text) || ',"seen":' || (r."seen"::text) || ',"issued":' || (r."issued"::text) || ',"pushed":' || (r."pushed"::text) || ',"last_seen":' || ('"' || to_char(r."last_seen" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || '}' into version, body
    from "sync"."devices" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted;
end $plan$;
create or replace function "sync"."list_devices_f09f1520"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"named":' || (r."named"::text) || ',"seen":' || (r."seen"::text) || ',"issued":' || (r."issued"::text) || ',"pushed":' || (r."pushed"::text) || ',"last_seen":' || ('"' || to_char(r."last_seen" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || '}' as j
            from "sync"."devices" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
revoke all on function "sync"."get_devices_f09f1520"(text, uuid) from public;
grant execute on function "sync"."get_devices_f09f1520"(text, uuid) to "holdfast_runtime";
revoke all on function "sync"."list_devices_f09f1520"(text, integer, uuid) from public;
grant execute on function "sync"."list_devices_f09f1520"(text, integer, uuid) to "holdfast_runtime";

-- prepare the hot paths of sync.visibility (0febac4a)
create or replace function "sync"."get_visibility_0febac4a"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"tables":' || (r."tables"::text) || '}' into version, body
    from "sync"."visibility" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted;
end $plan$;
create or replace function "sync"."list_visibility_0febac4a"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"tables":' || (r."tables"::text) || '}' as j
            from "sync"."visibility" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
create or replace function "sync"."create_visibility_0febac4a"(ctx text, ops jsonb) returns bigint
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  who text;
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.flush', 'on', true);
  update holdfast.tenant_heads set head = head + k where tenant_id = t returning head into h;
  if not found then
    h := holdfast.lock_tenant(t) + k;
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  for who in select distinct o ->> 'u' from jsonb_array_elements(ops) o loop
    perform set_config('app.user_id', who, true);
    insert into "sync"."visibility" (tenant_id, id, version, created_at, updated_at, commit_salt, "user_id", "tables")
    select t, m.id, 1, m.at, m.at, m.s, v."user_id", v."tables"
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v("user_id" uuid, "tables" jsonb)
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
  select t, h - k + e.ord, h, 1, 'sync.visibility', m.id, 'c', array['tables', 'user_id']::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
end $plan$;
create or replace function "sync"."update_visibility_0febac4a"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "sync"."visibility"%rowtype;
  log holdfast.changes[] := '{}';
  nw "sync"."visibility"%rowtype;
  changed text[];
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.flush', 'on', true);
  update holdfast.tenant_heads set head = head + k where tenant_id = t returning head into h;
  if not found then
    h := holdfast.lock_tenant(t) + k;
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  h := h - k;
  start := h;
  for o in select e.o from jsonb_array_elements(ops) with ordinality e(o, ord) order by e.ord loop
    if o ->> 'u' is distinct from who then
      who := o ->> 'u';
      perform set_config('app.user_id', who, true);
    end if;
    number := null; version := null; body := null;
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."tables" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."tables" from "sync"."visibility" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid;
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[case when nw."tables" is distinct from cur."tables" then 'tables' end, case when nw."user_id" is distinct from cur."user_id" then 'user_id' end]::text[], null);
    if changed = '{}' then
      status := 'same'; version := cur.version; body := '{"id":' || ('"' || cur."id"::text || '"') || ',"version":' || (cur."version"::text) || ',"created_at":' || ('"' || to_char(cur."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(cur."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || cur."user_id"::text || '"', 'null')) || ',"tables":' || (cur."tables"::text) || '}'; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update "sync"."visibility" r set version = nw.version, updated_at = nw.updated_at, "tables" = nw."tables", "user_id" = nw."user_id"
     where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'sync.visibility', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('tables', coalesce(cur."tables"::text, 'null'))) x(f, j) where x.f = any(changed);
    log := log || row(t, h, h, 1, 'sync.visibility', cur.id, 'u', changed, nw.version,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(nw.version) || decode(case when nw."tables" is distinct from cur."tables" then o -> 'h' ->> 'tables' else '' end || case when nw."user_id" is distinct from cur."user_id" then o -> 'h' ->> 'user_id' else '' end, 'hex')))::holdfast.changes;
    status := 'done'; number := h; version := nw.version; body := '{"id":' || ('"' || nw."id"::text || '"') || ',"version":' || (nw."version"::text) || ',"created_at":' || ('"' || to_char(nw."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(nw."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || nw."user_id"::text || '"', 'null')) || ',"tables":' || (nw."tables"::text) || '}'; return next;
  end loop;
  if h < start + k then
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  if h > start then
    insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
    select l.tenant_id, l.number, h, l.format, l.entity, l.row_id, l.op, l.fields, l.version, l.actor, l.device, l.at,
           l.commitment from unnest(log) l;
  end if;
end $plan$;
create or replace function "sync"."delete_visibility_0febac4a"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "sync"."visibility"%rowtype;
  log holdfast.changes[] := '{}';
  dead uuid[] := '{}';
  numbers bigint[] := '{}';
  devices text[] := '{}';
  owners uuid[] := '{}';
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.flush', 'on', true);
  update holdfast.tenant_heads set head = head + k where tenant_id = t returning head into h;
  if not found then
    h := holdfast.lock_tenant(t) + k;
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  h := h - k;
  start := h;
  for o in select e.o from jsonb_array_elements(ops) with ordinality e(o, ord) order by e.ord loop
    if o ->> 'u' is distinct from who then
      who := o ->> 'u';
      perform set_config('app.user_id', who, true);
    end if;
    number := null; version := null; body := null;
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."tables" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."tables" from "sync"."visibility" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid;
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    h := h + 1;
    delete from "sync"."visibility" r where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'sync.visibility', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('tables', coalesce(cur."tables"::text, 'null')), ('commit_salt', '"' || encode(cur.commit_salt, 'base64') || '"')) x(f, j) where x.j <> 'null';
    log := log || row(t, h, h, 1, 'sync.visibility', cur.id, 'd', '{}'::text[], cur.version + 1,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(cur.version + 1)))::holdfast.changes;
    dead := dead || cur.id; numbers := numbers || h; devices := devices || (o ->> 'd'); owners := owners || cur."user_id";
    status := 'done'; number := h; version := cur.version + 1; return next;
  end loop;
  if h < start + k then
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  if h > start then
    insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
    select l.tenant_id, l.number, h, l.format, l.entity, l.row_id, l.op, l.fields, l.version, l.actor, l.device, l.at,
           l.commitment from unnest(log) l;
    perform set_config('app.user_id', '*', true);
    insert into holdfast.tombstones (tenant_id, entity, row_id, number, owner_id, device)
    select t, 'sync.visibility', g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
  end if;
end $plan$;
revoke all on function "sync"."get_visibility_0febac4a"(text, uuid) from public;
grant execute on function "sync"."get_visibility_0febac4a"(text, uuid) to "holdfast_runtime";
revoke all on function "sync"."list_visibility_0febac4a"(text, integer, uuid) from public;
grant execute on function "sync"."list_visibility_0febac4a"(text, integer, uuid) to "holdfast_runtime";
revoke all on function "sync"."create_visibility_0febac4a"(text, jsonb) from public;
grant execute on function "sync"."create_visibility_0febac4a"(text, jsonb) to "holdfast_runtime";
revoke all on function "sync"."update_visibility_0febac4a"(text, jsonb) from public;
grant execute on function "sync"."update_visibility_0febac4a"(text, jsonb) to "holdfast_runtime";
revoke all on function "sync"."delete_visibility_0febac4a"(text, jsonb) from public;
grant execute on function "sync"."delete_visibility_0febac4a"(text, jsonb) to "holdfast_runtime";

-- prepare the hot paths of sync.conflicts (6a27952a)
create or replace function "sync"."get_conflicts_6a27952a"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"entity":' || (to_json(r."entity")::text) || ',"row_id":' || ('"' || r."row_id"::text || '"') || ',"device_id":' || (coalesce('"' || r."device_id"::text || '"', 'null')) || ',"number":' || (r."number"::text) || ',"base":' || (r."base"::text) || ',"reason":' || (to_json(r."reason")::text) || ',"rules":' || (r."rules"::text) || ',"state":' || (to_json(r."state")::text) || ',"resolution":' || (coalesce(to_json(r."resolution")::text, 'null')) || ',"resolved_by":' || (coalesce('"' || r."resolved_by"::text || '"', 'null')) || ',"resolved_at":' || (coalesce('"' || to_char(r."resolved_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' into version, body
    from "sync"."conflicts" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted;
end $plan$;
create or replace function "sync"."list_conflicts_6a27952a"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"entity":' || (to_json(r."entity")::text) || ',"row_id":' || ('"' || r."row_id"::text || '"') || ',"device_id":' || (coalesce('"' || r."device_id"::text || '"', 'null')) || ',"number":' || (r."number"::text) || ',"base":' || (r."base"::text) || ',"reason":' || (to_json(r."reason")::text) || ',"rules":' || (r."rules"::text) || ',"state":' || (to_json(r."state")::text) || ',"resolution":' || (coalesce(to_json(r."resolution")::text, 'null')) || ',"resolved_by":' || (coalesce('"' || r."resolved_by"::text || '"', 'null')) || ',"resolved_at":' || (coalesce('"' || to_char(r."resolved_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' as j
            from "sync"."conflicts" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
revoke all on function "sync"."get_conflicts_6a27952a"(text, uuid) from public;
grant execute on function "sync"."get_conflicts_6a27952a"(text, uuid) to "holdfast_runtime";
revoke all on function "sync"."list_conflicts_6a27952a"(text, integer, uuid) from public;
grant execute on function "sync"."list_conflicts_6a27952a"(text, integer, uuid) to "holdfast_runtime";

-- prepare the hot paths of sync.conflict_resolution_history (ddbb4e6c)
create or replace function "sync"."get_conflict_resolution_history_ddbb4e6c"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"conflict_id":' || ('"' || r."conflict_id"::text || '"') || ',"resolution_type":' || (to_json(r."resolution_type")::text) || ',"resolution_data":' || (coalesce(r."resolution_data"::text, 'null')) || ',"auto_resolved":' || (r."auto_resolved"::text) || ',"timestamp":' || ('"' || to_char(r."timestamp" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || '}' into version, body
    from "sync"."conflict_resolution_history" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted;
end $plan$;
create or replace function "sync"."list_conflict_resolution_history_ddbb4e6c"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"conflict_id":' || ('"' || r."conflict_id"::text || '"') || ',"resolution_type":' || (to_json(r."resolution_type")::text) || ',"resolution_data":' || (coalesce(r."resolution_data"::text, 'null')) || ',"auto_resolved":' || (r."auto_resolved"::text) || ',"timestamp":' || ('"' || to_char(r."timestamp" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || '}' as j
            from "sync"."conflict_resolution_history" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
revoke all on function "sync"."get_conflict_resolution_history_ddbb4e6c"(text, uuid) from public;
grant execute on function "sync"."get_conflict_resolution_history_ddbb4e6c"(text, uuid) to "holdfast_runtime";
revoke all on function "sync"."list_conflict_resolution_history_ddbb4e6c"(text, integer, uuid) from public;
grant execute on function "sync"."list_conflict_resolution_history_ddbb4e6c"(text, integer, uuid) to "holdfast_runtime";

-- prepare the hot paths of sync.push_receipts (4fc14f63)
create or replace function "sync"."get_push_receipts_4fc14f63"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"body":' || (to_json(r."body")::text) || ',"answer":' || (r."answer"::text) || '}' into version, body
    from "sync"."push_receipts" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted;
end $plan$;
create or replace function "sync"."list_push_receipts_4fc14f63"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"body":' || (to_json(r."body")::text) || ',"answer":' || (r."answer"::text) || '}' as j
            from "sync"."push_receipts" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
revoke all on function "sync"."get_push_receipts_4fc14f63"(text, uuid) from public;
grant execute on function "sync"."get_push_receipts_4fc14f63"(text, uuid) to "holdfast_runtime";
revoke all on function "sync"."list_push_receipts_4fc14f63"(text, integer, uuid) from public;
grant execute on function "sync"."list_push_receipts_4fc14f63"(text, integer, uuid) to "holdfast_runtime";
