// What other web sites can make a browser do, and what they get: nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, gateway, open, signIn, site } from "./world.mjs";

const hidden = (page) => page.locator("input[name=request]").last().inputValue();

/** A page that sends a form as soon as it is open. */
function sending(action, fields) {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
  return `<!doctype html><form method="post" action="${gateway}${action}">${inputs.join("")}</form><script>document.forms[0].submit()</script>`;
}

test("a form of another site approves nothing, whether or not cookies come with it", async (t) => {
  // The attacker has an account, a client, and a consent form of her own.
  const attacker = await open(t);
  const client = await Client.register({ client_name: "Trojan" });
  await attacker.goto(client.request());
  await signIn(attacker, "bob");
  const fields = { request: await hidden(attacker), action: "approve", scope: "notes:read" };

  const victim = await open(t);
  await victim.goto(`${gateway}/oauth/apps`);
  await signIn(victim, "alice");
  // Another port is the same site, so the cookies come along: the form is seen to be of another login, and she is asked herself.
  await victim.goto(await site(sending("/oauth/consent", fields), "127.0.0.1"));
  await victim.getByText("This page was made for another login, so nothing was decided").waitFor();
  // Another site: no cookies with the form, so it asks to begin again, and shows to whom.
  await victim.goto(await site(sending("/oauth/consent", fields), "localhost"));
  await victim.getByRole("heading", { name: /Allow “Trojan”|Sign in/ }).waitFor();
  // Without the token there is no form at all.
  await victim.goto(await site(sending("/oauth/consent", { ...fields, request: "x" }), "127.0.0.1"));
  await victim.getByText("This form cannot be read any more").waitFor();
  await victim.goto(`${gateway}/oauth/apps`);
  assert.equal(await victim.getByText("Trojan").count(), 0);
});

test("a form of another site logs nobody in and ends nothing", async (t) => {
  const attacker = await open(t);
  await attacker.goto(`${gateway}/oauth/apps`);
  const login = { request: await hidden(attacker), username: "bob", password: "wonderland" };
  const victim = await open(t);
  await victim.goto(`${gateway}/oauth/apps`);
  await victim.goto(await site(sending("/oauth/login", login), "127.0.0.1"));
  await victim.getByText("This form was made for another browser or another login").waitFor();
  await victim.goto(`${gateway}/oauth/apps`);
  await victim.getByRole("heading", { name: "Sign in" }).waitFor();

  await signIn(attacker, "bob");
  const end = { request: await hidden(attacker), action: "switch" };
  await signIn(victim, "alice");
  await victim.goto(await site(sending("/oauth/apps", end), "127.0.0.1"));
  await victim.getByText("This form was made for another browser or another login").waitFor();
  await victim.goto(`${gateway}/oauth/apps`);
  await victim.getByText("Signed in as alice").waitFor();
});

test("scripts of another site cannot read a page", async (t) => {
  const page = await open(t);
  await page.goto(`${gateway}/oauth/apps`);
  await signIn(page, "alice");
  await page.getByText("Signed in as alice").waitFor();
  await page.goto(await site("<!doctype html><title>Elsewhere</title>"));
  for (const mode of ["cors", "no-cors"]) {
    const read = page.evaluate(
      async ([address, mode]) => (await fetch(address, { mode, credentials: "include" })).text(),
      [`${gateway}/oauth/apps`, mode],
    );
    assert.equal(await read.catch(() => ""), "", mode);
  }
});

test("no page can be put into a frame", async (t) => {
  const page = await open(t);
  const client = await Client.register();
  const request = client.request();
  await page.goto(request);
  await signIn(page, "alice");
  for (const host of ["127.0.0.1", "localhost"]) {
    for (const address of [request, `${gateway}/oauth/apps`, `${gateway}/oauth/authorize`]) {
      await page.goto(await site(`<!doctype html><iframe src="${address.replaceAll("&", "&amp;")}"></iframe>`, host));
      const frame = page.frames()[1];
      await frame.waitForLoadState();
      assert.match(frame.url(), /^chrome-error:/, address);
    }
  }
});

test("pages fetch nothing, and scripts that got into them would not run", async (t) => {
  const page = await open(t);
  const fetched = [];
  page.on("request", (request) => fetched.push(request.url()));
  const refused = [];
  page.on("console", (message) => refused.push(message.text()));
  const client = await Client.register();
  const request = client.request();
  await page.goto(request);
  assert.deepEqual(fetched, [request]);
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'taken'";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "/health";
    document.body.append(image);
    document.body.setAttribute("style", "display: none");
  });
  assert.equal(await page.title(), "Sign in – mcp-edge");
  assert.ok(await page.getByLabel("Password").isVisible());
  assert.equal(refused.filter((text) => text.includes("Content Security Policy")).length, 3, refused.join("\n"));
});

test("a request that cannot be trusted stays here and says why", async (t) => {
  const page = await open(t);
  const client = await Client.register({ redirect_uris: ["https://client.example/callback"] });
  const gone = [];
  await page.route("https://**", (route) => {
    gone.push(route.request().url());
    return route.abort();
  });
  for (const [changes, said] of [
    [{ client_id: "nobody" }, "This app is not registered here"],
    [{ client_id: undefined }, "The parameter client_id is missing"],
    ...["https://evil.example/", "https://client.example.evil.example/callback", "https://client.example@evil.example/callback",
      "https://client.example/callback/../x", "https://client.example:444/callback", "javascript:alert(1)"].map((uri) => [
      { redirect_uri: uri },
      "an address that it has not registered",
    ]),
  ]) {
    const response = await page.goto(client.request(changes));
    assert.equal(response.status(), 400);
    await page.getByRole("heading", { name: "This did not work" }).waitFor();
    await page.getByText(said).waitFor();
  }
  // A link with an error in it shows the login page first, and does not send a stranger's browser on.
  await page.goto(client.request({ response_type: "token" }));
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal((await page.goto(`${gateway}/oauth/nowhere`)).status(), 404);
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  assert.deepEqual(gone, []);
});
