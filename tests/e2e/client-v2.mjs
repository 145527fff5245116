// The TypeScript SDK, version 2: `@modelcontextprotocol/client`. MODE is `legacy`, `auto` or a revision to pin.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { exercise, parameters } from "./exercise.mjs";
import { Provider } from "./provider.mjs";

const { url, prefix, user, password } = parameters();
const mode = process.env.MODE ?? "legacy";
const provider = user && new Provider(user, password);
const options = provider ? { authProvider: provider } : {};
const versionNegotiation = { mode: ["legacy", "auto"].includes(mode) ? mode : { pin: mode } };
const connect = async () => {
  const client = new Client({ name: "e2e-v2", version: "1.0.0" }, { capabilities: {}, versionNegotiation });
  const transport = new StreamableHTTPClientTransport(url, options);
  try {
    await client.connect(transport);
    return { client, transport };
  } catch (error) {
    // Where the client probes first, the reason is inside.
    let cause = error;
    while (cause && !(cause instanceof UnauthorizedError)) cause = cause.cause ?? cause.data?.cause;
    if (!provider?.callback || !cause) throw error;
    await transport.finishAuth(provider.callback);
    provider.callback = undefined;
    return undefined;
  }
};
const { client, transport } = (await connect()) ?? (await connect());
const report = await exercise(client, prefix, (params, onprogress) => client.callTool(params, { onprogress }));
report.revision = client.getNegotiatedProtocolVersion();
report.session = transport.sessionId !== undefined;
report.steps = provider?.steps;
if (transport.sessionId) await transport.terminateSession();
await client.close();
console.log(JSON.stringify(report));
