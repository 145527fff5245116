// The way of a person through the pages, from a client's request to the end of its access.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, approve, gateway, introspect, mcp, open, passwords, signIn } from "./world.mjs";

test("login, consent without one skill, connected apps, end: the token has what was ticked and dies at once", async (t) => {
  const page = await open(t);
  const client = await Client.register();
  await page.goto(client.request());
  assert.equal(await page.title(), "Sign in – mcp-edge");
  await page.getByText("“Notebook” asks for access").waitFor();

  await signIn(page, "bob", "not it");
  assert.match(await page.getByRole("alert").innerText(), /Name and password do not fit/);
  assert.equal(await page.title(), "Error: Sign in – mcp-edge");
  assert.equal(await page.getByLabel("User name").inputValue(), "bob");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  await page.locator("#password:focus").waitFor();

  await page.keyboard.type(passwords.bob);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Allow “Notebook” to use this gateway?" }).waitFor();
  await page.getByText("Any program on your computer can ask like this").waitFor();
  assert.equal(await page.locator("code").innerText(), client.redirect);
  const boxes = page.getByRole("checkbox");
  assert.equal(await boxes.count(), 3);
  for (const box of await boxes.all()) assert.ok(await box.isChecked());
  await page.getByLabel("Send mail in your name").uncheck();
  await page.getByRole("button", { name: "Allow" }).click();
  const tokens = await client.tokens(page);
  assert.equal(await page.evaluate(() => document.referrer), "");
  assert.equal(tokens.scope, "notes:read notes:write");
  const told = await introspect(tokens.access_token);
  assert.deepEqual([told.active, told.scope, told.sub], [true, "notes:read notes:write", "bob"]);
  assert.equal(await mcp(tokens.access_token), 200);

  // The next time the page is shown again, as it was left.
  await page.goto(client.request());
  assert.ok(await page.getByLabel("Read your notes").isChecked());
  assert.ok(!(await page.getByLabel("Send mail in your name").isChecked()));
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await client.answer(page)).get("error"), "access_denied");

  await page.goto(`${gateway}/oauth/apps`);
  const app = page.getByRole("article").filter({ hasText: "Notebook" });
  assert.equal(await app.count(), 1);
  assert.deepEqual(await app.getByRole("listitem").allInnerTexts(), ["Read your notes", "Create and change notes"]);
  await app.getByRole("button", { name: "End access of Notebook" }).click();
  await page.getByText("No app has access").waitFor();
  assert.deepEqual(await introspect(tokens.access_token), { active: false });
  assert.equal(await mcp(tokens.access_token), 401);
  assert.deepEqual(await introspect(tokens.refresh_token), { active: false });
});

test("nothing ticked is asked again, and a new request shows what an app had before only to the one who approved", async (t) => {
  const page = await open(t);
  const client = await Client.register({ client_name: "Shared" });
  await page.goto(client.request());
  await signIn(page, "bob");
  for (const box of await page.getByRole("checkbox").all()) await box.uncheck();
  await page.getByRole("button", { name: "Allow" }).click();
  assert.match(await page.getByRole("alert").innerText(), /Nothing is ticked/);
  await page.getByLabel("Read your notes").check();
  await page.getByRole("button", { name: "Allow" }).click();
  assert.equal((await client.tokens(page)).scope, "notes:read");

  await page.goto(client.request());
  await page.getByRole("button", { name: "Use another account" }).click();
  await signIn(page, "alice");
  await page.getByText("Signed in as alice").waitFor();
  for (const box of await page.getByRole("checkbox").all()) assert.ok(await box.isChecked());
});

test("who has signed out is gone, also for the button that goes back", async (t) => {
  const page = await open(t);
  await page.goto(`${gateway}/oauth/apps`);
  await signIn(page, "bob");
  await page.getByText("Signed in as bob").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByText("Signed in as").count(), 0);
});

test("two tabs that wait for a login both get to their end", async (t) => {
  const one = await open(t);
  const other = await one.context().newPage();
  const [first, second] = [await Client.register(), await Client.register()];
  await one.goto(first.request());
  await other.goto(second.request());
  await signIn(one, "bob");
  await one.getByRole("heading", { name: "Allow" }).waitFor();
  await signIn(other, "bob");
  await other.getByRole("heading", { name: "Allow" }).waitFor();
  await one.getByRole("button", { name: "Allow" }).click();
  assert.ok((await first.tokens(one)).access_token);
  await other.getByRole("button", { name: "Allow" }).click();
  assert.ok((await second.tokens(other)).access_token);
});

test("administrators see and end the apps of everybody; others do not", async (t) => {
  const bob = await open(t);
  const client = await Client.register({ client_name: "Bobs app" });
  const tokens = await approve(bob, client, "bob");
  assert.equal((await bob.goto(`${gateway}/oauth/apps`)).status(), 200);
  assert.equal(await bob.getByRole("link", { name: "All users" }).count(), 0);
  assert.equal((await bob.goto(`${gateway}/oauth/admin`)).status(), 403);
  await bob.getByText("This page is for administrators").waitFor();
  await bob.getByRole("link", { name: "Your connected apps" }).click();
  await bob.getByRole("button", { name: "Sign out" }).click();
  await bob.getByRole("heading", { name: "Sign in" }).waitFor();

  const alice = await open(t);
  await alice.goto(`${gateway}/oauth/admin`);
  await signIn(alice, "alice");
  await alice.getByRole("link", { name: "bob" }).click();
  await alice.getByRole("heading", { name: "Apps of bob" }).waitFor();
  await alice.getByRole("button", { name: "End access of Bobs app" }).first().click();
  await alice.getByRole("heading", { name: "Apps of bob" }).waitFor();
  assert.equal(await alice.getByText("Bobs app").count(), 0);
  assert.deepEqual(await introspect(tokens.access_token), { active: false });

  const again = await approve(bob, client, "bob");
  await alice.reload();
  const remove = alice.getByRole("button", { name: "Delete everything" });
  assert.ok(!(await remove.isVisible()));
  await alice.getByText("Delete everything about this user").click();
  await remove.click();
  await alice.getByRole("heading", { name: "Users" }).waitFor();
  assert.equal(await alice.getByRole("link", { name: "bob" }).count(), 0);
  assert.deepEqual(await introspect(again.access_token), { active: false });
});

test("an identity provider is chosen, and when it refuses one can choose again", async (t) => {
  const page = await open(t);
  // The provider: what the browser asks it for is looked at, and it sends the browser back.
  let asked;
  await page.route("https://id.example/**", (route) => {
    asked = new URL(route.request().url());
    const back = `${asked.searchParams.get("redirect_uri")}?error=access_denied&state=${asked.searchParams.get("state")}`;
    return route.fulfill({ status: 302, headers: { location: back } });
  });
  const client = await Client.register();
  await page.goto(client.request());
  await page.getByRole("link", { name: "Continue with Example & Söhne" }).click();
  assert.match(await page.getByRole("alert").innerText(), /The provider did not sign you in/);
  assert.equal(asked.searchParams.get("redirect_uri"), `${gateway}/oauth/callback/example`);
  assert.equal(asked.searchParams.get("code_challenge_method"), "S256");
  await page.getByText("“Notebook” asks for access").waitFor();
  await signIn(page, "bob");
  await page.getByRole("button", { name: "Allow" }).click();
  assert.ok((await client.tokens(page)).access_token);
});
