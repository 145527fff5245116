import assert from "node:assert/strict";
import { test } from "node:test";
import { Counters } from "../src/counters.ts";
import { Records } from "../src/records.ts";
import { FORGET_AFTER } from "../src/retention.ts";
import { sqlite } from "./sqlite.ts";

const text = (value: string) => new TextEncoder().encode(value);

test("a value is read as it was written, and missing once deleted", () => {
  const records = new Records(sqlite(), () => 0);
  const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
  assert.equal(records.get("user:ö:key"), null);
  records.set("user:ö:key", binary);
  assert.deepEqual(records.get("user:ö:key"), binary);
  records.set("user:ö:key", new Uint8Array());
  assert.deepEqual(records.get("user:ö:key"), new Uint8Array());
  records.delete("user:ö:key");
  records.delete("user:ö:key");
  assert.equal(records.get("user:ö:key"), null);
  assert.ok(records.isEmpty());
});

for (const [name, make] of [
  ["records", () => new Records(sqlite(), () => 0)],
  ["counters in memory", () => new Counters()],
] as const) {
  test(`${name} count from zero, up and down, and stay within 64 bits`, () => {
    const store = make();
    assert.equal(store.increment("n", 1n), 1n);
    assert.equal(store.increment("n", 41n), 42n);
    assert.equal(store.increment("n", -50n), -8n);
    assert.deepEqual(store.get("n"), text("-8"));
    assert.equal(store.increment("max", 2n ** 63n - 1n), 2n ** 63n - 1n);
    assert.throws(() => store.increment("max", 1n), /counter overflow/);
    assert.deepEqual(store.get("max"), text(String(2n ** 63n - 1n)));
  });

  test(`${name} leave alone what is not a counter`, () => {
    const store = make();
    for (const value of ["", "1.5", "0x10", "ten", " 1", "12345678901234567890"]) {
      store.set("v", text(value));
      assert.throws(() => store.increment("v", 1n), /not a counter/);
      assert.deepEqual(store.get("v"), text(value));
    }
  });
}

test("keys are listed in order, page by page", () => {
  const records = new Records(sqlite(), () => 0);
  for (const key of ["c", "a", "b"]) records.set(key, text(key));
  assert.deepEqual(records.keys("", 2), ["a", "b"]);
  assert.deepEqual(records.keys("b", 2), ["c"]);
  assert.deepEqual(records.keys("c", 2), []);
});

test("sweeping deletes what nobody read or wrote for a long time, and nothing else", () => {
  let now = 1_000_000;
  const records = new Records(sqlite(), () => now);
  for (const key of ["read", "written", "idle"]) records.set(key, text(key));
  now += FORGET_AFTER * 86_400;
  records.sweep();
  records.get("read");
  records.set("written", text("again"));
  assert.deepEqual(records.keys("", 9), ["idle", "read", "written"]);
  now += 2 * 86_400;
  records.sweep();
  assert.deepEqual(records.keys("", 9), ["read", "written"]);
});

test("sessions and their conversations are forgotten when they cannot be alive any more", () => {
  let now = 1_000_000;
  const records = new Records(sqlite(), () => now);
  const keys = [
    "oauth:token:t",
    "user:u:other:o",
    "user:u:session:idle",
    "user:u:session:used",
    "user:u:upstream:idle:demo",
  ];
  for (const key of keys) records.set(key, text("v"));
  now += 2 * 86_400;
  records.sweep();
  assert.deepEqual(records.keys("", 9), keys);
  records.get("user:u:session:used");
  now += 86_400;
  records.sweep();
  assert.deepEqual(records.keys("", 9), ["oauth:token:t", "user:u:other:o", "user:u:session:used"]);
});

test("a flood of counters forgets only those that nobody touched", () => {
  const counters = new Counters();
  counters.increment("idle", 1n);
  counters.increment("busy", 1n);
  for (let n = 0; n < 16_384; n += 1) counters.increment(`a${n}`, 1n);
  assert.equal(counters.increment("busy", 1n), 2n);
  for (let n = 0; n < 16_384; n += 1) counters.increment(`b${n}`, 1n);
  assert.equal(counters.increment("busy", 1n), 3n);
  assert.equal(counters.get("idle"), null);
});
