// wasi:config/store 0.2.0-draft-2024-09-27 over the Worker's bindings.

import type { Imports } from "./component.ts";
import { CLIENT_ADDRESS } from "./client-address.ts";

/** The bindings that hold settings and secrets. */
export interface ConfigEnv {
  /** The settings document: JSON text with `publicUrl` and `identity`. */
  SETTINGS?: string;
  /** Secret of at least 32 bytes. */
  MCP_EDGE_TOKEN_KEY?: string;
  /** What each `${NAME}` of the settings stands for, under its name. */
  [reference: string]: unknown;
}

/** Names that are not those of references, and where they are. */
const OWN: Record<string, (env: ConfigEnv) => unknown> = {
  settings: (env) => env.SETTINGS,
  token_key: (env) => env.MCP_EDGE_TOKEN_KEY,
  token_key_previous: (env) => env["MCP_EDGE_TOKEN_KEY_PREVIOUS"],
  user_key: (env) => env["MCP_EDGE_USER_KEY"],
  cookie_key: (env) => env["MCP_EDGE_COOKIE_KEY"],
  cookie_key_previous: (env) => env["MCP_EDGE_COOKIE_KEY_PREVIOUS"],
  client_address_header: () => CLIENT_ADDRESS,
};

export function config(env: ConfigEnv): Imports {
  const value = (name: string): string | undefined => {
    const found = OWN[name] ? OWN[name](env) : env[name.toUpperCase()];
    return typeof found === "string" ? found : undefined;
  };
  return {
    "wasi:config/store": {
      get: value,
      /** Everything that is no secret; the Worker's bindings do not say which reference is one. */
      getAll: (): [string, string][] =>
        ["settings", "client_address_header"].flatMap((name) => {
          const found = value(name);
          return found === undefined ? [] : [[name, found] satisfies [string, string]];
        }),
    },
  };
}
