-- The audit: whatever would let a login past the wall, whoever put it there. Each block returns the offenders; none is
-- good. The leading number is the vector's in tests/attack; blocks without one guard against decay.
--
--   :owner, :runtime, :realm, :maintenance, :backup   names of the roles, as literals
--   :logins      the three logins that serve: runtime, realm, maintenance
--   :schemas     every schema that is not PostgreSQL's own
--   :extension_tables, :extension_functions  what belongs to an extension, and is its author's to answer for
--   finding, fix  what is said of each row; a name in braces is a column of the block
--   since, before  the server versions (server_version_num) that a block is for

-- name: 01_unforced
-- finding: {object}: {login} reaches it, and its row security is not both enabled and forced
-- fix: alter table {object} enable row level security, force row level security
select format('%I.%I', n.nspname, c.relname) as object, l.rolname as login
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles l
 where c.relkind in ('r', 'p') and n.oid in :schemas and l.rolname in (:runtime, :maintenance)
   and not (c.relrowsecurity and c.relforcerowsecurity) and (n.nspname, c.relname) not in (('holdfast', 'revisions'), ('holdfast', 'revision_steps'))
   and (has_table_privilege(l.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
        or has_any_column_privilege(l.oid, c.oid, 'SELECT, INSERT, UPDATE'));

-- name: 02_attributes
-- finding: role {login}: it is {attribute}
-- fix: alter role {name} no{attribute}
select r.rolname as login, quote_ident(r.rolname) as name, a.attribute
  from pg_roles r, lateral (values ('superuser', r.rolsuper), ('bypassrls', r.rolbypassrls),
       ('createrole', r.rolcreaterole), ('createdb', r.rolcreatedb), ('replication', r.rolreplication)) a(attribute, held)
 where r.rolname in (:owner, :runtime, :realm, :maintenance, :backup) and a.held
   and not (r.rolname = :backup and a.attribute = 'bypassrls');

-- name: 02_missing_roles
-- finding: role {login}: it does not exist
-- fix: run `holdfast migrate roles`
select v.login from (values (:owner), (:runtime), (:realm), (:maintenance), (:backup)) v(login)
 where not exists (select from pg_roles r where r.rolname = v.login);

-- name: 02_owner_logs_in
-- finding: role {login}: the owner of the tables can log in
-- fix: alter role {name} nologin
select r.rolname as login, quote_ident(r.rolname) as name from pg_roles r where r.rolname = :owner and r.rolcanlogin;

-- name: 02_paths
-- since: 160000
-- finding: role {login}: it can act as {object}
-- fix: revoke {object} from {name}
select l.rolname as login, quote_ident(l.rolname) as name, quote_ident(r.rolname) as object
  from pg_roles l, pg_roles r
 where l.rolname in (:runtime, :realm, :maintenance, :backup) and r.oid <> l.oid and not l.rolsuper
   and (pg_has_role(l.oid, r.oid, 'SET') or pg_has_role(l.oid, r.oid, 'USAGE')
        or pg_has_role(l.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))
   and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolname ~ '^pg_'
        or r.rolname in (:owner, :runtime, :realm, :maintenance, :backup)
        or exists (select from pg_class c where c.relowner = r.oid and c.relnamespace in :schemas)
        or exists (select from pg_namespace n where n.nspowner = r.oid and n.oid in :schemas))
   and not (l.rolname = :backup and pg_has_role(l.oid, 'pg_read_all_data', 'MEMBER') and r.rolname = 'pg_read_all_data');

-- name: 02_paths_by_membership
-- before: 160000
-- finding: role {login}: it can act as {object}
-- fix: revoke {object} from {name}
select l.rolname as login, quote_ident(l.rolname) as name, quote_ident(r.rolname) as object
  from pg_roles l, pg_roles r
 where l.rolname in (:runtime, :realm, :maintenance, :backup) and r.oid <> l.oid and not l.rolsuper
   and pg_has_role(l.oid, r.oid, 'MEMBER')
   and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolname ~ '^pg_'
        or r.rolname in (:owner, :runtime, :realm, :maintenance, :backup)
        or exists (select from pg_class c where c.relowner = r.oid and c.relnamespace in :schemas)
        or exists (select from pg_namespace n where n.nspowner = r.oid and n.oid in :schemas))
   and not (l.rolname = :backup and r.rolname = 'pg_read_all_data');

