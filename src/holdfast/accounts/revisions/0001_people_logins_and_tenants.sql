-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.

-- create realm.users
create schema if not exists "realm";
create table if not exists "realm"."users" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "email" varchar(255) collate "C" not null,
  "email_key" varchar(255) collate "C" not null,
  "name" varchar(255) collate "C" not null,
  "avatar_url" varchar(2048) collate "C",
  "email_verified" boolean not null,
  "is_active" boolean not null,
  "provider" varchar(50) collate "C" not null,
  primary key (id),
  constraint "users_email_key_key" unique ("email_key")
);
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."users" to "holdfast_realm";

-- create realm.login_failures
create schema if not exists "realm";
create table if not exists "realm"."login_failures" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "failures" jsonb not null,
  "locks" bigint not null,
  "locked_until" bigint,
  "expires_at" timestamptz not null,
  primary key (id)
);
create index if not exists "login_failures_expires_at_idx" on "realm"."login_failures" ("expires_at", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."login_failures" to "holdfast_realm";

-- create realm.realm_log
create schema if not exists "realm";
create table if not exists "realm"."realm_log" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "event" varchar(64) collate "C" not null,
  "at" timestamptz not null,
  "user_id" uuid,
  "tenant_id" uuid,
  "actor" uuid,
  "reason" varchar(255) collate "C",
  "detail" jsonb not null,
  primary key (id)
);
create index if not exists "realm_log_at_idx" on "realm"."realm_log" ("at", "id");
create index if not exists "realm_log_event_idx" on "realm"."realm_log" ("event", "id");
create index if not exists "realm_log_user_id_idx" on "realm"."realm_log" ("user_id", "id");
create index if not exists "realm_log_tenant_id_idx" on "realm"."realm_log" ("tenant_id", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."realm_log" to "holdfast_realm";

-- create realm.credentials
create schema if not exists "realm";
create table if not exists "realm"."credentials" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "kind" text collate "C" not null check ("kind" in ('password')),
  "hash" varchar(512) collate "C" not null,
  primary key (id),
  constraint "credentials_user_id_fkey" foreign key ("user_id") references "realm"."users" (id) on delete no action deferrable initially deferred,
  constraint "credentials_user_id_kind_key" unique ("user_id", "kind")
);
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."credentials" to "holdfast_realm";

-- create realm.tenants
create schema if not exists "realm";
create table if not exists "realm"."tenants" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "name" varchar(255) collate "C" not null,
  "slug" varchar(63) collate "C" not null,
  "personal_of" uuid,
  "roster" bigint not null,
  primary key (id),
  constraint "tenants_personal_of_fkey" foreign key ("personal_of") references "realm"."users" (id) on delete no action deferrable initially deferred,
  constraint "tenants_slug_key" unique ("slug"),
  constraint "tenants_personal_of_key" unique ("personal_of")
);
create index if not exists "tenants_personal_of_idx" on "realm"."tenants" ("personal_of", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."tenants" to "holdfast_realm";

-- create realm.refresh_families
create schema if not exists "realm";
create table if not exists "realm"."refresh_families" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "counter" bigint not null,
  "began_at" timestamptz not null,
  "last_used" timestamptz not null,
  "rotated_at" timestamptz,
  "device" varchar(255) collate "C",
  "revoked_at" timestamptz,
  "expires_at" timestamptz not null,
  primary key (id),
  constraint "refresh_families_user_id_fkey" foreign key ("user_id") references "realm"."users" (id) on delete no action deferrable initially deferred
);
create index if not exists "refresh_families_expires_at_idx" on "realm"."refresh_families" ("expires_at", "id");
create index if not exists "refresh_families_user_id_idx" on "realm"."refresh_families" ("user_id", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."refresh_families" to "holdfast_realm";

-- create realm.verifications
create schema if not exists "realm";
create table if not exists "realm"."verifications" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "token_hash" varchar(64) collate "C" not null,
  "name" varchar(255) collate "C",
  "password_hash" varchar(512) collate "C",
  "expires_at" timestamptz not null,
  primary key (id),
  constraint "verifications_user_id_fkey" foreign key ("user_id") references "realm"."users" (id) on delete no action deferrable initially deferred,
  constraint "verifications_token_hash_key" unique ("token_hash")
);
create index if not exists "verifications_user_id_idx" on "realm"."verifications" ("user_id", "id");
create index if not exists "verifications_expires_at_idx" on "realm"."verifications" ("expires_at", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."verifications" to "holdfast_realm";

-- create realm.memberships
create schema if not exists "realm";
create table if not exists "realm"."memberships" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "tenant_id" uuid not null,
  "user_id" uuid not null,
  "role" text collate "C" not null check ("role" in ('owner', 'admin', 'member', 'viewer')),
  "epoch" bigint not null,
  "ended_at" timestamptz,
  primary key (id),
  constraint "memberships_tenant_id_fkey" foreign key ("tenant_id") references "realm"."tenants" (id) on delete no action deferrable initially deferred,
  constraint "memberships_user_id_fkey" foreign key ("user_id") references "realm"."users" (id) on delete no action deferrable initially deferred,
  constraint "memberships_tenant_id_user_id_key" unique ("tenant_id", "user_id")
);
create index if not exists "memberships_user_id_idx" on "realm"."memberships" ("user_id", "id");
create index if not exists "memberships_tenant_id_role_idx" on "realm"."memberships" ("tenant_id", "role", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."memberships" to "holdfast_realm";

-- create realm.sessions
create schema if not exists "realm";
create table if not exists "realm"."sessions" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "user_id" uuid not null,
  "tenant_id" uuid not null,
  "device" varchar(255) collate "C",
  "methods" jsonb not null,
  "authenticated_at" timestamptz not null,
  "last_seen" timestamptz not null,
  "expires_at" timestamptz not null,
  "revoked_at" timestamptz,
  primary key (id),
  constraint "sessions_user_id_fkey" foreign key ("user_id") references "realm"."users" (id) on delete no action deferrable initially deferred,
  constraint "sessions_tenant_id_fkey" foreign key ("tenant_id") references "realm"."tenants" (id) on delete no action deferrable initially deferred
);
create index if not exists "sessions_user_id_idx" on "realm"."sessions" ("user_id", "id");
create index if not exists "sessions_expires_at_idx" on "realm"."sessions" ("expires_at", "id");
create index if not exists "sessions_tenant_id_idx" on "realm"."sessions" ("tenant_id", "id");
grant usage on schema "realm" to "holdfast_realm";
grant select, insert, update, delete on "realm"."sessions" to "holdfast_realm";
