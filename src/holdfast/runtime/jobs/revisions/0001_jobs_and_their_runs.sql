-- PostgreSQL, for a database called holdfast. Written for review; the steps are what is applied.

-- create jobs.states
create schema if not exists "jobs";
create table if not exists "jobs"."states" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "name" varchar(64) collate "C" not null,
  "next_at" timestamptz not null,
  "fence" bigint not null,
  "run_id" uuid,
  "host" varchar(255) collate "C",
  "pid" bigint,
  "held_since" timestamptz,
  "beat_at" timestamptz,
  "beats" bigint not null,
  "silence" bigint not null,
  "failures" bigint not null,
  "checkpoint" jsonb not null,
  "notes" jsonb not null,
  primary key (id),
  constraint "states_name_key" unique ("name")
);
grant usage on schema "jobs" to "holdfast_realm";
grant select, insert, update, delete on "jobs"."states" to "holdfast_realm";

-- create jobs.runs
create schema if not exists "jobs";
create table if not exists "jobs"."runs" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "name" varchar(64) collate "C" not null,
  "fence" bigint not null,
  "trigger" text collate "C" not null check ("trigger" in ('schedule', 'command')),
  "host" varchar(255) collate "C" not null,
  "pid" bigint not null,
  "started_at" timestamptz not null,
  "ended_at" timestamptz,
  "result" text collate "C" not null check ("result" in ('running', 'done', 'failed', 'handed_back', 'lost')),
  "code" varchar(64) collate "C",
  "report" jsonb not null,
  primary key (id)
);
create index if not exists "runs_name_started_at_idx" on "jobs"."runs" ("name", "started_at", "id");
create index if not exists "runs_started_at_idx" on "jobs"."runs" ("started_at", "id");
grant usage on schema "jobs" to "holdfast_realm";
grant select, insert, update, delete on "jobs"."runs" to "holdfast_realm";

-- create jobs.workers
create schema if not exists "jobs";
create table if not exists "jobs"."workers" (
  id uuid not null,
  version bigint not null check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  "host" varchar(255) collate "C" not null,
  "pid" bigint not null,
  "started_at" timestamptz not null,
  "seen_at" timestamptz not null,
  primary key (id)
);
create index if not exists "workers_seen_at_idx" on "jobs"."workers" ("seen_at", "id");
grant usage on schema "jobs" to "holdfast_realm";
grant select, insert, update, delete on "jobs"."workers" to "holdfast_realm";
