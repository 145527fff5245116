// npm run --silent secrets -- --public-url URL [--config FILE] [--host PROGRAM] | npx wrangler secret bulk
// Settings, keys and what each `${NAME}` stands for (from the environment), as secrets of the deployed Worker; what `mcp-edge
// serve` would refuse is refused here in the same words.

import { parseArgs } from "node:util";
import { askHost, bindingsOf, HOST, orExplain, SettingsError } from "./settings.ts";

await orExplain(async () => {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "mcp-edge.json" },
      "public-url": { type: "string" },
      host: { type: "string", default: HOST },
    },
  });
  const url = values["public-url"];
  const told = askHost(values.host, ["--config", values.config, ...(url === undefined ? [] : ["--public-url", url])]);
  if (told === undefined) {
    process.exitCode = 1;
  } else if (!told.publicUrl.startsWith("https://")) {
    // Without one the host takes the address that it would listen on.
    throw new SettingsError("no public URL. Fix: --public-url https://mcp.example.com (without a slash at its end)");
  } else {
    console.log(JSON.stringify(bindingsOf(told.values)));
  }
});
