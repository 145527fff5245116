"""The Python SDK, version 2: `mcp`. MODE is `legacy`, `auto` or a revision to pin.

Usage: client.py URL PREFIX [USER PASSWORD]
"""

import asyncio
import json
import os
import re
import sys
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

REDIRECT = "http://127.0.0.1:33420/callback"
MAX_PAGES = 10
# Where this client's document is, if it is not to register itself.
DOCUMENT = os.environ.get("CLIENT_METADATA_URL")


class Forms(HTMLParser):
    """The forms of a page: where they go, their fields, their buttons."""

    def __init__(self, page: str):
        super().__init__()
        self.forms: list[dict] = []
        self.form: dict | None = None
        self.button: dict | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = {"method": values.get("method", "get"), "action": values.get("action", ""), "fields": [], "buttons": []}
            self.forms.append(self.form)
        elif tag == "input" and self.form is not None:
            kind = values.get("type", "text")
            if values.get("name") and not (kind in ("checkbox", "radio") and "checked" not in values):
                self.form["fields"].append({"type": kind, "name": values["name"], "value": values.get("value", "")})
        elif tag == "button" and self.form is not None:
            self.button = {"name": values.get("name", ""), "value": values.get("value", ""), "text": ""}
            self.form["buttons"].append(self.button)

    def handle_data(self, data):
        if self.button is not None:
            self.button["text"] += data

    def handle_endtag(self, tag):
        if tag == "form":
            self.form = None
        elif tag == "button":
            self.button = None


def fill_in(page: str, user: str, password: str) -> tuple[dict, list[tuple[str, str]]]:
    """The form that the person submits, and with what."""
    forms = Forms(page).forms
    for form in forms:
        kinds = [field["type"] for field in form["fields"]]
        if "password" in kinds:
            given = {"password": password, "text": user, "email": user}
            return form, [(f["name"], given.get(f["type"], f["value"])) for f in form["fields"]]
    for form in forms:
        for button in form["buttons"]:
            if re.search("approve|allow|accept|yes", " ".join(button.values()), re.I):
                fields = [(f["name"], f["value"]) for f in form["fields"]]
                return form, fields + ([(button["name"], button["value"])] if button["name"] else [])
    raise RuntimeError(f"nothing to press on {page}")


async def log_in(start: str, user: str, password: str) -> dict[str, str]:
    """Go through the pages; returns the parameters of the redirect back."""
    cookies: dict[str, str] = {}
    url, method, fields = start, "GET", []
    async with httpx2.AsyncClient(follow_redirects=False) as http:
        for _ in range(MAX_PAGES):
            headers = {"accept": "text/html"}
            if cookies:
                headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
            if method == "POST":
                parts = urlsplit(url)
                headers["origin"] = f"{parts.scheme}://{parts.netloc}"
                headers["content-type"] = "application/x-www-form-urlencoded"
            body = str(httpx2.QueryParams(fields)) if method == "POST" else None
            response = await http.request(method, url, headers=headers, content=body)
            for cookie in response.headers.get_list("set-cookie"):
                name, value = cookie.split(";")[0].split("=", 1)
                if "max-age=0" in cookie.lower():
                    cookies.pop(name, None)
                else:
                    cookies[name] = value
            if location := response.headers.get("location"):
                url, method, fields = urljoin(url, location), "GET", []
                if url.startswith(REDIRECT):
                    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            elif response.status_code == 200:
                form, fields = fill_in(response.text, user, password)
                url, method = urljoin(url, form["action"]), form["method"].upper()
            else:
                raise RuntimeError(f"{method} {url}: {response.status_code} {response.text}")
    raise RuntimeError(f"no end after {MAX_PAGES} pages")


class Storage:
    """Keeps tokens and the client in memory, and notes the steps for the report."""

    def __init__(self):
        self.tokens = None
        self.client = None
        self.steps: list[str] = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.steps.append("tokens")
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.steps.append("document" if client_info.client_id == DOCUMENT else "registered")
        self.client = client_info


def oauth(url: str, storage: Storage, user: str, password: str) -> OAuthClientProvider:
    """The SDK's OAuth client, with our browser."""
    back: dict[str, str] = {}

    async def redirect(authorization_url: str) -> None:
        storage.steps.append("authorized")
        back.update(await log_in(authorization_url, user, password))

    async def callback() -> AuthorizationCodeResult:
        if "error" in back:
            raise RuntimeError(f"sent back with {back}")
        return AuthorizationCodeResult(code=back["code"], state=back.get("state"), iss=back.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="mcp-edge e2e", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
    )
    return OAuthClientProvider(url, metadata, storage, redirect, callback, client_metadata_url=DOCUMENT)


async def exercise(client: Client, prefix: str) -> dict:
    """What every client does, and the report that the tests check."""
    tools = (await client.list_tools()).tools
    added = await client.call_tool(f"{prefix}add", {"a": 2, "b": 3})
    echoed = await client.call_tool(f"{prefix}echo", {"text": "Grüße \U0001f44b"})
    progress: list[float] = []

    async def on_progress(value: float, total: float | None, message: str | None) -> None:
        progress.append(value)

    streamed = await client.call_tool(
        f"{prefix}stream", {"count": 3, "pauseMilliseconds": 20}, progress_callback=on_progress
    )
    failed = await client.call_tool(f"{prefix}test_error_handling", {})
    resources = (await client.list_resources()).resources
    uri = next(resource.uri for resource in resources if resource.name.endswith("static-text"))
    contents = (await client.read_resource(str(uri))).contents
    prompts = (await client.list_prompts()).prompts
    prompt = await client.get_prompt(f"{prefix}test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"})
    return {
        "server": client.server_info.name if client.server_info else None,
        "tools": [tool.name for tool in tools],
        "sum": (added.structured_content or {}).get("sum"),
        "echo": echoed.content[0].text,
        "progress": progress,
        "streamed": streamed.content[0].text,
        "isError": failed.is_error,
        "resource": contents[0].text,
        "prompts": [entry.name for entry in prompts],
        "prompt": prompt.messages[0].content.text,
        "revision": client.protocol_version,
    }


async def main() -> None:
    url, prefix, *person = sys.argv[1:]
    storage = Storage()
    auth = oauth(url, storage, *person) if person else None
    async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=os.environ.get("MODE", "auto")) as client:
            report = await exercise(client, prefix)
    report["steps"] = storage.steps
    print(json.dumps(report))


asyncio.run(main())
