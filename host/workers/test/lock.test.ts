import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

/** Not in the registry in this version when the lock was made (the package named them all the same). */
const NOT_PUBLISHED = [
  "@bytecodealliance/jco-node-fs-linux-arm64-musl",
  "@bytecodealliance/jco-node-fs-win32-arm64-msvc",
  "@bytecodealliance/jco-node-fs-win32-x64-msvc",
  "@cloudflare/workerd-darwin-64",
  "@cloudflare/workerd-darwin-arm64",
  "@cloudflare/workerd-windows-64",
];

test("whatever is installed here has a checksum", async () => {
  for (const [lock, without] of [
    ["../package-lock.json", NOT_PUBLISHED],
    ["../../../tests/e2e/package-lock.json", []],
  ] as const) {
    const { packages } = JSON.parse(await readFile(join(import.meta.dirname, lock), "utf8")) as Lock;
    const found = Object.entries(packages).filter(([path, entry]) => path !== "" && entry.integrity === undefined);
    assert.deepEqual(found.map(([path]) => path.replace(/^.*node_modules\//, "")).sort(), without);
    // npm installs these only where they are for the machine: there it must be known that nothing is checked.
    assert.ok(found.every(([, entry]) => entry.optional));
  }
});

type Lock = { packages: Record<string, { integrity?: string; optional?: boolean }> };
