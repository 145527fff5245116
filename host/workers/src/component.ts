// How components look to JavaScript once jco has transpiled them.

/** What a component imports: interface names without version, to their functions and resource classes. */
export type Imports = Record<string, unknown>;

/** What a component exports: interface names with version, to their functions. */
export type Exports = Record<string, Interface>;

/** The functions of one interface. A `result` that is an error is thrown. */
export type Interface = Record<string, (...args: never[]) => unknown>;

/** `result<T, E>` where it is a value (in futures), and not a return or a throw. */
export type Result<T, E> = { tag: "ok"; val: T } | { tag: "err"; val: E };

/** The end of a result that carries nothing. */
export const OK: Result<undefined, never> = { tag: "ok", val: undefined };

/** A `stream<T>` as jco hands it out: the reader's end, which belongs to the component that made it. */
export interface GuestStream<T> {
  read(options: { count: number }): Promise<{ value?: T; done: boolean }>;
  [Symbol.dispose](): void;
}

/** The functions of an exported interface, whatever its version. */
export function exported(exports: Exports, name: string): Interface {
  for (const [key, value] of Object.entries(exports)) {
    if (key === name || key.startsWith(`${name}@`)) return value;
  }
  throw new Error(`the component does not export ${name}: build the components again`);
}