-- name: 03_views
-- finding: view {object}: it reads as its owner {owner}, not as whoever asks
-- fix: alter view {object} set (security_invoker = true)
select format('%I.%I', n.nspname, c.relname) as object, pg_get_userbyid(c.relowner) as owner
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'v' and n.oid in :schemas and c.oid not in :extension_tables
   and not exists (select from pg_options_to_table(c.reloptions) o
                    where case when o.option_name = 'security_invoker' then o.option_value::boolean end);

-- name: 04_materialized_views
-- finding: materialized view {object}: row security does not apply to it, and {login} reaches it
-- fix: revoke all on {object} from {name}
select format('%I.%I', n.nspname, c.relname) as object, l.rolname as login, quote_ident(l.rolname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles l
 where c.relkind = 'm' and n.oid in :schemas and l.rolname in :logins and has_any_column_privilege(l.oid, c.oid, 'SELECT');

-- name: 05_definer_functions
-- finding: function {object}: it runs as its owner {owner} (SECURITY DEFINER), whoever calls it
-- fix: alter function {object} security invoker
select p.oid::regprocedure::text as object, pg_get_userbyid(p.proowner) as owner
  from pg_proc p where p.prosecdef and p.pronamespace in :schemas
   and p.oid not in :extension_functions;

-- name: 05_public_functions
-- finding: function {object}: PUBLIC may execute it
-- fix: revoke execute on function {object} from public
select p.oid::regprocedure::text as object
  from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
 where p.pronamespace in :schemas and a.grantee = 0
   and p.oid not in :extension_functions;

-- name: 06_unpinned_functions
-- finding: function {object}: {login} may execute it, and its search_path is not pinned
-- fix: alter function {object} set search_path = pg_catalog, pg_temp
select p.oid::regprocedure::text as object, l.rolname as login
  from pg_proc p, pg_roles l
 where p.pronamespace in :schemas and l.rolname in :logins and has_function_privilege(l.oid, p.oid, 'EXECUTE')
   and not exists (select from unnest(p.proconfig) s where s like 'search_path=%')
   and p.oid not in :extension_functions;

-- name: 07_children
-- finding: {object}: it is a part of {parent}, and can be reached or read around its row security
-- fix: alter table {object} no inherit {parent}
select format('%I.%I', n.nspname, c.relname) as object, p.oid::regclass::text as parent
  from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
       join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'f') and p.relnamespace in :schemas
   and (not (c.relrowsecurity and c.relforcerowsecurity)
        or exists (select from pg_roles l where l.rolname in :logins and has_any_column_privilege(l.oid, c.oid, 'SELECT, INSERT, UPDATE')));

-- name: 08_floor
-- finding: {object}: no restrictive policy holds for all commands of the runtime login
-- fix: create policy floor on {object} as restrictive for all to {name} using ({condition}) with check ({condition})
select format('%I.%I', n.nspname, c.relname) as object, quote_ident(:runtime) as name,
       'tenant_id = (select current_setting(''app.tenant_id''))::uuid' as condition
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relrowsecurity and n.oid in :schemas
   and not exists (select from pg_policy p join pg_roles r on r.rolname = :runtime
                    where p.polrelid = c.oid and not p.polpermissive and p.polcmd = '*'
                      and (r.oid = any (p.polroles) or p.polroles = '{0}'));

-- name: 08_public_policies
-- finding: {object}: policy {policy} is for PUBLIC
-- fix: drop policy {policy} on {object}
select p.polrelid::regclass::text as object, quote_ident(p.polname) as policy
  from pg_policy p join pg_class c on c.oid = p.polrelid
 where c.relnamespace in :schemas and 0 = any (p.polroles);

-- name: 08_several_permissive_policies
-- finding: {object}: more than one permissive policy, and each opens what the others close: {policies}
-- fix: drop whichever is not declared
select p.polrelid::regclass::text as object, string_agg(quote_ident(p.polname), ', ' order by p.polname) as policies
  from pg_policy p join pg_class c on c.oid = p.polrelid
 where c.relnamespace in :schemas and p.polpermissive group by p.polrelid having count(*) > 1;

