// What the tests share: one browser, the gateway it visits, a client that wants a token, a foreign web site.

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** A variable that tests/harness/tests/pages.rs sets. */
function given(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask test --only pages\``);
  return value;
}

/** The gateway's public URL. */
export const gateway = given("MCP_EDGE_URL");

/** Who can log in: `{ alice: password, bob: password }`. Alice is an administrator. */
export const passwords = JSON.parse(given("MCP_EDGE_PASSWORDS"));

/** The secret of the client `checker` in the settings, which may introspect every token. */
const checkerSecret = given("MCP_EDGE_CHECKER_SECRET");

const screenshots = given("MCP_EDGE_SCREENSHOTS");
mkdirSync(screenshots, { recursive: true });
for (const name of readdirSync(screenshots)) {
  if (name.startsWith("failed-")) rmSync(join(screenshots, name));
}

/** No network but the gateway's; no sandbox, because tests often run as root in a container. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const browser = await chromium.launch({
  executablePath: given("MCP_EDGE_CHROMIUM"),
  headless: true,
  args: FLAGS,
  timeout: 60_000,
});

/** A page in a browser profile of its own; closed after the test, and photographed before that if it failed. */
export async function open(test, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  test.after(async () => {
    // What it looked like when it went wrong.
    const name = `failed-${test.name.replaceAll(/\W+/g, "-").slice(0, 60)}-${opened++}.png`;
    if (!test.passed) await page.screenshot({ path: join(screenshots, name) }).catch(() => {});
    await context.close();
  });
  return page;
}

let opened = 0;

/**
 * Origin of a web site that gives every visitor this HTML. As `127.0.0.1` it is the same site as the gateway for a
 * browser, which sends cookies along; as `localhost` it is another.
 */
export async function site(html, host = "127.0.0.1") {
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(html);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  server.unref();
  return `http://${host}:${server.address().port}`;
}

/** Where the client waits for its answer. */
const waiting = await site("<!doctype html><title>Back</title>You can close this window.");

/** A client that has registered itself. Its answer goes to a server of this process. */
export class Client {
  static async register(metadata = {}) {
    const response = await fetch(`${gateway}/oauth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: "Notebook",
        redirect_uris: [`${waiting}/callback`],
        token_endpoint_auth_method: "none",
        ...metadata,
      }),
    });
    if (response.status !== 201) throw new Error(`registration: ${response.status} ${await response.text()}`);
    const client = new Client();
    const answer = await response.json();
    client.id = answer.client_id;
    client.redirect = answer.redirect_uris[0];
    return client;
  }

  /** A fresh authorization request. `changes` replace parameters, or take them out with `undefined`. */
  request(changes = {}) {
    this.verifier = randomBytes(32).toString("base64url");
    this.state = randomBytes(12).toString("base64url");
    const parameters = {
      response_type: "code",
      client_id: this.id,
      redirect_uri: this.redirect,
      state: this.state,
      code_challenge: createHash("sha256").update(this.verifier).digest("base64url"),
      code_challenge_method: "S256",
      resource: `${gateway}/mcp`,
      ...changes,
    };
    const pairs = Object.entries(parameters).filter(([, value]) => value !== undefined);
    return `${gateway}/oauth/authorize?${new URLSearchParams(pairs)}`;
  }

  /** The parameters that the browser has brought back. */
  async answer(page) {
    await page.waitForURL((url) => url.href.startsWith(this.redirect));
    const parameters = new URL(page.url()).searchParams;
    if (parameters.get("state") !== this.state) throw new Error(`another state: ${parameters}`);
    if (parameters.get("iss") !== gateway) throw new Error(`another issuer: ${parameters}`);
    return parameters;
  }

  /** Tokens for the code that the browser has brought back. */
  async tokens(page) {
    const code = (await this.answer(page)).get("code");
    const response = await post("/oauth/token", {
      grant_type: "authorization_code",
      code,
      client_id: this.id,
      redirect_uri: this.redirect,
      code_verifier: this.verifier,
      resource: `${gateway}/mcp`,
    });
    if (response.status !== 200) throw new Error(`token: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

function post(path, fields, headers = {}) {
  return fetch(gateway + path, { method: "POST", body: new URLSearchParams(fields), headers });
}

/** What the gateway says about a token (RFC 7662). */
export async function introspect(token) {
  const authorization = `Basic ${Buffer.from(`checker:${checkerSecret}`).toString("base64")}`;
  return (await post("/oauth/introspect", { token }, { authorization })).json();
}

/** The status that a call of MCP has with this token. */
export async function mcp(token) {
  const response = await fetch(`${gateway}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "pages", version: "1" } },
    }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Fill in the login page that is open. */
export async function signIn(page, user, password = passwords[user]) {
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Walk a client's request to the end. */
export async function approve(page, client, user) {
  await page.goto(client.request());
  if (await page.getByLabel("Password").count()) await signIn(page, user);
  await page.getByRole("button", { name: "Allow" }).click();
  return client.tokens(page);
}

const LOOKS = [
  { look: "light", colorScheme: "light", width: 1280, height: 800, axe: true },
  { look: "dark", colorScheme: "dark", width: 1280, height: 800 },
  { look: "phone", colorScheme: "light", width: 390, height: 844 },
  { look: "phone-dark", colorScheme: "dark", width: 390, height: 844, axe: true },
];

/** The narrowest screen on which nothing may have to be scrolled sideways (WCAG 2.2, 1.4.10). */
const NARROW = { width: 320, height: 640 };

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Photograph a page in each look, and say what is wrong with it for people: an empty list is good. */
export async function look(page, name) {
  const faults = [];
  // By the debugger: the page's own policy lets no script in.
  await page.evaluate(axe);
  for (const { look, colorScheme, width, height, axe } of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: join(screenshots, `${name}-${look}.png`), fullPage: true });
    const found = axe ? await page.evaluate(askAxe) : [];
    faults.push(...found.map((fault) => `${name}, ${look}: ${fault}`));
  }
  await page.setViewportSize(NARROW);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > NARROW.width) faults.push(`${name}: ${wide} pixels wide on a screen of ${NARROW.width}`);
  return faults;
}

/** Runs in the page: all rules, also those of WCAG 2.2. */
async function askAxe() {
  const { violations } = await axe.run({ resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
  return violations.map(({ id, impact, help, nodes }) => {
    return `${id} (${impact}): ${help}: ${nodes.map((node) => node.html).join(" ")}`;
  });
}
