/**
 * WatermelonDB's `synchronize()` against a Holdfast server: one file, no dependency; React Native, browsers, Node 18.
 *
 *     import { synchronize } from "@nozbe/watermelondb/sync";
 *     import { deviceOf, holdfastSync, oneAtATime } from "./holdfast.js";
 *
 *     const holdfast = holdfastSync({ url, token, device: () => deviceOf(database), sendCreatedAsUpdated: true });
 *     const sync = oneAtATime(() => synchronize({ database, ...holdfast }));
 *
 * Make one for each database and keep it: it remembers that a push was told to start afresh. It never changes the
 * objects that WatermelonDB hands it: those are compared afterwards, and a changed one would stay unsent for ever.
 */

/**
 * @typedef {Object} Options
 * @property {string} url Where the server is, without a path: `https://data.example.com`.
 * @property {(how: {refresh: boolean}) => string | Promise<string>} token The access token. Asked before each request;
 *   `refresh` is true once after a 401: the token given last does not hold any more.
 * @property {string | (() => string | Promise<string>)} device 1 to 64 printable ASCII characters. One for each local
 *   database, never one for a person or a build, since a device is not sent its own writes again. See `deviceOf`.
 * @property {boolean} [sendCreatedAsUpdated] Handed on to synchronize(). Rows of a first sync then come as `updated`,
 *   since WatermelonDB logs an error about `created` ones; without it they come as `created`. False by default.
 * @property {typeof fetch} [fetch] Instead of the global one.
 * @property {AbortSignal | (() => AbortSignal | undefined)} [signal] Ends requests, waits and the event stream.
 * @property {number} [pageSize] Rows a page of a pull at most; the server's own choice by default.
 * @property {number} [pushSize] Rows a request of a push at most: 1,000, which is what a server accepts.
 * @property {number} [retries] Further tries of a request: 3.
 * @property {number} [firstDelay] Milliseconds before the first of them: 1,000, doubled each time, with jitter.
 * @property {number} [networkTimeout] Milliseconds that one request may take: 10,000.
 * @property {number} [syncTimeout] Milliseconds for a request with all its tries and waits: 30,000. Each page of a pull
 *   and each part of a push starts it anew, so that a long first sync is not taken for a stuck one.
 * @property {(conflicts: Conflict[]) => void} [onConflict] What the server settled otherwise than this device sent it.
 * @property {(rejected: Rejected[]) => void} [onRejected] Rows that were refused, each with the reason.
 * @property {(why: HoldfastSyncError) => void} [onReset] The pull starts afresh; unsent changes are kept.
 *
 * @typedef {{table: string, id: string, fields: string[], rule: string}} Conflict
 * @typedef {{table: string, id: string, code: string, fields?: string[]}} Rejected
 * @typedef {{created: Object[], updated: Object[], deleted: string[]}} TableChanges
 * @typedef {{[table: string]: TableChanges}} Changes
 */

const KINDS = /** @type {const} */ (["created", "updated", "deleted"]);
const DEVICE_KEY = "holdfast_device";
const AFRESH = "The next synchronize() starts afresh by itself and keeps unsent changes.";
const LONGEST_DELAY = 60_000;
/** A stream that is silent for so long is taken for a lost one. */
const SILENCE = 90_000;

/** Why a synchronisation failed. Whatever was not acknowledged is still on the device and goes with the next one. */
export class HoldfastSyncError extends Error {
  /**
   * @param {string} code For programs: the server's, or `network`, `timeout`, `aborted`, `bad_answer`, `bad_option`.
   * @param {string} message
   * @param {{status?: number, hint?: string, retry?: boolean, retryAfter?: number, cause?: unknown}} [more]
   */
  constructor(code, message, { status = 0, hint = "", retry = false, retryAfter, cause } = {}) {
    super(hint ? `${message} ${hint}` : message);
    this.name = "HoldfastSyncError";
    this.code = code;
    /** The answer's status, or 0 where there was none. */
    this.status = status;
    /** What to do next, for people. */
    this.hint = hint;
    /** Whether a later synchronize() may succeed as things are. */
    this.retry = retry;
    /** Milliseconds that the server asked to wait. */
    this.retryAfter = retryAfter;
    this.cause = cause;
  }
}

/**
 * The arguments of synchronize(), and the event stream.
 * @param {Options} options
 */
