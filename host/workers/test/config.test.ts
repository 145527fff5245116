import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPort } from "../src/client-address.ts";
import { config } from "../src/config.ts";
import { isReserved, references } from "../src/names.ts";
import { bindingsOf, parse } from "../tools/settings.ts";

const KEY = "k".repeat(32);
test("components find settings, secrets and references by name", () => {
  const env = { SETTINGS: "not asked", MCP_EDGE_TOKEN_KEY: KEY, A_TOKEN: "a", STATE: {} };
  const store = config(env, () => "{}")["wasi:config/store"] as {
    get(name: string): string | undefined;
    getAll(): [string, string][];
  };
  const check = (name: string, expected: string | undefined) => assert.equal(store.get(name), expected);
  check("settings", "{}");
  check("token_key", KEY);
  check("a_token", "a");
  check("client_address_header", "mcp-edge-client-address");
  check("absent", undefined);
  check("mcp_edge_token_key", undefined);
  check("state", undefined);
  assert.deepEqual(store.getAll().map(([name]) => name), ["settings", "client_address_header"]);
});

test("what the host's program tells becomes bindings", () => {
  const values = { settings: "{}", token_key: KEY, client_address_header: "x", public_only_header: "y", a_token: "a" };
  assert.deepEqual(bindingsOf(values), { SETTINGS: "{}", MCP_EDGE_TOKEN_KEY: KEY, A_TOKEN: "a" });
  for (const name of ["state", "standalone", "config_kv", "mcp_edge_token_key"]) {
    assert.throws(() => bindingsOf({ ...values, [name]: "v" }), /gateway's own.*Fix:/);
  }
});

test("comments and trailing commas are taken, and strings stay as they are", () => {
  const check = (text: string, expected: unknown) => assert.deepEqual(parse(text), expected);
  check('{ "a": "//b /* c */ ,}", // d\n "e": [1, 2,], }', { a: "//b /* c */ ,}", e: [1, 2] });
  check('{ "a": "\\"//", /* ,\n */ }', { a: '"//' });
});

test("references are found wherever strings are", () => {
  assert.deepEqual(references({ a: ["${B}", { c: "x${A}y${C:-${D}" }], d: "$E ${}" }), ["B", "A", "C", "D"]);
});

test("names of the gateway's own are no names of references, however they are written", () => {
  for (const name of ["SETTINGS", "TOKEN_KEY", "token_key", "MCP_EDGE_TOKEN_KEY", "USER_KEY", "STATE", "CONFIG_KV"]) {
    assert.ok(isReserved(name), name);
  }
  for (const name of ["A_TOKEN", "MCP_EDGE_DEMO", "TOKEN"]) assert.ok(!isReserved(name), name);
});

test("an address is known without its port", () => {
  const check = (peer: string, expected: string) => assert.equal(withoutPort(peer), expected);
  check("192.0.2.7:80", "192.0.2.7");
  check("[2001:db8::1]:80", "2001:db8::1");
  check("2001:db8::1", "2001:db8::1");
  check("192.0.2.7", "192.0.2.7");
});
