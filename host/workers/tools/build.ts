// npm run build -- [--components DIR] [--out DIR]
// The four components and src/ to a Worker in dist/: worker.js and the wasm modules it imports.

import { build } from "esbuild";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { COMPONENTS, type Name } from "./components.ts";
import { transpile } from "./transpile.ts";

/** Largest upload of Cloudflare's free plan, compressed, in bytes. */
const LARGEST_UPLOAD = 3 * 1024 * 1024;

const here = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    components: { type: "string", default: resolve(here, "../../target/mcp-edge") },
    out: { type: "string", default: join(here, "dist") },
  },
});

const names = Object.keys(COMPONENTS) as Name[];
for (const name of names) {
  const file = join(values.components, `${name}.wasm`);
  await stat(file).catch(() => {
    console.error(`${file} is missing. Fix: cargo xtask build, or --components DIR`);
    process.exit(1);
  });
}

const generated = join(here, ".generated");
for (const folder of [generated, values.out]) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}
const alias: Record<string, string> = {};
for (const name of names) alias[`component:${name}`] = await transpile(name, values.components, generated);

await build({
  entryPoints: { worker: join(here, "src/worker.ts") },
  outdir: values.out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "esnext",
  platform: "neutral",
  conditions: ["workerd", "worker", "browser"],
  mainFields: ["module", "main"],
  external: ["cloudflare:*"],
  loader: { ".wasm": "copy" },
  assetNames: "[name]",
  alias,
  logLevel: "warning",
  // jco writes one key twice, with the same value.
  logOverride: { "duplicate-object-key": "silent" },
});

let size = 0;
for (const file of await readdir(values.out)) size += gzipSync(await readFile(join(values.out, file))).length;
if (size > LARGEST_UPLOAD) {
  console.error(`the Worker is ${size} bytes compressed; Cloudflare's free plan takes ${LARGEST_UPLOAD}`);
  process.exit(1);
}
console.log(`${values.out}: ${Math.ceil(size / 1024)} KiB compressed (of ${LARGEST_UPLOAD / 1024})`);
