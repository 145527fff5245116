import assert from "node:assert/strict";
import { test } from "node:test";
import { keyvalue, type Store } from "../src/keyvalue.ts";
import { Scheduler } from "../src/scheduler.ts";
import { shardOf } from "../src/shards.ts";
import { functions } from "./contract.ts";

test("a failure of an object says nothing of its inside", async (context) => {
  const log = context.mock.method(console, "error", () => {});
  const broken = { get: () => Promise.reject(new Error("disk on fire")) } as unknown as Store;
  const bucket = functions(keyvalue(() => broken, new Scheduler())).open("default");
  await assert.rejects(bucket.get("k"), { tag: "other", val: "unavailable" });
  assert.deepEqual(log.mock.calls.map((call) => call.arguments), [["keyvalue: disk on fire"]]);
});

test("what belongs to a user is in the user's object, the rest is spread", () => {
  assert.equal(shardOf("user:abc:session:1"), "user:abc");
  assert.equal(shardOf("user:abc:upstream:demo:2"), "user:abc");
  const names = new Set(Array.from({ length: 2000 }, (_, n) => shardOf(`oauth:code:${n}`)));
  assert.equal(names.size, 64);
  assert.ok([...names].every((name) => /^oauth\/\d+$/.test(name)));
  // Where a key went, there it is looked for: a change here loses what is stored.
  assert.equal(shardOf("oauth:code:1"), "oauth/34");
  assert.equal(shardOf("no kind"), "other/32");
});
