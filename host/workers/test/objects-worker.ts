// Runs the contract inside workerd, on real Durable Objects. `GET /{case}` gives 204, or 500 with what went wrong.

import assert from "node:assert/strict";
import { keyvalue, type Store } from "../src/keyvalue.ts";
import { Scheduler } from "../src/scheduler.ts";
import { Shard as Base, type ShardEnv } from "../src/shard.ts";
import { allKeys, CASES, functions, type KeyValue } from "./contract.ts";

/** An object whose alarm can be rung. */
export class Shard extends Base {
  async ring(): Promise<{ alarm: number | null; tables: number }> {
    await this.alarm();
    const tables = this.ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'records'").toArray().length;
    return { alarm: await this.ctx.storage.getAlarm(), tables };
  }
}

type Objects = (name: string) => Store & Pick<Shard, "ring">;

export default {
  async fetch(request: Request, env: ShardEnv): Promise<Response> {
    const objects: Objects = (name) => env.STATE.get(env.STATE.idFromName(name)) as never;
    const store = functions(keyvalue(objects, new Scheduler()));
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    try {
      await (name === "sweep" ? sweep(store, objects) : CASES[name]?.(store));
      return new Response(null, { status: 204 });
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
};

/** An object that is empty when its alarm rings gives up its database; one that is not waits for the next alarm. */
async function sweep(store: KeyValue, objects: Objects): Promise<void> {
  const bucket = store.open("default");
  await bucket.set("user:s:a", Uint8Array.of(1));
  const full = await objects("user:s").ring();
  assert.ok(full.alarm !== null && full.alarm > Date.now() && full.tables === 1);
  assert.ok((await allKeys(bucket)).includes("user:s:a"));
  await bucket.delete("user:s:a");
  assert.deepEqual(await objects("user:s").ring(), { alarm: null, tables: 0 });
  // It can be used again, and is found again.
  await bucket.set("user:s:b", Uint8Array.of(2));
  assert.deepEqual([...((await bucket.get("user:s:b")) ?? [])], [2]);
  assert.ok((await allKeys(bucket)).includes("user:s:b"));
}
