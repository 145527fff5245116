import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPort } from "../src/client-address.ts";
import { config } from "../src/config.ts";
import { bindings, bindingsOf, parse, references } from "../tools/settings.ts";

const KEY = "k".repeat(32);
const DOCUMENT = `{
  // who
  "identity": { "type": "local", "users": [], /* none, */ },
  "mcpServers": { "a": { "url": "http://x/mcp", "headers": { "Authorization": "Bearer \${A_TOKEN} \${B:-b}" }, }, },
}`;

test("components find settings, secrets and references by name", () => {
  const env = { SETTINGS: "{}", MCP_EDGE_TOKEN_KEY: KEY, A_TOKEN: "a", STATE: {} };
  const store = config(env)["wasi:config/store"] as {
    get(name: string): string | undefined;
    getAll(): [string, string][];
  };
  const check = (name: string, expected: string | undefined) => assert.equal(store.get(name), expected);
  check("settings", "{}");
  check("token_key", KEY);
  check("a_token", "a");
  check("client_address_header", "mcp-edge-client-address");
  check("absent", undefined);
  check("state", undefined);
  assert.deepEqual(store.getAll().map(([name]) => name), ["settings", "client_address_header"]);
});

test("a settings file becomes bindings", () => {
  const values = bindings(DOCUMENT, "http://127.0.0.1:1", { MCP_EDGE_TOKEN_KEY: KEY, A_TOKEN: "a", B: "", OTHER: "o" });
  assert.deepEqual(Object.keys(values).toSorted(), ["A_TOKEN", "MCP_EDGE_TOKEN_KEY", "SETTINGS"]);
  assert.equal(JSON.parse(String(values["SETTINGS"])).publicUrl, "http://127.0.0.1:1");
  const own = bindings('{ "publicUrl": "https://a", "identity": {} }', "http://b", { MCP_EDGE_TOKEN_KEY: KEY });
  assert.equal(JSON.parse(String(own["SETTINGS"])).publicUrl, "https://a");
});

test("what the host's program tells becomes bindings", () => {
  const values = { settings: "{}", token_key: KEY, client_address_header: "x", a_token: "a" };
  assert.deepEqual(bindingsOf(values), { SETTINGS: "{}", MCP_EDGE_TOKEN_KEY: KEY, A_TOKEN: "a" });
  for (const name of ["state", "standalone", "mcp_edge_token_key"]) {
    assert.throws(() => bindingsOf({ ...values, [name]: "v" }), /gateway's own.*Fix:/);
  }
});

test("what is missing is said with the way to put it right", () => {
  const check = (file: string, environment: Record<string, string>, expected: RegExp) =>
    assert.throws(() => bindings(file, "http://a", environment), expected);
  check("{}", { MCP_EDGE_TOKEN_KEY: KEY }, /identity.*Fix:/);
  check('{ "identity": {} }', {}, /MCP_EDGE_TOKEN_KEY.*Fix:/);
  check('{ "identity": {} }', { MCP_EDGE_TOKEN_KEY: "short" }, /32 bytes/);
  check('{ "identity": {}, "a": "${SETTINGS}" }', { MCP_EDGE_TOKEN_KEY: KEY }, /SETTINGS.*Fix:/);
  check("[]", {}, /not a JSON object/);
  check("{", {}, /not JSON/);
});

test("comments and trailing commas are taken, and strings stay as they are", () => {
  const check = (text: string, expected: unknown) => assert.deepEqual(parse(text), expected);
  check('{ "a": "//b /* c */ ,}", // d\n "e": [1, 2,], }', { a: "//b /* c */ ,}", e: [1, 2] });
  check('{ "a": "\\"//", /* ,\n */ }', { a: '"//' });
});

test("references are found wherever strings are", () => {
  assert.deepEqual(references({ a: ["${B}", { c: "x${A}y${B:-${}" }], d: "$E ${}" }), ["A", "B"]);
});

test("an address is known without its port", () => {
  const check = (peer: string, expected: string) => assert.equal(withoutPort(peer), expected);
  check("192.0.2.7:80", "192.0.2.7");
  check("[2001:db8::1]:80", "2001:db8::1");
  check("2001:db8::1", "2001:db8::1");
  check("192.0.2.7", "192.0.2.7");
});
