-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.


-- GENERATED FUNCTIONS: 20

-- prepare the hot paths of finance.financial_accounts (344f140d)
create or replace function "finance"."get_financial_accounts_344f140d"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"account_type":' || (to_json(r."account_type")::text) || ',"institution":' || (coalesce(to_json(r."institution")::text, 'null')) || ',"balance":' || ('"' || r."balance"::text || '"') || ',"currency":' || (to_json(r."currency")::text) || ',"interest_rate":' || (coalesce('"' || r."interest_rate"::text || '"', 'null')) || ',"is_active":' || (r."is_active"::text) || ',"metadata":' || (r."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' into version, body
    from "finance"."financial_accounts" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid);
end $plan$;
create or replace function "finance"."list_financial_accounts_344f140d"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"account_type":' || (to_json(r."account_type")::text) || ',"institution":' || (coalesce(to_json(r."institution")::text, 'null')) || ',"balance":' || ('"' || r."balance"::text || '"') || ',"currency":' || (to_json(r."currency")::text) || ',"interest_rate":' || (coalesce('"' || r."interest_rate"::text || '"', 'null')) || ',"is_active":' || (r."is_active"::text) || ',"metadata":' || (r."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' as j
            from "finance"."financial_accounts" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
create or replace function "finance"."create_financial_accounts_344f140d"(ctx text, ops jsonb) returns bigint
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
    insert into "finance"."financial_accounts" (tenant_id, id, version, created_at, updated_at, commit_salt, "user_id", "name", "account_type", "institution", "balance", "currency", "interest_rate", "is_active", "metadata", "synced_at")
    select t, m.id, 1, m.at, m.at, m.s, v."user_id", v."name", v."account_type", v."institution", v."balance", v."currency", v."interest_rate", v."is_active", v."metadata", v."synced_at"
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v("user_id" uuid, "name" text, "account_type" text, "institution" text, "balance" numeric(15,2), "currency" text, "interest_rate" numeric(5,4), "is_active" boolean, "metadata" jsonb, "synced_at" timestamptz)
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
  select t, h - k + e.ord, h, 1, 'finance.financial_accounts', m.id, 'c', array['account_type', 'balance', 'currency', 'institution', 'interest_rate', 'is_active', 'metadata', 'name', 'synced_at', 'user_id']::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
