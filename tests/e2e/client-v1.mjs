// The TypeScript SDK, version 1: `@modelcontextprotocol/sdk`.

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { exercise, parameters } from "./exercise.mjs";
import { Provider } from "./provider.mjs";

const { url, prefix, user, password } = parameters();
const provider = user && new Provider(user, password);
const options = provider ? { authProvider: provider } : {};
const client = new Client({ name: "e2e-v1", version: "1.0.0" }, { capabilities: {} });
let transport = new StreamableHTTPClientTransport(url, options);
try {
  await client.connect(transport);
} catch (error) {
  if (!provider || !(error instanceof UnauthorizedError)) throw error;
  await transport.finishAuth(provider.callback.get("code"));
  transport = new StreamableHTTPClientTransport(url, options);
  await client.connect(transport);
}
const report = await exercise(client, prefix, (params, onprogress) => client.callTool(params, undefined, { onprogress }));
report.revision = transport.protocolVersion;
report.session = transport.sessionId !== undefined;
report.steps = provider?.steps;
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(report));
