// Bodies on their way between the platform and components.

import type { GuestStream } from "./component.ts";

/** Bytes asked of a component's stream at once. */
const CHUNK = 64 * 1024;

/** What jco takes as a `stream<u8>` of the host: chunks. */
type Chunks = AsyncIterable<Uint8Array>;

/** A body of a component, to be read by another component. jco's own stream object only works inside the module it comes
 * from (its tables are not those of the other one), and read by iteration it gives byte after byte. */
export function relayed(body: unknown): unknown {
  if (!isGuestStream(body)) return body;
  return {
    read: (options: { count: number }) => body.read(options),
    [Symbol.dispose]: () => body[Symbol.dispose](),
    [Symbol.asyncIterator]: () => ({
      next: () => body.read({ count: CHUNK }),
      async return() {
        body[Symbol.dispose]();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** A body of the platform, to be read by a component. A ReadableStream's own iterator queues `return()` behind a `next()`
 * that waits, so a silent connection would never be closed. */
export function incoming(body: ReadableStream<Uint8Array> | null): Chunks {
  if (!body) return { async *[Symbol.asyncIterator]() {} };
  return {
    [Symbol.asyncIterator]: () => {
      const reader = body.getReader();
      return {
        next: () => reader.read() as Promise<IteratorResult<Uint8Array>>,
        async return() {
          await reader.cancel().catch(() => {});
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** How a body ended. */
export type End = "complete" | "aborted" | "failed";

/** A body of a component, to be read by the platform. `broken` rejects when the component will never go on, since its stream
 * alone does not say so. `hungUp` aborts when nobody reads any more: the platform itself finds out with the next write only.
 * `ended` is called once. */
export function outgoing(
  body: unknown,
  broken: Promise<never>,
  hungUp: AbortSignal | null,
  ended: (end: End) => void,
): ReadableStream<Uint8Array> {
  const source = sourceOf(body);
  let isOver = false;
  const over = (end: End) => {
    if (isOver) return;
    isOver = true;
    hungUp?.removeEventListener("abort", leave);
    if (end === "aborted") source.close();
    ended(end);
  };
  const leave = () => over("aborted");
  hungUp?.addEventListener("abort", leave);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const piece = await Promise.race([source.read(), broken]);
            const chunk = toBytes(piece.value);
            if (chunk.length > 0) controller.enqueue(chunk);
            if (piece.done) {
              controller.close();
              over("complete");
            }
            if (piece.done || chunk.length > 0) return;
          }
        } catch (error) {
          over("failed");
          controller.error(error);
        }
      },
      cancel: leave,
    },
    // Nothing is read ahead of the one who wants it.
    { highWaterMark: 0 },
  );
}

type Piece = { value?: unknown; done?: boolean | undefined };

interface Source {
  read(): Promise<Piece>;
  close(): void;
}

function sourceOf(body: unknown): Source {
  if (isGuestStream(body)) {
    return { read: () => body.read({ count: CHUNK }) as Promise<Piece>, close: () => body[Symbol.dispose]() };
  }
  const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  return { read: () => iterator.next(), close: () => void iterator.return?.() };
}

function toBytes(value: unknown): Uint8Array {
  if (value === undefined || value === null) return new Uint8Array();
  if (value instanceof Uint8Array) return value;
  return Uint8Array.from(typeof value === "number" ? [value] : (value as Iterable<number>));
}

function isGuestStream(body: unknown): body is GuestStream<unknown> {
  return typeof (body as GuestStream<unknown> | undefined)?.read === "function";
}
