// npm run --silent secrets -- --public-url URL [--config FILE] | npx wrangler secret bulk
// Settings, keys and what each `${NAME}` stands for (from the environment), as secrets of the deployed Worker.

import { parseArgs } from "node:util";
import { bindings, orExplain, settingsFile, SettingsError } from "./settings.ts";

await orExplain(async () => {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "mcp-edge.json" },
      "public-url": { type: "string" },
    },
  });
  const url = values["public-url"];
  if (url === undefined || !/^https:\/\/[^/]+$/.test(url)) {
    throw new SettingsError("no public URL. Fix: --public-url https://mcp.example.com (without a slash at its end)");
  }
  console.log(JSON.stringify(bindings(await settingsFile(values.config), url, process.env)));
});
