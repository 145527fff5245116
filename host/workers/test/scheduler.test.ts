import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Pool } from "../src/pool.ts";
import { Scheduler, type Tick } from "../src/scheduler.ts";

test("an event lets a waiting task run at once", async () => {
  const scheduler = new Scheduler();
  let [event, ticks] = [false, 0];
  const loop = scheduler.loop((): Tick => {
    ticks += 1;
    return event ? "done" : "idle";
  });
  // Long enough for the pause to have grown.
  await setTimeout(200);
  const before = ticks;
  assert.ok(before >= 2 && before <= 8, `${before} ticks while nothing happened`);
  event = true;
  scheduler.wake();
  await setTimeout(0);
  await setTimeout(0);
  assert.equal(ticks, before + 1);
  await loop;
});

test("what nobody reported is found all the same", async () => {
  const scheduler = new Scheduler();
  let event = false;
  const loop = scheduler.loop(() => (event ? "done" : "idle"));
  await setTimeout(30);
  event = true;
  await loop;
});

test("resumed tasks follow each other without a pause", async () => {
  const scheduler = new Scheduler();
  const results: Tick[] = ["resumed", "resumed", "resumed", "done"];
  const started = performance.now();
  await scheduler.loop(() => results.shift() ?? "done");
  assert.deepEqual(results, []);
  assert.ok(performance.now() - started < 100);
});

test("it is idle when nothing waits, work of the host included", async () => {
  const scheduler = new Scheduler();
  const order: string[] = [];
  const work = scheduler.busy(async () => {
    await setTimeout(20);
    order.push("work");
  });
  // The task that waited for the work waits for something else now.
  const task = work.then(() => scheduler.loop(() => (order.push("tick"), "done")));
  await scheduler.idle();
  order.push("idle");
  await task;
  assert.deepEqual(order, ["work", "tick", "idle"]);
});

test("a trap is told to the request of the moment, other errors are jco's own affair", async () => {
  const scheduler = new Scheduler();
  const first = scheduler.begin();
  scheduler.failed(new Error("task has already exited"));
  assert.equal(scheduler.isBroken, false);
  scheduler.failed(new WebAssembly.RuntimeError("unreachable"));
  assert.equal(scheduler.isBroken, true);
  await assert.rejects(first, /unreachable/);
});

test("a pool hands out what was given back, and forgets the rest", async () => {
  let made = 0;
  const pool = new Pool(async () => (made += 1));
  const taken = await Promise.all(Array.from({ length: 6 }, () => pool.take()));
  assert.equal(made, 6);
  for (const [, giveBack] of taken) {
    giveBack();
    giveBack();
  }
  const again = await Promise.all(Array.from({ length: 6 }, () => pool.take()));
  assert.deepEqual(again.map(([thing]) => thing).toSorted(), [1, 2, 3, 4, 7, 8]);
});