-- name: 09_privileges
-- finding: {object}: {login} holds {privilege}, which ignores row security
-- fix: revoke {privilege} on {object} from {name}
select format('%I.%I', n.nspname, c.relname) as object, l.rolname as login, quote_ident(l.rolname) as name, v.privilege
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles l,
       (values ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) v(privilege)
 where c.relkind in ('r', 'p') and n.oid in :schemas and l.rolname in :logins
   and has_table_privilege(l.oid, c.oid, v.privilege);

-- name: 10_foreign_keys
-- finding: {object}: foreign key {name} does not carry the tenant
-- fix: alter table {object} drop constraint {name}
select con.conrelid::regclass::text as object, quote_ident(con.conname) as name
  from pg_constraint con join pg_class c on c.oid = con.conrelid
       join pg_attribute a on a.attrelid = con.conrelid and a.attname = 'tenant_id' and not a.attisdropped
       join pg_attribute b on b.attrelid = con.confrelid and b.attname = 'tenant_id' and not b.attisdropped
 where con.contype = 'f' and c.relrowsecurity and c.relnamespace in :schemas
   and not exists (select from unnest(con.conkey, con.confkey) k(own, other) where k.own = a.attnum and k.other = b.attnum);

-- name: 10_cascades
-- finding: {object}: foreign key {name} acts by itself on other rows, and referential actions ignore row security
-- fix: alter table {object} drop constraint {name}
select con.conrelid::regclass::text as object, quote_ident(con.conname) as name
  from pg_constraint con join pg_class c on c.oid = con.conrelid
 where con.contype = 'f' and c.relnamespace in :schemas
   and (con.confdeltype not in ('a', 'r') or con.confupdtype not in ('a', 'r'));

-- name: 12_with_check
-- finding: {object}: policy {policy} lets rows be written that it would not let be read
-- fix: drop policy {policy} on {object}
select p.polrelid::regclass::text as object, quote_ident(p.polname) as policy
  from pg_policy p join pg_class c on c.oid = p.polrelid
 where c.relnamespace in :schemas and p.polcmd in ('*', 'w') and p.polwithcheck is not null
   and pg_get_expr(p.polqual, p.polrelid) is distinct from pg_get_expr(p.polwithcheck, p.polrelid);

-- name: 15_stored_settings
-- finding: {role}: setting {setting} is stored for it, and changes what a session may see or how it writes
-- fix: alter {target} reset {setting}
select coalesce('role ' || quote_ident(r.rolname), 'every role') as role, split_part(s.setting, '=', 1) as setting,
       case when d.setrole = 0 and d.setdatabase = 0 then 'role all'
            when d.setrole = 0 then 'database ' || quote_ident(current_database())
            else 'role ' || quote_ident(r.rolname)
                 || case when d.setdatabase <> 0 then ' in database ' || quote_ident(current_database()) else '' end end as target
  from pg_db_role_setting d left join pg_roles r on r.oid = d.setrole cross join unnest(d.setconfig) s(setting)
 where d.setdatabase in (0, (select oid from pg_database where datname = current_database()))
   and (d.setrole = 0 or r.rolname in (:runtime, :realm, :maintenance, :backup, :owner))
   and s.setting ~* '^(app\.|session_replication_role=|row_security=|default_transaction_)';

-- name: 15_server_settings
-- finding: setting {setting}: it has a value in a new session, as if a tenant could be the default
-- fix: remove {setting} from the server's configuration
select v.setting from (values ('app.tenant_id'), ('app.user_id'), ('app.flush')) v(setting)
 where nullif(current_setting(v.setting, true), '') is not null;

-- name: 15_parameters
-- finding: parameter {setting}: {login} may set it, and only an administrator should
-- fix: revoke {privilege} on parameter {setting} from {name}
select p.parname as setting, coalesce(r.rolname, 'PUBLIC') as login, coalesce(quote_ident(r.rolname), 'public') as name,
       a.privilege_type as privilege
  from pg_parameter_acl p, aclexplode(p.paracl) a left join pg_roles r on r.oid = a.grantee
 where a.grantee = 0 or r.rolname in :logins;

