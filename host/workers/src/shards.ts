// Which Durable Object keeps which key. The same key always goes to the same object, so `increment` is atomic everywhere.

/** Objects for the keys of one kind that belong to no user. One object takes some hundred requests a second; a number that
 * changes moves keys to other objects, which then do not find them: never change it. */
const SPREAD = 64;

/** Keys with this prefix are counters whose loss is harmless: their object keeps them in memory only. */
export const VOLATILE = "limit:";

/** Name of the object that knows the names of all others. */
export const DIRECTORY = "directory";

/** Name of the object that keeps a key: one for each user (`user:{hash}:…`), the rest spread by their hash. */
export function shardOf(key: string): string {
  const user = /^user:([^:]+):/.exec(key);
  if (user) return `user:${user[1]}`;
  const kind = /^([a-z0-9-]{1,32}):/.exec(key)?.[1] ?? "other";
  return `${kind}/${hash(key) % SPREAD}`;
}

/** FNV-1a over the key's UTF-16 units: spreads well, and is nothing to rely on otherwise. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
