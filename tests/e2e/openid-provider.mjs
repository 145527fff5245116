// An OpenID provider (npm `oidc-provider`) for one client, the gateway: openid-provider.mjs [PORT]
//
// CLIENT_SECRET is the gateway's secret. THIN_ID_TOKEN: what is known of a person is told by the userinfo endpoint only.
// Whoever names an account is logged in to it.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const PEOPLE = {
  ada: { name: "Ada Lovelace", email: "ada@example.com", hd: "example.com", groups: ["engineers", "operators"] },
  eve: { name: "Eve Elsewhere", email: "eve@elsewhere.example", hd: "elsewhere.example", groups: ["operators"] },
};

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const server = createServer();
await new Promise((resolve) => server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "gateway",
      client_secret: process.env.CLIENT_SECRET,
      // The gateway's port is not known yet; that of native apps does not count (RFC 8252 section 7.3).
      application_type: "native",
      redirect_uris: ["http://127.0.0.1/oauth/callback/corp"],
      grant_types: ["authorization_code", "refresh_token"],
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "1" }] },
  claims: { openid: ["sub"], profile: ["name", "groups", "hd"], email: ["email"] },
  conformIdTokenClaims: "THIN_ID_TOKEN" in process.env,
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  findAccount: (_, id) => (Object.hasOwn(PEOPLE, id) ? { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) } : undefined),
});
provider.on("server_error", (_, error) => console.error(error));
server.on("request", provider.callback());
console.error(`listening on ${issuer}`);
