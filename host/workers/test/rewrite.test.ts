import assert from "node:assert/strict";
import { test } from "node:test";
import { hoistModules, rewrite } from "../tools/rewrite.ts";

test("text of another jco stops the build and says what to do", () => {
  assert.throws(() => rewrite("router", "export function instantiate() {}"), /router: .*0 times instead of 1.*Fix:/);
});

test("inline modules become imports", () => {
  const { text, modules } = hoistModules("a(new WebAssembly.Module(new Uint8Array([0x00, 97,\n 1])), b)");
  assert.equal(text, "a(inline0, b)");
  assert.deepEqual(modules, [Uint8Array.of(0, 97, 1)]);
});

test("a module that is compiled in an unknown way stops the build", () => {
  assert.throws(() => hoistModules("new WebAssembly.Module(bytes)"), /does not know/);
});
