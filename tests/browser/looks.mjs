// How the pages look: photographed in light and dark, on a desk and on a phone, and checked by axe-core.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, approve, gateway, look, open, signIn } from "./world.mjs";

const LONG = "The Extraordinarily Comprehensive Assistant for Notes, Mail and Everything Else of Incomparable Ltd";

test("every page is readable in light and dark, on a desk and on a phone", async (t) => {
  const page = await open(t);
  const faults = [];
  const see = async (name) => faults.push(...(await look(page, name)));

  const notebook = await Client.register();
  await page.goto(notebook.request());
  await see("login");
  await signIn(page, "alice", "not it");
  await see("login-wrong");
  await signIn(page, "alice");
  await see("consent-loopback");
  await page.getByRole("button", { name: "Allow" }).click();
  await notebook.tokens(page);

  const web = await Client.register({ client_name: "Claude", redirect_uris: ["https://claude.ai/api/mcp/auth_callback"] });
  await page.goto(web.request());
  await see("consent-web");
  for (const box of await page.getByRole("checkbox").all()) await box.uncheck();
  await page.getByRole("button", { name: "Allow" }).click();
  await see("consent-nothing");

  const long = await Client.register({
    client_name: LONG,
    redirect_uris: [`https://an-unusually-long-host-name.of.a.client.example/${"callback/".repeat(90)}`],
  });
  await page.goto(long.request());
  await see("consent-long");
  const unbroken = await Client.register({ client_name: "W".repeat(100), redirect_uris: ["cursor://anysphere.cursor-mcp/oauth/callback"] });
  await page.goto(unbroken.request());
  await see("consent-app");
  const arabic = await Client.register({ client_name: "مساعد الملاحظات" });
  await approve(page, arabic, "alice");
  const named = await Client.register({ client_name: LONG });
  await approve(page, named, "alice");

  await page.goto(`${gateway}/oauth/apps`);
  await see("apps");
  const other = await open(t);
  await approve(other, await Client.register(), "bob");
  await page.goto(`${gateway}/oauth/admin`);
  await see("users");
  await page.getByRole("link", { name: "bob" }).click();
  await page.getByText("Delete everything about this user").click();
  await see("user");
  await other.goto(`${gateway}/oauth/apps`);
  while (await other.getByRole("button", { name: "End access" }).count()) {
    await other.getByRole("button", { name: "End access" }).first().click();
  }
  await other.waitForURL(`${gateway}/oauth/apps`);
  faults.push(...(await look(other, "apps-none")));

  await page.goto(notebook.request({ client_id: "nobody" }));
  await see("error-client");
  await page.goto(notebook.request({ redirect_uri: "https://evil.example/" }));
  await see("error-redirect");
  await page.goto(`${gateway}/oauth/nowhere`);
  await see("error-404");
  assert.deepEqual(faults, []);
});
