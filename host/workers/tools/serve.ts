// npm run serve -- [--config FILE] [--listen ADDR] [--state DIR] [--dev] [--dist DIR] [--host PROGRAM]
// Runs the built Worker in the real workerd, with the same options, settings and words as `mcp-edge serve`. Says `listening on
// http://…` on standard error when it is ready; what the Worker logs comes on standard output. Ends with workerd, and workerd
// ends with it, however it ends.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import workerd from "workerd";
import { askHost, bindingsOf, HOST, orExplain, SettingsError, type Values } from "./settings.ts";
import { workerdConfig } from "./workerd.ts";

const here = resolve(import.meta.dirname, "..");

/** Runs a program. A line on standard input asks it to end; the end of standard input, which comes when this process is
 * gone, kills it. */
const GUARD = `exec 4<&0
"$@" </dev/null 4<&- & child=$!
(read -r _ <&4 && kill -TERM $child; cat <&4 >/dev/null; kill -KILL $child) 2>/dev/null &
wait $child`;

/** How long open requests may take to end, in milliseconds. */
const PATIENCE = 2_000;

await orExplain(main);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "mcp-edge.json" },
      listen: { type: "string", default: "127.0.0.1:8787" },
      state: { type: "string", default: ".mcp-edge/workers" },
      dev: { type: "boolean", default: false },
      dist: { type: "string", default: join(here, "dist") },
      host: { type: "string", default: HOST },
    },
  });
  const listen = await withPort(values.listen);
  const state = resolve(values.state);
  const options = ["--config", values.config, "--listen", listen, "--state", state];
  const told = askHost(values.host, values.dev ? [...options, "--dev"] : options);
  if (told === undefined) {
    process.exitCode = 1;
    return;
  }
  const environment = bindingsOf(told.values);
  introduce(told, state);

  const data = join(state, "objects");
  await mkdir(data, { recursive: true });
  const config = join(state, "workerd.capnp");
  const place = { folder: state, dist: resolve(values.dist), data, listen, bindings: Object.keys(environment) };
  await writeFile(config, await workerdConfig(place));
  run(config, environment, listen);
}

/** What `mcp-edge serve` says before it listens. */
function introduce({ publicUrl, upstreams, devLogin }: Values, state: string): void {
  console.error(`MCP endpoint ${publicUrl}/mcp, state in ${state}, upstreams: ${upstreams.join(", ") || "none"}`);
  if (devLogin) console.error(`login \`dev\`, its password is in ${join(state, "dev-password")}`);
}

/** Start workerd, and end when it ends. */
function run(config: string, environment: Record<string, string>, listen: string): void {
  const command = [workerd.default, "serve", config, "--control-fd=3"];
  const child = spawn("/bin/sh", ["-c", GUARD, "guard", ...command], {
    env: environment,
    stdio: ["pipe", "inherit", "inherit", "pipe"],
    // A Ctrl-C at the terminal is for this process; it ends the others in order.
    detached: true,
  });
  // Each event is one line of JSON; the only socket is ours.
  child.stdio[3]?.on("data", (line: Buffer) => {
    if (String(line).includes('"event":"listen"')) console.error(`listening on http://${listen}`);
  });
  child.on("exit", (code, signal) => {
    if (stopping) process.exit(0);
    console.error(`workerd ended by itself (${signal ?? code})`);
    process.exit(1);
  });
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      child.stdin?.write("stop\n");
      void setTimeout(PATIENCE, null, { ref: false }).then(() => child.stdin?.end());
    });
  }
}

/** The address with a free port in the place of port 0: the public URL must be known before workerd starts. Another port must be
 * free, if not at once (a killed workerd takes a moment to go). */
async function withPort(address: string): Promise<string> {
  const [, host, port] = /^(.+):(\d+)$/.exec(address) ?? [];
  if (host === undefined) throw new SettingsError(`\`${address}\` is not an address. Fix: --listen 127.0.0.1:8787`);
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const server = createServer();
    try {
      server.listen(Number(port), host.replace(/^\[|\]$/g, ""));
      await once(server, "listening");
      const taken = (server.address() as AddressInfo).port;
      server.close();
      await once(server, "close");
      return `${host}:${taken}`;
    } catch (error) {
      if (Date.now() > deadline) {
        throw new SettingsError(`cannot listen on ${address}: ${(error as Error).message}. Fix: --listen with another port`);
      }
      await setTimeout(50);
    }
  }
}
