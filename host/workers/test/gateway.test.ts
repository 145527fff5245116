// The built Worker in the real workerd with what `mcp-edge serve` has no word for: a KV namespace (the simulator of `wrangler
// dev`), and alarms.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { shardOf } from "../src/shards.ts";

const DIST = join(import.meta.dirname, "../dist");

/** Around the Worker: `/ring` lets the alarm of the directory go off now, `/alarm` tells when it goes off next, `/set` writes a
 * record, `/keys` lists those of `oauth`. */
const ENTRY = `
import { Shard as Base, default as gateway } from "./gateway.js";
const OAUTH = Array.from({ length: 64 }, (_, n) => "oauth/" + n);
export class Shard extends Base {
  async ring() {
    await this.ctx.storage.setAlarm(Date.now());
  }
  async next() {
    return await this.ctx.storage.getAlarm();
  }
}
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const shard = (name) => env.STATE.get(env.STATE.idFromName(name));
    if (pathname === "/ring") {
      await shard("directory").ring();
      return new Response();
    }
    if (pathname === "/alarm") return Response.json(await shard("directory").next());
    if (pathname === "/keys") {
      return Response.json((await Promise.all(OAUTH.map((name) => shard(name).keys("", 1000)))).flat().sort());
    }
    if (pathname === "/set") {
      await shard(searchParams.get("shard")).set(searchParams.get("key"), new Uint8Array(await request.arrayBuffer()));
      return new Response();
    }
    return gateway.fetch(request, env, ctx);
  },
};
`;

const SETTINGS = {
  publicUrl: "https://secret.example",
  identity: { type: "local", users: [{ name: "a", passwordHash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ" }] },
  mcpServers: {},
};

let worker: Miniflare;

before(async () => {
  const files = (await readdir(DIST)).filter((file) => file.endsWith(".wasm"));
  const modules = [
    { type: "ESModule" as const, path: "entry.js", contents: ENTRY },
    { type: "ESModule" as const, path: "gateway.js", contents: await readFile(join(DIST, "worker.js"), "utf8") },
    ...(await Promise.all(
      files.map(async (path) => ({ type: "CompiledWasm" as const, path, contents: await readFile(join(DIST, path)) })),
    )),
  ];
  const options = convertV4MiniflareOptions({
    modules,
    compatibilityDate: "2026-11-01",
    compatibilityFlags: ["enable_request_signal"],
    durableObjects: { STATE: { className: "Shard", useSQLite: true } },
    kvNamespaces: ["CONFIG_KV"],
    bindings: { SETTINGS: JSON.stringify(SETTINGS), MCP_EDGE_TOKEN_KEY: "k".repeat(32), STANDALONE: "yes" },
  });
  worker = new Miniflare(options);
  const kv = await worker.getKVNamespace("CONFIG_KV");
  await kv.put("hub-config", JSON.stringify({ version: "0.1.0", publicUrl: "https://kv.example" }));
  await kv.put("server:demo", JSON.stringify({ id: "demo", url: "http://127.0.0.1:1/mcp", type: "http" }));
});

after(async () => await worker.dispose());

async function ask(path: string, body?: string): Promise<unknown> {
  const answer = await worker.dispatchFetch(`http://gateway${path}`, body === undefined ? {} : { method: "POST", body });
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`);
  const text = await answer.text();
  return text === "" ? undefined : JSON.parse(text);
}

/** Ask until the answer is as wanted. */
async function until<T>(path: string, isGood: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = (await ask(path)) as T;
    if (isGood(answer)) return answer;
    assert.ok(Date.now() < deadline, `${path}: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("settings of the namespace go before those of the secret", async () => {
  const metadata = (await ask("/.well-known/oauth-protected-resource/mcp")) as { resource: string };
  assert.equal(metadata.resource, "https://kv.example/mcp");
});

test("an alarm lets the components forget what has ended", async () => {
  const entry = JSON.stringify({ id: "x", at: 1_000_000 });
  const young = JSON.stringify({ id: "y", at: Math.floor(Date.now() / 1000) });
  for (const [key, value] of [
    ["oauth:once:count", "2"],
    ["oauth:once:1", entry],
    ["oauth:once:x", "1"],
    ["oauth:once:2", young],
    ["oauth:once:y", "1"],
  ] as const) {
    await ask(`/set?shard=${encodeURIComponent(shardOf(key))}&key=${encodeURIComponent(key)}`, value);
  }
  await ask("/ring", "");
  await until<string[]>("/keys", (keys) => !keys.includes("oauth:once:1") && !keys.includes("oauth:once:x"));
  const keys = (await ask("/keys")) as string[];
  assert.ok(keys.includes("oauth:once:2") && keys.includes("oauth:once:y"), keys.join(" "));
  // Through all steps; then nothing is left to do for a day.
  await until<number | null>("/alarm", (alarm) => alarm !== null && alarm > Date.now() + 3_600_000);
});
