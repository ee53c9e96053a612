"""The generated functions of the hot paths: one round trip that enters the tenant and runs the statement.

All are SECURITY INVOKER with a pinned search path, list their columns, and take an opaque context first: 36 characters
of tenant, a blank, and the user (`*` for the whole tenant). Read functions are STABLE, so that all their statements
share one snapshot; write functions are VOLATILE and lock the tenant's counter before they read anything. Columns are
qualified throughout and a bare name is a variable, or a field called `who` or `start` would stand in for it. What is owned
is asked for by its owner, beside the policy: until a revision that changes the owner is finished, the policy is the old one.

A write takes several rows, as JSON: `[{u: user, a: actor, d: device, at, id, v: {field: plain}, …}]`. `s` is a new row's
salt and `c` its commitment, both in hexadecimal; `h` maps each field of an update to u(f), see `changes.change`.
"""

from __future__ import annotations

from holdfast.changes.change import FORMAT, SALT_FIELD
from holdfast.engines.postgres._names import (
    EVERYONE,
    FLUSH,
    TENANT,
    USER,
    json_text,
    literal,
    plan_name,
    quoted,
    record_type,
    row_json,
    table_name,
)
from holdfast.model.schema import EntitySchema

VERBS = {
    "get": "text, uuid",
    "list": "text, integer, uuid",
    "create": "text, jsonb",
    "update": "text, jsonb",
    "delete": "text, jsonb",
}

_CHANGE_COLUMNS = (
    "tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment"
)
_ENTER = (
    f"perform set_config('{TENANT}', substr(ctx, 1, 36), true), set_config('{USER}', substr(ctx, 38), true);"
)
# The counter first, and at once by as many numbers as may be needed: one statement where the tenant has written before.
_BUMP = """  update holdfast.tenant_heads set head = head + k where tenant_id = t returning head into h;
  if not found then
    h := holdfast.lock_tenant(t) + k;
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;"""
_ENTER_FLUSH = f"perform set_config('{TENANT}', substr(ctx, 1, 36), true), set_config('{FLUSH}', 'on', true);"


def plan_functions(schema: EntitySchema) -> list[str]:
    """The statements that make the functions of `schema`; writes only where rows are journaled."""
    if schema.visibility == "realm":
        return []
    functions = [_get(schema), _list(schema)]
    if schema.journaled:
        functions += [_create(schema), _update(schema), _delete(schema)]
    return functions


def plan_signatures(schema: EntitySchema) -> list[str]:
    """The functions' names with their argument types."""
    if schema.visibility == "realm":
        return []
    verbs = list(VERBS) if schema.journaled else ["get", "list"]
    return [f"{plan_name(schema, verb)}({VERBS[verb]})" for verb in verbs]


def _function(name: str, arguments: str, returns: str, volatility: str, declare: str, body: str) -> str:
    return (
        f"create or replace function {name}({arguments}) {returns}\n"
        f"language plpgsql {volatility} security invoker set search_path = pg_catalog, pg_temp as $plan$\n"
        f"#variable_conflict use_variable\n{declare}begin\n{body}end $plan$"
    )


def _get(schema: EntitySchema) -> str:
    body = f"""  {_ENTER}
  select r.version, {row_json(schema, "r")} into version, body
    from {table_name(schema)} r where r.tenant_id = substr(ctx, 1, 36)::uuid and r.id = wanted{_mine(schema, "substr(ctx, 38)")};
"""
    arguments = "ctx text, wanted uuid, out version bigint, out body text"
    return _function(plan_name(schema, "get"), arguments, "", "stable", "", body)


def _list(schema: EntitySchema) -> str:
    body = f"""  {_ENTER}
  select string_agg(p.j, ',') filter (where p.n <= page),
         case when count(*) > page then (array_agg(p.id))[page] end
    into body, following
    from (select r.id, row_number() over (order by r.id) as n, {row_json(schema, "r")} as j
            from {table_name(schema)} r
           where r.tenant_id = substr(ctx, 1, 36)::uuid and (start is null or r.id > start){_mine(schema, "substr(ctx, 38)")}
           order by r.id limit page + 1) p;
"""
    arguments = "ctx text, page integer, start uuid, out body text, out following uuid"
    return _function(plan_name(schema, "list"), arguments, "", "stable", "", body)


