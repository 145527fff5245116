// npm run build -- [--components DIR] [--only FILE] [--out DIR]
// The four components and src/ to a Worker in dist/: worker.js and the wasm modules it imports. With --only a single component
// that has `wasi:http/handler` takes the place of all four: this is how tests run one of their own.

import { build } from "esbuild";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { COMPONENTS, SINGLE, type Name } from "./components.ts";
import { transpile } from "./transpile.ts";

/** Largest upload of Cloudflare's free plan, compressed, in bytes. */
const LARGEST_UPLOAD = 3 * 1024 * 1024;

const here = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    components: { type: "string", default: resolve(here, "../../target/mcp-edge") },
    only: { type: "string" },
    out: { type: "string", default: join(here, "dist") },
  },
});

const names = Object.keys(COMPONENTS) as Name[];
const fileOf = (name: Name) => values.only ?? join(values.components, `${name}.wasm`);
for (const file of names.map(fileOf)) {
  await stat(file).catch(() => {
    console.error(`${file} is missing. Fix: cargo xtask build, or --components DIR`);
    process.exit(1);
  });
}

const generated = join(here, ".generated", values.only === undefined ? "gateway" : "only");
for (const folder of [generated, values.out]) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}
const alias: Record<string, string> = {};
if (values.only === undefined) {
  for (const name of names) alias[`component:${name}`] = await transpile(name, fileOf(name), COMPONENTS[name], generated);
} else {
  // It is asked as the router is; the others are made when they are first called, so never.
  const entry = await transpile("only", values.only, SINGLE, generated);
  for (const name of names) alias[`component:${name}`] = entry;
}

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