end $plan$;
create or replace function "finance"."update_financial_accounts_344f140d"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."financial_accounts"%rowtype;
  log holdfast.changes[] := '{}';
  nw "finance"."financial_accounts"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."account_type", r."institution", r."balance", r."currency", r."interest_rate", r."is_active", r."metadata", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."account_type", cur."institution", cur."balance", cur."currency", cur."interest_rate", cur."is_active", cur."metadata", cur."synced_at" from "finance"."financial_accounts" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[case when nw."account_type" is distinct from cur."account_type" then 'account_type' end, case when nw."balance" is distinct from cur."balance" then 'balance' end, case when nw."currency" is distinct from cur."currency" then 'currency' end, case when nw."institution" is distinct from cur."institution" then 'institution' end, case when nw."interest_rate" is distinct from cur."interest_rate" then 'interest_rate' end, case when nw."is_active" is distinct from cur."is_active" then 'is_active' end, case when nw."metadata" is distinct from cur."metadata" then 'metadata' end, case when nw."name" is distinct from cur."name" then 'name' end, case when nw."synced_at" is distinct from cur."synced_at" then 'synced_at' end, case when nw."user_id" is distinct from cur."user_id" then 'user_id' end]::text[], null);
    if changed = '{}' then
      status := 'same'; version := cur.version; body := '{"id":' || ('"' || cur."id"::text || '"') || ',"version":' || (cur."version"::text) || ',"created_at":' || ('"' || to_char(cur."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(cur."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || cur."user_id"::text || '"', 'null')) || ',"name":' || (to_json(cur."name")::text) || ',"account_type":' || (to_json(cur."account_type")::text) || ',"institution":' || (coalesce(to_json(cur."institution")::text, 'null')) || ',"balance":' || ('"' || cur."balance"::text || '"') || ',"currency":' || (to_json(cur."currency")::text) || ',"interest_rate":' || (coalesce('"' || cur."interest_rate"::text || '"', 'null')) || ',"is_active":' || (cur."is_active"::text) || ',"metadata":' || (cur."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update "finance"."financial_accounts" r set version = nw.version, updated_at = nw.updated_at, "account_type" = nw."account_type", "balance" = nw."balance", "currency" = nw."currency", "institution" = nw."institution", "interest_rate" = nw."interest_rate", "is_active" = nw."is_active", "metadata" = nw."metadata", "name" = nw."name", "synced_at" = nw."synced_at", "user_id" = nw."user_id"
     where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.financial_accounts', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('account_type', coalesce(to_json(cur."account_type")::text, 'null')), ('institution', coalesce(to_json(cur."institution")::text, 'null')), ('balance', coalesce('"' || cur."balance"::text || '"', 'null')), ('currency', coalesce(to_json(cur."currency")::text, 'null')), ('interest_rate', coalesce('"' || cur."interest_rate"::text || '"', 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('metadata', coalesce(cur."metadata"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null'))) x(f, j) where x.f = any(changed);
    log := log || row(t, h, h, 1, 'finance.financial_accounts', cur.id, 'u', changed, nw.version,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(nw.version) || decode(case when nw."account_type" is distinct from cur."account_type" then o -> 'h' ->> 'account_type' else '' end || case when nw."balance" is distinct from cur."balance" then o -> 'h' ->> 'balance' else '' end || case when nw."currency" is distinct from cur."currency" then o -> 'h' ->> 'currency' else '' end || case when nw."institution" is distinct from cur."institution" then o -> 'h' ->> 'institution' else '' end || case when nw."interest_rate" is distinct from cur."interest_rate" then o -> 'h' ->> 'interest_rate' else '' end || case when nw."is_active" is distinct from cur."is_active" then o -> 'h' ->> 'is_active' else '' end || case when nw."metadata" is distinct from cur."metadata" then o -> 'h' ->> 'metadata' else '' end || case when nw."name" is distinct from cur."name" then o -> 'h' ->> 'name' else '' end || case when nw."synced_at" is distinct from cur."synced_at" then o -> 'h' ->> 'synced_at' else '' end || case when nw."user_id" is distinct from cur."user_id" then o -> 'h' ->> 'user_id' else '' end, 'hex')))::holdfast.changes;
    status := 'done'; number := h; version := nw.version; body := '{"id":' || ('"' || nw."id"::text || '"') || ',"version":' || (nw."version"::text) || ',"created_at":' || ('"' || to_char(nw."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(nw."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || nw."user_id"::text || '"', 'null')) || ',"name":' || (to_json(nw."name")::text) || ',"account_type":' || (to_json(nw."account_type")::text) || ',"institution":' || (coalesce(to_json(nw."institution")::text, 'null')) || ',"balance":' || ('"' || nw."balance"::text || '"') || ',"currency":' || (to_json(nw."currency")::text) || ',"interest_rate":' || (coalesce('"' || nw."interest_rate"::text || '"', 'null')) || ',"is_active":' || (nw."is_active"::text) || ',"metadata":' || (nw."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(nw."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next;
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
create or replace function "finance"."delete_financial_accounts_344f140d"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."financial_accounts"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."account_type", r."institution", r."balance", r."currency", r."interest_rate", r."is_active", r."metadata", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."account_type", cur."institution", cur."balance", cur."currency", cur."interest_rate", cur."is_active", cur."metadata", cur."synced_at" from "finance"."financial_accounts" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    h := h + 1;
    delete from "finance"."financial_accounts" r where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.financial_accounts', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('account_type', coalesce(to_json(cur."account_type")::text, 'null')), ('institution', coalesce(to_json(cur."institution")::text, 'null')), ('balance', coalesce('"' || cur."balance"::text || '"', 'null')), ('currency', coalesce(to_json(cur."currency")::text, 'null')), ('interest_rate', coalesce('"' || cur."interest_rate"::text || '"', 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('metadata', coalesce(cur."metadata"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')), ('commit_salt', '"' || encode(cur.commit_salt, 'base64') || '"')) x(f, j) where x.j <> 'null';
    log := log || row(t, h, h, 1, 'finance.financial_accounts', cur.id, 'd', '{}'::text[], cur.version + 1,
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
    select t, 'finance.financial_accounts', g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
  end if;
end $plan$;
revoke all on function "finance"."get_financial_accounts_344f140d"(text, uuid) from public;
grant execute on function "finance"."get_financial_accounts_344f140d"(text, uuid) to "holdfast_runtime";
revoke all on function "finance"."list_financial_accounts_344f140d"(text, integer, uuid) from public;
grant execute on function "finance"."list_financial_accounts_344f140d"(text, integer, uuid) to "holdfast_runtime";
revoke all on function "finance"."create_financial_accounts_344f140d"(text, jsonb) from public;
grant execute on function "finance"."create_financial_accounts_344f140d"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."update_financial_accounts_344f140d"(text, jsonb) from public;
grant execute on function "finance"."update_financial_accounts_344f140d"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."delete_financial_accounts_344f140d"(text, jsonb) from public;
grant execute on function "finance"."delete_financial_accounts_344f140d"(text, jsonb) to "holdfast_runtime";

-- prepare the hot paths of finance.financial_goals (e7ee45eb)
create or replace function "finance"."get_financial_goals_e7ee45eb"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"goal_type":' || (to_json(r."goal_type")::text) || ',"target_amount":' || ('"' || r."target_amount"::text || '"') || ',"current_amount":' || ('"' || r."current_amount"::text || '"') || ',"target_date":' || (coalesce('"' || to_char(r."target_date", 'YYYY-MM-DD') || '"', 'null')) || ',"priority":' || (coalesce(r."priority"::text, 'null')) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"is_active":' || (r."is_active"::text) || ',"metadata":' || (r."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' into version, body
    from "finance"."financial_goals" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid);
end $plan$;
create or replace function "finance"."list_financial_goals_e7ee45eb"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"goal_type":' || (to_json(r."goal_type")::text) || ',"target_amount":' || ('"' || r."target_amount"::text || '"') || ',"current_amount":' || ('"' || r."current_amount"::text || '"') || ',"target_date":' || (coalesce('"' || to_char(r."target_date", 'YYYY-MM-DD') || '"', 'null')) || ',"priority":' || (coalesce(r."priority"::text, 'null')) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"is_active":' || (r."is_active"::text) || ',"metadata":' || (r."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' as j
            from "finance"."financial_goals" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
create or replace function "finance"."create_financial_goals_e7ee45eb"(ctx text, ops jsonb) returns bigint
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
    insert into "finance"."financial_goals" (tenant_id, id, version, created_at, updated_at, commit_salt, "user_id", "name", "goal_type", "target_amount", "current_amount", "target_date", "priority", "description", "is_active", "metadata", "synced_at")
    select t, m.id, 1, m.at, m.at, m.s, v."user_id", v."name", v."goal_type", v."target_amount", v."current_amount", v."target_date", v."priority", v."description", v."is_active", v."metadata", v."synced_at"
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v("user_id" uuid, "name" text, "goal_type" text, "target_amount" numeric(15,2), "current_amount" numeric(15,2), "target_date" date, "priority" bigint, "description" text, "is_active" boolean, "metadata" jsonb, "synced_at" timestamptz)
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
  select t, h - k + e.ord, h, 1, 'finance.financial_goals', m.id, 'c', array['current_amount', 'description', 'goal_type', 'is_active', 'metadata', 'name', 'priority', 'synced_at', 'target_amount', 'target_date', 'user_id']::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
end $plan$;
create or replace function "finance"."update_financial_goals_e7ee45eb"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."financial_goals"%rowtype;
  log holdfast.changes[] := '{}';
  nw "finance"."financial_goals"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."goal_type", r."target_amount", r."current_amount", r."target_date", r."priority", r."description", r."is_active", r."metadata", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."goal_type", cur."target_amount", cur."current_amount", cur."target_date", cur."priority", cur."description", cur."is_active", cur."metadata", cur."synced_at" from "finance"."financial_goals" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[case when nw."current_amount" is distinct from cur."current_amount" then 'current_amount' end, case when nw."description" is distinct from cur."description" then 'description' end, case when nw."goal_type" is distinct from cur."goal_type" then 'goal_type' end, case when nw."is_active" is distinct from cur."is_active" then 'is_active' end, case when nw."metadata" is distinct from cur."metadata" then 'metadata' end, case when nw."name" is distinct from cur."name" then 'name' end, case when nw."priority" is distinct from cur."priority" then 'priority' end, case when nw."synced_at" is distinct from cur."synced_at" then 'synced_at' end, case when nw."target_amount" is distinct from cur."target_amount" then 'target_amount' end, case when nw."target_date" is distinct from cur."target_date" then 'target_date' end, case when nw."user_id" is distinct from cur."user_id" then 'user_id' end]::text[], null);
    if changed = '{}' then
      status := 'same'; version := cur.version; body := '{"id":' || ('"' || cur."id"::text || '"') || ',"version":' || (cur."version"::text) || ',"created_at":' || ('"' || to_char(cur."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(cur."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || cur."user_id"::text || '"', 'null')) || ',"name":' || (to_json(cur."name")::text) || ',"goal_type":' || (to_json(cur."goal_type")::text) || ',"target_amount":' || ('"' || cur."target_amount"::text || '"') || ',"current_amount":' || ('"' || cur."current_amount"::text || '"') || ',"target_date":' || (coalesce('"' || to_char(cur."target_date", 'YYYY-MM-DD') || '"', 'null')) || ',"priority":' || (coalesce(cur."priority"::text, 'null')) || ',"description":' || (coalesce(to_json(cur."description")::text, 'null')) || ',"is_active":' || (cur."is_active"::text) || ',"metadata":' || (cur."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update "finance"."financial_goals" r set version = nw.version, updated_at = nw.updated_at, "current_amount" = nw."current_amount", "description" = nw."description", "goal_type" = nw."goal_type", "is_active" = nw."is_active", "metadata" = nw."metadata", "name" = nw."name", "priority" = nw."priority", "synced_at" = nw."synced_at", "target_amount" = nw."target_amount", "target_date" = nw."target_date", "user_id" = nw."user_id"
     where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.financial_goals', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('goal_type', coalesce(to_json(cur."goal_type")::text, 'null')), ('target_amount', coalesce('"' || cur."target_amount"::text || '"', 'null')), ('current_amount', coalesce('"' || cur."current_amount"::text || '"', 'null')), ('target_date', coalesce('"' || to_char(cur."target_date", 'YYYY-MM-DD') || '"', 'null')), ('priority', coalesce(cur."priority"::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('metadata', coalesce(cur."metadata"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null'))) x(f, j) where x.f = any(changed);
    log := log || row(t, h, h, 1, 'finance.financial_goals', cur.id, 'u', changed, nw.version,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(nw.version) || decode(case when nw."current_amount" is distinct from cur."current_amount" then o -> 'h' ->> 'current_amount' else '' end || case when nw."description" is distinct from cur."description" then o -> 'h' ->> 'description' else '' end || case when nw."goal_type" is distinct from cur."goal_type" then o -> 'h' ->> 'goal_type' else '' end || case when nw."is_active" is distinct from cur."is_active" then o -> 'h' ->> 'is_active' else '' end || case when nw."metadata" is distinct from cur."metadata" then o -> 'h' ->> 'metadata' else '' end || case when nw."name" is distinct from cur."name" then o -> 'h' ->> 'name' else '' end || case when nw."priority" is distinct from cur."priority" then o -> 'h' ->> 'priority' else '' end || case when nw."synced_at" is distinct from cur."synced_at" then o -> 'h' ->> 'synced_at' else '' end || case when nw."target_amount" is distinct from cur."target_amount" then o -> 'h' ->> 'target_amount' else '' end || case when nw."target_date" is distinct from cur."target_date" then o -> 'h' ->> 'target_date' else '' end || case when nw."user_id" is distinct from cur."user_id" then o -> 'h' ->> 'user_id' else '' end, 'hex')))::holdfast.changes;
    status := 'done'; number := h; version := nw.version; body := '{"id":' || ('"' || nw."id"::text || '"') || ',"version":' || (nw."version"::text) || ',"created_at":' || ('"' || to_char(nw."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(nw."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || nw."user_id"::text || '"', 'null')) || ',"name":' || (to_json(nw."name")::text) || ',"goal_type":' || (to_json(nw."goal_type")::text) || ',"target_amount":' || ('"' || nw."target_amount"::text || '"') || ',"current_amount":' || ('"' || nw."current_amount"::text || '"') || ',"target_date":' || (coalesce('"' || to_char(nw."target_date", 'YYYY-MM-DD') || '"', 'null')) || ',"priority":' || (coalesce(nw."priority"::text, 'null')) || ',"description":' || (coalesce(to_json(nw."description")::text, 'null')) || ',"is_active":' || (nw."is_active"::text) || ',"metadata":' || (nw."metadata"::text) || ',"synced_at":' || (coalesce('"' || to_char(nw."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next;
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
create or replace function "finance"."delete_financial_goals_e7ee45eb"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."financial_goals"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."goal_type", r."target_amount", r."current_amount", r."target_date", r."priority", r."description", r."is_active", r."metadata", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."goal_type", cur."target_amount", cur."current_amount", cur."target_date", cur."priority", cur."description", cur."is_active", cur."metadata", cur."synced_at" from "finance"."financial_goals" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    h := h + 1;
    delete from "finance"."financial_goals" r where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.financial_goals', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('goal_type', coalesce(to_json(cur."goal_type")::text, 'null')), ('target_amount', coalesce('"' || cur."target_amount"::text || '"', 'null')), ('current_amount', coalesce('"' || cur."current_amount"::text || '"', 'null')), ('target_date', coalesce('"' || to_char(cur."target_date", 'YYYY-MM-DD') || '"', 'null')), ('priority', coalesce(cur."priority"::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('metadata', coalesce(cur."metadata"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')), ('commit_salt', '"' || encode(cur.commit_salt, 'base64') || '"')) x(f, j) where x.j <> 'null';
    log := log || row(t, h, h, 1, 'finance.financial_goals', cur.id, 'd', '{}'::text[], cur.version + 1,
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
    select t, 'finance.financial_goals', g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
  end if;
end $plan$;
revoke all on function "finance"."get_financial_goals_e7ee45eb"(text, uuid) from public;
grant execute on function "finance"."get_financial_goals_e7ee45eb"(text, uuid) to "holdfast_runtime";
revoke all on function "finance"."list_financial_goals_e7ee45eb"(text, integer, uuid) from public;
grant execute on function "finance"."list_financial_goals_e7ee45eb"(text, integer, uuid) to "holdfast_runtime";
revoke all on function "finance"."create_financial_goals_e7ee45eb"(text, jsonb) from public;
grant execute on function "finance"."create_financial_goals_e7ee45eb"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."update_financial_goals_e7ee45eb"(text, jsonb) from public;
grant execute on function "finance"."update_financial_goals_e7ee45eb"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."delete_financial_goals_e7ee45eb"(text, jsonb) from public;
grant execute on function "finance"."delete_financial_goals_e7ee45eb"(text, jsonb) to "holdfast_runtime";

-- prepare the hot paths of finance.scenarios (3b2bab7c)
create or replace function "finance"."get_scenarios_3b2bab7c"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"assumptions":' || (r."assumptions"::text) || ',"projections":' || (r."projections"::text) || ',"is_active":' || (r."is_active"::text) || ',"is_default":' || (r."is_default"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' into version, body
    from "finance"."scenarios" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid);
