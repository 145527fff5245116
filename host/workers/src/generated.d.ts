// What tools/transpile.ts makes of the components.

declare module "component:*" {
  import type { Exports, Imports } from "./component.ts";
  /** A fresh instance. */
  export function instantiate(imports: Imports): Promise<Exports>;
}
