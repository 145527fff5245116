// Changes to the text that jco 1.35 generates. Each must be found exactly as often as it says, else the build fails: then jco
// has changed, and somebody has to look whether the change is still wanted.

/** One piece of text, how often it is there, and what takes its place. */
interface Rewrite {
  why: string;
  from: string | RegExp;
  times: number;
  to: string;
}

const SCHEDULER = `imports["mcp-edge:workers/scheduler"]`;

const REWRITES: Rewrite[] = [
  {
    why: "the tick loop of 10 ms becomes the Worker's scheduler",
    from: `
        if (this.#tickLoop !== null) { return; }
        this.#tickLoop = 1;
        setTimeout(async () => {
          let result = this.tick();
          while (result !== ComponentAsyncState.TickResult.DONE) {
            if (result === ComponentAsyncState.TickResult.IDLE) {
              _checkForDeadlock();
            }
            // After resuming a task, re-tick as soon as the resumed
            // slice's microtask continuations have drained (timeout 0)
            // so queued sibling resumptions aren't charged the idle
            // polling interval; otherwise poll at the idle cadence.
            const delay = result === ComponentAsyncState.TickResult.RESUMED ? 0 : 10;
            await new Promise((resolve) => setTimeout(resolve, delay));
            result = this.tick();
          }
          this.#tickLoop = null;
        }, 10);
`,
    times: 1,
    to: `
        if (this.#tickLoop !== null) { ${SCHEDULER}.wake(); return; }
        this.#tickLoop = 1;
        await ${SCHEDULER}.loop(() => {
          const result = this.tick();
          if (result === ComponentAsyncState.TickResult.DONE) { this.#tickLoop = null; return "done"; }
          if (result === ComponentAsyncState.TickResult.RESUMED) { return "resumed"; }
          _checkForDeadlock();
          return "idle";
        });
`,
  },
  {
    why: "a host that waits for a stream or future waits for the scheduler, instead of asking every millisecond",
    from: /await new Promise\(\(resolve\) => \{\s+let waitInterval = setInterval\((?:async )?\(\) => \{\s+if \(!this\.hasPendingEvent\(\)\) \{ return; \}\s+clearInterval\(waitInterval\);\s+resolve\(\);\s+\}\);\s+\}\);/,
    times: 4,
    to: `await ${SCHEDULER}.until(() => this.hasPendingEvent());`,
  },
  {
    why: "an event wakes the scheduler",
    from: `this.#pendingEventFn = fn;`,
    times: 1,
    to: `this.#pendingEventFn = fn; ${SCHEDULER}.wake();`,
  },
  {
    why: "a trap of a task whose call has returned already is told to the readers of its streams",
    from: `_debugLog('[_driverLoop()] error during async driver loop', {`,
    times: 1,
    to: `${SCHEDULER}.failed(err); _debugLog('[_driverLoop()] error during async driver loop', {`,
  },
  {
    // The holder may be waiting for the store: then jco would ask again and again, and let nothing else run.
    why: "whoever waits for an instance's lock waits until it is released",
    from: /if \(this\.#lockHolderTaskID !== null\) \{\s+this\.#scheduleLockHandoff\(\);\s+return;\s+\}/,
    times: 1,
    to: `if (this.#lockHolderTaskID !== null) { return; }`,
  },
  {
    why: "no trace: it looks for an environment variable at each of some hundred places a request comes through",
    from: `const _debugLog = (...args) => {
    if (!globalThis?.process?.env?.JCO_DEBUG) { return; }
    console.debug(...args);
  };`,
    // Minifying drops the calls.
    times: 1,
    to: `const _debugLog = /* @__NO_SIDE_EFFECTS__ */ () => {};`,
  },
  {
    why: "the table of futures can be emptied",
    from: `const FUTURES = new RepTable({ target: 'global future map' });`,
    times: 1,
    to: `let FUTURES = new RepTable({ target: 'global future map' });`,
  },
  {
    why: "the table of buffers can be emptied",
    from: `const BUFFER_MGR = new BufferManager();`,
    times: 1,
    to: `let BUFFER_MGR = new BufferManager();`,
  },
  {
    // jco 1.35 puts each future, stream, buffer and task into tables and takes not all of them out again.
    // Between two requests no instance has a live one.
    why: "the tables of futures, streams, buffers and tasks are emptied between requests",
    from: `const STREAMS = new RepTable({ target: 'global stream map' });`,
    times: 1,
    to: `let STREAMS = new RepTable({ target: 'global stream map' });
${SCHEDULER}.betweenRequests(() => {
  FUTURES = new RepTable({ target: 'global future map' });
  STREAMS = new RepTable({ target: 'global stream map' });
  BUFFER_MGR = new BufferManager();
  for (const entry of [...Object.values(FUTURE_TABLES), ...Object.values(STREAM_TABLES)]) entry.table = new RepTable();
  for (const state of ASYNC_STATE.values()) { state.handles = new RepTable(); state.subtasks = new RepTable(); }
  ASYNC_TASKS_BY_COMPONENT_IDX.clear();
  RESOURCE_SCOPE_TASKS.clear();
});`,
  },
];

/** The generated JavaScript of one component, changed. */
export function rewrite(component: string, source: string): string {
  let text = source;
  for (const { why, from, times, to } of REWRITES) {
    const pieces = text.split(from);
    if (pieces.length !== times + 1) {
      throw new Error(
        `${component}: jco's output has ${pieces.length - 1} times instead of ${times} the text for “${why}”. ` +
          "Fix: compare tools/rewrite.ts with what this version of jco generates, or go back to the pinned version",
      );
    }
    text = pieces.join(to);
  }
  return text;
}

/** A wasm module that jco writes into its JavaScript as a list of bytes. */
const INLINE_MODULE = /new WebAssembly\.Module\(new Uint8Array\(\[([\s\d,a-fx]*)\]\)\)/g;

/** workerd compiles no wasm while it runs: inline modules become files of their own. Gives the changed text and the modules;
 * in the text the module number `n` is called `inline{n}`. */
export function hoistModules(source: string): { text: string; modules: Uint8Array[] } {
  const modules: Uint8Array[] = [];
  const text = source.replace(INLINE_MODULE, (_, list: string) => {
    modules.push(Uint8Array.from(list.split(",").map((item) => item.trim()).filter(Boolean), Number));
    return `inline${modules.length - 1}`;
  });
  if (/new WebAssembly\.Module\(/.test(text)) {
    throw new Error("jco's output compiles a wasm module in a way that tools/rewrite.ts does not know");
  }
  return { text, modules };
}