end $plan$;
create or replace function "finance"."list_scenarios_3b2bab7c"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"name":' || (to_json(r."name")::text) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"assumptions":' || (r."assumptions"::text) || ',"projections":' || (r."projections"::text) || ',"is_active":' || (r."is_active"::text) || ',"is_default":' || (r."is_default"::text) || ',"synced_at":' || (coalesce('"' || to_char(r."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}' as j
            from "finance"."scenarios" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
create or replace function "finance"."create_scenarios_3b2bab7c"(ctx text, ops jsonb) returns bigint
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
    insert into "finance"."scenarios" (tenant_id, id, version, created_at, updated_at, commit_salt, "user_id", "name", "description", "assumptions", "projections", "is_active", "is_default", "synced_at")
    select t, m.id, 1, m.at, m.at, m.s, v."user_id", v."name", v."description", v."assumptions", v."projections", v."is_active", v."is_default", v."synced_at"
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v("user_id" uuid, "name" text, "description" text, "assumptions" jsonb, "projections" jsonb, "is_active" boolean, "is_default" boolean, "synced_at" timestamptz)
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
  select t, h - k + e.ord, h, 1, 'finance.scenarios', m.id, 'c', array['assumptions', 'description', 'is_active', 'is_default', 'name', 'projections', 'synced_at', 'user_id']::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
end $plan$;
create or replace function "finance"."update_scenarios_3b2bab7c"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."scenarios"%rowtype;
  log holdfast.changes[] := '{}';
  nw "finance"."scenarios"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."description", r."assumptions", r."projections", r."is_active", r."is_default", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."description", cur."assumptions", cur."projections", cur."is_active", cur."is_default", cur."synced_at" from "finance"."scenarios" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[case when nw."assumptions" is distinct from cur."assumptions" then 'assumptions' end, case when nw."description" is distinct from cur."description" then 'description' end, case when nw."is_active" is distinct from cur."is_active" then 'is_active' end, case when nw."is_default" is distinct from cur."is_default" then 'is_default' end, case when nw."name" is distinct from cur."name" then 'name' end, case when nw."projections" is distinct from cur."projections" then 'projections' end, case when nw."synced_at" is distinct from cur."synced_at" then 'synced_at' end, case when nw."user_id" is distinct from cur."user_id" then 'user_id' end]::text[], null);
    if changed = '{}' then
      status := 'same'; version := cur.version; body := '{"id":' || ('"' || cur."id"::text || '"') || ',"version":' || (cur."version"::text) || ',"created_at":' || ('"' || to_char(cur."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(cur."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || cur."user_id"::text || '"', 'null')) || ',"name":' || (to_json(cur."name")::text) || ',"description":' || (coalesce(to_json(cur."description")::text, 'null')) || ',"assumptions":' || (cur."assumptions"::text) || ',"projections":' || (cur."projections"::text) || ',"is_active":' || (cur."is_active"::text) || ',"is_default":' || (cur."is_default"::text) || ',"synced_at":' || (coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update "finance"."scenarios" r set version = nw.version, updated_at = nw.updated_at, "assumptions" = nw."assumptions", "description" = nw."description", "is_active" = nw."is_active", "is_default" = nw."is_default", "name" = nw."name", "projections" = nw."projections", "synced_at" = nw."synced_at", "user_id" = nw."user_id"
     where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.scenarios', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('assumptions', coalesce(cur."assumptions"::text, 'null')), ('projections', coalesce(cur."projections"::text, 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('is_default', coalesce(cur."is_default"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null'))) x(f, j) where x.f = any(changed);
    log := log || row(t, h, h, 1, 'finance.scenarios', cur.id, 'u', changed, nw.version,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(nw.version) || decode(case when nw."assumptions" is distinct from cur."assumptions" then o -> 'h' ->> 'assumptions' else '' end || case when nw."description" is distinct from cur."description" then o -> 'h' ->> 'description' else '' end || case when nw."is_active" is distinct from cur."is_active" then o -> 'h' ->> 'is_active' else '' end || case when nw."is_default" is distinct from cur."is_default" then o -> 'h' ->> 'is_default' else '' end || case when nw."name" is distinct from cur."name" then o -> 'h' ->> 'name' else '' end || case when nw."projections" is distinct from cur."projections" then o -> 'h' ->> 'projections' else '' end || case when nw."synced_at" is distinct from cur."synced_at" then o -> 'h' ->> 'synced_at' else '' end || case when nw."user_id" is distinct from cur."user_id" then o -> 'h' ->> 'user_id' else '' end, 'hex')))::holdfast.changes;
    status := 'done'; number := h; version := nw.version; body := '{"id":' || ('"' || nw."id"::text || '"') || ',"version":' || (nw."version"::text) || ',"created_at":' || ('"' || to_char(nw."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(nw."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || nw."user_id"::text || '"', 'null')) || ',"name":' || (to_json(nw."name")::text) || ',"description":' || (coalesce(to_json(nw."description")::text, 'null')) || ',"assumptions":' || (nw."assumptions"::text) || ',"projections":' || (nw."projections"::text) || ',"is_active":' || (nw."is_active"::text) || ',"is_default":' || (nw."is_default"::text) || ',"synced_at":' || (coalesce('"' || to_char(nw."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')) || '}'; return next;
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
create or replace function "finance"."delete_scenarios_3b2bab7c"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."scenarios"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."name", r."description", r."assumptions", r."projections", r."is_active", r."is_default", r."synced_at" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."name", cur."description", cur."assumptions", cur."projections", cur."is_active", cur."is_default", cur."synced_at" from "finance"."scenarios" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    h := h + 1;
    delete from "finance"."scenarios" r where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.scenarios', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('name', coalesce(to_json(cur."name")::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('assumptions', coalesce(cur."assumptions"::text, 'null')), ('projections', coalesce(cur."projections"::text, 'null')), ('is_active', coalesce(cur."is_active"::text, 'null')), ('is_default', coalesce(cur."is_default"::text, 'null')), ('synced_at', coalesce('"' || to_char(cur."synced_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null')), ('commit_salt', '"' || encode(cur.commit_salt, 'base64') || '"')) x(f, j) where x.j <> 'null';
    log := log || row(t, h, h, 1, 'finance.scenarios', cur.id, 'd', '{}'::text[], cur.version + 1,
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
    select t, 'finance.scenarios', g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
  end if;
end $plan$;
revoke all on function "finance"."get_scenarios_3b2bab7c"(text, uuid) from public;
grant execute on function "finance"."get_scenarios_3b2bab7c"(text, uuid) to "holdfast_runtime";
revoke all on function "finance"."list_scenarios_3b2bab7c"(text, integer, uuid) from public;
grant execute on function "finance"."list_scenarios_3b2bab7c"(text, integer, uuid) to "holdfast_runtime";
revoke all on function "finance"."create_scenarios_3b2bab7c"(text, jsonb) from public;
grant execute on function "finance"."create_scenarios_3b2bab7c"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."update_scenarios_3b2bab7c"(text, jsonb) from public;
grant execute on function "finance"."update_scenarios_3b2bab7c"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."delete_scenarios_3b2bab7c"(text, jsonb) from public;
grant execute on function "finance"."delete_scenarios_3b2bab7c"(text, jsonb) to "holdfast_runtime";

-- prepare the hot paths of finance.transactions (19d15606)
create or replace function "finance"."get_transactions_19d15606"(ctx text, wanted uuid, out version bigint, out body text) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select r.version, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"account_id":' || (coalesce('"' || r."account_id"::text || '"', 'null')) || ',"posted":' || ('"' || to_char(r."posted", 'YYYY-MM-DD') || '"') || ',"amount":' || ('"' || r."amount"::text || '"') || ',"currency":' || (to_json(r."currency")::text) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"category":' || (coalesce(to_json(r."category")::text, 'null')) || ',"merchant":' || (coalesce(to_json(r."merchant")::text, 'null')) || ',"pending":' || (r."pending"::text) || ',"source":' || (to_json(r."source")::text) || ',"source_id":' || (coalesce(to_json(r."source_id")::text, 'null')) || '}' into version, body
    from "finance"."transactions" r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid);
end $plan$;
create or replace function "finance"."list_transactions_19d15606"(ctx text, page integer, start uuid, out body text, out following uuid) 
language plpgsql stable security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
begin
  perform set_config('app.tenant_id', substr(ctx, 1, 36), true), set_config('app.user_id', substr(ctx, 38), true);
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, '{"id":' || ('"' || r."id"::text || '"') || ',"version":' || (r."version"::text) || ',"created_at":' || ('"' || to_char(r."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(r."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || r."user_id"::text || '"', 'null')) || ',"account_id":' || (coalesce('"' || r."account_id"::text || '"', 'null')) || ',"posted":' || ('"' || to_char(r."posted", 'YYYY-MM-DD') || '"') || ',"amount":' || ('"' || r."amount"::text || '"') || ',"currency":' || (to_json(r."currency")::text) || ',"description":' || (coalesce(to_json(r."description")::text, 'null')) || ',"category":' || (coalesce(to_json(r."category")::text, 'null')) || ',"merchant":' || (coalesce(to_json(r."merchant")::text, 'null')) || ',"pending":' || (r."pending"::text) || ',"source":' || (to_json(r."source")::text) || ',"source_id":' || (coalesce(to_json(r."source_id")::text, 'null')) || '}' as j
            from "finance"."transactions" r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start) and (substr(ctx, 38) = '*' or r."user_id" = nullif(substr(ctx, 38), '*')::uuid)
           order by r.id limit page + 1) p;
end $plan$;
create or replace function "finance"."create_transactions_19d15606"(ctx text, ops jsonb) returns bigint
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
    insert into "finance"."transactions" (tenant_id, id, version, created_at, updated_at, commit_salt, "user_id", "account_id", "posted", "amount", "currency", "description", "category", "merchant", "pending", "source", "source_id")
    select t, m.id, 1, m.at, m.at, m.s, v."user_id", v."account_id", v."posted", v."amount", v."currency", v."description", v."category", v."merchant", v."pending", v."source", v."source_id"
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v("user_id" uuid, "account_id" uuid, "posted" date, "amount" numeric(15,2), "currency" text, "description" text, "category" text, "merchant" text, "pending" boolean, "source" text, "source_id" text)
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment)
  select t, h - k + e.ord, h, 1, 'finance.transactions', m.id, 'c', array['account_id', 'amount', 'category', 'currency', 'description', 'merchant', 'pending', 'posted', 'source', 'source_id', 'user_id']::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
