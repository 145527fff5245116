// Names of values of wasi:config, and of the bindings of the Worker that hold them.

/** Keys of the gateway: name in wasi:config. */
const KEYS = ["token_key", "token_key_previous", "user_key", "cookie_key", "cookie_key_previous"];

/** What else components ask for by a name of its own. */
const OWN = ["settings", "client_address_header", "public_only_header"];

/** Bindings that are the Worker's own. */
const BINDINGS = ["STATE", "STANDALONE", "CONFIG_KV"];

/** The binding that holds a value of wasi:config. */
export function bindingOf(name: string): string {
  return KEYS.includes(name) ? `MCP_EDGE_${name.toUpperCase()}` : name.toUpperCase();
}

/** Whether this is a value of the gateway's own, and not what a `${NAME}` stands for. */
export function isOwn(name: string): boolean {
  return KEYS.includes(name) || OWN.includes(name);
}

/** Whether a `${NAME}` would get at something of the gateway's own. */
export function isReserved(reference: string): boolean {
  const binding = reference.toUpperCase();
  return isOwn(reference.toLowerCase()) || BINDINGS.includes(binding) || KEYS.some((key) => binding === bindingOf(key));
}

/** The names behind every `${` of the value's strings, whatever follows them. */
export function references(value: unknown): string[] {
  if (typeof value === "string") return [...value.matchAll(/\$\{([A-Za-z0-9_]+)/g)].map((match) => String(match[1]));
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(references);
  return [];
}
