// The synchronous SQL of a Durable Object over Node's SQLite.

import { DatabaseSync } from "node:sqlite";

/** A database in memory with the one method of `SqlStorage` that is used. */
export function sqlite() {
  const database = new DatabaseSync(":memory:");
  return {
    exec(query: string, ...values: (string | number | Uint8Array)[]) {
      const rows = database.prepare(query).all(...values) as Record<string, unknown>[];
      // There, blobs come as ArrayBuffer.
      for (const row of rows) {
        for (const [name, value] of Object.entries(row)) {
          if (value instanceof Uint8Array) row[name] = value.slice().buffer;
        }
      }
      return { toArray: () => rows };
    },
  } as unknown as SqlStorage;
}

/** Of the platform's types this is the only one that tests name. */
type SqlStorage = ConstructorParameters<typeof import("../src/records.ts").Records>[0];
