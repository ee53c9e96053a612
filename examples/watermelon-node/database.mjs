// What a device keeps: two tables of the finance pack, and their models.

import watermelon from "@nozbe/watermelondb";
import loki from "@nozbe/watermelondb/adapters/lokijs/index.js";

const { Database, Model, appSchema, tableSchema } = watermelon;
const LokiJSAdapter = loki.default;

const text = (name) => ({ name, type: "string" });
const number = (name) => ({ name, type: "number" });
const yesNo = (name) => ({ name, type: "boolean" });
const optional = (column) => ({ ...column, isOptional: true });
const kept = [number("created_at"), number("updated_at")]; // the server's

export const schema = appSchema({
  version: 1,
  tables: [
    tableSchema({
      name: "financial_accounts",
      columns: [
        text("name"),
        text("account_type"),
        optional(text("institution")),
        number("balance"), // a decimal
        text("currency"),
        optional(number("interest_rate")),
        yesNo("is_active"),
        text("metadata"), // JSON
        optional(number("synced_at")), // a datetime, in milliseconds
        ...kept,
      ],
    }),
    tableSchema({
      name: "transactions",
      columns: [
        { ...text("account_id"), isIndexed: true },
        text("posted"), // a date, 2026-03-31
        number("amount"),
        text("currency"),
        optional(text("description")),
        optional(text("category")),
        optional(text("merchant")),
        yesNo("pending"),
        text("source"),
        optional(text("source_id")),
        ...kept,
      ],
    }),
  ],
});

/** A model whose columns are properties; in an app with decorators, write `@field("name") name`. */
function modelOf(table) {
  const model = class extends Model {
    static table = table;
  };
  for (const column of schema.tables[table].columnArray) {
    Object.defineProperty(model.prototype, column.name, {
      get() {
        return this._getRaw(column.name);
      },
      set(value) {
        this._setRaw(column.name, value);
      },
    });
  }
  return model;
}

/** A database in memory; on a phone it is a file, through SQLiteAdapter. */
export function openDatabase(name) {
  const adapter = new LokiJSAdapter({
    dbName: name,
    schema,
    useWebWorker: false,
    useIncrementalIndexedDB: true,
    extraLokiOptions: { autosave: false },
  });
  return new Database({ adapter, modelClasses: Object.keys(schema.tables).map(modelOf) });
}
