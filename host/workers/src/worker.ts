// The Worker: a request has a set of linked instances for itself, and leaves it to a later one.

import { clientAddress, CLIENT_ADDRESS } from "./client-address.ts";
import type { Imports, Interface } from "./component.ts";
import { config, type ConfigEnv } from "./config.ts";
import { handle, http } from "./http.ts";
import { keyvalue, type Store } from "./keyvalue.ts";
import { link, tokens } from "./link.ts";
import { Pool } from "./pool.ts";
import { Scheduler } from "./scheduler.ts";
import { Settings, type Kv } from "./settings.ts";
import { Shard as StateShard, type ShardEnv } from "./shard.ts";
import { wasi } from "./wasi.ts";

/** How long a request may go on after its answer, in milliseconds: an upstream is told that nobody waits any more. The
 * platform allows 30 s. */
const AFTERMATH = 20_000;

interface Env extends ShardEnv, ConfigEnv {
  /** The settings document: JSON text. With `CONFIG_KV` it may have what that has not, or be missing. */
  SETTINGS?: string;
  /** KV namespace with settings; read only. */
  CONFIG_KV?: Kv;
  /** `"yes"` where no Cloudflare is in front: its headers are then a client's word. */
  STANDALONE?: string;
}

/** The bindings are the same for all requests of an isolate. */
let pool: Pool<Gateway> | undefined;
let known: Settings | undefined;

/** Linked instances, and what lets their tasks run. */
interface Gateway {
  router: Interface;
  scheduler: Scheduler;
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    pool ??= new Pool(() => make(env));
    try {
      await settings(env).refresh((work) => ctx.waitUntil(work));
      const [gateway, giveBack] = await pool.take();
      const { router, scheduler } = gateway;
      const over = Promise.withResolvers<void>();
      const response = await handle(router, withClientAddress(request, env), scheduler.begin(), () => over.resolve());
      ctx.waitUntil(
        over.promise.then(() => quiet(scheduler)).then((isQuiet) => {
          if (!isQuiet || scheduler.isBroken) return;
          scheduler.end();
          giveBack();
        }),
      );
      return response;
    } catch (error) {
      return failure(error);
    }
  },
};

/** State, and the alarm by which `oauth` forgets what has ended. */
export class Shard extends StateShard<Env> {
  protected override async sweep(position: bigint): Promise<bigint | undefined> {
    await settings(this.env).refresh((work) => this.ctx.waitUntil(work));
    const step = (await tokens(imports(this.env, new Scheduler())))["sweep"] as unknown as Step;
    return await step(position);
  }
}

/** `sweep` of mcp-edge:oauth/tokens. */
type Step = (position: bigint) => Promise<bigint | undefined>;

function settings(env: Env): Settings {
  return (known ??= new Settings(env.SETTINGS, env.CONFIG_KV, Date.now));
}

async function make(env: Env): Promise<Gateway> {
  const scheduler = new Scheduler();
  return { router: await link(imports(env, scheduler)), scheduler };
}

/** What the components import, except from each other. */
function imports(env: Env, scheduler: Scheduler): Imports {
  const objects = (name: string) => env.STATE.get(env.STATE.idFromName(name)) as unknown as Store;
  return {
    ...wasi(),
    ...http(),
    ...config(env, () => settings(env).text),
    ...keyvalue(objects, scheduler),
    "mcp-edge:workers/scheduler": scheduler,
  };
}

/** Wait until nothing is left to do; false if that took too long. */
async function quiet(scheduler: Scheduler): Promise<boolean> {
  let timer = 0;
  const enough = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, AFTERMATH, false)));
  const result = await Promise.race([scheduler.idle().then(() => true), enough]);
  clearTimeout(timer);
  return result;
}

function withClientAddress(request: Request, env: Env): Request {
  const headers = new Headers(request.headers);
  headers.delete(CLIENT_ADDRESS);
  const address = clientAddress(request, env.STANDALONE !== "yes");
  if (address !== undefined) headers.set(CLIENT_ADDRESS, address);
  return new Request(request, { headers, signal: request.signal });
}

/** The answer where the router gives none: it trapped, or the Worker is not set up. Only the log says why. */
function failure(error: unknown): Response {
  console.error(`request failed: ${error instanceof Error ? error.stack : JSON.stringify(error)}`);
  const body = JSON.stringify({ error: "internal", message: "the gateway failed: try again" });
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(body, { status: 500, headers });
}
