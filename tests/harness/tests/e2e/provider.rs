//! Login with a real OpenID provider, a process of its own: npm's `oidc-provider`, by `tests/e2e/openid-provider.mjs`.
//!
//! Node and its packages are installed by `cargo xtask test`.

use anyhow::{Context, Result, ensure};
use harness::browser::{Browser, Page};
use harness::oauth::{Authorization, Client, Consent, Tokens, answer_page};
use harness::process::{Lines, Process};
use harness::{ALICE, Gateway, Revision, Settings, Upstream, programs, unique};
use serde_json::json;
use url::Url;

/// Most pages and redirects from one place to the next.
const MAX_STEPS: usize = 15;

/// The provider, and the gateway's secret there.
struct Provider {
    process: Process,
    issuer: String,
    secret: String,
    thin: bool,
}

impl Provider {
    async fn start() -> Result<Self> {
        Self::launch(unique("secret-of-the-gateway"), false, "0").await
    }

    /// Its ID tokens say no more than who it is.
    async fn thin() -> Result<Self> {
        Self::launch(unique("secret-of-the-gateway"), true, "0").await
    }

    async fn launch(secret: String, thin: bool, port: &str) -> Result<Self> {
        let mut command = programs::node("openid-provider.mjs")?;
        command.arg(port).env("CLIENT_SECRET", &secret);
        if thin {
            command.env("THIN_ID_TOKEN", "1");
        }
        let mut process = Process::start(command, Lines::default(), Lines::default())?;
        let issuer = process.listening(0).await?;
        Ok(Self { process, issuer, secret, thin })
    }

    async fn restart(&mut self) -> Result<()> {
        let port = self.issuer.rsplit_once(':').context("port")?.1.to_owned();
        *self = Self::launch(self.secret.clone(), self.thin, &port).await?;
        Ok(())
    }

    /// Settings that let in whom `example.com` employs.
    fn settings(&self) -> Settings {
        let provider = json!({
            "label": "The company", "issuer": self.issuer, "clientId": "gateway", "clientSecret": "${CORP_SECRET}",
            "require": { "hd": ["example.com"] }, "roles": { "operators": "admin" },
        });
        let settings = Settings::new().variable("CORP_SECRET", &self.secret);
        settings.with("/identity", json!({ "type": "oidc", "providers": { "corp": provider } }))
    }
}

/// A client and one authorization request of it.
async fn request(gateway: &Gateway) -> Result<(Client, Authorization)> {
    let client = Client::register(&gateway.mcp_url(), "harness").await?;
    let authorization = client.authorization()?;
    Ok((client, authorization))
}

/// From the client's request over the gateway's login page to the provider; returns the provider's first page.
async fn leave(browser: &mut Browser, start: &Url) -> Result<Page> {
    let page = follow(browser, start.clone()).await?;
    let text = page.answer.text();
    let (_, link) = text.split_once("href=\"/oauth/login/corp?").with_context(|| format!("no link on {text}"))?;
    let link = link.split_once('"').context("no end of the link")?.0.replace("&amp;", "&");
    follow(browser, page.url.join(&format!("/oauth/login/corp?{link}"))?).await
}

/// Go there, and wherever redirects lead.
async fn follow(browser: &mut Browser, mut url: Url) -> Result<Page> {
    for _ in 0..MAX_STEPS {
        let page = browser.get(&url).await?;
        match page.redirect() {
            Some(target) => url = target,
            None => return Ok(page),
        }
    }
    anyhow::bail!("no end of redirects at {url}")
}

/// Through the provider's pages as this person, up to the address that the provider sends the browser back to.
async fn log_in(browser: &mut Browser, mut page: Page, account: &str) -> Result<Url> {
    for _ in 0..MAX_STEPS {
        if let Some(target) = page.redirect() {
            if target.path().starts_with("/oauth/callback/") {
                return Ok(target);
            }
            page = browser.get(&target).await?;
            continue;
        }
        ensure!(page.answer.status == 200, "{}: {} {}", page.url, page.answer.status, page.answer.text());
        let forms = page.forms();
        let form = forms.first().with_context(|| format!("no form on {}", page.answer.text()))?;
        page = browser.submit(&page, form, &[("login", account), ("password", "any")], form.buttons.first()).await?;
    }
    anyhow::bail!("no end of the provider's pages: {}", page.answer.text())
}

