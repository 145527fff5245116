// The configuration of a workerd that runs the Worker (workerd.capnp describes the language).

import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** The Workers runtime's behaviour as of this day; also in wrangler.jsonc. */
export const COMPATIBILITY_DATE = "2026-11-01";

/** `request.signal` aborts when the client hangs up; also in wrangler.jsonc. */
export const COMPATIBILITY_FLAGS = ["enable_request_signal"];

/** What a configuration depends on. */
export interface Place {
  /** Folder that the configuration is written to. */
  folder: string;
  /** Folder with the built Worker. */
  dist: string;
  /** Folder for the databases of the Durable Objects. */
  data: string;
  /** `HOST:PORT` to listen on. */
  listen: string;
  /** Environment variables of workerd that become bindings of the same name. */
  bindings: string[];
}

/** The text of a configuration. Values of bindings are not in it, since they may be secret. */
export async function workerdConfig(place: Place): Promise<string> {
  const files = (await readdir(place.dist)).sort((a, b) => Number(b === "worker.js") - Number(a === "worker.js"));
  const modules = files
    .filter((file) => file.endsWith(".js") || file.endsWith(".wasm"))
    .map((file) => {
      const kind = file.endsWith(".js") ? "esModule" : "wasm";
      // Absolute paths mean something else to capnp.
      const path = relative(place.folder, join(place.dist, file));
      return `(name = ${text(file)}, ${kind} = embed ${text(path)})`;
    });
  const bindings = [
    '(name = "STATE", durableObjectNamespace = "Shard")',
    '(name = "STANDALONE", text = "yes")',
    ...place.bindings.map((name) => `(name = ${text(name)}, fromEnvironment = ${text(name)})`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "gateway", worker = .gateway),
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustBrowserCas = true),
    )),
    (name = "data", disk = (path = ${text(place.data)}, writable = true)),
  ],
  sockets = [(name = "http", address = ${text(place.listen)}, http = (), service = "gateway")],
);
const gateway :Workerd.Worker = (
  compatibilityDate = ${text(COMPATIBILITY_DATE)},
  compatibilityFlags = [${COMPATIBILITY_FLAGS.map(text).join(", ")}],
  modules = [
    ${modules.join(",\n    ")},
  ],
  durableObjectNamespaces = [(className = "Shard", uniqueKey = "mcp-edge-shard", enableSql = true)],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
    ${bindings.join(",\n    ")},
  ],
);
`;
}

/** A string of the language; JSON's escapes are understood. */
function text(value: string): string {
  return JSON.stringify(value);
}
