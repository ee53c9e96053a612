"""Ways to break the wall as an administrator, and what the inspection must say of each.

In `break_it` and `found`, names in braces are the roles' and the database's; a mistake that a version cannot make names
the first one that can.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.engines.postgres._ddl import TENANT_POLICY
from tests.attack.entities import Folder
from tests.attack.wall import CATALOG

FOLDERS = CATALOG.schema(Folder)
GET = f"app.get_folders_{FOLDERS.digest}"
LIST = f"app.list_folders_{FOLDERS.digest}"
CREATE = f"app.create_folders_{FOLDERS.digest}"
QUIET = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


@dataclass(frozen=True, slots=True)
class Mistake:
    name: str
    break_it: str
    found: str
    since: int = 15
    mended: bool = True
    """Whether what the finding proposes is SQL that mends it here."""


def of_row_security() -> list[Mistake]:
    return [
        Mistake(
            "force_dropped",
            "alter table app.folders no force row level security",
            "app.folders: row security is not forced",
        ),
        Mistake(
            "row_security_disabled",
            "alter table app.folders disable row level security",
            "app.folders: row security is not enabled",
        ),
        Mistake(
            "log_not_forced",
            "alter table holdfast.changes no force row level security",
            "holdfast.changes: row security is not forced",
        ),
        Mistake(
            "table_without_wall",
            "create table app.extra (tenant_id uuid not null); alter table app.extra owner to {owner}; grant select on app.extra to {runtime}",
            "app.extra: {runtime} reaches it, and its row security is not both enabled and forced",
        ),
        Mistake(
            "view_as_its_owner",
            "create view app.v as select * from app.folders; grant select on app.v to {runtime}",
            "view app.v: it reads as its owner postgres",
        ),
        Mistake(
            "view_that_says_no",
            "create view app.v with (security_invoker = off) as select 1",
            "view app.v: it reads as its owner",
        ),
        Mistake(
            "materialized_view",
            "create materialized view app.m as select * from app.folders; grant select on app.m to {runtime}",
            "materialized view app.m: row security does not apply to it, and {runtime} reaches it",
        ),
        Mistake(
            "child_table",
            "create table app.child () inherits (app.folders)",
            "app.child: it is a part of app.folders",
        ),
        Mistake(
            "foreign_table",
            "create foreign data wrapper f; create server s foreign data wrapper f; create foreign table app.far (x integer) server s; grant select on app.far to {runtime}",
            "foreign table app.far: row security does not apply to it",
        ),
        Mistake(
            "foreign_server",
            "create foreign data wrapper f; create server s foreign data wrapper f; grant usage on foreign server s to {runtime}",
            "foreign server s: {runtime} may use it",
        ),
    ]


def of_policies() -> list[Mistake]:
    return [
        Mistake(
            "open_policy",
            "create policy open on app.folders using (true)",
            "app.folders: policy open is not declared",
        ),
        Mistake(
            "policy_for_public",
            "alter policy folders_tenant on app.folders to public",
            "app.folders: policy folders_tenant is for PUBLIC",
        ),
        Mistake(
            "second_permissive_policy",
            "create policy other on app.notices to {runtime} using (kind = 'news')",
            "app.notices: more than one permissive policy",
            mended=False,
        ),
        Mistake(
            "weak_with_check",
            "alter policy folders_tenant on app.folders with check (true)",
            "app.folders: policy folders_tenant has another WITH CHECK than declared",
        ),
        Mistake(
            "weak_floor_check",
            "alter policy folders_floor on app.folders with check (true)",
            "app.folders: policy folders_floor lets rows be written that it would not let be read",
        ),
        Mistake(
            "weak_using",
            "alter policy folders_tenant on app.folders using (true)",
            "app.folders: policy folders_tenant has another USING than declared",
        ),
        Mistake(
            "quiet_policy",
            f"alter policy notices_tenant on app.notices using ({QUIET}) with check ({QUIET})",
            "app.notices: policy notices_tenant has another USING than declared",
        ),
        Mistake(
            "administrators_branch",
            f"alter policy folders_floor on app.folders using ({TENANT_POLICY} or current_user = 'postgres') with check ({TENANT_POLICY} or current_user = 'postgres')",
            "app.folders: policy folders_floor has another USING than declared",
        ),
        Mistake(
            "floor_dropped",
            "drop policy folders_floor on app.folders",
            "app.folders: policy folders_floor is missing",
        ),
        Mistake(
            "floors_dropped",
            "drop policy folders_floor on app.folders; drop policy folders_owner on app.folders",
            "app.folders: no restrictive policy holds",
        ),
        Mistake(
            "floor_made_permissive",
            f"drop policy folders_floor on app.folders; create policy folders_floor on app.folders to {{runtime}}, {{maintenance}} using ({TENANT_POLICY})",
            "app.folders: policy folders_floor is permissive, not restrictive",
        ),
        Mistake(
            "floor_for_reading_alone",
            f"drop policy notices_floor on app.notices; create policy notices_floor on app.notices as restrictive for select to {{runtime}}, {{maintenance}} using ({TENANT_POLICY})",
            "app.notices: policy notices_floor does not hold for all commands",
        ),
        Mistake(
            "floor_of_maintenance_alone",
            "alter policy folders_floor on app.folders to {maintenance}",
            "app.folders: policy folders_floor is for {maintenance}, not for the runtime and maintenance logins",
        ),
        Mistake(
            "owner_policy_dropped",
            "drop policy folders_owner on app.folders",
            "app.folders: policy folders_owner is missing",
        ),
        Mistake(
            "policy_that_reads_a_table",
            "create policy members on app.folders as restrictive to {runtime} using (exists (select from realm.memberships m where m.user_id = folders.user_id))",
            "app.folders: policy members depends on table realm.memberships",
        ),
        Mistake(
            "policy_that_calls_a_function",
            "create function app.tid() returns uuid stable language sql as $$select null::uuid$$; alter policy folders_floor on app.folders using (tenant_id = app.tid())",
            "app.folders: policy folders_floor depends on function app.tid()",
        ),
        Mistake(
            "history_for_all",
            f"alter policy field_history_owner on holdfast.field_history using ({TENANT_POLICY}) with check ({TENANT_POLICY})",
            "holdfast.field_history: policy field_history_owner has another USING than declared",
        ),
        Mistake(
            "tombstones_for_all",
            "drop policy tombstones_owner on holdfast.tombstones",
            "holdfast.tombstones: policy tombstones_owner is missing",
        ),
    ]


def of_grants() -> list[Mistake]:
    return [
        Mistake(
            "tombstones_deleted_at_run_time",
            "grant delete on holdfast.tombstones to {runtime}",
            "holdfast.tombstones: {runtime} holds DELETE, which is not declared",
        ),
        Mistake(
            "horizon_that_cannot_be_raised",
            "revoke update (horizon) on holdfast.tenant_heads from {maintenance}",
            "holdfast.tenant_heads: {maintenance} lacks UPDATE on column horizon",
        ),
        Mistake(
            "head_moved_by_maintenance",
            "grant update (head) on holdfast.tenant_heads to {maintenance}",
            "holdfast.tenant_heads: {maintenance} holds UPDATE on column head, which is not declared",
        ),
        Mistake(
            "truncate",
            "grant truncate on app.folders to {runtime}",
            "app.folders: {runtime} holds TRUNCATE, which ignores row security",
        ),
        Mistake(
            "references",
            "grant references on app.folders to {maintenance}",
            "app.folders: {maintenance} holds REFERENCES, which ignores row security",
        ),
        Mistake(
            "trigger",
            "grant trigger on app.folders to {runtime}",
            "app.folders: {runtime} holds TRIGGER, which ignores row security",
        ),
        Mistake(
            "log_can_be_rewritten",
            "grant update on holdfast.changes to {runtime}",
            "holdfast.changes: {runtime} holds UPDATE, which is not declared",
        ),
        Mistake(
            "log_can_be_lost",
            "grant delete on holdfast.changes to {runtime}",
            "holdfast.changes: {runtime} holds DELETE, which is not declared",
        ),
        Mistake(
            "ledger_can_be_forged",
            "grant insert on holdfast.revisions to {runtime}",
            "holdfast.revisions: {runtime} holds INSERT, which is not declared",
        ),
        Mistake(
            "public_table",
            "grant select on app.folders to public",
            "app.folders: PUBLIC holds SELECT, which is not declared",
        ),
        Mistake("public_schema", "grant usage on schema app to public", "schema app: PUBLIC holds USAGE"),
        Mistake(
            "column_grant",
            "grant select (label) on app.folders to {realm}",
            "app.folders: {realm} holds SELECT on column label, which is not declared",
        ),
        Mistake(
            "realm_in_reach",
            "grant usage on schema realm to {runtime}; grant select on realm.memberships to {runtime}",
            "realm.memberships: {runtime} holds SELECT, which is not declared",
        ),
        Mistake(
            "grant_option",
            "grant select on app.folders to {runtime} with grant option",
            "app.folders: {runtime} may pass SELECT on to others",
        ),
        Mistake(
            "grant_lost", "revoke insert on app.folders from {runtime}", "app.folders: {runtime} lacks INSERT"
        ),
        Mistake(
            "schema_usage_lost",
            "revoke usage on schema holdfast from {maintenance}",
            "schema holdfast: {maintenance} lacks USAGE",
        ),
        Mistake(
            "create_in_schema",
            "grant create on schema app to {runtime}",
            "schema app: {runtime} may create in it",
        ),
        Mistake(
            "create_in_public",
            "grant create, usage on schema public to public",
            "schema public: {runtime} may create in it",
        ),
        Mistake(
            "create_in_database",
            "grant create on database {database} to {runtime}",
            "role {runtime}: it may create schemas",
        ),
        Mistake(
            "temporary_tables",
            "grant temporary on database {database} to public",
            "role {runtime}: it may make temporary tables",
        ),
        Mistake(
            "anybody_connects",
            "grant connect on database {database} to public",
            "database {database}: PUBLIC holds CONNECT on it",
        ),
        Mistake(
            "large_objects",
            "grant execute on function lo_get(oid) to public",
            "role {runtime}: it may call 1 functions on large objects",
            mended=False,
        ),
        Mistake(
            "a_large_object", "select lo_create(0)", "1 large objects stand in the database", mended=False
        ),
        Mistake(
            "sequence",
            "create sequence app.s; grant usage on sequence app.s to {runtime}",
            "sequence app.s: {runtime} reaches it",
        ),
        Mistake(
            "parameter",
            "grant set on parameter session_replication_role to {runtime}",
            "parameter session_replication_role: {runtime} may set it",
        ),
        Mistake(
            "default_privileges",
            "alter default privileges for role {owner} in schema app grant select on tables to {runtime}",
            "default privileges of {owner}: new tables are granted to {runtime}",
        ),
        Mistake(
            "default_execute",
            "alter default privileges for role {owner} grant execute on functions to public",
            "default privileges of {owner}: PUBLIC may execute every function",
        ),
    ]


def of_roles() -> list[Mistake]:
    return [
        Mistake("bypassrls", "alter role {runtime} bypassrls", "role {runtime}: it is bypassrls"),
        Mistake("superuser", "alter role {maintenance} superuser", "role {maintenance}: it is superuser"),
        Mistake("createrole", "alter role {runtime} createrole", "role {runtime}: it is createrole"),
        Mistake("replication", "alter role {runtime} replication", "role {runtime}: it is replication"),
        Mistake("owner_granted", "grant {owner} to {runtime}", "role {runtime}: it can act as {owner}"),
        Mistake(
            "maintenance_granted",
            "grant {maintenance} to {runtime}",
            "role {runtime}: it can act as {maintenance}",
        ),
        Mistake("superuser_granted", "grant postgres to {runtime}", "role {runtime}: it can act as postgres"),
        Mistake(
            "path_of_two",
            "create role wall_between; grant {owner} to wall_between; grant wall_between to {runtime}",
            "role {runtime}: it can act as {owner}",
            mended=False,
        ),
        Mistake(
            "read_all_data",
            "grant pg_read_all_data to {runtime}",
            "role {runtime}: it can act as pg_read_all_data",
        ),
        Mistake(
            "read_all_stats",
            "grant pg_read_all_stats to {realm}",
            "role {realm}: it can act as pg_read_all_stats",
        ),
        Mistake(
            "backup_writes",
            "grant pg_write_all_data to {backup}",
            "role {backup}: it can act as pg_write_all_data",
        ),
        Mistake(
            "role_missing",
            "drop owned by {backup}; drop role {backup}",
            "role {backup}: it does not exist",
            mended=False,
        ),
        Mistake(
            "owner_logs_in", "alter role {owner} login", "role {owner}: the owner of the tables can log in"
        ),
        Mistake("owner_bypasses", "alter role {owner} bypassrls", "role {owner}: it is bypassrls"),
        Mistake(
            "other_owner",
            "alter table app.notices owner to {runtime}",
            "table app.notices: it belongs to {runtime}",
        ),
        Mistake(
            "default_tenant",
            "alter role {runtime} set app.tenant_id = '00000000-0000-7000-8000-000000000001'",
            "role {runtime}: setting app.tenant_id is stored for it",
        ),
        Mistake(
            "default_flush",
            "alter database {database} set app.flush = 'on'",
            "every role: setting app.flush is stored for it",
        ),
        Mistake(
            "triggers_off",
            "alter role {runtime} set session_replication_role = replica",
            "role {runtime}: setting session_replication_role is stored for it",
        ),
        Mistake(
            "other_isolation",
            "alter role {runtime} in database {database} set default_transaction_isolation = 'serializable'",
            "role {runtime}: setting default_transaction_isolation is stored for it",
        ),
        Mistake(
            "tenant_of_the_server",
            "select set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true)",
            "setting app.tenant_id: it has a value in a new session",
            mended=False,
        ),
    ]


def of_functions() -> list[Mistake]:
    return [
        Mistake(
            "plan_as_definer",
            f"alter function {GET}(text, uuid) security definer",
            f"function {GET}: it runs as its owner {{owner}}".replace(GET, f"{GET}(text,uuid)"),
        ),
        Mistake(
            "plan_volatile",
            f"alter function {LIST}(text, integer, uuid) volatile",
            f"function {LIST} is volatile, not stable",
        ),
        Mistake(
            "plan_immutable",
            f"alter function {GET}(text, uuid) immutable",
            f"function {GET} is immutable, not stable",
        ),
        Mistake(
            "plan_unpinned",
            f"alter function {CREATE}(text, jsonb) reset search_path",
            f"function {CREATE} has other settings than its pinned search_path",
        ),
        Mistake(
            "plan_pinned_elsewhere",
            f"alter function {CREATE}(text, jsonb) set search_path = app",
            f"function {CREATE} has other settings than its pinned search_path",
        ),
        Mistake(
            "plan_for_public",
            f"grant execute on function {GET}(text, uuid) to public",
            f"function {GET} is executable by PUBLIC, {{runtime}}, not by {{runtime}}",
        ),
        Mistake(
            "plan_for_nobody",
            f"revoke execute on function {GET}(text, uuid) from {{runtime}}",
            f"function {GET} is executable by nobody, not by {{runtime}}",
        ),
        Mistake(
            "plan_dropped", f"drop function {GET}(text, uuid)", f"function {GET} is missing", mended=False
        ),
        Mistake(
            "plan_of_another_owner",
            f"alter function {GET}(text, uuid) owner to {{realm}}",
            f"function {GET} belongs to {{realm}}",
        ),
        Mistake(
            "plan_rewritten",
            f"do $do$ begin execute replace(pg_get_functiondef('{GET}(text, uuid)'::regprocedure), 'r.tenant_id = substr(ctx, 1, 36)::uuid and ', ''); end $do$",
            f"function {GET} has another body than was generated",
            mended=False,
        ),
        Mistake(
            "guard_that_guards_nothing",
            "create or replace function holdfast.guard() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$begin return null; end$$",
            "function holdfast.guard has another body than was generated",
            mended=False,
        ),
        Mistake(
            "lock_that_locks_nothing",
            "create or replace function holdfast.lock_tenant(t uuid) returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$begin return 0; end$$",
            "function holdfast.lock_tenant has another body than was generated",
            mended=False,
        ),
        Mistake(
            "definer_function",
            "create function app.peek() returns bigint language sql security definer set search_path = '' as 'select count(*) from app.folders'; revoke execute on function app.peek() from public",
            "function app.peek(): it runs as its owner postgres (SECURITY DEFINER)",
        ),
        Mistake(
            "public_function",
            "create function app.f() returns integer language sql set search_path = '' as 'select 1'",
            "function app.f(): PUBLIC may execute it",
        ),
        Mistake(
            "unpinned_function",
            "create function app.f() returns integer language sql as 'select 1'; revoke execute on function app.f() from public; grant execute on function app.f() to {runtime}",
            "function app.f(): {runtime} may execute it, and its search_path is not pinned",
        ),
        Mistake(
            "immutable_setting",
            "create function app.tenant() returns text immutable language sql as $$select current_setting('app.tenant_id')$$",
            "function app.tenant(): it is IMMUTABLE and reads a setting",
        ),
        Mistake(
            "leakproof",
            "create function app.f(integer) returns boolean leakproof language sql as 'select true'",
            "function app.f(integer): it is LEAKPROOF",
        ),
    ]


def of_triggers() -> list[Mistake]:
    return [
        Mistake(
            "guard_dropped",
            "drop trigger guard on app.folders",
            "app.folders: the guard against writes outside a flush is missing",
        ),
        Mistake(
            "guard_disabled",
            "alter table app.folders disable trigger guard",
            "app.folders: the guard against writes outside a flush is missing, disabled",
        ),
        Mistake(
            "guard_of_inserts_alone",
            "create or replace trigger guard before insert on app.folders for each statement execute function holdfast.guard()",
            "app.folders: the guard against writes outside a flush is missing, disabled or changed",
        ),
        Mistake(
            "guard_with_a_condition",
            "create or replace trigger guard before insert or update or delete on app.folders for each statement when (current_user = 'x') execute function holdfast.guard()",
            "app.folders: the guard against writes outside a flush is missing, disabled or changed",
        ),
        Mistake(
            "log_guard_dropped",
            "drop trigger guard on holdfast.changes",
            "holdfast.changes: the guard against writes outside a flush is missing",
        ),
        Mistake(
            "references_disabled",
            "alter table app.papers disable trigger all",
            "app.papers: trigger of foreign key papers_folder_id_fkey does not fire",
        ),
        Mistake(
            "foreign_trigger",
            "create function app.f() returns trigger language plpgsql as 'begin return new; end'; create trigger spy before insert on app.folders for each row execute function app.f()",
            "app.folders: trigger spy is not Holdfast's",
        ),
        Mistake(
            "rule",
            "create rule also as on insert to app.notices do also select 1",
            "app.notices: rule also rewrites its statements",
        ),
    ]


def of_keys() -> list[Mistake]:
    fkey = "alter table app.papers drop constraint papers_folder_id_fkey"
    add = "alter table app.papers add constraint papers_folder_id_fkey foreign key"
    return [
        Mistake(
            "single_column_reference",
            f"{fkey}; alter table app.folders add unique (id); {add} (folder_id) references app.folders (id) deferrable initially deferred",
            "app.papers: foreign key papers_folder_id_fkey does not carry the tenant",
        ),
        Mistake(
            "cascading_reference",
            f"{fkey}; {add} (tenant_id, folder_id) references app.folders (tenant_id, id) on delete cascade deferrable initially deferred",
            "app.papers: foreign key papers_folder_id_fkey acts by itself on other rows",
        ),
        Mistake(
            "immediate_reference",
            f"{fkey}; {add} (tenant_id, folder_id) references app.folders (tenant_id, id)",
            "app.papers: foreign key papers_folder_id_fkey is not as declared",
        ),
        Mistake("reference_dropped", fkey, "app.papers: foreign key papers_folder_id_fkey is missing"),
        Mistake(
            "reference_unvalidated",
            f"{fkey}; {add} (tenant_id, folder_id) references app.folders (tenant_id, id) deferrable initially deferred not valid",
            "app.papers: constraint papers_folder_id_fkey was never validated",
        ),
        Mistake(
            "reference_unenforced",
            f"{fkey}; {add} (tenant_id, folder_id) references app.folders (tenant_id, id) not enforced",
            "app.papers: constraint papers_folder_id_fkey is not enforced",
            since=18,
        ),
        Mistake(
            "unique_across_tenants",
            "create unique index by_label on app.folders (label)",
            "app.folders: unique index app.by_label is not led by the tenant",
        ),
        Mistake(
            "index_across_tenants",
            "create index by_label on app.folders (label)",
            "app.folders: index app.by_label is not led by the tenant",
        ),
        Mistake(
            "index_dropped", "drop index app.papers_rank_idx", "app.papers: index papers_rank_idx is missing"
        ),
        Mistake(
            "index_of_other_columns",
            "drop index app.papers_rank_idx; create index papers_rank_idx on app.papers (tenant_id, id)",
            "app.papers: index papers_rank_idx is not as declared",
        ),
        Mistake(
            "index_of_other_order",
            "drop index app.papers_rank_idx; create index papers_rank_idx on app.papers (tenant_id, rank desc, id)",
            "app.papers: index papers_rank_idx is not as declared",
        ),
        Mistake(
            "index_undeclared",
            "create index extra on app.papers (tenant_id, title)",
            "app.papers: index extra is not declared",
        ),
        Mistake(
            "index_invalid",
            "set local allow_system_table_mods = on; update pg_index set indisvalid = false where indexrelid = 'app.papers_rank_idx'::regclass",
            "app.papers: index app.papers_rank_idx is not valid",
            mended=False,
        ),
        Mistake(
            "unique_dropped",
            "alter table app.folders drop constraint folders_label_key",
            "app.folders: unique constraint folders_label_key is missing",
        ),
        Mistake(
            "partial_unique_changed",
            "drop index app.papers_folder_id_is_cover_key; create unique index papers_folder_id_is_cover_key on app.papers (tenant_id, folder_id) where not is_cover",
            "app.papers: index papers_folder_id_is_cover_key is not as declared",
        ),
        Mistake(
            "log_key_dropped",
            "alter table holdfast.changes drop constraint changes_pkey",
            "holdfast.changes: primary key changes_pkey is missing",
        ),
        Mistake(
            "nullable_tenant",
            "alter table app.notices drop constraint notices_pkey; alter table app.notices alter tenant_id drop not null",
            "app.notices: its tenant_id may be absent",
        ),
    ]


def of_columns_and_rows() -> list[Mistake]:
    orphan = "insert into app.papers select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'folder_id', gen_random_uuid(), 'is_cover', false))).* from app.papers p limit 2"
    return [
        Mistake(
            "nil_tenant",
            "alter table app.folders drop constraint folders_tenant_id_check",
            "app.folders: the check on tenant_id is missing or changed",
        ),
        Mistake(
            "check_widened",
            "alter table app.papers drop constraint papers_rank_check; alter table app.papers add check (rank between 1 and 1001)",
            "app.papers: the check on rank is missing or changed",
        ),
        Mistake(
            "choice_widened",
            "alter table app.notices drop constraint notices_kind_check; alter table app.notices add check (kind in ('news', 'alarm', 'other'))",
            "app.notices: the check on kind is missing or changed",
        ),
        Mistake(
            "check_undeclared",
            "alter table app.papers add constraint extra check (title <> 'x')",
            "app.papers: check extra is not declared",
        ),
        Mistake(
            "check_unvalidated",
            "alter table app.papers drop constraint papers_rank_check; alter table app.papers add check (rank between 1 and 1000) not valid",
            "app.papers: constraint papers_rank_check was never validated",
        ),
        Mistake(
            "other_type",
            "alter table app.papers alter rank type integer",
            "app.papers: column rank is integer, not bigint",
        ),
        Mistake(
            "other_scale",
            "alter table app.papers alter price type numeric(12, 3)",
            "app.papers: column price is numeric(12,3), not numeric(12,2)",
        ),
        Mistake(
            "other_collation",
            'alter table app.papers alter title type text collate "default"',
            'app.papers: column title is text, not text collate "C"',
        ),
        Mistake(
            "nullable",
            "alter table app.papers alter title drop not null",
            "app.papers: column title may be absent",
        ),
        Mistake(
            "not_nullable",
            "set local app.flush = 'on'; update app.papers set body = '{{}}'; set constraints all immediate; alter table app.papers alter body set not null",
            "app.papers: column body may not be absent",
        ),
        Mistake(
            "default_tenant_of_a_table",
            "alter table app.folders alter tenant_id set default '00000000-0000-7000-8000-000000000001'",
            "app.folders: column tenant_id has a default",
        ),
        Mistake(
            "column_added",
            "alter table app.papers add extra text",
            "app.papers: column extra is not declared",
        ),
        Mistake(
            "column_dropped",
            "alter table app.papers drop price",
            "app.papers: column price is missing",
            mended=False,
        ),
        Mistake(
            "table_dropped", "drop table app.readings", "app.readings: the table is missing", mended=False
        ),
        Mistake("unlogged", "alter table app.readings set unlogged", "app.readings: it is unlogged"),
        Mistake(
            "orphans",
            f"set local session_replication_role = replica; {orphan}",
            "app.papers: 2 rows refer by tenant_id, folder_id to no row of app.folders",
            mended=False,
        ),
        Mistake(
            "orphan_of_a_member",
            "set local session_replication_role = replica; delete from realm.memberships",
            "app.folders: 8 rows refer by tenant_id, user_id to no row of realm.memberships",
            mended=False,
        ),
        Mistake(
            "counter_ahead_of_its_log",
            "set local app.flush = 'on'; update holdfast.tenant_heads set head = head + 1",
            "2 tenants' counters do not agree with the last number of their log",
            mended=False,
        ),
        Mistake(
            "horizon_beyond_its_log",
            "set local app.flush = 'on'; update holdfast.tenant_heads set horizon = head + 1",
            "2 tenants' horizons lie beyond their log",
            mended=False,
        ),
    ]


MISTAKES = [
    *of_row_security(),
    *of_policies(),
    *of_grants(),
    *of_roles(),
    *of_functions(),
    *of_triggers(),
    *of_keys(),
    *of_columns_and_rows(),
]
