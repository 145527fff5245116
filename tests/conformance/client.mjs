// The client in the suite's client leg: the official TypeScript SDK in front of the gateway, whose upstream is the suite's
// server. It uses whatever it finds there, once. Arguments: URL of the gateway's endpoint; the token is in TOKEN.

import { Client, StreamableHTTPClientTransport } from "../e2e/node_modules/@modelcontextprotocol/client/dist/index.mjs";

const revision = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT || "{}");
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";

const modern = revision >= "2026";
const client = new Client(
  { name: "conformance", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
    versionNegotiation: { mode: modern ? { pin: revision } : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", ({ params }) => ({ action: "accept", content: answers(params.requestedSchema) }));
client.setRequestHandler("roots/list", () => ({ roots: [] }));
client.setRequestHandler("sampling/createMessage", () => ({
  role: "assistant",
  model: "none",
  content: { type: "text", text: "An answer." },
}));

/** What a person fills in who leaves what has a default as it is. */
function answers(schema) {
  const required = (schema?.required ?? []).filter((name) => schema.properties[name]?.default === undefined);
  return Object.fromEntries(required.map((name) => [name, sample(schema.properties[name])]));
}

/** A value that fits a simple schema. */
function sample(schema) {
  if (schema?.enum) return schema.enum[0];
  switch (schema?.type) {
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "array":
      return [];
    case "object":
      return {};
    default:
      return "text";
  }
}

function calls(tools) {
  if (context.toolCalls) return context.toolCalls;
  return tools.map(({ name, inputSchema }) => {
    if (name === "add_numbers") return { name, arguments: { a: 5, b: 3 } };
    if (name === "json_schema_echo") {
      const seen = tools.find((tool) => tool.name === "json_schema_2020_12_tool");
      return { name, arguments: { schema: seen?.inputSchema } };
    }
    const wanted = inputSchema?.required ?? [];
    return { name, arguments: Object.fromEntries(wanted.map((key) => [key, sample(inputSchema.properties?.[key])])) };
  });
}

/** Not every scenario's server has an answer to everything that it says it has; what is missing shows in its checks. */
async function attempt(what, run) {
  try {
    return await run();
  } catch (error) {
    console.error(`${scenario}: ${what}: ${error?.message ?? error}`);
    return undefined;
  }
}

const transport = new StreamableHTTPClientTransport(new URL(process.argv[2]), {
  requestInit: { headers: { Authorization: `Bearer ${process.env.TOKEN}` } },
});
await client.connect(transport);
const capabilities = client.getServerCapabilities() ?? {};
if (capabilities.tools) {
  const tools = (await attempt("tools/list", () => client.listTools()))?.tools ?? [];
  for (const call of calls(tools)) await attempt(`tools/call ${call.name}`, () => client.callTool(call));
}
if (capabilities.resources) {
  const resources = (await attempt("resources/list", () => client.listResources()))?.resources ?? [];
  for (const { uri } of resources) await attempt(`resources/read ${uri}`, () => client.readResource({ uri }));
}
if (capabilities.prompts) {
  const prompts = (await attempt("prompts/list", () => client.listPrompts()))?.prompts ?? [];
  for (const { name, arguments: wanted = [] } of prompts) {
    const values = Object.fromEntries(wanted.map((argument) => [argument.name, "text"]));
    await attempt(`prompts/get ${name}`, () => client.getPrompt({ name, arguments: values }));
  }
}
await client.close();
