// Browsers and people of all kinds: without scripts, by keyboard, with names that are too long.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, gateway, open, passwords, signIn } from "./world.mjs";

test("everything works without JavaScript", async (t) => {
  const page = await open(t, { javaScriptEnabled: false });
  const client = await Client.register({ client_name: "No scripts" });
  await page.goto(client.request());
  await signIn(page, "alice", "not it");
  assert.equal(await page.getByRole("alert").count(), 1);
  await signIn(page, "alice");
  await page.getByLabel("Send mail in your name").uncheck();
  await page.getByRole("button", { name: "Allow" }).click();
  assert.equal((await client.tokens(page)).scope, "notes:read notes:write");
  await page.goto(`${gateway}/oauth/apps`);
  await page.getByRole("button", { name: "End access of No scripts" }).click();
  assert.equal(await page.getByText("No scripts").count(), 0);
  await page.getByRole("link", { name: "All users" }).click();
  assert.equal(await page.title(), "Users – mcp-edge");
});

/** Press Tab until the element with the focus is called so; there must be a ring around it. */
async function tabTo(page, name) {
  const seen = [];
  for (let count = 0; count < 20; count++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      const name = element.ariaLabel ?? (element.labels?.[0] ?? element).innerText ?? "";
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: name.trim(), ring: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 };
    });
    seen.push(focus.name);
    if (focus.name === name) {
      assert.ok(focus.ring, `${name} has the focus without a ring`);
      return;
    }
  }
  assert.fail(`Tab does not reach ${name}, only ${seen}`);
}

test("everything works by keyboard alone, and Enter on a box does not approve", async (t) => {
  const page = await open(t);
  const client = await Client.register({ client_name: "Keys" });
  await page.goto(client.request());
  await tabTo(page, "User name");
  await page.keyboard.type("alice");
  await tabTo(page, "Password");
  await page.keyboard.type(passwords.alice);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Allow" }).waitFor();
  await tabTo(page, "Read your notes");
  await page.keyboard.press("Enter");
  assert.equal((await client.answer(page)).get("error"), "access_denied");

  await page.goto(client.request());
  await tabTo(page, "Send mail in your name");
  await page.keyboard.press("Space");
  await tabTo(page, "Allow");
  await page.keyboard.press("Enter");
  assert.equal((await client.tokens(page)).scope, "notes:read notes:write");

  await page.goto(`${gateway}/oauth/apps`);
  await tabTo(page, "End access of Keys");
  await page.keyboard.press("Enter");
  await page.getByText("No app has access").waitFor();
  await tabTo(page, "Sign out");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("password managers and screen readers find what they look for", async (t) => {
  const page = await open(t);
  const client = await Client.register();
  await page.goto(client.request());
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.getByRole("main").count(), 1);
  for (const [label, autocomplete] of [["User name", "username"], ["Password", "current-password"]]) {
    assert.equal(await page.getByLabel(label).getAttribute("autocomplete"), autocomplete);
  }
  await signIn(page, "bob", "not it");
  for (const label of ["User name", "Password"]) {
    assert.equal(await page.getByLabel(label).getAttribute("aria-invalid"), "true");
    const described = await page.getByLabel(label).getAttribute("aria-describedby");
    assert.equal(await page.locator(`#${described}`).innerText(), "Name and password do not fit.");
  }
});

test("what a client calls itself is text, however it is written", async (t) => {
  const page = await open(t);
  const dialogs = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    return dialog.dismiss();
  });
  const name = `</h1></main><script>alert(1)</script><img src=x onerror=alert(2)><form action=//e.example>"'`;
  const client = await Client.register({ client_name: name });
  await page.goto(client.request({ state: `"><script>alert(3)</script>` }));
  await page.getByText(name).waitFor();
  await signIn(page, `"><script>alert(4)</script>`, "x");
  assert.equal(await page.getByLabel("User name").inputValue(), `"><script>alert(4)</script>`);
  await signIn(page, "alice");
  await page.getByText(name).waitFor();
  client.state = `"><script>alert(3)</script>`;
  await page.getByRole("button", { name: "Allow" }).click();
  await client.tokens(page);
  await page.goto(`${gateway}/oauth/apps`);
  await page.getByRole("heading", { name }).waitFor();
  assert.deepEqual(dialogs, []);
  assert.equal(await page.locator("script, img, [onerror]").count(), 0);
  await page.getByRole("button", { name: `End access of ${name}` }).click();
  await page.getByText("No app has access").waitFor();
});