def _create(schema: EntitySchema) -> str:
    names = [field.column for field in schema.fields]
    columns = "".join(f", {quoted(name)}" for name in names)
    values = "".join(f", v.{quoted(name)}" for name in names)
    record = (
        ", ".join(f"{quoted(field.column)} {record_type(field.type)}" for field in schema.fields)
        or "nothing text"
    )
    fields = ", ".join(literal(name) for name in sorted(names))
    declare = """declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  who text;
"""
    body = f"""  {_ENTER_FLUSH}
{_BUMP}
  for who in select distinct o ->> 'u' from jsonb_array_elements(ops) o loop
    perform set_config('{USER}', who, true);
    insert into {table_name(schema)} (tenant_id, id, version, created_at, updated_at, commit_salt{columns})
    select t, m.id, 1, m.at, m.at, m.s{values}
      from jsonb_array_elements(ops) with ordinality e(o, ord),
           jsonb_to_record(e.o) as m(id uuid, u text, at timestamptz, s bytea),
           jsonb_to_record(e.o -> 'v') as v({record})
     where m.u = who order by e.ord;
  end loop;
  insert into holdfast.changes ({_CHANGE_COLUMNS})
  select t, h - k + e.ord, h, {FORMAT}, {literal(schema.stable_name)}, m.id, 'c', array[{fields}]::text[], 1, m.a, m.d, m.at, m.c
    from jsonb_array_elements(ops) with ordinality e(o, ord),
         jsonb_to_record(e.o) as m(id uuid, a uuid, d text, at timestamptz, c bytea);
  return h;
"""
    return _function(
        plan_name(schema, "create"), "ctx text, ops jsonb", "returns bigint", "volatile", declare, body
    )


_LOOP_RETURNS = "returns table (status text, number bigint, version bigint, body text)"


def _loop(schema: EntitySchema, verb: str, declare: str, act: str, end: str = "") -> str:
    """A write function that goes row by row, so that one row may come twice, under the tenant's counter. `end` comes last,
    where anything was done.
    """
    header = f"""declare
  t constant uuid := substr(ctx, 1, 36)::uuid;
  k constant integer := jsonb_array_length(ops);
  h bigint;
  start bigint;
  who text;
  o jsonb;
  cur {table_name(schema)}%rowtype;
  log holdfast.changes[] := '{{}}';
{declare}"""
    body = f"""  {_ENTER_FLUSH}
{_BUMP}
  h := h - k;
  start := h;
  for o in select e.o from jsonb_array_elements(ops) with ordinality e(o, ord) order by e.ord loop
    if o ->> 'u' is distinct from who then
      who := o ->> 'u';
      perform set_config('{USER}', who, true);
    end if;
    number := null; version := null; body := null;
    select {_columns(schema, "r")} into {_columns(schema, "cur")} from {table_name(schema)} r where r.tenant_id = t and r.id = (o ->> 'id')::uuid{_mine(schema, "who")};
    if not found then
      status := 'missing'; return next; continue;
    end if;
    if (o ->> 'if')::bigint <> cur.version then
      status := 'stale'; return next; continue;
    end if;
{act}  end loop;
  if h < start + k then
    update holdfast.tenant_heads set head = h where tenant_id = t;
  end if;
  if h > start then
    insert into holdfast.changes ({_CHANGE_COLUMNS})
    select l.tenant_id, l.number, h, l.format, l.entity, l.row_id, l.op, l.fields, l.version, l.actor, l.device, l.at,
           l.commitment from unnest(log) l;
{end}  end if;
"""
    name = plan_name(schema, verb)
    return _function(name, "ctx text, ops jsonb", _LOOP_RETURNS, "volatile", header, body)


def _columns(schema: EntitySchema, alias: str) -> str:
    """The columns by name, on both sides of an assignment: by position, a column that is added or set aside between two
    versions of the code would shift the others.
    """
    own = ["id", "version", "created_at", "updated_at", *(["commit_salt"] if schema.journaled else [])]
    return ", ".join(f"{alias}.{quoted(name)}" for name in (*own, *(f.column for f in schema.fields)))


def _owner(schema: EntitySchema) -> str:
    """The column that names a row's owner."""
    return schema.by_name[schema.owner].column if schema.owner else ""


def _mine(schema: EntitySchema, user: str) -> str:
    """That a row is this user's, or that the scope acts for the whole tenant."""
    if schema.owner is None:
        return ""
    return f" and ({user} = '{EVERYONE}' or r.{quoted(_owner(schema))} = nullif({user}, '{EVERYONE}')::uuid)"


