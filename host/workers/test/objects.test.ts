// The contract on real Durable Objects, in the real workerd.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import workerd from "workerd";
import { workerdConfig } from "../tools/workerd.ts";
import { CASES } from "./contract.ts";

let folder = "";
let url = "";
let stop = () => {};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mcp-edge-workers-"));
  const [dist, data] = [join(folder, "dist"), join(folder, "data")];
  await mkdir(data);
  await build({
    entryPoints: { worker: join(import.meta.dirname, "objects-worker.ts") },
    outdir: dist,
    bundle: true,
    format: "esm",
    target: "esnext",
    platform: "neutral",
    external: ["cloudflare:*", "node:*"],
  });
  const config = join(folder, "workerd.capnp");
  await writeFile(config, await workerdConfig({ folder, dist, data, listen: "127.0.0.1:0", bindings: [] }));
  const child = spawn(workerd.default, ["serve", config, "--control-fd=3"], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  stop = () => void child.kill();
  const line = await new Promise<string>((resolve, reject) => {
    child.stdio[3]?.on("data", (data: Buffer) => resolve(String(data)));
    child.on("exit", () => reject(new Error("workerd ended")));
  });
  url = `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
});

after(async () => {
  stop();
  await rm(folder, { recursive: true });
});

for (const name of [...Object.keys(CASES), "sweep"]) {
  test(`on Durable Objects: ${name}`, async () => {
    const answer = await fetch(`${url}/${encodeURIComponent(name)}`);
    assert.equal(answer.status, 204, await answer.text());
  });
}