export function holdfastSync(options) {
  const { retries = 3, firstDelay = 1_000, networkTimeout = 10_000, syncTimeout = 30_000 } = options;
  const { pageSize, pushSize = 1_000, sendCreatedAsUpdated = false } = options;
  const base = `${options.url.replace(/\/+$/, "")}/api/v1/sync/`;
  const send = options.fetch ?? ((...request) => fetch(...request));
  let afresh = false;

  const signalNow = () => (typeof options.signal === "function" ? options.signal() : options.signal);

  async function headers(refresh) {
    const device = typeof options.device === "function" ? await options.device() : options.device;
    if (!/^[ -~]{1,64}$/.test(device ?? "")) {
      throw new HoldfastSyncError("bad_option", "`device` is not 1 to 64 printable ASCII characters.");
    }
    return { Authorization: `Bearer ${await options.token({ refresh })}`, "X-Holdfast-Device": device };
  }

  /** One exchange in at most `time` ms, answered by what `read` makes of it. */
  async function exchange(path, request, time, signal, read) {
    const controller = new AbortController();
    let ended;
    const end = (code) => {
      ended ??= code;
      controller.abort();
    };
    const timer = setTimeout(end, time, "timeout");
    const unlink = whenAborted(signal, () => end("aborted"));
    try {
      const response = await send(base + path, { ...request, signal: controller.signal });
      if (!response.ok) throw problem(response, await response.text());
      return await read(response, () => clearTimeout(timer), end);
    } catch (cause) {
      if (cause instanceof HoldfastSyncError) throw cause;
      const code = ended ?? "network";
      throw new HoldfastSyncError(code, WITHOUT_ANSWER[code], { retry: code !== "aborted", cause });
    } finally {
      clearTimeout(timer);
      unlink();
    }
  }

  /** Post, and again while that may help. A body and its headers are the same in each try. */
  async function post(path, body, extra = {}) {
    const signal = signalNow();
    const deadline = Date.now() + syncTimeout;
    const text = JSON.stringify(body);
    let refusals = 0;
    let failures = 0;
    for (let refresh = false; ; ) {
      const all = { "Content-Type": "application/json", ...(await headers(refresh)), ...extra };
      const request = { method: "POST", headers: all, body: text };
      const time = Math.min(networkTimeout, Math.max(1, deadline - Date.now()));
      try {
        return await exchange(path, request, time, signal, readJson);
      } catch (error) {
        refresh = error.status === 401 && refusals++ === 0;
        if (refresh) continue;
        const delay = error.retryAfter ?? backoff(firstDelay, failures);
        if (!error.retry || failures >= retries || Date.now() + delay > deadline) throw error;
        failures += 1;
        await sleep(delay, signal);
      }
    }
  }

  /** All pages from a cursor on, joined; the timestamp is the last page's, since no earlier one covers them all. */
  async function pullPages(start, schemaVersion, migration, replacement) {
    const first = start === null;
    /** @type {Map<string, Map<string, [string, Object | string]>>} */
    const tables = new Map();
    for (let cursor = start; ; ) {
      const page = await post("pull", {
        last_pulled_at: cursor,
        schema_version: schemaVersion,
        migration: first ? null : migration,
        paging: 1,
        ...(pageSize && { limit: pageSize }),
        ...(replacement && cursor === null && { replacement: 1 }),
      });
      const { changes, timestamp, experimentalHasMore, experimentalStrategy, ...others } = page;
      if (!(timestamp > 0) || !changes || (experimentalHasMore && timestamp === cursor)) {
        throw new HoldfastSyncError("bad_answer", "The answer to a pull lacks what it must have.");
      }
      addPage(tables, changes);
      cursor = timestamp;
      if (experimentalHasMore) continue;
      const strategy = replacement ? "replacement" : experimentalStrategy;
      // In a replacement `created` would bring back rows whose deletion is not sent yet; `updated` leaves them deleted.
      const kind = strategy || sendCreatedAsUpdated ? "updated" : first && "created";
      const joined = join(tables, kind, first && !strategy);
      return { ...others, changes: joined, timestamp, ...(strategy && { experimentalStrategy: strategy }) };
    }
  }

  /** @param {{lastPulledAt?: number | null, schemaVersion?: number, migration?: Object | null}} since */
  async function pullChanges({ lastPulledAt, schemaVersion, migration = null }) {
    for (;;) {
      const replacement = afresh;
      try {
        const pulled = await pullPages((!afresh && lastPulledAt) || null, schemaVersion, migration, replacement);
        afresh = false;
        return pulled;
      } catch (error) {
        if (error.status !== 410 || replacement) throw error;
        afresh = true;
        tell(options.onReset, error);
      }
    }
  }

  /** @param {{changes: Changes, lastPulledAt: number}} local */
  async function pushChanges({ changes, lastPulledAt }) {
    const refused = {};
    for (const part of split(changes, pushSize)) {
      const key = { "Idempotency-Key": randomId() };
      const answer = await post("push", { changes: part, lastPulledAt }, key).catch((error) => {
        if (error.status !== 410) throw error;
        afresh = true;
        throw new HoldfastSyncError(error.code, "The server cannot go on from this device's cursor.", {
          status: 410,
          hint: AFRESH,
          retry: true,
          cause: error,
        });
      });
      for (const [table, ids] of Object.entries(answer.experimentalRejectedIds ?? {})) {
        refused[table] = [...new Set([...(refused[table] ?? []), ...ids])];
      }
      if (answer.conflicts?.length) tell(options.onConflict, answer.conflicts);
      if (answer.rejected?.length) tell(options.onRejected, answer.rejected);
    }
    return Object.keys(refused).length ? { experimentalRejectedIds: refused } : {};
  }

  /**
   * Tells that there is something to pull; needs a fetch whose bodies stream (React Native's own does not, Expo's does).
   * An event that is lost costs nothing but time: synchronise now and then all the same.
   * @param {{onHead: (number: number) => void, onError?: (error: HoldfastSyncError) => void}} listener
   * @returns {() => void} Stops it.
   */
  function events({ onHead, onError }) {
    const stopped = new AbortController();
    const signal = stopped.signal;
    const unlink = whenAborted(signalNow(), () => stopped.abort());
    const listen = async () => {
      let failures = 0;
      let refresh = false;
      while (!signal.aborted) {
        try {
          const request = { headers: { Accept: "text/event-stream", ...(await headers(refresh)) } };
          await exchange("events", request, networkTimeout, signal, (response, connected, end) => {
            connected();
            refresh = false;
            return readEvents(response, end, (number) => {
              failures = 0;
              tell(onHead, number);
            });
          });
        } catch (error) {
          if (signal.aborted) break;
          tell(onError, error);
          if (error.status === 401 && !refresh) refresh = true;
          else if (error instanceof HoldfastSyncError && !error.retry) break;
        }
        await sleep(backoff(firstDelay, failures++), signal).catch(() => undefined);
      }
      unlink();
    };
    void listen();
    return () => stopped.abort();
  }

  return { pullChanges, pushChanges, sendCreatedAsUpdated, events };
}

