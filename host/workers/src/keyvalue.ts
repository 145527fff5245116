// wasi:keyvalue 0.2.0-draft2 (store, atomics) over the objects. The calls of components are synchronous and the objects are
// elsewhere: the component's stack waits (JSPI), and no other task of its instance runs meanwhile.

import type { Imports } from "./component.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Answer } from "./shard.ts";
import { DIRECTORY, shardOf } from "./shards.ts";

/** The only bucket there is. */
const BUCKET = "default";

/** Longest key, in bytes: as on every host of mcp-edge. */
const MAX_KEY = 1024;

/** Largest value, in bytes: as on every host of mcp-edge. A Durable Object takes rows of 2 MB. */
const MAX_VALUE = 1024 * 1024;

/** Keys in one answer of `list-keys`. */
const PAGE = 1024;

/** An object, as its methods look from here. */
export interface Store {
  get(key: string): Promise<Uint8Array | null>;
  set(key: string, value: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
  exists(key: string): Promise<boolean>;
  increment(key: string, delta: bigint): Promise<Answer<bigint>>;
  keys(after: string, limit: number): Promise<string[]>;
}

/** The object of a name. */
export type Shards = (name: string) => Store;

/** The variant `error` of wasi:keyvalue/store, as it is thrown. */
const other = (text: string) => ({ tag: "other", val: text });

export function keyvalue(shards: Shards, scheduler: Scheduler): Imports {
  const at = (key: string) => shards(shardOf(checked(key)));

  /** Ask an object. What went wrong there is for the log; the component learns that the store did not answer. */
  async function reach<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await scheduler.busy(call);
    } catch (error) {
      console.error(`keyvalue: ${error instanceof Error ? error.message : error}`);
      throw other("unavailable");
    }
  }

  class Bucket {
    async get(key: string): Promise<Uint8Array | undefined> {
      const shard = at(key);
      return (await reach(() => shard.get(key))) ?? undefined;
    }
    async set(key: string, value: Uint8Array): Promise<void> {
      const shard = at(key);
      if (value.length > MAX_VALUE) throw other("value length");
      // A view into the component's memory: only a copy may wait.
      const copy = value.slice();
      await reach(() => shard.set(key, copy));
    }
    async delete(key: string): Promise<void> {
      const shard = at(key);
      await reach(() => shard.delete(key));
    }
    async exists(key: string): Promise<boolean> {
      const shard = at(key);
      return await reach(() => shard.exists(key));
    }
    /** Object by object, in the order of their names: the cursor is the object's name and the last key. */
    async listKeys(cursor: string | undefined): Promise<{ keys: string[]; cursor: string | undefined }> {
      let [name, after] = cursor === undefined ? ["", ""] : parseCursor(cursor);
      if (name === "") name = await next("");
      while (name !== "") {
        const [shard, last] = [shards(name), after];
        const keys = await reach(() => shard.keys(last, PAGE));
        const end = keys.at(-1);
        if (end !== undefined) return { keys, cursor: JSON.stringify([name, end]) };
        [name, after] = [await next(name), ""];
      }
      return { keys: [], cursor: undefined };
    }
  }

  /** Name of the object after this one, or nothing. */
  async function next(name: string): Promise<string> {
    const [found] = await reach(() => shards(DIRECTORY).keys(name, 1));
    return found ?? "";
  }

  return {
    "wasi:keyvalue/store": {
      Bucket,
      open(identifier: string): Bucket {
        if (identifier !== BUCKET) throw { tag: "no-such-store" };
        return new Bucket();
      },
    },
    "wasi:keyvalue/atomics": {
      async increment(_bucket: Bucket, key: string, delta: bigint): Promise<bigint> {
        const shard = at(key);
        const answer = await reach(() => shard.increment(key, delta));
        if ("refused" in answer) throw other(answer.refused);
        return answer.ok;
      },
    },
  };
}

function checked(key: string): string {
  const length = new TextEncoder().encode(key).length;
  if (length === 0 || length > MAX_KEY) throw other("key length");
  return key;
}

/** A cursor comes from us by way of the component. */
function parseCursor(cursor: string): [string, string] {
  try {
    const [name, after] = JSON.parse(cursor);
    if (typeof name === "string" && typeof after === "string") return [name, after];
  } catch {}
  throw other("not a cursor of this store");
}
