// What wasi:keyvalue must do here, over whatever objects.

import assert from "node:assert/strict";
import type { Imports } from "../src/component.ts";

/** The functions of a component's imports. */
export interface KeyValue {
  open(name: string): Bucket;
  increment(bucket: Bucket, key: string, delta: bigint): Promise<bigint>;
}

export interface Bucket {
  get(key: string): Promise<Uint8Array | undefined>;
  set(key: string, value: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
  exists(key: string): Promise<boolean>;
  listKeys(cursor: string | undefined): Promise<{ keys: string[]; cursor: string | undefined }>;
}

export function functions(imports: Imports): KeyValue {
  const store = imports["wasi:keyvalue/store"] as Pick<KeyValue, "open">;
  return { open: store.open, ...(imports["wasi:keyvalue/atomics"] as Pick<KeyValue, "increment">) };
}

/** All keys there are. */
export async function allKeys(bucket: Bucket): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await bucket.listKeys(cursor);
    found.push(...page.keys);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

const text = (value: string) => new TextEncoder().encode(value);

/** Each gets a store in which no key of its name is set yet. */
export const CASES: Record<string, (store: KeyValue) => Promise<void>> = {
  "there is one bucket": async (store) => {
    assert.throws(() => store.open("other"), { tag: "no-such-store" });
  },

  "a missing key has no value and does not exist": async (store) => {
    const bucket = store.open("default");
    assert.equal(await bucket.get("oauth:x"), undefined);
    assert.equal(await bucket.exists("oauth:x"), false);
    await bucket.set("oauth:x", Uint8Array.of(1));
    assert.equal(await bucket.exists("oauth:x"), true);
    await bucket.delete("oauth:x");
    await bucket.delete("oauth:x");
    assert.equal(await bucket.get("oauth:x"), undefined);
  },

  "values of any bytes and sizes come back, larger ones are refused": async (store) => {
    const bucket = store.open("default");
    const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
    for (const value of [binary, new Uint8Array(), new Uint8Array(1024 * 1024).fill(7)]) {
      await bucket.set("user:ö:key", value);
      const found = await bucket.get("user:ö:key");
      assert.ok(found && found.length === value.length && found.every((byte, index) => byte === value[index]));
    }
    await assert.rejects(bucket.set("k", new Uint8Array(1024 * 1024 + 1)), { tag: "other", val: "value length" });
  },

  "a value is copied before the component may change it": async (store) => {
    const bucket = store.open("default");
    const memory = Uint8Array.of(1, 2);
    const written = bucket.set("copied", memory);
    memory.fill(9);
    await written;
    assert.deepEqual([...((await bucket.get("copied")) ?? [])], [1, 2]);
  },

  "keys have the limits of every host": async (store) => {
    const bucket = store.open("default");
    for (const key of ["", "k".repeat(1025), "ö".repeat(513)]) {
      await assert.rejects(bucket.get(key), { tag: "other", val: "key length" });
      await assert.rejects(store.increment(bucket, key, 1n), { tag: "other", val: "key length" });
    }
    await bucket.set("k".repeat(1024), text("v"));
  },

  "only one of twenty first increments is one": async (store) => {
    const bucket = store.open("default");
    for (const key of ["oauth:code:x:used", "limit:mcp:x:1", "user:u:count"]) {
      const counts = await Promise.all(Array.from({ length: 20 }, () => store.increment(bucket, key, 1n)));
      const expected = Array.from({ length: 20 }, (_, n) => BigInt(n + 1));
      assert.deepEqual(counts.toSorted((a, b) => Number(a - b)), expected);
      assert.deepEqual(await bucket.get(key), text("20"));
      assert.equal(await store.increment(bucket, key, -21n), -1n);
    }
  },

  "what is not a counter is left alone": async (store) => {
    const bucket = store.open("default");
    await bucket.set("word", text("text"));
    await assert.rejects(store.increment(bucket, "word", 1n), { tag: "other", val: "not a counter" });
    assert.deepEqual(await bucket.get("word"), text("text"));
    await bucket.set("most", text(String(2n ** 63n - 1n)));
    await assert.rejects(store.increment(bucket, "most", 1n), { tag: "other", val: "counter overflow" });
  },

  "keys of all objects are listed, and counters of limits are not": async (store) => {
    const bucket = store.open("default");
    const keys = ["oauth:l", "user:l1:session:a", "user:l1:session:b", "user:l2:session:a", "plain-l"];
    for (const key of keys) await bucket.set(key, text("v"));
    await store.increment(bucket, "limit:l", 1n);
    const found = await allKeys(bucket);
    assert.deepEqual(keys.filter((key) => !found.includes(key)), []);
    assert.equal(new Set(found).size, found.length);
    assert.ok(!found.includes("limit:l"));
    await assert.rejects(bucket.listKeys("nonsense"), { tag: "other", val: "not a cursor of this store" });
  },
};
