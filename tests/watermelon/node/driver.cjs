'use strict'

// Holds local WatermelonDB databases and works on them as it is told: one JSON request a line on stdin, `{id, op, …}`, one
// JSON answer a line on stdout, `{id, ok, log}` or `{id, error, log}`. `node driver.cjs <folder that has node_modules>`.
//
// A request is begun as soon as it is read. A synchronisation may stop at named points: it then sends `{id, at}`, and goes on
// with `{op: "resume", of: id}`; between the two, other requests are answered as usual. `log` is all that the library and its
// adapters have said on the console since the answer before.

const crypto = require('node:crypto')
const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const readline = require('node:readline')

const lines = captureConsole()

process.env.NODE_ENV = 'development' // with the library's own checks
const load = createRequire(path.join(path.resolve(process.argv[2]), 'package.json'))
const { Database, Model, Query, appSchema, tableSchema } = load('@nozbe/watermelondb')
const { addColumns, createTable, schemaMigrations, unsafeExecuteSql } = load('@nozbe/watermelondb/Schema/migrations')
const { sanitizedRaw } = load('@nozbe/watermelondb/RawRecord')
const { hasUnsyncedChanges, synchronize } = load('@nozbe/watermelondb/sync')

captureThrown()

const LAST_PULLED_AT = '__watermelon_last_pulled_at'
const LAST_PULLED_SCHEMA_VERSION = '__watermelon_last_pulled_schema_version'

const databases = new Map() // name → {database, adapterType, dbName, path}
const lokiMemories = new Map() // name → what a database without a file has saved
const paused = new Map() // id of a request → how it goes on

// ---- The console ----------------------------------------------------------------------------------------------------

function captureConsole() {
  const captured = []
  for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
    console[level] = (...parts) => captured.push({ level, text: parts.map(asText).join(' ') })
  }
  return captured
}

// What the library throws where nobody catches it. Not before it is loaded: a driver without a library has to end.
function captureThrown() {
  process.on('uncaughtException', (error) => lines.push({ level: 'error', text: `uncaught: ${asText(error)}` }))
  process.on('unhandledRejection', (error) => lines.push({ level: 'error', text: `unhandled: ${asText(error)}` }))
}

function asText(part) {
  if (part instanceof Error) return part.message
  return typeof part === 'string' ? part : JSON.stringify(part) ?? String(part)
}

// ---- Opening and closing --------------------------------------------------------------------------------------------

// Loki's own file adapter fails to delete a file that was never written, which is how the library sets up a new database.
class LokiFile {
  loadDatabase(file, done) {
    done(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : null)
  }

  saveDatabase(file, text, done) {
    fs.writeFileSync(`${file}~`, text)
    fs.renameSync(`${file}~`, file)
    done(null)
  }

  deleteDatabase(file, done) {
    fs.rmSync(file, { force: true })
    done()
  }
}

function schemaFrom({ version, tables }) {
  return appSchema({ version, tables: tables.map((table) => tableSchema(table)) })
}

function migrationsFrom(migrations) {
  return schemaMigrations({
    migrations: migrations.map(({ toVersion, steps }) => ({ toVersion, steps: steps.map(stepFrom) })),
  })
}

function stepFrom(step) {
  if (step.type === 'create_table') return createTable(step.table)
  if (step.type === 'add_columns') return addColumns({ table: step.table, columns: step.columns })
  return unsafeExecuteSql(step.sql)
}

function modelFor({ name }) {
  return class extends Model {
    static table = name
  }
}

