// `mcp-remote`, which brings remote servers to clients that know local ones only: the SDK on this side, the gateway on the other.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { logIn } from "./browser.mjs";
import { exercise, parameters } from "./exercise.mjs";

const { url, prefix, user, password } = parameters();
const document = process.env.CLIENT_METADATA_URL;
const state = mkdtempSync(join(tmpdir(), "mcp-remote-"));
// It opens the page in a browser, which is us. What it finds in place of one does nothing.
for (const opener of ["xdg-open", "open"]) writeFileSync(join(state, opener), "#!/bin/sh\n", { mode: 0o755 });
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [
    join(dirname(fileURLToPath(import.meta.url)), "node_modules/mcp-remote/dist/proxy.js"),
    url.href,
    ...(document ? [process.env.CALLBACK_PORT, "--client-metadata-url", document] : []),
  ],
  env: { ...process.env, MCP_REMOTE_CONFIG_DIR: state, PATH: `${state}:${process.env.PATH}` },
  stderr: "pipe",
});
const steps = [];
const said = [];
createInterface({ input: transport.stderr }).on("line", async (line) => {
  said.push(line);
  if (!line.startsWith(`${url.origin}/oauth/authorize?`)) return;
  const asked = new URL(line).searchParams;
  steps.push(asked.get("client_id") === document ? "document" : "registered", "authorized");
  const redirect = asked.get("redirect_uri");
  const back = await logIn(line, redirect, user, password);
  const arrived = await fetch(`${redirect}?${back}`);
  if (!arrived.ok) throw new Error(`${redirect}: ${arrived.status} ${await arrived.text()}`);
});
try {
  const client = new Client({ name: "e2e-remote", version: "1.0.0" }, { capabilities: {} });
  await client.connect(transport);
  // Where a result comes right behind the last progress, the SDK forgets whom to tell. Here is what came.
  const progress = [];
  const take = transport.onmessage;
  transport.onmessage = (message) => {
    if (message.method === "notifications/progress") progress.push(message.params.progress);
    take(message);
  };
  const report = await exercise(client, prefix, (params, onprogress) => client.callTool(params, undefined, { onprogress }));
  report.progress = progress;
  report.revision = "2025-11-25";
  if (readdirSync(state, { recursive: true }).some((file) => file.endsWith("_tokens.json"))) steps.push("tokens");
  report.steps = steps;
  await client.close();
  console.log(JSON.stringify(report));
} catch (error) {
  console.error(said.join("\n"));
  throw error;
} finally {
  rmSync(state, { recursive: true });
}
