//! oauth.wasm with an identity provider: `refresh`, `delete-user`, and requests to the outside.

use crate::oauth::{GrantError, Oauth, RefreshError, local};
use anyhow::{Context, Result, anyhow, ensure};
use harness::browser::Browser;
use harness::oauth::{Client, Consent, Tokens, answer_page};
use harness::{ALICE, Settings};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An OAuth 2 server where everybody is Ada. Its access tokens end at once and are called `idp-1`, `idp-2`, ….
struct Provider {
    url: String,
    given: Arc<AtomicUsize>,
}

impl Provider {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let given = Arc::new(AtomicUsize::new(0));
        let count = given.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, count.clone()));
            }
        });
        Ok(Self { url, given })
    }

    fn settings(&self) -> Settings {
        let provider = json!({
            "authorizationEndpoint": format!("{}/authorize", self.url), "tokenEndpoint": format!("{}/token", self.url),
            "userinfoEndpoint": format!("{}/user", self.url), "clientId": "gateway", "claims": { "subject": "id" },
        });
        Settings::new().with("/identity/type", json!("oidc")).with("/identity/providers/hub", provider)
    }
}

/// One request, one answer.
async fn answer(mut stream: TcpStream, given: Arc<AtomicUsize>) -> Result<()> {
    let mut request = String::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut piece).await?;
        request.push_str(&String::from_utf8_lossy(&piece[..length]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        if length == 0 || head.starts_with("GET ") || body.contains("grant_type=") {
            break;
        }
    }
    ensure!(!request.contains("mcp-edge-public-only"), "{request}");
    let body = match request.split([' ', '?']).nth(1) {
        Some("/token") => {
            let n = given.fetch_add(1, Ordering::SeqCst) + 1;
            // Slow enough for others to ask meanwhile.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            json!({ "access_token": format!("idp-{n}"), "token_type": "Bearer", "expires_in": 1, "refresh_token": "idp-r" })
        }
        Some("/user") if request.contains("Bearer idp-") => json!({ "id": "42", "name": "Ada" }),
        _ => json!({ "error": "invalid_request" }),
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await?;
    Ok(())
}

/// By way of the provider: its link on the login page, its answer, the consent page.
async fn log_in(client: &Client) -> Result<Tokens> {
    let authorization = client.authorization()?;
    let mut browser = Browser::default();
    let page = browser.get(&authorization.url).await?;
    let text = page.answer.text();
    let (_, link) = text.split_once("href=\"/oauth/login/hub?").with_context(|| format!("no link on {text}"))?;
    let (link, _) = link.split_once('"').context("no end of the link")?;
    let there = page.url.join(&format!("/oauth/login/hub?{}", link.replace("&amp;", "&")))?;
    let there = browser.get(&there).await?.redirect().context("not sent to the provider")?;
    let state = there.query_pairs().find(|(name, _)| name == "state").context("no state")?.1.into_owned();
    let mut back = page.url.join("/oauth/callback/hub")?;
    back.query_pairs_mut().append_pair("code", "c").append_pair("state", &state);
    let mut page = browser.get(&back).await?;
    while let Some(target) = page.redirect().filter(|target| target.path().starts_with("/oauth/")) {
        page = browser.get(&target).await?;
    }
    let end = answer_page(&mut browser, &page, ALICE, Consent::Allow).await?.redirect().context("no end")?;
    let code = end.query_pairs().find(|(name, _)| name == "code").with_context(|| format!("no code: {end}"))?;
    Tokens::read(&client.redeem(&code.1, &authorization.verifier).await?)
}

#[tokio::test]
async fn a_provider_gives_one_new_token_to_all_who_ask_at_once_until_the_user_is_deleted() -> Result<()> {
    local(async {
        let provider = Provider::start().await?;
        let oauth = Oauth::start_with(&provider.settings()).await?;
        let client = oauth.client().await?;
        let tokens = log_in(&client).await?;
        let ada = oauth.validate(&tokens.access, &oauth.resource()).await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(ada.subject == "hub:42" && ada.roles.is_empty(), "{ada:?}");
        ensure!(provider.given.load(Ordering::SeqCst) == 1);

        let (one, two) = futures::try_join!(oauth.refresh(&ada.grant_id), oauth.refresh(&ada.grant_id))?;
        for token in [one, two] {
            let token = token.map_err(|e| anyhow!("{e:?}"))?;
            ensure!(token.provider == "hub" && token.access_token == "idp-2", "{}", token.access_token);
        }
        ensure!(provider.given.load(Ordering::SeqCst) == 2, "asked more than once");

        oauth.broken.store(true, Ordering::Relaxed);
        ensure!(matches!(oauth.refresh(&ada.grant_id).await?, Err(RefreshError::Unavailable(_))));
        ensure!(matches!(oauth.delete_user("hub:42").await?, Err(GrantError::Unavailable(_))));
        oauth.broken.store(false, Ordering::Relaxed);

        ensure!(matches!(oauth.delete_user("hub:43").await?, Ok(0)), "somebody else");
        ensure!(oauth.validate(&tokens.access, &oauth.resource()).await?.is_ok(), "ended with somebody else");
        let deleted = oauth.delete_user("hub:42").await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(deleted == 1, "{deleted} grants");
        ensure!(oauth.validate(&tokens.access, &oauth.resource()).await?.is_err(), "still good");
        ensure!(oauth.list_grants("hub:42").await?.is_ok_and(|grants| grants.is_empty()));
        ensure!(matches!(oauth.refresh(&ada.grant_id).await?, Err(RefreshError::NotFound)));
        ensure!(matches!(oauth.delete_user("hub:42").await?, Ok(0)), "safe to repeat");

        // Who comes again is somebody else: what other components keep under the old hash is out of reach.
        let tokens = log_in(&client).await?;
        let again = oauth.validate(&tokens.access, &oauth.resource()).await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(again.subject == ada.subject && again.user_hash != ada.user_hash, "{again:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn only_users_of_providers_have_tokens_of_providers() -> Result<()> {
    local(async {
        let provider = Provider::start().await?;
        let oauth = Oauth::start_with(&provider.settings()).await?;
        let tokens = oauth.client().await?.log_in(ALICE).await?;
        let alice = oauth.validate(&tokens.access, &oauth.resource()).await?.map_err(|e| anyhow!("{e:?}"))?;
        for grant in [alice.grant_id.as_str(), "", "made-up"] {
            ensure!(matches!(oauth.refresh(grant).await?, Err(RefreshError::NotFound)), "{grant}");
        }
        ensure!(provider.given.load(Ordering::SeqCst) == 0, "the provider was asked");
        Ok(())
    })
    .await
}