async function makeAdapter({ name, adapter, path: file, schema, migrations }) {
  const shared = {
    schema: schemaFrom(schema),
    ...(migrations && { migrations: migrationsFrom(migrations) }),
  }
  if (adapter === 'sqlite') {
    const SQLiteAdapter = load('@nozbe/watermelondb/adapters/sqlite').default
    const made = new SQLiteAdapter({ ...shared, dbName: file ?? `file:${name}?mode=memory&cache=shared` })
    await made.initializingPromise
    return made
  }
  const LokiJSAdapter = load('@nozbe/watermelondb/adapters/lokijs').default
  return new LokiJSAdapter({
    ...shared,
    dbName: file ?? name,
    useWebWorker: false,
    useIncrementalIndexedDB: true, // never asked: the next line names the storage
    _testLokiAdapter: file ? new LokiFile() : lokiMemory(name),
  })
}

function lokiMemory(name) {
  if (!lokiMemories.has(name)) lokiMemories.set(name, new (load('lokijs').LokiMemoryAdapter)())
  return lokiMemories.get(name)
}

async function open(request) {
  const { name, adapter, path: file, schema } = request
  if (databases.has(name)) throw new Error(`${name} is open`)
  const made = await makeAdapter(request)
  const database = new Database({ adapter: made, modelClasses: schema.tables.map(modelFor) })
  await database.adapter.getLocal(LAST_PULLED_AT) // waits until Loki has set itself up
  databases.set(name, { database, made, adapter, file })
}

async function close({ name, keep }) {
  const { database, made, adapter, file } = entry(name)
  await database.write(async () => {}) // whatever is being written comes first
  await (adapter === 'sqlite' ? closeSqlite(made, keep) : closeLoki(made, keep))
  databases.delete(name)
  if (keep) return
  lokiMemories.delete(name)
  if (file) for (const suffix of ['', '~', '-wal', '-shm']) fs.rmSync(file + suffix, { force: true })
}

function closeSqlite(made, keep) {
  const bridge = load('@nozbe/watermelondb/adapters/sqlite/sqlite-node/DatabaseBridge').default
  const driver = bridge.connections[made._tag].driver
  const memories = driver.constructor.sharedMemoryConnections
  delete bridge.connections[made._tag]
  const inMemory = made.dbName in memories
  if (inMemory && !keep) delete memories[made.dbName]
  if (!inMemory || !keep) driver.database.instance.close()
}

function closeLoki(made, keep) {
  const { loki } = made._driver
  if (!keep) loki.autosaveClearFlags() // nothing to save
  return new Promise((resolve, reject) => loki.close((error) => (error ? reject(error) : resolve())))
}

// Loki keeps everything in memory and saves now and then: what is not saved does not survive a kill.
function save({ name }) {
  const { made, adapter } = entry(name)
  if (adapter === 'sqlite') return undefined
  return new Promise((resolve, reject) => made._driver.loki.saveDatabase((error) => (error ? reject(error) : resolve())))
}

function entry(name) {
  const found = databases.get(name)
  if (!found) throw new Error(`${name} is not open`)
  return found
}

// ---- Local reads and writes -----------------------------------------------------------------------------------------

// Operations of one write: [{op: "create", table, values}, {op: "update", table, id, values}, {op: "delete" | "destroy", …}].
async function write({ name, operations }) {
  const { database } = entry(name)
  return database.write(async () => {
    const records = []
    for (const operation of operations) records.push(await prepare(database, operation))
    await database.batch(records.map((finish) => finish()))
    return operations.map(({ id, values }) => id ?? values.id)
  })
}

// Finding a record takes its time, and what is prepared must be given to the batch at once: so this only gets ready.
async function prepare(database, { op, table, id, values }) {
  const collection = database.get(table)
  if (op === 'create') return () => collection.prepareCreate((record) => setAll(record, values))
  const record = await collection.find(id)
  if (op === 'update') return () => record.prepareUpdate(() => setAll(record, values))
  if (op === 'delete') return () => record.prepareMarkAsDeleted()
  if (op === 'destroy') return () => record.prepareDestroyPermanently()
  throw new Error(`no operation ${op}`)
}

function setAll(record, { id, ...columns }) {
  if (id !== undefined) record._raw.id = id
  for (const [column, value] of Object.entries(columns)) record._setRaw(column, value)
}

