// What an application gives to the SDKs for OAuth: everything is kept in memory, and the browser is ours.

import { logIn } from "./browser.mjs";

const REDIRECT = "http://127.0.0.1:33419/callback";

/** An OAuthClientProvider, as both generations of the TypeScript SDK want it. */
export class Provider {
  /** Names of the steps the SDK went through, for the report. */
  steps = [];
  /** The parameters of the redirect back. */
  callback = undefined;

  constructor(user, password) {
    this.person = { user, password };
  }

  /** Where this client's document is, if it is not to register itself. */
  get clientMetadataUrl() {
    return process.env.CLIENT_METADATA_URL;
  }

  get redirectUrl() {
    return REDIRECT;
  }

  get clientMetadata() {
    return {
      client_name: "mcp-edge e2e",
      redirect_uris: [REDIRECT],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state() {
    this.expected ??= crypto.randomUUID();
    return this.expected;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.steps.push(client.client_id === this.clientMetadataUrl ? "document" : "registered");
    this.client = client;
  }

  tokens() {
    return this.kept;
  }

  saveTokens(tokens) {
    this.steps.push("tokens");
    this.kept = tokens;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveDiscoveryState(state) {
    this.discovered = state;
  }

  discoveryState() {
    return this.discovered;
  }

  async redirectToAuthorization(url) {
    this.steps.push("authorized");
    this.callback = await logIn(url, REDIRECT, this.person.user, this.person.password);
    if (this.callback.get("state") !== this.expected) throw new Error("another state came back");
    if (this.callback.has("error")) throw new Error(`sent back with ${this.callback}`);
  }
}
