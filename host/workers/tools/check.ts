// npm run check: would Cloudflare take the built Worker? Everything of `wrangler deploy` except the upload, and a comparison of
// wrangler.jsonc with the configuration that workerd runs with here.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse } from "./settings.ts";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from "./workerd.ts";

const here = resolve(import.meta.dirname, "..");
const config = parse(await readFile(join(here, "wrangler.jsonc"), "utf8"));
const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);
if (
  !same(config["compatibility_date"], COMPATIBILITY_DATE) ||
  !same(config["compatibility_flags"], COMPATIBILITY_FLAGS)
) {
  console.error("wrangler.jsonc and tools/workerd.ts name different compatibility dates or flags. Fix: make them the same");
  process.exit(1);
}
const wrangler = join(here, "node_modules/wrangler/bin/wrangler.js");
const { status } = spawnSync(process.execPath, [wrangler, "deploy", "--dry-run"], {
  cwd: here,
  stdio: "inherit",
  // Nothing is sent anywhere.
  env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
});
process.exit(status ?? 1);
