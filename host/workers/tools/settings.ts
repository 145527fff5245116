// From settings to the Worker's bindings, by way of `mcp-edge values`, which checks everything as `mcp-edge serve` does.

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { bindingOf, isOwn, isReserved } from "../src/names.ts";

/** Where `cargo xtask build` puts the host's program. */
export const HOST = process.env["MCP_EDGE_BIN"] || resolve(import.meta.dirname, "../../../target/release/mcp-edge");

/** Values that are the wasmtime host's own: the Worker has its own header for the client's address, and no way to look at the
 * addresses behind a name. */
const OF_THE_HOST = new Set(["client_address_header", "public_only_header"]);

/** What is wrong, with the way to put it right. */
export class SettingsError extends Error {}

/** Run a command; what is wrong with its settings ends it with one line and status 2. */
export async function orExplain(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`settings: ${error.message}`);
    process.exitCode = 2;
  }
}

/** What `mcp-edge values` prints. */
export interface Values {
  publicUrl: string;
  upstreams: string[];
  /** Whether --dev made the login. */
  devLogin: boolean;
  /** Names and values of wasi:config. */
  values: Record<string, string>;
}

/** Ask the host's program. It says itself, on standard error, what is wrong with the settings; then there is nothing. */
export function askHost(program: string, options: string[]): Values | undefined {
  const { error, status, stdout } = spawnSync(program, ["values", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (error) throw new SettingsError(`${program}: ${error.message}. Fix: cargo xtask build, or --host PROGRAM`);
  return status === 0 ? (JSON.parse(stdout) as Values) : undefined;
}

/** Bindings of what components are to find in wasi:config. */
export function bindingsOf(values: Record<string, string>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (OF_THE_HOST.has(name)) continue;
    const binding = bindingOf(name);
    // Also when a reference has the name that another binding has.
    if (binding in found || (!isOwn(name) && isReserved(name))) throw reserved(binding);
    found[binding] = value;
  }
  return found;
}

function reserved(name: string): SettingsError {
  return new SettingsError(`\`\${${name}}\` is a name of the gateway's own. Fix: use another`);
}

/** JSON with comments and trailing commas: wrangler.jsonc. */
export function parse(text: string): Record<string, unknown> {
  // A string, or a comment, or a comma before a closing bracket: only strings stay as they are.
  const plain = text
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string: string | undefined) => string ?? " ")
    .replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string: string | undefined) => string ?? "");
  let document: unknown;
  try {
    document = JSON.parse(plain);
  } catch (error) {
    throw new SettingsError(`not JSON: ${(error as Error).message}`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new SettingsError("not a JSON object");
  }
  return document as Record<string, unknown>;
}
