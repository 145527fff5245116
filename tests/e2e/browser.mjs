// A browser without JavaScript: follows redirects, fills in the login form, says yes on the consent page.

const MAX_PAGES = 10;

/** Text of an HTML attribute. */
function decode(text) {
  const entities = { lt: "<", gt: ">", quot: '"', "#34": '"', "#39": "'", "#x27": "'", "#x2F": "/", amp: "&" };
  return text.replace(/&(lt|gt|quot|#34|#39|#x27|#x2F|amp);/g, (_, name) => entities[name]);
}

/** Attributes of a tag, by name. */
function attributes(tag) {
  const found = {};
  for (const [, name, , double, single, bare] of tag.matchAll(/([\w-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)) {
    found[name.toLowerCase()] = decode(double ?? single ?? bare ?? "");
  }
  return found;
}

/** The forms of a page: where they go, their fields, their buttons. */
function forms(page) {
  return [...page.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head, body]) => {
    const { method = "get", action = "" } = attributes(head);
    const fields = [...body.matchAll(/<input\b([^>]*)>/gi)].map(([, tag]) => ({ type: "text", value: "", ...attributes(tag) }));
    const buttons = [...body.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)].map(([, tag, text]) => ({
      ...attributes(tag),
      text: text.replace(/<[^>]*>/g, "").trim(),
    }));
    const unticked = (field) => ["checkbox", "radio"].includes(field.type) && !("checked" in field);
    return { method, action, fields: fields.filter((field) => field.name && !unticked(field)), buttons };
  });
}

/** A submission of a form with these values in place of its own, by this button. */
function submission(form, page, values, button) {
  const body = new URLSearchParams();
  for (const field of form.fields) body.append(field.name, values[field.name] ?? field.value);
  if (button?.name) body.append(button.name, button.value ?? "");
  return { url: new URL(form.action || page, page), method: form.method.toUpperCase(), body };
}

/** What the person does on a page. */
function answer(html, page, user, password) {
  const all = forms(html);
  const login = all.find((form) => form.fields.some((field) => field.type === "password"));
  if (login) {
    const name = login.fields.find((field) => ["text", "email"].includes(field.type)).name;
    const secret = login.fields.find((field) => field.type === "password").name;
    return submission(login, page, { [name]: user, [secret]: password }, login.buttons[0]);
  }
  for (const form of all) {
    const yes = form.buttons.find((button) => /approve|allow|accept|yes/i.test(`${button.name} ${button.value} ${button.text}`));
    if (yes) return submission(form, page, {}, yes);
  }
  throw new Error(`nothing to press on ${page}: ${html}`);
}

/** Go through the pages until the browser is sent to `redirect`; returns the parameters it is sent there with. */
export async function logIn(start, redirect, user, password) {
  const cookies = new Map();
  let next = { url: new URL(start), method: "GET" };
  for (let count = 0; count < MAX_PAGES; count++) {
    const headers = { accept: "text/html", cookie: [...cookies].map((pair) => pair.join("=")).join("; ") };
    if (next.method === "POST") headers.origin = next.url.origin;
    const response = await fetch(next.url, { ...next, headers, redirect: "manual" });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/;\s*max-age=0/i.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const html = await response.text();
    const location = response.headers.get("location");
    if (location) {
      const target = new URL(location, next.url);
      if (target.href.startsWith(redirect)) return target.searchParams;
      next = { url: target, method: "GET" };
    } else if (response.ok) {
      next = answer(html, next.url, user, password);
    } else {
      throw new Error(`${next.method} ${next.url}: ${response.status} ${html}`);
    }
  }
  throw new Error(`no end after ${MAX_PAGES} pages`);
}
