// wasi:http 0.3.0: the resource classes are the shim's, mended where components pass them on to each other; `send` is fetch.

import { types } from "@bytecodealliance/preview3-shim/http";
import { incoming, outgoing, relayed, type End } from "./bodies.ts";
import { OK, type Imports, type Interface, type Result } from "./component.ts";
import { fromFields, toFields, type Field } from "./headers.ts";

const { Fields, Request: WasiRequest, Response: WasiResponse } = types;
type WasiRequest = InstanceType<typeof WasiRequest>;
type WasiResponse = InstanceType<typeof WasiResponse>;

/** The variant `error-code`. */
type ErrorCode = { tag: string; val?: unknown };

/** A body, trailers, or options, as the shim declares them: what it does with them is to keep them. */
type Any = any;

const NO_TRAILERS: Promise<Result<undefined, never>> = Promise.resolve(OK);

/** Statuses that have no body (fetch standard). */
const NO_BODY = new Set([101, 204, 205, 304]);

/** Who waits to hear how the transmission of a response ended. The shim says "well" before it has begun. */
const transmissions = new WeakMap<object, (result: unknown) => void>();

mend();

/** Once for all instances: the shim's classes are shared. */
function mend(): void {
  const newRequest = WasiRequest.new;
  WasiRequest.new = (headers: Any, contents: Any, trailers: Any, options: Any) =>
    newRequest.call(WasiRequest, headers, relayed(contents) as Any, trailers, options);
  const newResponse = WasiResponse.new;
  WasiResponse.new = (headers: Any, contents: Any, trailers: Any) => {
    const [response] = newResponse.call(WasiResponse, headers, relayed(contents) as Any, trailers);
    return [response, new Promise<Any>((resolve) => transmissions.set(response, resolve))];
  };
  const consumeResponse = WasiResponse.consumeBody;
  WasiResponse.consumeBody = (response: Any, result: Any) => {
    // The reader's verdict goes to the writer.
    const tell = transmissions.get(response);
    if (tell) Promise.resolve(result).then(tell, () => tell(OK));
    return consumeResponse.call(WasiResponse, response, Promise.resolve(OK));
  };
}

/** The imports `wasi:http/types` and `wasi:http/client`. */
export function http(): Imports {
  return { "wasi:http/types": types, "wasi:http/client": { send } };
}

/** Send a request. A redirect is an answer like any other. */
async function send(request: WasiRequest): Promise<WasiResponse> {
  const url = urlOf(request);
  const method = methodName(request.getMethod());
  const headers = fromFields(request.getHeaders().copyAll() as Field[]);
  const deadline = new Deadline(request.getOptions());
  const body = method === "GET" || method === "HEAD" ? null : sized(request._body(), headers);
  try {
    const init: RequestInit = { method, headers, body, redirect: "manual", signal: deadline.signal };
    const response = await fetch(url, init);
    request._resolve(OK as Any);
    const fields = Fields.fromList(toFields(response.headers, true));
    const [answer] = WasiResponse.new(fields as Any, incoming(response.body) as Any, NO_TRAILERS as Any);
    answer.setStatusCode(response.status);
    return answer;
  } catch (error) {
    // workerd has one text for a refused and for a broken connection, so nobody may conclude that nothing was sent.
    const text = error instanceof Error ? error.message : String(error);
    const code: ErrorCode = deadline.signal.aborted ? { tag: "HTTP-response-timeout" } : { tag: "internal-error", val: text };
    request._resolve({ tag: "err", val: code } as Any);
    throw code;
  } finally {
    deadline.clear();
  }
}

/** The time until the head of a response must be there. The platform does not tell connecting from waiting. */
class Deadline {
  #controller = new AbortController();
  #timer: number | null = null;

  constructor(options: Any) {
    const connect: bigint | undefined = options?.getConnectTimeout();
    const firstByte: bigint | undefined = options?.getFirstByteTimeout();
    if (firstByte === undefined) return;
    const milliseconds = Number(((connect ?? 0n) + firstByte) / 1_000_000n);
    this.#timer = setTimeout(() => this.#controller.abort(), milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

function urlOf(request: WasiRequest): URL {
  const scheme = request.getScheme();
  const protocol = scheme?.tag === "HTTP" ? "http" : scheme?.tag === "other" ? scheme.val : "https";
  try {
    return new URL(`${protocol}://${request.getAuthority() ?? ""}${request.getPathWithQuery() ?? "/"}`);
  } catch {
    throw { tag: "HTTP-request-URI-invalid" } satisfies ErrorCode;
  }
}

/** A body whose length is known goes out with it: some servers refuse chunked coding. */
function sized(body: unknown, headers: Headers): ReadableStream<Uint8Array> | null {
  if (body === undefined) return null;
  const stream = outgoing(body, new Promise(() => {}), null, () => {});
  const length = headers.get("content-length");
  if (length === null || !/^\d{1,15}$/.test(length)) return stream;
  const fixed = new FixedLengthStream(Number(length));
  stream.pipeTo(fixed.writable).catch(() => {});
  return fixed.readable;
}

/** Hand a request to the component that exports `wasi:http/handler`. `broken` rejects if it traps; `ended` is called when its
 * answer is over. */
export async function handle(
  handler: Interface,
  request: Request,
  broken: Promise<never>,
  ended: (end: End) => void,
): Promise<Response> {
  const url = new URL(request.url);
  const fields = Fields.fromList(toFields(request.headers, false));
  const [incomingRequest] = WasiRequest.new(
    fields as Any,
    incoming(request.body) as Any,
    NO_TRAILERS as Any,
    undefined,
  );
  incomingRequest.setMethod(methodOf(request.method) as Any);
  incomingRequest.setPathWithQuery(url.pathname + url.search);
  incomingRequest.setScheme({ tag: url.protocol === "https:" ? "HTTPS" : "HTTP" });
  incomingRequest.setAuthority(url.host);
  const run = handler["handle"] as unknown as (request: WasiRequest) => Promise<WasiResponse>;
  const response = await Promise.race([run(incomingRequest), broken]);

  let tell: (result: unknown) => void = () => {};
  const verdict = new Promise<Any>((resolve) => (tell = resolve));
  const [contents] = WasiResponse.consumeBody(response, verdict);
  const status = response.getStatusCode();
  const body = outgoing(contents, broken, request.signal, (end) => {
    tell(end === "complete" ? OK : { tag: "err", val: { tag: "connection-terminated" } });
    ended(end);
  });
  const headers = fromFields(response.getHeaders().copyAll() as Field[]);
  if (!NO_BODY.has(status)) return new Response(body, { status, headers });
  // Read to its end all the same: the writer waits for it.
  await body.pipeTo(new WritableStream());
  return new Response(null, { status, headers });
}

const METHODS = new Set(["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"]);

function methodOf(name: string): { tag: string; val?: string } {
  const tag = name.toLowerCase();
  return METHODS.has(tag) ? { tag } : { tag: "other", val: name };
}

function methodName(method: { tag: string; val?: string }): string {
  return method.tag === "other" ? (method.val ?? "") : method.tag.toUpperCase();
}