def _logged(op: str, fields: str, version: str, commitment: str, schema: EntitySchema) -> str:
    """Append the change to the log that goes in at the end, when the flush's last number is known."""
    return f"""log := log || row(t, h, h, {FORMAT}, {literal(schema.stable_name)}, cur.id, {literal(op)}, {fields}, {version},
        (o ->> 'a')::uuid, o ->> 'd', (o ->> 'at')::timestamptz, {commitment})::holdfast.changes;"""


def _history(schema: EntitySchema, condition: str, *extra: str) -> str:
    """Enter old values; JSON text in UTF-8."""
    values = [
        f"({literal(field.column)}, {json_text(field.type, f'cur.{quoted(field.column)}')})"
        for field in schema.fields
    ]
    rows = ", ".join([*values, *extra]) or "(null::text, null::text)"
    owner = f"cur.{quoted(_owner(schema))}" if schema.owner else "null::uuid"
    return f"""insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
      select t, {literal(schema.stable_name)}, cur.id, h, x.f, convert_to(x.j, 'UTF8'), {owner}
        from (values {rows}) x(f, j) where {condition};"""


def _update(schema: EntitySchema) -> str:
    names = sorted(field.column for field in schema.fields)
    compare = ", ".join(
        f"case when nw.{quoted(n)} is distinct from cur.{quoted(n)} then {literal(n)} end" for n in names
    )
    assign = "".join(f", {quoted(n)} = nw.{quoted(n)}" for n in names)
    # Joined by operators: a function takes at most a hundred arguments.
    hashes = " || ".join(
        f"case when nw.{quoted(n)} is distinct from cur.{quoted(n)} then o -> 'h' ->> {literal(n)} else '' end"
        for n in names
    )
    commitment = f"sha256(cur.commit_salt || int8send(nw.version) || decode({hashes or literal('')}, 'hex'))"
    act = f"""    nw := jsonb_populate_record(cur, o -> 'v');
    changed := array_remove(array[{compare}]::text[], null);
    if changed = '{{}}' then
      status := 'same'; version := cur.version; body := {row_json(schema, "cur")}; return next; continue;
    end if;
    h := h + 1;
    nw.version := cur.version + 1;
    nw.updated_at := greatest(cur.updated_at + interval '1 microsecond', (o ->> 'at')::timestamptz);
    update {table_name(schema)} r set version = nw.version, updated_at = nw.updated_at{assign}
     where r.tenant_id = t and r.id = cur.id;
    {_history(schema, "x.f = any(changed)")}
    {_logged("u", "changed", "nw.version", commitment, schema)}
    status := 'done'; number := h; version := nw.version; body := {row_json(schema, "nw")}; return next;
"""
    declare = f"  nw {table_name(schema)}%rowtype;\n  changed text[];\n"
    return _loop(schema, "update", declare, act)


def _delete(schema: EntitySchema) -> str:
    salt = f"({literal(SALT_FIELD)}, '\"' || encode(cur.commit_salt, 'base64') || '\"')"
    owner = f"cur.{quoted(_owner(schema))}" if schema.owner else "null::uuid"
    act = f"""    h := h + 1;
    delete from {table_name(schema)} r where r.tenant_id = t and r.id = cur.id;
    {_history(schema, "x.j <> 'null'", salt)}
    {_logged("d", "'{}'::text[]", "cur.version + 1", "sha256(cur.commit_salt || int8send(cur.version + 1))", schema)}
    dead := dead || cur.id; numbers := numbers || h; devices := devices || (o ->> 'd'); owners := owners || {owner};
    status := 'done'; number := h; version := cur.version + 1; return next;
"""
    declare = """  dead uuid[] := '{}';
  numbers bigint[] := '{}';
  devices text[] := '{}';
  owners uuid[] := '{}';
"""
    # For the whole tenant: an id may have had another owner in an earlier life, whose tombstone this one replaces.
    end = f"""    perform set_config('{USER}', '{EVERYONE}', true);
    insert into holdfast.tombstones (tenant_id, entity, row_id, number, owner_id, device)
    select t, {literal(schema.stable_name)}, g.row_id, g.number, g.owner_id, g.device
      from unnest(dead, numbers, owners, devices) as g(row_id, number, owner_id, device)
        on conflict (tenant_id, entity, row_id)
        do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device;
"""
    return _loop(schema, "delete", declare, act, end)