/// The whole way to the address with the provider's answer.
async fn answered(browser: &mut Browser, start: &Url, account: &str) -> Result<Url> {
    let page = leave(browser, start).await?;
    log_in(browser, page, account).await
}

/// From the provider's answer over the consent page to the code.
async fn code(browser: &mut Browser, back: Url) -> Result<String> {
    let page = follow(browser, back).await?;
    ensure!(page.answer.text().contains("Ada Lovelace"), "the consent page knows no name: {}", page.answer.text());
    let end = answer_page(browser, &page, ALICE, Consent::Allow).await?.redirect().context("no end")?;
    parameter(&end, "code")
}

/// A parameter of an address.
fn parameter(url: &Url, name: &str) -> Result<String> {
    let found = url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    found.with_context(|| format!("no {name} in {url}"))
}

/// The address with another value of a parameter.
fn with(url: &Url, name: &str, value: &str) -> Url {
    let others = url.query_pairs().filter(|(n, _)| n != name).map(|(n, v)| (n.into_owned(), v.into_owned()));
    let others: Vec<_> = others.collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    changed
}

/// The page after an answer that is no good. Nobody is logged in, and the client hears nothing.
async fn refused(browser: &mut Browser, back: Url, start: &Url) -> Result<(u16, String)> {
    let page = browser.get(&back).await?;
    let text = page.answer.text();
    ensure!(page.redirect().is_none(), "{}: {}", page.url, page.answer.status);
    ensure!(page.answer.status.is_client_error() || page.answer.status.is_server_error(), "{text}");
    let again = follow(browser, start.clone()).await?.answer.text();
    ensure!(again.contains("href=\"/oauth/login/corp?"), "logged in all the same: {again}");
    Ok((page.answer.status.as_u16(), text))
}