end $plan$;
create or replace function "finance"."update_transactions_19d15606"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."transactions"%rowtype;
  log holdfast.changes[] := '{}';
  nw "finance"."transactions"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."account_id", r."posted", r."amount", r."currency", r."description", r."category", r."merchant", r."pending", r."source", r."source_id" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."account_id", cur."posted", cur."amount", cur."currency", cur."description", cur."category", cur."merchant", cur."pending", cur."source", cur."source_id" from "finance"."transactions" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[case when nw."account_id" is distinct from cur."account_id" then 'account_id' end, case when nw."amount" is distinct from cur."amount" then 'amount' end, case when nw."category" is distinct from cur."category" then 'category' end, case when nw."currency" is distinct from cur."currency" then 'currency' end, case when nw."description" is distinct from cur."description" then 'description' end, case when nw."merchant" is distinct from cur."merchant" then 'merchant' end, case when nw."pending" is distinct from cur."pending" then 'pending' end, case when nw."posted" is distinct from cur."posted" then 'posted' end, case when nw."source" is distinct from cur."source" then 'source' end, case when nw."source_id" is distinct from cur."source_id" then 'source_id' end, case when nw."user_id" is distinct from cur."user_id" then 'user_id' end]::text[], null);
    if changed = '{}' then
      status := 'same'; version := cur.version; body := '{"id":' || ('"' || cur."id"::text || '"') || ',"version":' || (cur."version"::text) || ',"created_at":' || ('"' || to_char(cur."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(cur."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || cur."user_id"::text || '"', 'null')) || ',"account_id":' || (coalesce('"' || cur."account_id"::text || '"', 'null')) || ',"posted":' || ('"' || to_char(cur."posted", 'YYYY-MM-DD') || '"') || ',"amount":' || ('"' || cur."amount"::text || '"') || ',"currency":' || (to_json(cur."currency")::text) || ',"description":' || (coalesce(to_json(cur."description")::text, 'null')) || ',"category":' || (coalesce(to_json(cur."category")::text, 'null')) || ',"merchant":' || (coalesce(to_json(cur."merchant")::text, 'null')) || ',"pending":' || (cur."pending"::text) || ',"source":' || (to_json(cur."source")::text) || ',"source_id":' || (coalesce(to_json(cur."source_id")::text, 'null')) || '}'; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update "finance"."transactions" r set version = nw.version, updated_at = nw.updated_at, "account_id" = nw."account_id", "amount" = nw."amount", "category" = nw."category", "currency" = nw."currency", "description" = nw."description", "merchant" = nw."merchant", "pending" = nw."pending", "posted" = nw."posted", "source" = nw."source", "source_id" = nw."source_id", "user_id" = nw."user_id"
     where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.transactions', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('account_id', coalesce('"' || cur."account_id"::text || '"', 'null')), ('posted', coalesce('"' || to_char(cur."posted", 'YYYY-MM-DD') || '"', 'null')), ('amount', coalesce('"' || cur."amount"::text || '"', 'null')), ('currency', coalesce(to_json(cur."currency")::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('category', coalesce(to_json(cur."category")::text, 'null')), ('merchant', coalesce(to_json(cur."merchant")::text, 'null')), ('pending', coalesce(cur."pending"::text, 'null')), ('source', coalesce(to_json(cur."source")::text, 'null')), ('source_id', coalesce(to_json(cur."source_id")::text, 'null'))) x(f, j) where x.f = any(changed);
    log := log || row(t, h, h, 1, 'finance.transactions', cur.id, 'u', changed, nw.version,
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, sha256(cur.commit_salt || int8send(nw.version) || decode(case when nw."account_id" is distinct from cur."account_id" then o -> 'h' ->> 'account_id' else '' end || case when nw."amount" is distinct from cur."amount" then o -> 'h' ->> 'amount' else '' end || case when nw."category" is distinct from cur."category" then o -> 'h' ->> 'category' else '' end || case when nw."currency" is distinct from cur."currency" then o -> 'h' ->> 'currency' else '' end || case when nw."description" is distinct from cur."description" then o -> 'h' ->> 'description' else '' end || case when nw."merchant" is distinct from cur."merchant" then o -> 'h' ->> 'merchant' else '' end || case when nw."pending" is distinct from cur."pending" then o -> 'h' ->> 'pending' else '' end || case when nw."posted" is distinct from cur."posted" then o -> 'h' ->> 'posted' else '' end || case when nw."source" is distinct from cur."source" then o -> 'h' ->> 'source' else '' end || case when nw."source_id" is distinct from cur."source_id" then o -> 'h' ->> 'source_id' else '' end || case when nw."user_id" is distinct from cur."user_id" then o -> 'h' ->> 'user_id' else '' end, 'hex')))::holdfast.changes;
    status := 'done'; number := h; version := nw.version; body := '{"id":' || ('"' || nw."id"::text || '"') || ',"version":' || (nw."version"::text) || ',"created_at":' || ('"' || to_char(nw."created_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"updated_at":' || ('"' || to_char(nw."updated_at" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"') || ',"user_id":' || (coalesce('"' || nw."user_id"::text || '"', 'null')) || ',"account_id":' || (coalesce('"' || nw."account_id"::text || '"', 'null')) || ',"posted":' || ('"' || to_char(nw."posted", 'YYYY-MM-DD') || '"') || ',"amount":' || ('"' || nw."amount"::text || '"') || ',"currency":' || (to_json(nw."currency")::text) || ',"description":' || (coalesce(to_json(nw."description")::text, 'null')) || ',"category":' || (coalesce(to_json(nw."category")::text, 'null')) || ',"merchant":' || (coalesce(to_json(nw."merchant")::text, 'null')) || ',"pending":' || (nw."pending"::text) || ',"source":' || (to_json(nw."source")::text) || ',"source_id":' || (coalesce(to_json(nw."source_id")::text, 'null')) || '}'; return next;
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
create or replace function "finance"."delete_transactions_19d15606"(ctx text, ops jsonb) returns table (status text, number bigint, version bigint, body text)
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $plan$
#variable_conflict use_variable
declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur "finance"."transactions"%rowtype;
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
    select r."id", r."version", r."created_at", r."updated_at", r."commit_salt", r."user_id", r."account_id", r."posted", r."amount", r."currency", r."description", r."category", r."merchant", r."pending", r."source", r."source_id" into cur."id", cur."version", cur."created_at", cur."updated_at", cur."commit_salt", cur."user_id", cur."account_id", cur."posted", cur."amount", cur."currency", cur."description", cur."category", cur."merchant", cur."pending", cur."source", cur."source_id" from "finance"."transactions" r where r.tenant_id = t and r.id = (o ->> 'id')::uuid and (who = '*' or r."user_id" = nullif(who, '*')::uuid);
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
    h := h + 1;
    delete from "finance"."transactions" r where r.tenant_id = t and r.id = cur.id;
    insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, 'finance.transactions', cur.id, h, x.f, convert_to(x.j, 'UTF8'), cur."user_id"
        from (values ('user_id', coalesce('"' || cur."user_id"::text || '"', 'null')), ('account_id', coalesce('"' || cur."account_id"::text || '"', 'null')), ('posted', coalesce('"' || to_char(cur."posted", 'YYYY-MM-DD') || '"', 'null')), ('amount', coalesce('"' || cur."amount"::text || '"', 'null')), ('currency', coalesce(to_json(cur."currency")::text, 'null')), ('description', coalesce(to_json(cur."description")::text, 'null')), ('category', coalesce(to_json(cur."category")::text, 'null')), ('merchant', coalesce(to_json(cur."merchant")::text, 'null')), ('pending', coalesce(cur."pending"::text, 'null')), ('source', coalesce(to_json(cur."source")::text, 'null')), ('source_id', coalesce(to_json(cur."source_id")::text, 'null')), ('commit_salt', '"' || encode(cur.commit_salt, 'base64') || '"')) x(f, j) where x.j <> 'null';
    log := log || row(t, h, h, 1, 'finance.transactions', cur.id, 'd', '{}'::text[], cur.version + 1,
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
    select t, 'finance.transactions', g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
  end if;
end $plan$;
revoke all on function "finance"."get_transactions_19d15606"(text, uuid) from public;
grant execute on function "finance"."get_transactions_19d15606"(text, uuid) to "holdfast_runtime";
revoke all on function "finance"."list_transactions_19d15606"(text, integer, uuid) from public;
grant execute on function "finance"."list_transactions_19d15606"(text, integer, uuid) to "holdfast_runtime";
revoke all on function "finance"."create_transactions_19d15606"(text, jsonb) from public;
grant execute on function "finance"."create_transactions_19d15606"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."update_transactions_19d15606"(text, jsonb) from public;
grant execute on function "finance"."update_transactions_19d15606"(text, jsonb) to "holdfast_runtime";
revoke all on function "finance"."delete_transactions_19d15606"(text, jsonb) from public;
grant execute on function "finance"."delete_transactions_19d15606"(text, jsonb) to "holdfast_runtime";
