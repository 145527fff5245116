// npm run measure -- [--url URL] [--token TOKEN] [--requests N]
// What requests cost a gateway that runs: one after the other, after some to warm up. With an access token also MCP of
// 2026-07-28. CPU is that of the process that listens (Linux only), so it includes the Durable Objects.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8787" },
    token: { type: "string" },
    requests: { type: "string", default: "100" },
  },
});
const requests = Number(values.requests);

/** Milliseconds of a tick of /proc/*\/stat. */
const TICK = 10;

const pid = /pid=(\d+)/.exec(String(execFileSync("ss", ["-Hltnp", `sport = :${new URL(values.url).port}`])))?.[1];

async function cpu(): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/** A request of 2026-07-28, which says everything in itself. */
function mcp(method: string): () => Promise<Response> {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "measure", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return () =>
    fetch(`${values.url}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${values.token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { _meta: meta } }),
    });
}

const cases: Record<string, () => Promise<Response>> = {
  "GET /health": () => fetch(`${values.url}/health`),
  "GET metadata": () => fetch(`${values.url}/.well-known/oauth-authorization-server`),
  "POST /mcp without token": () => fetch(`${values.url}/mcp`, { method: "POST", body: "{}" }),
};
if (values.token !== undefined) {
  cases["server/discover"] = mcp("server/discover");
  cases["tools/list"] = mcp("tools/list");
}

for (const [name, request] of Object.entries(cases)) {
  for (let n = 0; n < 20; n += 1) await (await request()).text();
  const times: number[] = [];
  const statuses = new Set<number>();
  const before = await cpu();
  for (let n = 0; n < requests; n += 1) {
    const started = performance.now();
    const response = await request();
    await response.text();
    times.push(performance.now() - started);
    statuses.add(response.status);
  }
  const spent = ((await cpu()) - before) / requests;
  times.sort((a, b) => a - b);
  const at = (part: number) => (times[Math.floor(times.length * part)] ?? 0).toFixed(1);
  console.log(
    `${name.padEnd(24)} ${[...statuses].join(",")}  median ${at(0.5)} ms, 95 % below ${at(0.95)} ms, CPU ${spent.toFixed(1)} ms`,
  );
}
