// The four components: where their functions wait although their types say that they do not.

/** Name of a component, which is also that of its file. */
export type Name = "router" | "oauth" | "session" | "connector";

/** Interfaces whose functions are not `async` in WIT and wait all the same on this host, in the form that jco wants. */
const STORE = [
  "wasi:keyvalue/store@0.2.0-draft2#[method]bucket.get",
  "wasi:keyvalue/store@0.2.0-draft2#[method]bucket.set",
  "wasi:keyvalue/store@0.2.0-draft2#[method]bucket.delete",
  "wasi:keyvalue/store@0.2.0-draft2#[method]bucket.exists",
  "wasi:keyvalue/store@0.2.0-draft2#[method]bucket.list-keys",
  "wasi:keyvalue/atomics@0.2.0-draft2#increment",
];
const TOKENS = ["validate", "list-grants", "revoke-grant", "delete-user"].map(ofTokens);
const LIST = ["mcp-edge:upstreams/upstreams@0.1.0#list"];

/** What a component's functions wait for, and which of its functions are waited for. */
export interface Waits {
  asyncImports: string[];
  asyncExports: string[];
}

/** A component that only has `wasi:http/handler` and WASI. */
export const SINGLE: Waits = { asyncImports: STORE, asyncExports: [] };

export const COMPONENTS: Record<Name, Waits> = {
  router: { asyncImports: [...STORE, ...TOKENS], asyncExports: [] },
  oauth: { asyncImports: STORE, asyncExports: [...TOKENS, ofTokens("sweep")] },
  session: { asyncImports: [...STORE, ...LIST], asyncExports: [] },
  connector: { asyncImports: STORE, asyncExports: LIST },
};

function ofTokens(name: string): string {
  return `mcp-edge:oauth/tokens@0.1.0#${name}`;
}
