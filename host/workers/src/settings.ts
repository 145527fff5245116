// The settings document: the secret SETTINGS, and over it what a KV namespace has. There it is laid out as Hatago Hub does:
// `hub-config` is a document, `server:{id}` is one entry of its `mcpServers`.

import { isReserved, references } from "./names.ts";

/** How old `hub-config` may be here, in milliseconds. KV itself is up to a minute behind. */
const DOCUMENT_AGE = 60_000;

/** How old the entries `server:{id}` may be here, in milliseconds: each look costs a listing, of which the free plan has 1,000 a
 * day. */
const SERVERS_AGE = 300_000;

/** Keys that one read takes. */
const KEYS_A_READ = 100;

const DOCUMENT = "hub-config";
const SERVER = "server:";

/** What is used of a KV namespace. */
export interface Kv {
  get(key: string): Promise<string | null>;
  get(keys: string[]): Promise<Map<string, string | null>>;
  list(options: { prefix: string; cursor?: string }): Promise<Page>;
}

/** A part of a listing. */
export type Page = { keys: { name: string }[] } & ({ list_complete: true } | { list_complete: false; cursor: string });

type Json = Record<string, unknown>;

/** The settings of one isolate. */
export class Settings {
  #fixed: string | undefined;
  #kv: Kv | undefined;
  #now: () => number;
  /** `hub-config`, once it was read; empty where there is none. */
  #document: Json | undefined;
  #servers: Json = {};
  /** When they were read, or a request has set out to. */
  #documentAt = -Infinity;
  #serversAt = -Infinity;
  #text: string | undefined;

  /** `fixed` is the text of SETTINGS; `now` gives milliseconds. */
  constructor(fixed: string | undefined, kv: Kv | undefined, now: () => number) {
    this.#fixed = fixed;
    this.#text = fixed;
    this.#kv = kv;
    this.#now = now;
  }

  /** The document as components get it. */
  get text(): string | undefined {
    return this.#text;
  }

  /** Before a request: read what is too old. The first time it is waited for, and its failure is the request's; later what is
   * known serves on, and the reading goes to `later`. */
  async refresh(later: (work: Promise<void>) => void): Promise<void> {
    if (!this.#kv) return;
    if (this.#document === undefined) await this.#read(this.#kv);
    else if (this.#isOld()) later(this.#read(this.#kv).catch(report));
  }

  #isOld(): boolean {
    return this.#now() - this.#documentAt >= DOCUMENT_AGE || this.#now() - this.#serversAt >= SERVERS_AGE;
  }

  async #read(kv: Kv): Promise<void> {
    const now = this.#now();
    const [documentIsOld, serversAreOld] = [now - this.#documentAt >= DOCUMENT_AGE, now - this.#serversAt >= SERVERS_AGE];
    const isFirst = this.#document === undefined;
    if (!isFirst) {
      // So that the requests of this moment do not all read.
      if (documentIsOld) this.#documentAt = now;
      if (serversAreOld) this.#serversAt = now;
    }
    const document = isFirst || documentIsOld ? checked(DOCUMENT, (await kv.get(DOCUMENT)) ?? "{}") : this.#document;
    const servers = isFirst || serversAreOld ? await readServers(kv) : this.#servers;
    // All of it, or nothing.
    this.#text = merged(this.#fixed, document ?? {}, servers);
    [this.#document, this.#servers] = [document, servers];
    if (isFirst) [this.#documentAt, this.#serversAt] = [now, now];
  }
}

/** The entries `server:{id}`. One that is no good is left out: it costs one upstream. */
async function readServers(kv: Kv): Promise<Json> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page: Page = await kv.list(cursor === undefined ? { prefix: SERVER } : { prefix: SERVER, cursor });
    keys.push(...page.keys.map(({ name }) => name));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined);
  const servers: Json = {};
  for (let first = 0; first < keys.length; first += KEYS_A_READ) {
    for (const [key, text] of await kv.get(keys.slice(first, first + KEYS_A_READ))) {
      // Deleted since it was listed.
      if (text === null) continue;
      try {
        servers[key.slice(SERVER.length)] = checked(key, text);
      } catch (error) {
        report(error);
      }
    }
  }
  return servers;
}

/** The parts of `document` take the place of those of `fixed`; `servers` go into the `mcpServers` of the result. */
function merged(fixed: string | undefined, document: Json, servers: Json): string {
  const whole: Json = { ...(JSON.parse(fixed ?? "{}") as Json), ...document };
  const all: [string, unknown][] = Object.entries({ ...(whole["mcpServers"] as Json | undefined), ...servers });
  whole["mcpServers"] = Object.fromEntries(all.map(([name, server]) => [name, withoutId(name, server)]));
  // Hatago's number of its layout.
  delete whole["version"];
  return JSON.stringify(whole);
}

/** Hatago repeats the name inside. */
function withoutId(name: string, server: unknown): unknown {
  if (typeof server !== "object" || server === null || (server as Json)["id"] !== name) return server;
  const { id: _, ...rest } = server as Json;
  return rest;
}

/** An object out of the namespace that does not reach for the gateway's own secrets. */
function checked(key: string, text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`KV: ${key}: is not JSON (${(error as Error).message}). Fix: write JSON without comments`);
  }
  if (!isObject(value)) throw new Error(`KV: ${key}: is not a JSON object. Fix: write { … }`);
  if (value["mcpServers"] !== undefined && !isObject(value["mcpServers"])) {
    throw new Error(`KV: ${key}: mcpServers: is not an object. Fix: write { "name": { "url": … } }`);
  }
  for (const name of references(value)) {
    if (isReserved(name)) throw new Error(`KV: ${key}: \`\${${name}}\` is a name of the gateway's own. Fix: use another`);
  }
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function report(error: unknown): void {
  console.error(`settings: ${error instanceof Error ? error.message : error}`);
}
