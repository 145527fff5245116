import assert from "node:assert/strict";
import { test } from "node:test";
import { incoming, outgoing, relayed, type End } from "../src/bodies.ts";
import { fromFields, toFields } from "../src/headers.ts";

const NEVER = new Promise<never>(() => {});

/** A component's stream of these chunks; without an end it waits for ever. */
function guestStream(chunks: (Uint8Array | number)[], hasEnd = true) {
  const stream = {
    dropped: 0,
    read: (_: { count: number }): Promise<{ value?: unknown; done: boolean }> => {
      const value = chunks.shift();
      if (value !== undefined) return Promise.resolve({ value, done: false });
      return hasEnd ? Promise.resolve({ done: true }) : NEVER;
    },
    [Symbol.dispose]() {
      stream.dropped += 1;
    },
  };
  return stream;
}

async function text(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

test("a component's body is read to its end", async () => {
  const ends: End[] = [];
  const chunks = [new TextEncoder().encode("ab"), new Uint8Array(), 99];
  assert.equal(await text(outgoing(guestStream(chunks), NEVER, null, (end) => ends.push(end))), "abc");
  assert.deepEqual(ends, ["complete"]);
});

test("nothing is read before somebody wants it", async () => {
  const chunks = [new Uint8Array(1), new Uint8Array(1)];
  const reader = outgoing(guestStream(chunks), NEVER, null, () => {}).getReader();
  assert.equal(chunks.length, 2);
  await reader.read();
  assert.equal(chunks.length, 1);
});

test("a reader that leaves drops the component's stream", async () => {
  const ends: End[] = [];
  const stream = guestStream([new Uint8Array(1)], false);
  const body = outgoing(stream, NEVER, null, (end) => ends.push(end));
  await body.cancel();
  assert.deepEqual([stream.dropped, ends], [1, ["aborted"]]);
});

test("a client that hangs up drops the component's stream although nothing is written", async () => {
  const ends: End[] = [];
  const stream = guestStream([], false);
  const connection = new AbortController();
  const body = outgoing(stream, NEVER, connection.signal, (end) => ends.push(end));
  void body.getReader().read().catch(() => {});
  connection.abort();
  connection.abort();
  assert.deepEqual([stream.dropped, ends], [1, ["aborted"]]);
});

test("a trap breaks the body off", async () => {
  const ends: End[] = [];
  const { promise, reject } = Promise.withResolvers<never>();
  const reading = text(outgoing(guestStream([], false), promise, null, (end) => ends.push(end)));
  reject(new Error("trap"));
  await assert.rejects(reading);
  assert.deepEqual(ends, ["failed"]);
});

test("a body of the platform is cancelled at once when the component drops it", async () => {
  let cancelled = false;
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
  const iterator = incoming(silent)[Symbol.asyncIterator]();
  void iterator.next();
  await iterator.return?.();
  assert.ok(cancelled);
});

test("a body goes from component to component in chunks", async () => {
  const chunk = new Uint8Array(3);
  const body = relayed(guestStream([chunk])) as AsyncIterable<Uint8Array>;
  const chunks: Uint8Array[] = [];
  for await (const piece of body) chunks.push(piece);
  assert.deepEqual(chunks, [chunk]);
});

test("headers keep their bytes and repeats, and lose what concerns one connection only", () => {
  const headers = fromFields([
    ["set-cookie", Uint8Array.of(97)],
    ["set-cookie", Uint8Array.of(98)],
    ["x-name", Uint8Array.of(0xe9)],
    ["connection", Uint8Array.of(97)],
  ]);
  assert.deepEqual(toFields(headers, false), [
    ["x-name", Uint8Array.of(0xe9)],
    ["set-cookie", Uint8Array.of(97)],
    ["set-cookie", Uint8Array.of(98)],
  ]);
});

test("a fetched body is not described by the headers of its compressed form", () => {
  const headers = new Headers({ "content-encoding": "gzip", "content-length": "5", "content-type": "text/plain" });
  assert.deepEqual(toFields(headers, true).map(([name]) => name), ["content-type"]);
  assert.equal(toFields(headers, false).length, 3);
});
