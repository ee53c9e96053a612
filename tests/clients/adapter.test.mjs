// The WatermelonDB adapter against a server that answers as it is told. Run by test_watermelon_adapter.py.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { HoldfastSyncError, deviceOf, holdfastSync, oneAtATime } from "../../clients/watermelondb/holdfast.js";

const NONE = { created: [], updated: [], deleted: [] };
const EXPIRED = { status: 410, body: { code: "cursor_expired", detail: "The cursor has expired.", hint: "Start afresh." } };
let server;
let url;
let script;
let seen;

/** Each answer is taken once, in order: `{status, headers, body}`, or a function of the response. */
beforeEach(async () => {
  script = [];
  seen = [];
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (piece) => (text += piece));
    request.on("end", () => {
      seen.push({ method: request.method, path: request.url, headers: request.headers, body: text && JSON.parse(text) });
      const answer = script.shift() ?? { status: 500, body: { code: "unscripted" } };
      if (typeof answer === "function") return answer(response);
      response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
      response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${server.address().port}`;
});

afterEach(() => {
  server.closeAllConnections();
  return new Promise((closed) => server.close(closed));
});

const make = (more = {}) =>
  holdfastSync({ url: `${url}/`, token: () => "t", device: "device-1", firstDelay: 2, networkTimeout: 2_000, ...more });
const since = (lastPulledAt) => ({ lastPulledAt, schemaVersion: 3, migration: null });
const page = (changes, timestamp, more = false) => ({
  body: { changes, timestamp, ...(more && { experimentalHasMore: true }) },
});
const push = (changes) => ({ changes, lastPulledAt: 7 });
const created = (...ids) => ({ t: { ...NONE, created: ids.map((id) => ({ id })) } });
const pushed = (more = {}) => ({ body: { accepted: 1, conflicts: [], rejected: [], ...more } });

async function failure(promise, expected) {
  const error = await promise.then(() => assert.fail("it succeeded"), (raised) => raised);
  assert.ok(error instanceof HoldfastSyncError, String(error));
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(error[name], value, name);
  return error;
}

describe("a pull", () => {
  test("says who asks, for what, and that it can page", async () => {
    script = [page({}, 5)];
    const migration = { from: 2, tables: ["t"], columns: [] };
    const pulled = await make({ pageSize: 10 }).pullChanges({ lastPulledAt: 4, schemaVersion: 3, migration });
    assert.deepEqual(pulled, { changes: {}, timestamp: 5 });
    const [{ method, path, headers, body }] = seen;
    assert.deepEqual([method, path], ["POST", "/api/v1/sync/pull"]);
    assert.equal(headers.authorization, "Bearer t");
    assert.equal(headers["x-holdfast-device"], "device-1");
    assert.deepEqual(body, { last_pulled_at: 4, schema_version: 3, migration, paging: 1, limit: 10 });
  });

  test("joins pages: an id stands once, the later page holds, the last timestamp is returned", async () => {
    const row = (id, page) => ({ id, page });
    script = [
      page({ t: { created: [row("new", 1)], updated: [row("a", 1), row("b", 1)], deleted: ["c"] } }, 10, true),
      page({ t: { updated: [row("a", 2), row("c", 2)], deleted: ["b", "new"] }, u: { ...NONE, deleted: ["x"] } }, 20, true),
      page({ t: { updated: [row("b", 3)] } }, 30),
    ];
    const pulled = await make().pullChanges(since(5));
    assert.equal(pulled.timestamp, 30);
    assert.deepEqual(pulled.changes.t.created, []);
    const byId = Object.fromEntries(pulled.changes.t.updated.map((each) => [each.id, each.page]));
    assert.deepEqual(byId, { a: 2, b: 3, c: 2 });
    assert.deepEqual(pulled.changes.t.deleted, ["new"]);
    assert.deepEqual(pulled.changes.u, { ...NONE, deleted: ["x"] });
    assert.deepEqual(seen.map(({ body }) => body.last_pulled_at), [5, 10, 20]);
  });

  test("gives a first sync as created and without deletions, whatever its later pages say", async () => {
    script = [
      page(created("a", "b"), 10, true),
      page({ t: { ...NONE, updated: [{ id: "c" }], deleted: ["b", "never"] } }, 20),
    ];
    const { changes } = await make().pullChanges(since(null));
    assert.deepEqual(changes, { t: { created: [{ id: "a" }, { id: "c" }], updated: [], deleted: [] } });
  });

  test("gives it as updated where synchronize() is told so", async () => {
    script = [page(created("a"), 10)];
    const sync = make({ sendCreatedAsUpdated: true });
    assert.equal(sync.sendCreatedAsUpdated, true);
    const { changes } = await sync.pullChanges(since(null));
    assert.deepEqual(changes, { t: { ...NONE, updated: [{ id: "a" }] } });
  });

  test("keeps what else the server says, and fills in missing lists", async () => {
    script = [{ body: { changes: { t: {} }, timestamp: 9, notice: "hello" } }];
    assert.deepEqual(await make().pullChanges(since(5)), { changes: { t: NONE }, timestamp: 9, notice: "hello" });
  });

  test("refuses answers that would break the client or never end", async () => {
    for (const body of [{ changes: {} }, { timestamp: 4 }, { changes: {}, timestamp: 5, experimentalHasMore: true }]) {
      script = [{ body }];
      await failure(make().pullChanges(since(5)), { code: "bad_answer", retry: false });
    }
  });

  test("takes a sign-in page of the network for a passing failure", async () => {
    script = [{ body: "<html>", headers: { "content-type": "text/html" } }, page({}, 6)];
    assert.equal((await make().pullChanges(since(5))).timestamp, 6);
  });
});

describe("an expired cursor", () => {
  test("starts afresh: replaces, and brings no row back whose deletion is unsent", async () => {
    const told = [];
    script = [EXPIRED, page(created("a"), 10, true), page({ t: { ...NONE, updated: [{ id: "b" }] } }, 20), page({}, 21)];
    const sync = make({ onReset: (why) => told.push(why.code) });
    const pulled = await sync.pullChanges(since(5));
    assert.deepEqual(pulled, {
      changes: { t: { created: [], updated: [{ id: "a" }, { id: "b" }], deleted: [] } },
      timestamp: 20,
      experimentalStrategy: "replacement",
    });
    assert.deepEqual(told, ["cursor_expired"]);
    await sync.pullChanges(since(20));
    const sent = seen.map(({ body }) => [body.last_pulled_at, body.replacement]);
    assert.deepEqual(sent, [[5, undefined], [null, 1], [10, undefined], [20, undefined]]);
  });

  test("of a push fails this sync and is remembered for the next", async () => {
    script = [EXPIRED, page(created("a"), 10)];
    const sync = make();
    const error = await failure(sync.pushChanges(push(created("n"))), { code: "cursor_expired", status: 410, retry: true });
    assert.match(error.message, /next synchronize\(\) starts afresh/);
    assert.equal((await sync.pullChanges(since(5))).experimentalStrategy, "replacement");
    assert.deepEqual([seen.at(-1).body.last_pulled_at, seen.at(-1).body.replacement], [null, 1]);
  });

  test("is not asked for without end", async () => {
    script = [EXPIRED, EXPIRED];
    await failure(make().pullChanges(since(5)), { code: "cursor_expired", status: 410 });
    assert.equal(seen.length, 2);
  });
});

describe("a push", () => {
  test("goes whole and untouched where it fits", async () => {
    const changes = Object.freeze({ t: Object.freeze({ ...NONE, updated: [Object.freeze({ id: "a", _changed: "x" })] }) });
    script = [pushed()];
    assert.deepEqual(await make().pushChanges(push(changes)), {});
    assert.deepEqual(seen[0].body, { changes, lastPulledAt: 7 });
    assert.match(seen[0].headers["idempotency-key"], /^[0-9a-f]{32}$/);
  });

  test("of too many rows goes in parts: created, updated, deleted, in the order of the tables", async () => {
    const changes = {
      parents: { created: [{ id: "p1" }], updated: [{ id: "p2" }], deleted: ["p3"] },
      children: { created: [{ id: "c1" }, { id: "c2" }], updated: [], deleted: ["c3"] },
    };
    const before = structuredClone(changes);
    script = [
      pushed({ experimentalRejectedIds: { children: ["c1"] }, rejected: [{ table: "children", id: "c1", code: "reference_missing" }] }),
      pushed({ experimentalRejectedIds: { children: ["c2"] }, conflicts: [{ table: "parents", id: "p2" }] }),
      pushed({ experimentalRejectedIds: { children: ["c1"], parents: [] } }),
    ];
    const told = [];
    const sync = make({
      pushSize: 2,
      onRejected: (rows) => told.push(rows[0].id),
      onConflict: (rows) => told.push(rows[0].id),
    });
    const answer = await sync.pushChanges(push(changes));
    assert.deepEqual(changes, before);
    assert.deepEqual(answer.experimentalRejectedIds, { children: ["c1", "c2"], parents: [] });
    assert.deepEqual(told, ["c1", "p2"]);
    assert.deepEqual(seen.map(({ body }) => body.changes), [
      { parents: { ...NONE, created: [{ id: "p1" }] }, children: { ...NONE, created: [{ id: "c1" }] } },
      { children: { ...NONE, created: [{ id: "c2" }] }, parents: { ...NONE, updated: [{ id: "p2" }] } },
      { parents: { ...NONE, deleted: ["p3"] }, children: { ...NONE, deleted: ["c3"] } },
    ]);
    assert.equal(new Set(seen.map(({ headers }) => headers["idempotency-key"])).size, 3);
  });

  test("of 1,000 rows is one request and of 1,001 two", async () => {
    const rows = Array.from({ length: 1_001 }, (_, index) => `r${index}`);
    script = [pushed(), pushed(), pushed()];
    await make().pushChanges(push(created(...rows.slice(1))));
    assert.equal(seen.length, 1);
    await make().pushChanges(push(created(...rows)));
    assert.deepEqual(seen.map(({ body }) => body.changes.t.created.length), [1_000, 1_000, 1]);
  });

  test("keeps its key over the retries of a part, a lost acknowledgement too", async () => {
    script = [(response) => response.destroy(), { status: 500 }, pushed()];
    await make().pushChanges(push(created("a")));
    assert.equal(seen.length, 3);
    assert.equal(new Set(seen.map(({ headers }) => headers["idempotency-key"])).size, 1);
    assert.equal(new Set(seen.map(({ body }) => JSON.stringify(body))).size, 1);
  });

  test("is not failed by a listener that throws, nor by an empty answer", async (context) => {
    context.mock.method(console, "error", () => undefined);
    script = [pushed({ conflicts: [{ id: "a" }] }), { status: 200, body: "" }];
    const onConflict = () => {
      throw new Error("the app's own");
    };
    assert.deepEqual(await make({ onConflict }).pushChanges(push(created("a"))), {});
    assert.deepEqual(await make().pushChanges(push(created("a"))), {});
    assert.equal(console.error.mock.callCount(), 1);
  });
});

describe("a failure", () => {
  test("that may pass is tried three times more, then told", async () => {
    for (const status of [409, 429, 500, 502, 503]) {
      seen = [];
      script = Array.from({ length: 4 }, () => ({ status, body: { code: "busy", detail: "Busy.", hint: "Wait." } }));
      await failure(make().pullChanges(since(5)), { code: "busy", status, hint: "Wait.", retry: true });
      assert.equal(seen.length, 4);
    }
  });

  test("that will not pass is told at once", async () => {
    for (const status of [400, 403, 404, 413, 422, 501]) {
      seen = [];
      script = [{ status, body: { code: "too_large", detail: "Too large.", hint: "Split it." } }];
      const error = await failure(make().pullChanges(since(5)), { code: "too_large", status, retry: false });
      assert.equal(error.message, "Too large. Split it.");
      assert.equal(seen.length, 1);
    }
    script = [{ status: 404, body: "<html>" }];
    await failure(make().pullChanges(since(5)), { code: "http_404", status: 404 });
  });

  test("says how long to wait: that is waited for", async () => {
    for (const asked of ["1", new Date(Date.now() + 2_500).toUTCString()]) {
      script = [{ status: 503, headers: { "retry-after": asked } }, page({}, 6)];
      const from = performance.now();
      await make().pullChanges(since(5));
      assert.ok(performance.now() - from > 400, asked);
    }
  });

  test("that asks to wait beyond the end of the sync is told at once", async () => {
    script = [{ status: 429, headers: { "retry-after": "120" } }];
    await failure(make().pullChanges(since(5)), { code: "http_429", retryAfter: 120_000, retry: true });
  });

  test("waits longer each time, with jitter", async (context) => {
    const waits = [];
    const original = globalThis.setTimeout;
    context.mock.method(globalThis, "setTimeout", (then, delay, ...rest) => {
      const isWait = delay < 1_000; // the others are timeouts
      if (isWait) waits.push(delay);
      return original(then, isWait ? 1 : delay, ...rest);
    });
    script = [{ status: 500 }, { status: 500 }, { status: 500 }, page({}, 6)];
    await make({ firstDelay: 100 }).pullChanges(since(5));
    assert.equal(waits.length, 3);
    waits.forEach((delay, index) => assert.ok(delay >= 50 * 2 ** index && delay <= 100 * 2 ** index, String(waits)));
  });

  test("of the network is one, with a code", async () => {
    const fetch = () => Promise.reject(new TypeError("fetch failed"));
    await failure(make({ fetch, retries: 1 }).pullChanges(since(5)), { code: "network", status: 0, retry: true });
  });

  test("by silence ends in time: a request's, then the sync's", async () => {
    script = [() => undefined, page({}, 6), () => undefined, () => undefined, () => undefined];
    assert.equal((await make({ networkTimeout: 50 }).pullChanges(since(5))).timestamp, 6);
    const from = performance.now();
    await failure(make({ syncTimeout: 150, networkTimeout: 100 }).pullChanges(since(5)), { code: "timeout", retry: true });
    assert.ok(performance.now() - from < 1_000);
  });

  test("in the middle of a body is one too", async () => {
    const cut = (response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("{");
      setTimeout(() => response.destroy(), 10);
    };
    script = [cut, page({}, 6)];
    assert.equal((await make().pullChanges(since(5))).timestamp, 6);
  });

  test("by the app's signal ends the request, or the wait", async () => {
    const inRequest = new AbortController();
    script = [() => inRequest.abort(), { status: 503, headers: { "retry-after": "20" } }];
    await failure(make({ signal: inRequest.signal }).pullChanges(since(5)), { code: "aborted", retry: false });
    const inWait = new AbortController();
    setTimeout(() => inWait.abort(), 50);
    await failure(make({ signal: () => inWait.signal }).pullChanges(since(5)), { code: "aborted" });
    assert.equal(seen.length, 2);
    await failure(make({ signal: inWait.signal }).pullChanges(since(5)), { code: "aborted" });
    assert.equal(seen.length, 2);
  });
});

describe("a token", () => {
  const refused = { status: 401, body: { code: "token_expired", detail: "The token has expired." } };

  test("that does not hold is asked for once more", async () => {
    const asked = [];
    const token = async ({ refresh }) => `${asked.push(refresh)}`;
    script = [refused, { status: 500 }, page({}, 6)];
    await make({ token }).pullChanges(since(5));
    assert.deepEqual(asked, [false, true, false]);
    assert.deepEqual(seen.map(({ headers }) => headers.authorization), ["Bearer 1", "Bearer 2", "Bearer 3"]);
  });

  test("that still does not hold fails, with what to do", async () => {
    script = [refused, refused];
    await failure(make().pullChanges(since(5)), { code: "token_expired", status: 401, hint: "Sign in again.", retry: false });
    assert.equal(seen.length, 2);
  });

  test("that cannot be had fails with the app's own error", async () => {
    const token = () => Promise.reject(new RangeError("no session"));
    await assert.rejects(make({ token }).pullChanges(since(5)), RangeError);
    assert.equal(seen.length, 0);
  });
});

describe("a device", () => {
  test("has an id that is kept in its database", async () => {
    const kept = new Map();
    const adapter = { getLocal: async (key) => kept.get(key), setLocal: async (key, value) => void kept.set(key, value) };
    const id = await deviceOf({ adapter });
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(await deviceOf({ adapter }), id);
    script = [page({}, 6)];
    await make({ device: () => deviceOf({ adapter }) }).pullChanges(since(5));
    assert.equal(seen[0].headers["x-holdfast-device"], id);
  });

  test("without a proper id is told", async () => {
    for (const device of [undefined, "", "x".repeat(65), "a\nb"]) {
      await failure(make({ device }).pullChanges(since(5)), { code: "bad_option" });
    }
  });
});

describe("the events", () => {
  const stream = (...pieces) => async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces) {
      response.write(piece);
      await pause(10);
    }
  };
  const ending = (...pieces) => async (response) => {
    await stream(...pieces)(response);
    response.end();
  };
  const until = async (condition) => {
    for (let turns = 0; !condition(); turns += 1) {
      assert.ok(turns < 200, "it did not happen");
      await pause(10);
    }
  };

  test("are told, however they are cut; a lost stream is taken up again", async () => {
    const heads = [];
    script = [
      ending(": hello\n\nevent: he", 'ad\ndata: {"num', 'ber": 4}\n\ndata: {"number": 99}\n\n'),
      { status: 503 },
      { status: 401 },
      stream('event: head\r\ndata: {"number": 5}\r\n\r\nevent: other\ndata: 1\n\n'),
    ];
    const asked = [];
    const token = ({ refresh }) => `${asked.push(refresh)}`;
    const stop = make({ token }).events({ onHead: (number) => heads.push(number) });
    await until(() => heads.length === 2);
    assert.deepEqual(heads, [4, 5]);
    assert.deepEqual(asked, [false, false, false, true]);
    assert.deepEqual([seen[0].method, seen[0].path], ["GET", "/api/v1/sync/events"]);
    assert.equal(seen[0].headers.accept, "text/event-stream");
    assert.match(seen[0].headers.authorization, /^Bearer /);
    stop();
    await pause(50);
    assert.equal(seen.length, 4);
  });

  test("end where they are refused, where fetch cannot stream, and with the app's signal", async () => {
    const told = [];
    const listener = { onHead: () => undefined, onError: (error) => told.push(error.code) };
    script = [{ status: 404 }];
    make().events(listener);
    await until(() => told.length === 1);
    make({ fetch: async () => ({ ok: true, body: null }) }).events(listener);
    await until(() => told.length === 2);
    const app = new AbortController();
    script = [stream("event: head\n")];
    make({ signal: app.signal }).events(listener);
    await until(() => seen.length === 2);
    app.abort();
    await pause(50);
    assert.deepEqual(told, ["http_404", "bad_option"]);
    assert.equal(seen.length, 2);
  });
});

describe("one at a time", () => {
  test("calls during a run share the next one", async () => {
    let runs = 0;
    let open = 0;
    const sync = oneAtATime(async () => {
      assert.equal((open += 1), 1);
      await pause(10);
      open -= 1;
      return (runs += 1);
    });
    assert.deepEqual(await Promise.all([sync(), sync(), sync()]), [1, 2, 2]);
    assert.equal(await sync(), 3);
  });

  test("a push that was told to start afresh is followed by that; a failure does not hold up the next", async () => {
    const results = [
      () => Promise.reject(new HoldfastSyncError("cursor_expired", "…", { status: 410, retry: true })),
      async () => "afresh",
      () => Promise.reject(new HoldfastSyncError("network", "…", { retry: true })),
      async () => "well",
    ];
    const sync = oneAtATime(() => results.shift()());
    assert.equal(await sync(), "afresh");
    const both = await Promise.allSettled([sync(), sync()]);
    assert.deepEqual(both.map(({ status }) => status), ["rejected", "fulfilled"]);
  });
});
