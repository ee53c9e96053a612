// Two devices of one person edit offline and meet on the server.
//
//     node app.mjs ../../.holdfast/demo.json        or HOLDFAST_EMAIL and HOLDFAST_PASSWORD
//
// HOLDFAST_URL says where the server is, http://127.0.0.1:8000 by default. The exit code is 1 where the devices differ.

import { readFile } from "node:fs/promises";

import watermelonLogger from "@nozbe/watermelondb/utils/common/logger/index.js";

import { openDevice } from "./device.mjs";
import { openSession } from "./session.mjs";

watermelonLogger.default.log = () => undefined; // its progress; its warnings and errors are shown

const { HOLDFAST_URL: url = "http://127.0.0.1:8000", HOLDFAST_EMAIL: email, HOLDFAST_PASSWORD: password } = process.env;
const [, , file] = process.argv;
if (!file && !(email && password)) {
  console.error("Whose data? node app.mjs ../../.holdfast/demo.json, or set HOLDFAST_EMAIL and HOLDFAST_PASSWORD.");
  process.exit(2);
}
const token = openSession(url, file ? JSON.parse(await readFile(file, "utf8")) : { email, password });
const a = openDevice("A", url, token);
const b = openDevice("B", url, token);

const create = ({ database }, table, values) =>
  database.write(() => database.get(table).create((row) => Object.assign(row, values)));

const edit = async ({ database }, { table, id }, values) => {
  const row = await database.get(table).find(id);
  await database.write(() => row.update(() => Object.assign(row, values)));
};

console.log("A, offline: two accounts and a transaction.");
const opened = { balance: 0, currency: "EUR", is_active: true, metadata: "{}" };
const holiday = await create(a, "financial_accounts", { ...opened, name: "Holiday", account_type: "savings" });
const wallet = await create(a, "financial_accounts", { ...opened, name: "Wallet", account_type: "other" });
const coffee = await create(a, "transactions", {
  account_id: wallet.id,
  posted: "2026-03-31",
  amount: -3.8,
  currency: "EUR",
  description: "Coffee",
  pending: false,
  source: "manual",
});
await a.sync();
await b.sync();

console.log("Both, offline: different fields of Holiday, the same field of Wallet, and B removes the coffee.");
await edit(a, holiday, { institution: "Example Bank" });
await edit(b, holiday, { balance: 12.5 });
await edit(a, wallet, { name: "Purse" });
await edit(b, wallet, { name: "Pocket" });
await b.database.write(async () => (await b.database.get("transactions").find(coffee.id)).markAsDeleted());

console.log("They synchronise at the same time: A as a whole between the pull and the push of B.");
b.between = a.sync;
await b.sync();
b.between = null;
for (const device of [a, b]) await device.sync();

/** All rows by table and id, without the server's own columns: a device is not sent those of what it pushed itself. */
async function rowsOf({ database }) {
  const rows = {};
  for (const table of Object.keys(database.schema.tables)) {
    for (const { _raw } of await database.get(table).query().fetch()) {
      const { _changed, _status, created_at, updated_at, synced_at, ...columns } = _raw;
      rows[`${table}/${_raw.id}`] = { ...columns, unsent: _status !== "synced" };
    }
  }
  return rows;
}

const [onA, onB] = [await rowsOf(a), await rowsOf(b)];
const keys = [...new Set([...Object.keys(onA), ...Object.keys(onB)])].sort();
const sorted = (row) => row && JSON.stringify(Object.entries(row).sort());
const differing = keys.filter((key) => sorted(onA[key]) !== sorted(onB[key]) || onA[key].unsent);

for (const { table, id } of [holiday, wallet, coffee]) {
  const [left, right] = [onA[`${table}/${id}`], onB[`${table}/${id}`]];
  const shown = ["name", "institution", "balance", "description", "amount"].filter((column) => left?.[column] != null);
  if (!left && !right) console.log(`\n${table} ${id}: removed on both`);
  else console.log(`\n${table} ${id}`);
  if (left || right) console.table(shown.map((column) => ({ column, A: left?.[column], B: right?.[column] })));
}
for (const device of [a, b]) {
  for (const { table, id, fields } of device.settled) {
    const rules = Object.entries(fields).map(([field, rule]) => (field ? `${field} by ${rule}` : rule));
    console.log(`Settled, as ${device.name} pushed: ${table} ${id}: ${rules.join(", ")}`);
  }
  for (const { table, id, code } of device.rejected) console.log(`Refused to ${device.name}: ${table} ${id}: ${code}`);
}
console.log(`\n${keys.length} rows: ${differing.length ? `${differing.length} DIFFER` : "equal on both devices"}.`);
for (const key of differing) console.log(key, onA[key], onB[key]);
process.exitCode = differing.length || !keys.length ? 1 : 0;
