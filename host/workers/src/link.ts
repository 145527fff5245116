// The four components linked to each other: router to oauth and session, session to connector. An instance serves one request
// and is made when it is first called, so a request pays for the components it uses only.

import { instantiate as newConnector } from "component:connector";
import { instantiate as newOauth } from "component:oauth";
import { instantiate as newRouter } from "component:router";
import { instantiate as newSession } from "component:session";
import { exported, type Exports, type GuestStream, type Imports, type Interface } from "./component.ts";

const TOKENS = ["validate", "listGrants", "revokeGrant", "deleteUser", "refresh", "sweep"];
const UPSTREAMS = "mcp-edge:upstreams/upstreams";

/** A fresh router with everything behind it; gives its `wasi:http/handler`. */
export async function link(base: Imports): Promise<Interface> {
  const connector = once(() => newConnector(base));
  const session = once(() => newSession({ ...base, [UPSTREAMS]: upstreams(connector) }));
  const oauth = once(() => newOauth(base));
  const router = await newRouter({
    ...base,
    "mcp-edge:oauth/tokens": forward(oauth, "mcp-edge:oauth/tokens", TOKENS),
    "mcp-edge:oauth/endpoints": forward(oauth, "mcp-edge:oauth/endpoints", ["handle"]),
    "mcp-edge:session/endpoint": forward(session, "mcp-edge:session/endpoint", ["handle"]),
  });
  return exported(router, "wasi:http/handler");
}

/** A fresh `oauth` alone; gives its `mcp-edge:oauth/tokens`. */
export async function tokens(base: Imports): Promise<Interface> {
  return exported(await newOauth(base), "mcp-edge:oauth/tokens");
}

/** Made at the first call, and one for all. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined;
  let made: T | undefined;
  // The promise belongs to the request that it was made in, what it gives to all.
  return async () => (made ??= await (making ??= make()));
}

type Call = (...args: unknown[]) => unknown;

/** Functions that call those of a component. */
function forward(component: () => Promise<Exports>, name: string, functions: string[]): Record<string, Call> {
  const call = (name_: string) => async (...args: unknown[]) => {
    const made = exported(await component(), name)[name_] as unknown as Call | undefined;
    if (!made) throw new Error(`the component does not export ${name}#${name_}: build the components again`);
    return await made(...args);
  };
  return Object.fromEntries(functions.map((name_) => [name_, call(name_)]));
}

/** `upstreams` needs help where handles cross over: jco's stream and future objects only work inside the module they come
 * from. */
function upstreams(connector: () => Promise<Exports>): Record<string, Call> {
  const functions = forward(connector, UPSTREAMS, ["list", "status", "exchange", "listen", "close"]);
  return {
    ...functions,
    async exchange(call, caller, abandoned) {
      // A real promise reads the future at once. Else a callee that never reads it leaves the caller's task waiting for ever.
      const reply = (await functions["exchange"]?.(call, caller, Promise.resolve(abandoned))) as Reply;
      return reply.tag === "messages" ? { tag: "messages", val: events(reply.val as GuestStream<unknown>) } : reply;
    },
    async listen(interest, caller, abandoned) {
      const stream = await functions["listen"]?.(interest, caller, Promise.resolve(abandoned));
      return stream ? events(stream as GuestStream<unknown>) : undefined;
    },
  };
}

/** The variant `reply`. */
type Reply = { tag: string; val?: unknown };

/** A stream of another module, one item at a time. */
function events(stream: GuestStream<unknown>): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => stream.read({ count: 1 }) as Promise<IteratorResult<unknown>>,
      async return() {
        stream[Symbol.dispose]();
        return { done: true, value: undefined };
      },
    }),
  };
}
