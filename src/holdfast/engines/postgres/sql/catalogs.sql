-- What stands in the database, read from PostgreSQL's catalogs. $1 holds the oids of the tables. Names are looked up in the
-- catalogs and never by to_regclass and its like, which refuse a schema that the login may not use.

-- name: oids
select n.nspname || '.' || c.relname as name, c.oid::bigint as oid
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname || '.' || c.relname = any ($1::text[]);

-- name: tables
select c.oid::bigint as oid, c.relkind::text as kind, pg_get_userbyid(c.relowner) as owner, c.relrowsecurity as enabled,
       c.relforcerowsecurity as forced
  from pg_class c where c.oid = any ($1::oid[]);

-- name: columns
select a.attrelid::bigint as oid, a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
       case when a.attcollation <> t.typcollation then l.collname end as collation,
       a.atthasdef or a.attidentity <> '' or a.attgenerated <> '' as has_default
  from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_collation l on l.oid = a.attcollation
 where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped order by a.attrelid, a.attnum;

-- name: checks
select k.conrelid::bigint as oid, k.conname as name, pg_get_expr(k.conbin, k.conrelid) as expression,
       (select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a
         where a.attrelid = k.conrelid and a.attnum = any (k.conkey)) as columns
  from pg_constraint k where k.contype = 'c' and k.conrelid = any ($1::oid[]);

-- name: foreign_keys
select k.conrelid::bigint as oid, k.conname as name, format('%s.%s', n.nspname, c.relname) as target,
       k.condeferrable and k.condeferred as deferred, k.convalidated as valid, k.confdeltype::text as on_delete, k.confupdtype::text as on_update,
       (select array_agg(a.attname::text order by u.place) from unnest(k.conkey) with ordinality u(number, place)
          join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number) as columns,
       (select array_agg(a.attname::text order by u.place) from unnest(k.confkey) with ordinality u(number, place)
          join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.number) as target_columns
  from pg_constraint k join pg_class c on c.oid = k.confrelid join pg_namespace n on n.oid = c.relnamespace
 where k.contype = 'f' and k.conrelid = any ($1::oid[]);

-- name: indexes
select i.indrelid::bigint as oid, c.relname as name, i.indisunique as unique, k.contype::text as key,
       pg_get_expr(i.indpred, i.indrelid) as predicate,
       m.amname = 'btree' and i.indisvalid and i.indexprs is null and i.indnatts = i.indnkeyatts and i.indimmediate
         and not coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
         and '0' = all (string_to_array(i.indoption::text, ' '))
         and not exists (select from unnest(i.indkey::int2[], i.indcollation::oid[]) u(number, used) join pg_attribute a
                          on a.attrelid = i.indrelid and a.attnum = u.number where a.attcollation <> u.used) as plain,
       (select array_agg(coalesce(a.attname::text, '') order by u.place) from unnest(i.indkey) with ordinality u(number, place)
          left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.number) as columns
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
       left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
 where i.indrelid = any ($1::oid[]);

-- name: policies
select p.polrelid::bigint as oid, p.polname as name, p.polpermissive as permissive, p.polcmd::text as command,
       array(select coalesce(r.rolname::text, 'PUBLIC') from unnest(p.polroles) u(role) left join pg_roles r on r.oid = u.role) as roles,
       pg_get_expr(p.polqual, p.polrelid) as reading, pg_get_expr(p.polwithcheck, p.polrelid) as writing
  from pg_policy p where p.polrelid = any ($1::oid[]);

-- name: grants
select c.oid::bigint as oid, coalesce(r.rolname, 'PUBLIC') as role, a.privilege_type as privilege, a.is_grantable as grantable,
       null as column_name
  from pg_class c, aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee
 where c.oid = any ($1::oid[]) and a.grantee <> c.relowner
union all
select t.attrelid::bigint, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable, t.attname
  from pg_attribute t, aclexplode(t.attacl) a left join pg_roles r on r.oid = a.grantee
 where t.attrelid = any ($1::oid[]);

-- name: guards
select t.tgrelid::bigint as oid
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
 where t.tgrelid = any ($1::oid[]) and t.tgname = 'guard' and (n.nspname, p.proname) = ('holdfast', 'guard')
   and t.tgtype = 30 and t.tgenabled in ('O', 'A') and t.tgqual is null and t.tgattr = '' and t.tgnargs = 0;

-- name: schema_grants
select n.nspname as schema, coalesce(r.rolname, 'PUBLIC') as role, a.privilege_type as privilege
  from pg_namespace n, aclexplode(n.nspacl) a left join pg_roles r on r.oid = a.grantee
 where n.nspname = any ($1::text[]) and a.grantee <> n.nspowner;

-- name: functions
select f.signature, p.provolatile::text as volatility, p.prosecdef as definer, p.prosrc as body, p.proconfig as settings,
       l.lanname as language, pg_get_userbyid(p.proowner) as owner,
       array(select coalesce(r.rolname::text, 'PUBLIC') from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               left join pg_roles r on r.oid = a.grantee where a.grantee <> p.proowner order by 1) as executors
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang,
       lateral (select n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' as signature) f
 where f.signature = any ($1::text[]);
