// From settings to the Worker's bindings: for a Worker on this machine by way of `mcp-edge values`, which checks everything as
// `mcp-edge serve` does; for one at Cloudflare (secrets.ts) from the file itself, which `mcp-edge check` checks.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";

/** Bindings that are the gateway's own; no `${NAME}` may hide them. */
const KEYS = ["token_key", "token_key_previous", "user_key", "cookie_key", "cookie_key_previous"];
const RESERVED = new Set(["SETTINGS", "STATE", "STANDALONE", ...KEYS.map((name) => `MCP_EDGE_${name.toUpperCase()}`)]);

/** Values that are the wasmtime host's own: the Worker has its own header for the client's address, and no way to look at the
 * addresses behind a name. */
const OF_THE_HOST = new Set(["client_address_header", "public_only_header"]);

/** Shortest token key, in bytes. */
const SHORTEST_KEY = 32;

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

/** The text of a settings file. */
export async function settingsFile(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: Error) => {
    throw new SettingsError(`${error.message}. Fix: check the path after --config`);
  });
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
    const own = name === "settings" || KEYS.includes(name);
    const binding = KEYS.includes(name) ? `MCP_EDGE_${name.toUpperCase()}` : name.toUpperCase();
    // Also when a reference has the name that another binding has.
    if (binding in found || (!own && RESERVED.has(binding))) throw reserved(binding);
    found[binding] = value;
  }
  return found;
}

function reserved(name: string): SettingsError {
  return new SettingsError(`\`\${${name}}\` is a name of the gateway's own. Fix: use another`);
}

/** The bindings SETTINGS, MCP_EDGE_TOKEN_KEY, and one for each `${NAME}`. `publicUrl` is used where the file has none. */
export function bindings(
  file: string,
  publicUrl: string,
  environment: Record<string, string | undefined>,
): Record<string, string> {
  const document = parse(file);
  document["publicUrl"] ??= publicUrl;
  if (document["identity"] === undefined) {
    throw new SettingsError("identity: nobody may log in. Fix: add users; `mcp-edge hash-password` makes their hashes");
  }
  const key = environment["MCP_EDGE_TOKEN_KEY"] ?? "";
  if (Buffer.byteLength(key) < SHORTEST_KEY) {
    throw new SettingsError(
      `MCP_EDGE_TOKEN_KEY is not set or has less than ${SHORTEST_KEY} bytes. Fix: make a key with \`openssl rand -hex 32\` and keep it`,
    );
  }
  const values: Record<string, string> = { SETTINGS: JSON.stringify(document), MCP_EDGE_TOKEN_KEY: key };
  for (const name of KEYS.map((name) => `MCP_EDGE_${name.toUpperCase()}`)) {
    const value = environment[name];
    if (value !== undefined && value !== "") values[name] = value;
  }
  for (const name of references(document)) {
    if (RESERVED.has(name)) throw reserved(name);
    const value = environment[name];
    // Without a value the default of `${NAME:-default}` applies; `mcp-edge check` knows where one is needed.
    if (value !== undefined && value !== "") values[name] = value;
  }
  return values;
}

/** The names in every `${NAME}` and `${NAME:-default}` of the document's strings, in ascending order. */
export function references(value: unknown): string[] {
  const found = new Set<string>();
  const walk = (part: unknown): void => {
    if (typeof part === "string") {
      for (const match of part.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}/g)) found.add(String(match[1]));
    } else if (typeof part === "object" && part !== null) {
      Object.values(part).forEach(walk);
    }
  };
  walk(value);
  return [...found].sort();
}

/** JSON with comments and trailing commas, as settings files may have them. */
export function parse(text: string): Record<string, unknown> {
  // A string, or a comment, or a comma before a closing bracket: only strings stay as they are.
  const plain = text
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string: string | undefined) => string ?? " ")
    .replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string: string | undefined) => string ?? "");
  let document: unknown;
  try {
    document = JSON.parse(plain);
  } catch (error) {
    throw new SettingsError(`the settings are not JSON: ${(error as Error).message}`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new SettingsError("the settings are not a JSON object");
  }
  return document as Record<string, unknown>;
}