/**
 * A `sync()` that runs once at a time, since WatermelonDB aborts the later of two: calls during a run share the one that
 * follows it. A run whose push was told to start afresh is followed by the one that does.
 * @template T
 * @param {() => Promise<T>} run
 * @returns {() => Promise<T>}
 */
export function oneAtATime(run) {
  let running = null;
  let next = null;
  const start = () => {
    next = null;
    running = run()
      .catch((error) => (error?.code === "cursor_expired" && error.retry ? run() : Promise.reject(error)))
      .finally(() => (running = null));
    return running;
  };
  return () => {
    if (!running) return next ?? start();
    return (next ??= running.then(start, start));
  };
}

/**
 * The id of a local database, made at its first use and kept inside it, so that it goes when the database is reset. A
 * copy of the database on a second machine needs another: `setLocal` an own one before it synchronises.
 * @param {{adapter: {getLocal(key: string): Promise<any>, setLocal(key: string, value: string): Promise<void>}}} database
 * @returns {Promise<string>}
 */
export async function deviceOf({ adapter }) {
  const known = await adapter.getLocal(DEVICE_KEY);
  if (known) return known;
  await adapter.setLocal(DEVICE_KEY, randomId());
  return adapter.getLocal(DEVICE_KEY);
}

function randomId() {
  const bytes = Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  const source = globalThis.crypto?.getRandomValues ? globalThis.crypto.getRandomValues(new Uint8Array(16)) : bytes;
  return Array.from(source, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Takes a page in: an id stands once in a table, and what came last holds. */
function addPage(tables, changes) {
  for (const [table, sets] of Object.entries(changes)) {
    if (!tables.has(table)) tables.set(table, new Map());
    for (const kind of KINDS) {
      for (const row of sets[kind] ?? []) tables.get(table).set(kind === "deleted" ? row : row.id, [kind, row]);
    }
  }
}

/** The pages as one set of changes. `rowsAs` puts all rows in one list; a first sync has nothing to delete. */
function join(tables, rowsAs, isFirst) {
  const changes = {};
  for (const [table, rows] of tables) {
    changes[table] = { created: [], updated: [], deleted: [] };
    for (const [kind, row] of rows.values()) {
      if (kind !== "deleted") changes[table][rowsAs || kind].push(row);
      else if (!isFirst) changes[table].deleted.push(row);
    }
  }
  return changes;
}

/** A push in parts of at most `size` rows: what is created goes first, in the order of the tables, deletions last. */
function split(changes, size) {
  const entries = KINDS.flatMap((kind) =>
    Object.entries(changes).flatMap(([table, sets]) => (sets[kind] ?? []).map((row) => ({ table, kind, row }))),
  );
  if (entries.length <= size) return [changes];
  const parts = [];
  entries.forEach(({ table, kind, row }, index) => {
    if (index % size === 0) parts.push({});
    const part = parts[parts.length - 1];
    part[table] ??= { created: [], updated: [], deleted: [] };
    part[table][kind].push(row);
  });
  return parts;
}

const WITHOUT_ANSWER = {
  network: "The server could not be reached.",
  timeout: "The server did not answer in time.",
  aborted: "The synchronisation was aborted.",
};

async function readJson(response) {
  const text = await response.text();
  try {
    return text ? (JSON.parse(text) ?? {}) : {};
  } catch (cause) {
    const hint = "Does a proxy or a sign-in page of the network stand in between?";
    throw new HoldfastSyncError("bad_answer", "The answer is not JSON.", { hint, retry: true, cause });
  }
}

/** A refusal, from its problem document where it has one. */
function problem(response, text) {
  const { status } = response;
  let said = {};
  try {
    said = JSON.parse(text) ?? {};
  } catch {
    // A proxy's page: the status says enough.
  }
  const hint = said.hint ?? (status === 401 ? "Sign in again." : "");
  const retry = status === 409 || status === 429 || (status >= 500 && status !== 501);
  const retryAfter = retry ? delayAsked(response.headers.get("Retry-After")) : undefined;
  const message = said.detail ?? said.title ?? `The server answered ${status}.`;
  return new HoldfastSyncError(said.code ?? `http_${status}`, message, { status, hint, retry, retryAfter });
}

/** Milliseconds of a Retry-After, which holds seconds or a date. */
function delayAsked(value) {
  if (!value) return undefined;
  const delay = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(delay) ? undefined : Math.max(0, delay);
}

async function readEvents(response, end, onHead) {
  const reader = response.body?.getReader?.();
  if (!reader) throw new HoldfastSyncError("bad_option", "This fetch does not stream.", { hint: "Synchronise by time." });
  let silence;
  try {
    for (let text = "", kind = ""; ; ) {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE, "timeout");
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (text + Array.from(value, (byte) => String.fromCharCode(byte)).join("")).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const [, field, data] = /^(\w*): ?(.*?)\r?$/.exec(line) ?? [];
        if (field === "event") kind = data;
        else if (field === "data" && kind === "head") onHead(JSON.parse(data).number);
        else if (field === undefined) kind = "";
      }
    }
  } finally {
    clearTimeout(silence);
  }
}

/** From half to the whole of the doubled delay, so that devices that failed together do not return together. */
function backoff(first, failures) {
  return Math.min(first * 2 ** failures, LONGEST_DELAY) * (0.5 + Math.random() / 2);
}

/** Wait, unless aborted. */
function sleep(delay, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => (unlink(), resolve()), delay);
    const unlink = whenAborted(signal, () => {
      clearTimeout(timer);
      reject(new HoldfastSyncError("aborted", WITHOUT_ANSWER.aborted));
    });
  });
}

/** Call back when the signal ends, at once where it has; returns what takes that back. */
function whenAborted(signal, ended) {
  if (signal?.aborted) ended();
  signal?.addEventListener("abort", ended);
  return () => signal?.removeEventListener("abort", ended);
}

/** A listener that throws must not fail what the server has already kept. */
function tell(listener, value) {
  try {
    listener?.(value);
  } catch (error) {
    console.error(error);
  }
}