-- name: 16_immutable_functions
-- finding: function {object}: it is IMMUTABLE and reads a setting, so a plan may keep one tenant's answer for another
-- fix: alter function {object} stable
select p.oid::regprocedure::text as object from pg_proc p
 where p.provolatile = 'i' and p.pronamespace in :schemas and p.prokind in ('f', 'w')
   and case when p.prokind in ('f', 'w') then pg_get_functiondef(p.oid) end ilike '%current_setting%'
   and p.oid not in :extension_functions;

-- name: 17_temporary_tables
-- finding: role {login}: it may make temporary tables, which outlive a tenant on a pooled connection
-- fix: revoke temporary on database {database} from {name}, public
select l.rolname as login, quote_ident(l.rolname) as name, quote_ident(current_database()) as database
  from pg_roles l where l.rolname in :logins and has_database_privilege(l.oid, current_database(), 'TEMPORARY');

-- name: 20_large_object_functions
-- finding: role {login}: it may call {functions} functions on large objects, which have no row policy
-- fix: run `holdfast migrate roles` as a superuser, who alone may revoke them from PUBLIC
select l.rolname as login, count(*) as functions
  from pg_roles l, pg_proc p
 where l.rolname in :logins and p.pronamespace = 'pg_catalog'::regnamespace
   and (p.proname ~ '^lo_' or p.proname in ('loread', 'lowrite')) and has_function_privilege(l.oid, p.oid, 'EXECUTE')
 group by l.rolname;

-- name: 20_large_objects
-- finding: {objects} large objects stand in the database, and they have no row policy
-- fix: keep such values in a bytes field, and remove them with lo_unlink
select count(*) as objects from pg_largeobject_metadata having count(*) > 0;