// What is stored, rows that are deleted and not yet pushed included.
async function rows({ name, table, row: id }) {
  const { database } = entry(name)
  const query = database.get(table).query()
  query.description = query._rawDescription
  const found = await database.adapter.unsafeQueryRaw(query.serialize())
  const wanted = id === undefined ? found : found.filter((row) => row.id === id)
  return wanted.map((row) => sanitizedRaw(row, database.schema.tables[table]))
}

async function count({ name, table }) {
  return entry(name).database.get(table).query().fetchCount()
}

async function unsynced({ name }) {
  return hasUnsyncedChanges({ database: entry(name).database })
}

async function pulled({ name }) {
  const { adapter } = entry(name).database
  const [at, schemaVersion] = [await adapter.getLocal(LAST_PULLED_AT), await adapter.getLocal(LAST_PULLED_SCHEMA_VERSION)]
  return { at: parseInt(at, 10) || null, schemaVersion: parseInt(schemaVersion, 10) || null }
}

async function setPulled({ name, at }) {
  const { adapter } = entry(name).database
  await (at === null ? adapter.removeLocal(LAST_PULLED_AT) : adapter.setLocal(LAST_PULLED_AT, String(at)))
}

async function reset({ name }) {
  const { database } = entry(name)
  await database.write(() => database.unsafeResetDatabase())
}

// ---- Synchronising --------------------------------------------------------------------------------------------------

async function sync(request) {
  const { name, options } = request
  const exchange = new Exchange(request.id, options)
  const log = {}
  const report = { pulls: exchange.pulls, pushes: exchange.pushes, log, extras: null, error: null, status: null }
  try {
    await synchronize({
      database: entry(name).database,
      pullChanges: (state) => exchange.pull(state),
      ...(!options.pullOnly && { pushChanges: (local) => exchange.push(local) }),
      sendCreatedAsUpdated: options.sendCreatedAsUpdated,
      ...(options.migrationsEnabledAtVersion && { migrationsEnabledAtVersion: options.migrationsEnabledAtVersion }),
      ...(options.serverWins && { conflictResolver: serverWins }),
      onDidPullChanges: (extras) => {
        report.extras = extras
      },
      log,
    })
  } catch (error) {
    report.error = asText(error)
    report.status = error.status ?? null
  }
  delete log.error // an Error is empty in JSON; `error` has its words
  return report
}

function serverWins(_table, _local, remote, _resolved) {
  return { ...remote, _status: 'synced', _changed: '' }
}

// The two functions that an application gives to the library, as the library's documentation writes them, with the places
// where a network fails.
class Exchange {
  constructor(id, options) {
    this.id = id
    this.options = options
    this.pulls = []
    this.pushes = []
  }

  async pull({ lastPulledAt, schemaVersion, migration }) {
    const { options } = this
    await this.at('pulling')
    const message = options.pullMethod === 'POST'
      ? this.pullMessage({}, { lastPulledAt, schemaVersion, migration })
      : this.pullMessage(this.pullQuery(lastPulledAt, schemaVersion, migration))
    const answer = await this.send(message, this.pulls)
    if (options.lose === 'pull') throw new Error('the answer of the pull was lost')
    await this.at('pulled')
    const { changes, timestamp } = answer
    return options.wholeAnswer ? answer : { changes, timestamp }
  }

  pullMessage(query, body) {
    const { options } = this
    const shared = { url: withQuery(options.pullUrl, { ...query, ...options.query }), headers: this.headers() }
    return body ? { ...shared, method: 'POST', body: JSON.stringify(body) } : { ...shared, method: 'GET' }
  }

  pullQuery(lastPulledAt, schemaVersion, migration) {
    const first = this.options.firstSync // how an application spells "never"; null: not at all
    const stamp = lastPulledAt ?? first
    return {
      ...(stamp !== null && { [this.options.cursorName]: String(stamp) }),
      schema_version: String(schemaVersion),
      migration: JSON.stringify(migration),
    }
  }

