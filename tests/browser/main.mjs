// The pages of the gateway in a real browser. Started by tests/harness/tests/pages.rs.

import { after } from "node:test";
import { browser } from "./world.mjs";

await import("./walk.mjs");
await import("./people.mjs");
await import("./attacks.mjs");
await import("./looks.mjs");

after(() => browser.close());
