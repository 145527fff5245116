// The built Worker in the real workerd. What it does for users is tested by tests/harness, on every host alike.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

const SERVE = join(import.meta.dirname, "../tools/serve.ts");
const SECRETS = join(import.meta.dirname, "../tools/secrets.ts");
const HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$wNDV3MhvE/F/wNMAkUf13w$DAGZwpevlfUlvIIgKVrO5KCtn5A8CDGl1kU1RwA094c";
const CLIENT = { client_name: "test", redirect_uris: ["http://127.0.0.1:1/cb"], token_endpoint_auth_method: "none" };

/** Start it; gives its URL when it listens. */
async function start(folder: string, listen: string, more: string[] = ["--dev"]) {
  const options = ["--config", join(folder, "mcp-edge.json"), "--state", join(folder, "state"), "--listen", listen, ...more];
  const child = spawn(process.execPath, [SERVE, ...options], {
    env: process.env["MCP_EDGE_BIN"] ? { MCP_EDGE_BIN: process.env["MCP_EDGE_BIN"] } : {},
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err]: [string[], string[]] = [[], []];
  createInterface({ input: child.stdout }).on("line", (line) => out.push(line));
  const url = new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      err.push(line);
      const found = /listening on (http:\S+)/.exec(line)?.[1];
      if (found) resolve(found);
    });
    child.on("exit", () => resolve(undefined));
  });
  return { child, out, err, url: await url };
}

async function folder(settings: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "mcp-edge-workers-"));
  await writeFile(join(path, "mcp-edge.json"), settings);
  return path;
}

/** Ask until there is an answer of this status; the port of a killed workerd takes a moment to close. */
async function isClosed(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(url);
      await new Promise((resolve) => setTimeout(resolve, 20));
    } catch {
      return;
    }
  }
}

test("it serves, logs, survives a crash with its state, and ends when asked", async () => {
  const path = await folder('{ "mcpServers": {}, }');
  const first = await start(path, "127.0.0.1:0");
  assert.ok(first.url, first.err.join("\n"));
  assert.equal((await fetch(`${first.url}/health`)).status, 200);
  const registered = await fetch(`${first.url}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(CLIENT),
  });
  assert.equal(registered.status, 201);
  const { client_id } = (await registered.json()) as { client_id: string };
  const lines = first.out.map((line) => JSON.parse(line));
  assert.ok(lines.some((line) => line.route === "health" && line.status === 200), first.out.join("\n"));

  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  await isClosed(first.url);

  const second = await start(path, new URL(first.url).host);
  assert.equal(second.url, first.url, second.err.join("\n"));
  const query = new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri: String(CLIENT.redirect_uris[0]),
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
    resource: `${first.url}/mcp`,
  });
  assert.equal((await fetch(`${second.url}/oauth/authorize?${query}`)).status, 200, "the client is known");
  query.set("client_id", "0".repeat(32));
  assert.equal((await fetch(`${second.url}/oauth/authorize?${query}`)).status, 400, "another one is not");

  second.child.kill("SIGTERM");
  assert.deepEqual(await once(second.child, "exit"), [0, null]);
  await isClosed(first.url);
  await rm(path, { recursive: true });
});

test("wrong settings are refused at the start", async () => {
  const path = await folder("{}");
  const { child, err, url } = await start(path, "127.0.0.1:0", []);
  assert.equal(url, undefined);
  assert.equal(child.exitCode, 1);
  assert.match(err.join("\n"), /^mcp-edge: settings: identity: .*--dev/);
  await rm(path, { recursive: true });
});

test("secrets are what the host would serve, and wrong settings are refused in its words", async () => {
  const path = await folder('{ "mcpServers": { "a": { "url": "https://a", "headers": { "X-Key": "${A_KEY}" } } } }');
  const users = { identity: { type: "local", users: [{ name: "a", passwordHash: HASH }] } };
  const program = process.env["MCP_EDGE_BIN"] ? { MCP_EDGE_BIN: process.env["MCP_EDGE_BIN"] } : {};
  const run = (environment: Record<string, string>, ...more: string[]) =>
    spawnSync(process.execPath, [SECRETS, "--config", join(path, "mcp-edge.json"), ...more], {
      env: { ...program, ...environment },
      cwd: path,
      encoding: "utf8",
    });
  const good = { MCP_EDGE_TOKEN_KEY: "k".repeat(32), A_KEY: "hush", OTHER: "o" };
  const url = ["--public-url", "https://mcp.example.com"];
  const check = (environment: Record<string, string>, options: string[], expected: RegExp) => {
    const { status, stdout, stderr } = run(environment, ...options);
    assert.ok(status !== 0 && stdout === "", stdout);
    assert.match(stderr, expected);
  };
  check(good, url, /identity/);
  const settings = { ...users, mcpServers: { a: { url: "https://a", headers: { "X-Key": "${A_KEY}" } } } };
  await writeFile(join(path, "mcp-edge.json"), JSON.stringify(settings));
  check({ ...good, MCP_EDGE_TOKEN_KEY: "short" }, url, /MCP_EDGE_TOKEN_KEY.*32 bytes/);
  check({ MCP_EDGE_TOKEN_KEY: good.MCP_EDGE_TOKEN_KEY }, url, /A_KEY.*not set/);
  check(good, ["--public-url", "https://mcp.example.com/"], /--public-url.*without a path/);
  check(good, [], /--public-url https/);
  const { stdout, stderr } = run(good, ...url);
  const secrets = JSON.parse(stdout || stderr) as Record<string, string>;
  assert.deepEqual(Object.keys(secrets).sort(), ["A_KEY", "MCP_EDGE_TOKEN_KEY", "SETTINGS"]);
  assert.deepEqual(JSON.parse(String(secrets["SETTINGS"])), { ...settings, publicUrl: "https://mcp.example.com" });
  await rm(path, { recursive: true });
});
