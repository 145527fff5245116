// Counters in memory, bounded by forgetting the oldest.

import { add } from "./records.ts";

/** Counters in one generation: two full ones are some 5 MB. */
const GENERATION = 16_384;

/** Two generations: what is touched moves into the young one; when that is full it becomes the old one, and what nobody
 * touched since the last time is gone. */
export class Counters {
  #young = new Map<string, Uint8Array>();
  #old = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | null {
    return this.#young.get(key) ?? this.#old.get(key) ?? null;
  }

  set(key: string, value: Uint8Array): void {
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  increment(key: string, delta: bigint): bigint {
    const value = add(this.get(key), delta);
    this.set(key, new TextEncoder().encode(String(value)));
    return value;
  }
}
