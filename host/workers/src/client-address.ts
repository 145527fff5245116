// Who is asking, by IP address.

/** The header in which the router finds the client's address. A client's own is always replaced. */
export const CLIENT_ADDRESS = "mcp-edge-client-address";

/** The address of a request's sender, if it is known. Behind Cloudflare it is what Cloudflare says, which a client cannot
 * forge; a workerd of one's own knows its peer, and whatever the headers say is the client's word. */
export function clientAddress(request: Request, behindCloudflare: boolean): string | undefined {
  if (behindCloudflare) return request.headers.get("cf-connecting-ip") ?? undefined;
  const peer = (request.cf as { clientIp?: unknown } | undefined)?.clientIp;
  return typeof peer === "string" ? withoutPort(peer) : undefined;
}

/** `192.0.2.7:1234` and `[2001:db8::1]:1234` without the port. */
export function withoutPort(peer: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(peer)?.[1] ?? /^([^:]+):\d+$/.exec(peer)?.[1] ?? peer;
}
