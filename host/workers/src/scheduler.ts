// When a component's waiting tasks are looked at.
//
// jco keeps, for each instance, a list of tasks that wait for something and a function that resumes one that is ready
// ("tick"). Its own loop calls it every 10 ms, and first after 10 ms. tools/rewrite.ts puts this scheduler in its place: it
// is told when an event arrives, so a ready task runs at once, and a silent stream is looked at rarely.

/** What a tick came to: no task waits any more, none is ready, or one was resumed and there may be more. */
export type Tick = "done" | "idle" | "resumed";

/** First pause of an instance that nothing happens in, in milliseconds: what jco itself waits. Not all that makes a task
 * ready reports to `wake`, so the loop keeps looking. */
const FIRST_PAUSE = 10;

/** Longest pause, in milliseconds. Bounds what a missed event can cost. */
const LONGEST_PAUSE = 320;

/** One for each set of linked instances. */
export class Scheduler {
  #running = 0;
  #wakers = new Set<() => void>();
  #waiting: (() => void)[] = [];
  #fail: (error: unknown) => void = () => {};

  #forgetters: (() => void)[] = [];

  /** Have something done between two requests. */
  betweenRequests(forget: () => void): void {
    this.#forgetters.push(forget);
  }

  /** When a request is over and no task waits. */
  end(): void {
    // Who still waits for an event waits in vain; the timers are those of this request.
    this.#wakers.clear();
    for (const forget of this.#forgetters) forget();
  }

  /** At the start of a request. The promise rejects when an instance traps: jco tells only those who wait for a result, not the
   * readers of streams. A promise of an earlier request would be of no use: the platform keeps requests apart. */
  begin(): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    // Looked at by those who race it only.
    promise.catch(() => {});
    this.#fail = reject;
    return promise;
  }

  /** Whether one of the instances trapped. */
  isBroken = false;

  /** Called for whatever ends a task early. jco also ends tasks by errors of its own that mean nothing. */
  failed(error: unknown): void {
    if (!(error instanceof WebAssembly.RuntimeError)) return;
    this.isBroken = true;
    this.#fail(error);
  }

  /** Something happened: look now. */
  wake(): void {
    for (const waker of this.#wakers) waker();
  }

  /** Tick until no task waits. jco starts one loop for each instance that has waiting tasks. */
  loop(tick: () => Tick): Promise<void> {
    return this.busy(async () => {
      let pause = FIRST_PAUSE;
      await turn();
      for (;;) {
        const result = tick();
        if (result === "done") return;
        if (result === "resumed") {
          pause = FIRST_PAUSE;
          // The resumed task runs in microtasks; the next one may only follow when those are done.
          await turn();
        } else if (await this.#pause(pause)) {
          pause = FIRST_PAUSE;
        } else {
          pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
      }
    });
  }

  /** Resolves when `ready` says yes, which it is asked after each event. */
  async until(ready: () => boolean): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!ready()) pause = (await this.#pause(pause)) ? FIRST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
  }

  /** Do something that a task waits for. */
  async busy<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  /** Resolves when no task waits any more and none is running. */
  async idle(): Promise<void> {
    do {
      if (this.#running > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      // What was just waited for lets a task run, which may wait for something else.
      await turn();
    } while (this.#running > 0);
  }

  /** Wait, and say whether it was cut short by `wake`. */
  #pause(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waker = () => {
        this.#wakers.delete(waker);
        clearTimeout(timer);
        // Not at once: `wake` is called from the middle of jco's own work.
        setTimeout(resolve, 0, true);
      };
      const timer = setTimeout(() => {
        this.#wakers.delete(waker);
        resolve(false);
      }, milliseconds);
      this.#wakers.add(waker);
    });
  }
}

/** Let everything run that is ready to. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
