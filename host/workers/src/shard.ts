// A Durable Object with some of the keys. Workers call its methods by RPC; a write is on disk before its answer leaves.

import { DurableObject } from "cloudflare:workers";
import { Counters } from "./counters.ts";
import { Records, Refused } from "./records.ts";
import { DIRECTORY, VOLATILE } from "./shards.ts";

/** How often an object looks for garbage, in milliseconds. */
const SWEEP_EVERY = 24 * 3600 * 1000;

/** Between two steps of the components' sweep, in milliseconds. A step is an alarm of its own, so that none meets the platform's
 * limits of time and of calls. */
const STEP_EVERY = 1000;

/** Where the directory keeps how far the components' sweep has come. */
const POSITION = "position";

/** An answer, or why there is none: one of the texts that every host of mcp-edge gives. Not an exception, since those lose
 * their class on the way and are logged as failures of the object. */
export type Answer<T> = { ok: T } | { refused: string };

/** The bindings an object needs. */
export interface ShardEnv {
  STATE: DurableObjectNamespace<Shard>;
}

export class Shard<Env extends ShardEnv = ShardEnv> extends DurableObject<Env> {
  #records: Records;
  #counters = new Counters();
  /** Whether the directory knows this object. */
  #known: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#records = new Records(ctx.storage.sql, () => Date.now() / 1000);
    this.#known = !this.#records.isEmpty();
  }

  get(key: string): Uint8Array | null {
    return this.#of(key).get(key);
  }

  exists(key: string): boolean {
    return this.#of(key).get(key) !== null;
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    await this.#enroll(key);
    this.#of(key).set(key, value);
  }

  delete(key: string): void {
    this.#of(key).delete(key);
  }

  async increment(key: string, delta: bigint): Promise<Answer<bigint>> {
    await this.#enroll(key);
    try {
      return { ok: this.#of(key).increment(key, delta) };
    } catch (error) {
      if (error instanceof Refused) return { refused: error.message };
      throw error;
    }
  }

  /** Up to `limit` keys after this one, in ascending order; volatile ones are not listed. */
  keys(after: string, limit: number): string[] {
    return this.#records.keys(after, limit);
  }

  /** Look for garbage; an object that is empty gives up its database. */
  override async alarm(): Promise<void> {
    this.#records.sweep();
    const name = this.ctx.id.name;
    const goesOn = name === DIRECTORY && (await this.#step());
    if (goesOn || !this.#records.isEmpty() || name === undefined) {
      await this.ctx.storage.setAlarm(Date.now() + (goesOn ? STEP_EVERY : SWEEP_EVERY));
      return;
    }
    await this.#directory().delete(name);
    await this.ctx.blockConcurrencyWhile(async () => {
      // A request may have written while the directory was asked.
      if (!this.#records.isEmpty()) {
        await this.#directory().set(name, new Uint8Array());
        await this.ctx.storage.setAlarm(Date.now() + SWEEP_EVERY);
        return;
      }
      await this.ctx.storage.deleteAll();
      this.#records = new Records(this.ctx.storage.sql, () => Date.now() / 1000);
      this.#known = false;
    });
  }

  /** One step of what components sweep themselves: takes a position (0 at the beginning) and gives the next one, or nothing at the
   * end. */
  protected async sweep(_position: bigint): Promise<bigint | undefined> {
    return undefined;
  }

  /** A step of it; whether there is another one. After a failure it goes on there the next day. */
  async #step(): Promise<boolean> {
    const position = (await this.ctx.storage.get<bigint>(POSITION)) ?? 0n;
    try {
      const next = await this.sweep(position);
      if (next === undefined) await this.ctx.storage.delete(POSITION);
      else await this.ctx.storage.put(POSITION, next);
      return next !== undefined;
    } catch (error) {
      console.error(`sweep: ${error instanceof Error ? error.stack : JSON.stringify(error)}`);
      return false;
    }
  }

  /** Before the first write: have the directory know of this object, and the alarm set. */
  async #enroll(key: string): Promise<void> {
    if (this.#known || key.startsWith(VOLATILE)) return;
    const name = this.ctx.id.name;
    if (name !== undefined && name !== DIRECTORY) await this.#directory().set(name, new Uint8Array());
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + SWEEP_EVERY);
    this.#known = true;
  }

  #directory(): DurableObjectStub<Shard> {
    return this.env.STATE.get(this.env.STATE.idFromName(DIRECTORY));
  }

  #of(key: string): Records | Counters {
    return key.startsWith(VOLATILE) ? this.#counters : this.#records;
  }
}
