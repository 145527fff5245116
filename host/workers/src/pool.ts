// Things that are costly to make and serve one request after the other.

/** Most that lie ready. A set of linked instances has about 6 MB of memory, and a Worker 128 MB in all. */
const READY = 4;

/** Requests after which one is thrown away: whatever a component or jco does not give back ends there. */
const USES = 1000;

export class Pool<T> {
  #make: () => Promise<T>;
  #ready: { thing: T; uses: number }[] = [];

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** One for the caller alone, and the function to give it back with. Who does not call it throws the thing away. */
  async take(): Promise<[T, () => void]> {
    const entry = this.#ready.pop() ?? { thing: await this.#make(), uses: 0 };
    entry.uses += 1;
    const giveBack = () => {
      if (entry.uses < USES && this.#ready.length < READY && !this.#ready.includes(entry)) this.#ready.push(entry);
    };
    return [entry.thing, giveBack];
  }
}
