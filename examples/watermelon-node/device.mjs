// A device: a database of its own, and the sync function.

import watermelonSync from "@nozbe/watermelondb/sync/index.js";

import { deviceOf, holdfastSync, oneAtATime } from "../../clients/watermelondb/holdfast.js";
import { openDatabase } from "./database.mjs";

export function openDevice(name, url, token) {
  const database = openDatabase(name);
  const settled = [];
  const rejected = [];
  const holdfast = holdfastSync({
    url,
    token,
    device: () => deviceOf(database),
    sendCreatedAsUpdated: true,
    onConflict: (conflicts) => settled.push(...conflicts),
    onRejected: (rows) => rejected.push(...rows),
  });
  const device = { name, database, settled, rejected, between: null };
  const onWillApplyRemoteChanges = async () => device.between?.(); // for the demonstration alone
  device.sync = oneAtATime(() => watermelonSync.synchronize({ database, ...holdfast, onWillApplyRemoteChanges }));
  return device;
}
