// Keys and values in the SQLite database of one Durable Object. Everything here is synchronous, so nothing comes in between.

import { FORGET_AFTER, FORGET_EARLIER } from "./retention.ts";

/** Largest and smallest number of a counter: `s64`. */
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** Seconds in a day. */
const DAY = 86_400;

/** Why a change was refused; one of a closed set of texts, the same on every host of mcp-edge. */
export class Refused extends Error {}

/** `used` is a day, not a moment: reading then writes once a day at most. */
const TABLE = "CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL)";

/** The records of one object. */
export class Records {
  #sql: SqlStorage;
  #now: () => number;
  /** An object that was only ever read has no database. */
  #hasTable: boolean;

  /** `now` gives seconds since the Unix epoch. */
  constructor(sql: SqlStorage, now: () => number) {
    this.#sql = sql;
    this.#now = now;
    this.#hasTable = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'records'").toArray().length > 0;
  }

  get(key: string): Uint8Array | null {
    const row = this.#rows("SELECT value, used FROM records WHERE key = ?", key)[0];
    if (!row) return null;
    const today = this.#today();
    if (row["used"] !== today) this.#rows("UPDATE records SET used = ? WHERE key = ?", today, key);
    return new Uint8Array(row["value"] as ArrayBuffer);
  }

  set(key: string, value: Uint8Array): void {
    if (!this.#hasTable) this.#sql.exec(TABLE);
    this.#hasTable = true;
    this.#rows(
      "INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?2, used = ?3",
      key,
      value,
      this.#today(),
    );
  }

  delete(key: string): void {
    this.#rows("DELETE FROM records WHERE key = ?", key);
  }

  /** Add to a counter, which is kept as decimal text; a missing one counts from 0. */
  increment(key: string, delta: bigint): bigint {
    const value = add(this.get(key), delta);
    this.set(key, new TextEncoder().encode(String(value)));
    return value;
  }

  /** Up to `limit` keys after this one, in ascending order. */
  keys(after: string, limit: number): string[] {
    const rows = this.#rows("SELECT key FROM records WHERE key > ? ORDER BY key LIMIT ?", after, limit);
    return rows.map((row) => String(row["key"]));
  }

  isEmpty(): boolean {
    return this.keys("", 1).length === 0;
  }

  /** Delete what nobody used for too long (retention.ts). */
  sweep(): void {
    this.#rows("DELETE FROM records WHERE used < ?", this.#today() - FORGET_AFTER);
    for (const [shape, days] of FORGET_EARLIER) {
      this.#rows("DELETE FROM records WHERE used < ? AND key GLOB ?", this.#today() - days, shape);
    }
  }

  #rows(query: string, ...values: (string | number | Uint8Array)[]): Record<string, unknown>[] {
    return this.#hasTable ? this.#sql.exec(query, ...values).toArray() : [];
  }

  #today(): number {
    return Math.floor(this.#now() / DAY);
  }
}

/** A counter's new value. */
export function add(value: Uint8Array | null, delta: bigint): bigint {
  const text = value ? new TextDecoder().decode(value) : "0";
  if (!/^-?[0-9]{1,19}$/.test(text)) throw new Refused("not a counter");
  const sum = BigInt(text) + delta;
  if (sum > MAX || sum < MIN) throw new Refused("counter overflow");
  return sum;
}
