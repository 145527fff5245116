// The rest of WASI, from jco's own shims.

import { monotonicClock, systemClock } from "@bytecodealliance/preview3-shim/clocks";
import { insecure, insecureSeed, random } from "@bytecodealliance/preview3-shim/random";
// The standard library of wasm32-wasip2 still imports WASI 0.2.
import { createCli } from "@bytecodealliance/preview2-shim/cli";
import { monotonicClock as monotonicClock02, wallClock } from "@bytecodealliance/preview2-shim/clocks";
import { error, poll, streams } from "@bytecodealliance/preview2-shim/io";
import type { Imports } from "./component.ts";

/** Clocks, randomness and stdio. Standard output and standard error are the Worker's log. */
export function wasi(): Imports {
  const stdout = lines((line) => console.log(line));
  const stderr = lines((line) => console.error(line));
  const cli = createCli({ stdout, stderr });
  return {
    // Both generations of wasi:clocks have interfaces of the same name: tools/transpile.ts maps 0.3 to a name of its own.
    "wasi-0.3:clocks/monotonic-clock": monotonicClock,
    "wasi-0.3:clocks/system-clock": systemClock,
    "wasi:clocks/monotonic-clock": monotonicClock02,
    "wasi:clocks/wall-clock": wallClock,
    "wasi:random/random": random,
    "wasi:random/insecure": insecure,
    "wasi:random/insecure-seed": insecureSeed,
    "wasi:io/error": error,
    "wasi:io/poll": poll,
    "wasi:io/streams": streams,
    "wasi:cli/environment": cli.environment,
    "wasi:cli/exit": cli.exit,
    "wasi:cli/stdin": cli.stdin,
    "wasi:cli/stdout": cli.stdout,
    "wasi:cli/stderr": cli.stderr,
    "wasi:cli/terminal-input": cli.terminalInput,
    "wasi:cli/terminal-output": cli.terminalOutput,
    "wasi:cli/terminal-stdin": cli.terminalStdin,
    "wasi:cli/terminal-stdout": cli.terminalStdout,
    "wasi:cli/terminal-stderr": cli.terminalStderr,
  };
}

/** A stream that hands on whole lines. The shim's own breaks a line wherever it is flushed, and Rust's standard error is
 * flushed after each piece. */
export function lines(write: (line: string) => void): { write(bytes: Uint8Array): void; blockingFlush(): void } {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    write(bytes) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) write(part);
    },
    blockingFlush() {},
  };
}
