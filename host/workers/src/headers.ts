// Headers of WASI (bytes, any name) and of the platform (text, no hop-by-hop names).

/** What only concerns one connection (RFC 9110 section 7.6.1), and `host`, which the platform makes of the URL. WASI forbids
 * components these names as well. */
const HOP_BY_HOP = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A header as WASI has it. */
export type Field = [string, Uint8Array];

/** For a component. `fetched` is true for a response of `fetch`, whose body has been decompressed: the headers that described
 * it before are left out. */
export function toFields(headers: Headers, fetched: boolean): Field[] {
  const encoded = fetched && headers.has("content-encoding");
  const fields: Field[] = [];
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || name === "set-cookie") continue;
    if (encoded && (name === "content-encoding" || name === "content-length")) continue;
    fields.push([name, bytes(value)]);
  }
  for (const cookie of headers.getSetCookie()) fields.push(["set-cookie", bytes(cookie)]);
  return fields;
}

/** For the platform. */
export function fromFields(fields: Field[]): Headers {
  const headers = new Headers();
  for (const [name, value] of fields) {
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, text(value));
  }
  return headers;
}

/** The platform's header values are one character for each byte. */
function text(value: Uint8Array): string {
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return text;
}

function bytes(value: string): Uint8Array {
  return Uint8Array.from(value, (character) => character.charCodeAt(0));
}
