// wasi:config/store 0.2.0-draft-2024-09-27 over the settings and the Worker's bindings.

import type { Imports } from "./component.ts";
import { CLIENT_ADDRESS } from "./client-address.ts";
import { bindingOf, isOwn, isReserved } from "./names.ts";

/** The bindings that hold keys, and what each `${NAME}` of the settings stands for, under its name. */
export type ConfigEnv = Record<string, unknown>;

/** `settings` gives the text of the document as it is now. */
export function config(env: ConfigEnv, settings: () => string | undefined): Imports {
  const value = (name: string): string | undefined => {
    if (name === "settings") return settings();
    if (name === "client_address_header") return CLIENT_ADDRESS;
    // Whatever a document says, a key is not to be had under the name of its binding.
    if (!isOwn(name) && isReserved(name)) return undefined;
    const found = env[bindingOf(name)];
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