-- name: 21_foreign_tables
-- finding: foreign table {object}: row security does not apply to it, and {login} reaches it
-- fix: revoke all on {object} from {name}
select format('%I.%I', n.nspname, c.relname) as object, l.rolname as login, quote_ident(l.rolname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles l
 where c.relkind = 'f' and n.oid in :schemas and l.rolname in :logins
   and has_any_column_privilege(l.oid, c.oid, 'SELECT, INSERT, UPDATE');

-- name: 21_foreign_servers
-- finding: foreign server {object}: {login} may use it
-- fix: revoke usage on foreign server {object} from {name}
select quote_ident(s.srvname) as object, l.rolname as login, quote_ident(l.rolname) as name
  from pg_foreign_server s, pg_roles l where l.rolname in :logins and has_server_privilege(l.oid, s.oid, 'USAGE');

-- name: 21_dblink
-- finding: extension {object}: {login} may open connections of its own from within the database
-- fix: drop extension {object}, or revoke execute on its functions from public
select quote_ident(e.extname) as object, l.rolname as login
  from pg_extension e, pg_roles l
 where e.extname in ('dblink', 'plproxy', 'http') and l.rolname in :logins
   and exists (select from pg_depend d join pg_proc p on p.oid = d.objid
                where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
                  and d.deptype = 'e' and has_function_privilege(l.oid, p.oid, 'EXECUTE'));

-- name: 23_triggers
-- finding: {object}: trigger {name} is not Holdfast's
-- fix: drop trigger {name} on {object}
select t.tgrelid::regclass::text as object, quote_ident(t.tgname) as name
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
       join pg_namespace n on n.oid = p.pronamespace
 where not t.tgisinternal and c.relnamespace in :schemas and (n.nspname, p.proname) <> ('holdfast', 'guard');

-- name: 23_rules
-- finding: {object}: rule {name} rewrites its statements, as the table's owner
-- fix: drop rule {name} on {object}
select r.ev_class::regclass::text as object, quote_ident(r.rulename) as name
  from pg_rewrite r join pg_class c on c.oid = r.ev_class
 where c.relnamespace in :schemas and not (c.relkind in ('v', 'm') and r.rulename = '_RETURN');

-- name: 27_default_privileges
-- finding: default privileges of {owner}: new {kind} are granted to {grantee}
-- fix: alter default privileges for role {owner} {place} revoke all on {kind} from {grantee}
select quote_ident(pg_get_userbyid(d.defaclrole)) as owner, coalesce(quote_ident(r.rolname), 'public') as grantee,
       case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                            when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end as kind,
       coalesce((select 'in schema ' || quote_ident(n.nspname) from pg_namespace n where n.oid = d.defaclnamespace), '') as place
  from pg_default_acl d, aclexplode(d.defaclacl) a left join pg_roles r on r.oid = a.grantee
 where d.defaclobjtype <> 'T' and (a.grantee = 0 or r.rolname in (:runtime, :realm, :maintenance, :backup));

-- name: 27_default_execute
-- finding: default privileges of {owner}: PUBLIC may execute every function that it makes
-- fix: alter default privileges for role {owner} revoke execute on functions from public
select quote_ident(r.rolname) as owner from pg_roles r
 where r.rolname = :owner
   and not exists (select from pg_default_acl d where d.defaclrole = r.oid and d.defaclobjtype = 'f' and d.defaclnamespace = 0);

-- name: 28_policy_dependencies
-- finding: {object}: policy {policy} depends on {other}
-- fix: drop policy {policy} on {object}
select p.polrelid::regclass::text as object, quote_ident(p.polname) as policy,
       pg_describe_object(d.refclassid, d.refobjid, 0) as other
  from pg_policy p join pg_class c on c.oid = p.polrelid
       join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
 where c.relnamespace in :schemas
   and (d.refclassid = 'pg_proc'::regclass or d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid);

-- name: 29_nullable_tenant
-- finding: {object}: its tenant_id may be absent
-- fix: alter table {object} alter column tenant_id set not null
select c.oid::regclass::text as object
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
 where c.relrowsecurity and c.relkind in ('r', 'p') and c.relnamespace in :schemas and not a.attnotnull;

-- name: 31_unique_indexes
-- finding: {object}: unique index {name} is not led by the tenant, so it tells one tenant what another holds
-- fix: {drop}
select i.indrelid::regclass::text as object, i.indexrelid::regclass::text as name,
       coalesce((select format('alter table %s drop constraint %I', i.indrelid::regclass, k.conname) from pg_constraint k
                  where k.conindid = i.indexrelid and k.conrelid = i.indrelid), format('drop index %s', i.indexrelid::regclass)) as drop
  from pg_index i join pg_class c on c.oid = i.indrelid
       join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
 where c.relrowsecurity and c.relnamespace in :schemas and (i.indisunique or i.indisexclusion) and i.indkey[0] <> a.attnum;

-- name: 31_indexes
-- finding: {object}: index {name} is not led by the tenant, so it cannot serve a query under row security
-- fix: {drop}
select i.indrelid::regclass::text as object, i.indexrelid::regclass::text as name,
       coalesce((select format('alter table %s drop constraint %I', i.indrelid::regclass, k.conname) from pg_constraint k
                  where k.conindid = i.indexrelid and k.conrelid = i.indrelid), format('drop index %s', i.indexrelid::regclass)) as drop
  from pg_index i join pg_class c on c.oid = i.indrelid
       join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
 where c.relrowsecurity and c.relnamespace in :schemas
   and not (i.indisunique or i.indisexclusion) and i.indkey[0] <> a.attnum;

-- name: 33_leakproof_functions
-- finding: function {object}: it is LEAKPROOF, so it sees rows before the row policies do
-- fix: alter function {object} not leakproof
select p.oid::regprocedure::text as object from pg_proc p
 where p.proleakproof and p.pronamespace in :schemas
   and p.oid not in :extension_functions;

-- name: 33_create_in_schemas
-- finding: schema {object}: {login} may create in it
-- fix: revoke create on schema {object} from {name}, public
select quote_ident(n.nspname) as object, l.rolname as login, quote_ident(l.rolname) as name
  from pg_namespace n, pg_roles l
 where n.oid in :schemas and l.rolname in :logins and has_schema_privilege(l.oid, n.oid, 'CREATE');

-- name: 33_create_schemas
-- finding: role {login}: it may create schemas
-- fix: revoke create on database {database} from {name}, public
select l.rolname as login, quote_ident(l.rolname) as name, quote_ident(current_database()) as database
  from pg_roles l where l.rolname in :logins and has_database_privilege(l.oid, current_database(), 'CREATE');

-- name: 37_sequences
-- finding: sequence {object}: {login} reaches it, and its gaps tell what other tenants do
-- fix: revoke all on sequence {object} from {name}
select c.oid::regclass::text as object, l.rolname as login, quote_ident(l.rolname) as name
  from pg_class c, pg_roles l
 where c.relkind = 'S' and c.relnamespace in :schemas and l.rolname in :logins
   and case when c.relkind = 'S' then has_sequence_privilege(l.oid, c.oid, 'USAGE, SELECT, UPDATE') end;

-- name: public_grants
-- finding: {kind} {object}: PUBLIC holds {privilege} on it
-- fix: revoke {privilege} on {kind} {object} from public
select 'table' as kind, format('%I.%I', n.nspname, c.relname) as object, a.privilege_type as privilege
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
 where n.oid in :schemas and a.grantee = 0 and c.oid not in :extension_tables
union all
select 'schema', quote_ident(n.nspname), a.privilege_type
  from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a where n.oid in :schemas and a.grantee = 0
union all
select 'database', quote_ident(d.datname), a.privilege_type
  from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
 where d.datname = current_database() and a.grantee = 0;

-- name: other_owners
-- finding: {kind} {object}: it belongs to {owner}
-- fix: alter {kind} {object} owner to {name}
select * from (
  select case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
         format('%I.%I', n.nspname, c.relname) as object, c.relowner as owner_oid
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.oid in :schemas and c.relkind in ('r', 'p', 'v', 'S') and c.oid not in :extension_tables
  union all
  select 'function', p.oid::regprocedure::text, p.proowner from pg_proc p
   where p.pronamespace in :schemas
     and p.oid not in :extension_functions
  union all
  select 'schema', quote_ident(n.nspname), n.nspowner from pg_namespace n where n.oid in :schemas and n.nspname <> 'public'
     and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
) o, lateral (select pg_get_userbyid(o.owner_oid) as owner, quote_ident(:owner) as name) u
 where u.owner <> :owner;

-- name: invalid_indexes
-- finding: {object}: index {name} is not valid
-- fix: reindex index concurrently {name}
select i.indrelid::regclass::text as object, i.indexrelid::regclass::text as name
  from pg_index i join pg_class c on c.oid = i.indrelid
 where c.relnamespace in :schemas and not (i.indisvalid and i.indisready and i.indislive);

-- name: unvalidated_constraints
-- finding: {object}: constraint {name} was never validated
-- fix: begin; alter table {object} no force row level security; alter table {object} validate constraint {name}; alter table {object} force row level security; commit
select con.conrelid::regclass::text as object, quote_ident(con.conname) as name
  from pg_constraint con join pg_class c on c.oid = con.conrelid
 where c.relnamespace in :schemas and not con.convalidated and coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true);