async fn whole_way(provider: &Provider) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start(provider.settings().upstream("fix", upstream.url())).await?;
    let (client, authorization) = request(&gateway).await?;
    let mut browser = Browser::default();
    let back = answered(&mut browser, &authorization.url, "ada").await?;
    let code = code(&mut browser, back).await?;
    let tokens = Tokens::read(&client.redeem(&code, &authorization.verifier).await?)?;
    let tokens = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
    let mcp = gateway.client(&tokens.access, Revision::V2025_11_25).await?;
    let sum = mcp.tool("fix_add", json!({ "a": 2, "b": 3 })).await?;
    ensure!(sum["structuredContent"]["sum"].as_f64() == Some(5.0), "{sum}");
    // Nothing of the provider reaches the upstream or the log.
    let (seen, log) = (format!("{:?}", upstream.requests().await?), gateway.output());
    for secret in ["Ada Lovelace", "ada@example.com", &provider.secret] {
        ensure!(!seen.contains(secret), "{secret} went to the upstream: {seen}");
        ensure!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn somebody_logs_in_there_consents_here_and_calls_a_tool() -> Result<()> {
    whole_way(&Provider::start().await?).await
}

#[tokio::test]
async fn what_an_id_token_does_not_say_is_asked_of_the_userinfo_endpoint() -> Result<()> {
    whole_way(&Provider::thin().await?).await
}

#[tokio::test]
async fn who_has_an_account_there_but_not_the_required_claim_stays_outside() -> Result<()> {
    let provider = Provider::start().await?;
    let gateway = Gateway::start(provider.settings()).await?;
    let (_, authorization) = request(&gateway).await?;
    let mut browser = Browser::default();
    let back = answered(&mut browser, &authorization.url, "eve").await?;
    let (status, text) = refused(&mut browser, back, &authorization.url).await?;
    ensure!(status == 403, "{status} {text}");
    Ok(())
}

#[tokio::test]
async fn who_turns_back_at_the_provider_can_try_again() -> Result<()> {
    let provider = Provider::start().await?;
    let gateway = Gateway::start(provider.settings()).await?;
    let (_, authorization) = request(&gateway).await?;
    let mut browser = Browser::default();
    let page = leave(&mut browser, &authorization.url).await?;
    let text = page.answer.text();
    let cancel = text.split("href=\"").find(|link| link.contains("/abort\"")).context("nothing to turn back with")?;
    let mut at = page.url.join(cancel.split_once('"').context("link")?.0)?;
    while !at.path().starts_with("/oauth/callback/") {
        at = browser.get(&at).await?.redirect().context("not sent back")?;
    }
    ensure!(at.query().is_some_and(|query| query.contains("error=access_denied")), "{at}");
    refused(&mut browser, at, &authorization.url).await?;
    let back = answered(&mut browser, &authorization.url, "ada").await?;
    code(&mut browser, back).await?;
    Ok(())
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked_and_as_it_was_given() -> Result<()> {
    let provider = Provider::start().await?;
    let gateway = Gateway::start(provider.settings()).await?;
    let (_, authorization) = request(&gateway).await?;
    let start = &authorization.url;
    let mut browser = Browser::default();
    let back = answered(&mut browser, start, "ada").await?;
    let state = parameter(&back, "state")?;

    // Somebody else's browser, one that is on its way to the provider itself, and one that has just been there.
    refused(&mut Browser::default(), back.clone(), start).await?;
    let mut victim = Browser::default();
    let of_victim = answered(&mut victim, start, "ada").await?;
    refused(&mut victim, back.clone(), start).await?;
    // Forged: other bytes, other order, none.
    let last = if state.ends_with('A') { "B" } else { "A" };
    let reversed: String = state.chars().rev().collect();
    for forged in [&format!("{}{last}", &state[..state.len() - 1]), &reversed, "", "state", &"A".repeat(state.len())] {
        refused(&mut browser.clone(), with(&back, "state", forged), start).await?;
    }
    // As it was given; a copy of the browser has all of its cookies, and is too late.
    let mut copy = browser.clone();
    code(&mut browser, back.clone()).await?;
    refused(&mut copy, back, start).await?;

    // Another issuer's answer, with everything else right (RFC 9207).
    let mut mixed_up = Browser::default();
    let of_other = with(&answered(&mut mixed_up, start, "ada").await?, "iss", "https://other.example");
    refused(&mut mixed_up, of_other, start).await?;

    // The attacker's code under the victim's state: the provider knows by PKCE that it is not the victim's.
    let mut attacker = Browser::default();
    let stolen = parameter(&answered(&mut attacker, start, "ada").await?, "code")?;
    let mixed = with(&of_victim, "code", &stolen);
    refused(&mut victim, mixed, start).await?;
    Ok(())
}

#[tokio::test]
async fn a_provider_that_is_down_is_an_error_that_says_so_and_passes() -> Result<()> {
    let mut provider = Provider::start().await?;
    let gateway = Gateway::start(provider.settings()).await?;
    let (_, authorization) = request(&gateway).await?;
    let mut browser = Browser::default();
    let back = answered(&mut browser, &authorization.url, "ada").await?;
    provider.process.kill_9().await?;

    let (status, text) = refused(&mut browser, back, &authorization.url).await?;
    ensure!(status >= 500 && text.contains("The company"), "{status} {text}");
    // Before anything is known of it, it cannot even be found.
    let fresh = Gateway::start(provider.settings()).await?;
    let (_, other) = request(&fresh).await?;
    let page = leave(&mut Browser::default(), &other.url).await?;
    let (status, text) = (page.answer.status, page.answer.text());
    ensure!(status.is_server_error() && page.url.path().starts_with("/oauth/"), "{} {status} {text}", page.url);
    for gateway in [&gateway, &fresh] {
        gateway.noted("provider `corp`").await.context("the operator is not told")?;
    }

    provider.restart().await?;
    for (gateway, start) in [(&gateway, &authorization.url), (&fresh, &other.url)] {
        let mut browser = Browser::default();
        let back = answered(&mut browser, start, "ada").await.with_context(|| gateway.output())?;
        code(&mut browser, back).await.with_context(|| gateway.output())?;
    }
    Ok(())
}