  async push({ changes, lastPulledAt }) {
    const { options } = this
    await this.at('pushing')
    const message = this.pushMessage(changes, lastPulledAt)
    if (options.touchPushed) withoutStatus(changes)
    if (options.lose === 'push') throw new Error('the push was lost')
    const sent = this.send(message, this.pushes)
    sent.catch(() => {}) // it may fail while the point below is held; it is awaited in any case
    await this.at('sent')
    let answer = await sent
    if (options.sendTwice) answer = await this.send(message, this.pushes)
    await this.at('answered')
    if (options.lose === 'ack') throw new Error('the answer of the push was lost')
    return answer
  }

  pushMessage(changes, lastPulledAt) {
    const { options } = this
    const wrapped = options.pushBody === 'wrapped'
    const body = JSON.stringify(wrapped ? { changes, lastPulledAt } : changes)
    const query = wrapped ? {} : { [options.cursorName]: String(lastPulledAt) }
    const headers = this.headers()
    if (options.idempotent) headers['Idempotency-Key'] = sha256(`${lastPulledAt} ${body}`)
    return { url: withQuery(options.pushUrl, query), method: 'POST', headers, body }
  }

  headers() {
    const { token, device, headers } = this.options
    return {
      'Content-Type': 'application/json',
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(device && { 'X-Holdfast-Device': device }),
      ...headers,
    }
  }

  async send(message, exchanges) {
    return deliver(message, exchanges, this.options.timeout)
  }

  at(point) {
    if (!this.options.points.includes(point)) return undefined
    return new Promise((resolve, reject) => {
      paused.set(this.id, { resolve, reject })
      say({ id: this.id, at: point })
    })
  }
}

async function deliver(message, exchanges, timeout) {
  const { url, method, headers, body } = message
  const exchange = { url, method, headers, body: body ?? null, status: null, answer: null }
  exchanges.push(exchange)
  const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(timeout) })
  const text = await response.text()
  exchange.status = response.status
  exchange.answer = parsed(text)
  if (!response.ok) throw Object.assign(new Error(text), { status: response.status })
  return parsed(text)
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function withQuery(url, query) {
  const pairs = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
  return pairs.length ? `${url}?${pairs.join('&')}` : url
}

function withoutStatus(changes) {
  for (const { created, updated } of Object.values(changes)) {
    for (const raw of [...created, ...updated]) {
      delete raw._status
      delete raw._changed
    }
  }
}

function sha256(text) {
  return crypto.createHash('sha256').update(text).digest('hex')
}

// A push of earlier, once more and outside of any synchronisation.
async function resend({ message, timeout }) {
  const exchanges = []
  await deliver(message, exchanges, timeout).catch((error) => {
    if (exchanges[0].status === null) throw error
  })
  return exchanges[0]
}

// ---- Requests and answers -------------------------------------------------------------------------------------------

function resume({ of: id, fail }) {
  const held = paused.get(id)
  if (!held) throw new Error('nothing is held')
  paused.delete(id)
  setImmediate(() => (fail ? held.reject(new Error('given up')) : held.resolve())) // after this request's answer
}

async function about() {
  return { node: process.versions.node, watermelondb: load('@nozbe/watermelondb/package.json').version }
}

const OPERATIONS = { about, close, count, open, pulled, reset, resend, resume, rows, save, setPulled, sync, unsynced, write }

async function answer(request) {
  try {
    const ok = await OPERATIONS[request.op](request)
    return { id: request.id, ok: ok ?? null }
  } catch (error) {
    return { id: request.id, error: asText(error) }
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

readline
  .createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', async (line) => {
    const message = await answer(JSON.parse(line))
    say({ ...message, log: lines.splice(0) })
  })
  .on('close', () => process.exit(0))