-- name: unenforced_constraints
-- since: 180000
-- finding: {object}: constraint {name} is not enforced
-- fix: begin; alter table {object} no force row level security; alter table {object} alter constraint {name} enforced; alter table {object} force row level security; commit
select con.conrelid::regclass::text as object, quote_ident(con.conname) as name
  from pg_constraint con join pg_class c on c.oid = con.conrelid
 where c.relnamespace in :schemas and not (to_jsonb(con) ->> 'conenforced')::boolean;

-- name: disabled_triggers
-- finding: {object}: trigger {name} does not fire
-- fix: alter table {object} enable trigger {which}
select t.tgrelid::regclass::text as object,
       coalesce('of foreign key ' || quote_ident(k.conname), quote_ident(t.tgname)) as name,
       case when t.tgisinternal then 'all' else quote_ident(t.tgname) end as which
  from pg_trigger t join pg_class c on c.oid = t.tgrelid left join pg_constraint k on k.oid = t.tgconstraint
 where c.relnamespace in :schemas and t.tgenabled not in ('O', 'A')
   and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true);

-- name: unlogged_tables
-- finding: {object}: it is unlogged, and is empty after a crash
-- fix: alter table {object} set logged
select c.oid::regclass::text as object from pg_class c
 where c.relkind in ('r', 'p') and c.relpersistence = 'u' and c.relnamespace in :schemas;
