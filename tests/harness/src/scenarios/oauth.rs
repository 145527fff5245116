//! Getting tokens.

use crate::browser::Browser;
use crate::http::Http;
use crate::oauth::{Authorization, Client, Consent, REDIRECT, Tokens, discover, walk};
use crate::settings::Person;
use crate::{ALICE, BOB, Gateway, HostKind, McpClient, Revision, Settings};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use url::Url;

async fn gateway(host: HostKind) -> Result<(Gateway, Client)> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let client = Client::register(&gateway.mcp_url(), "harness").await?;
    Ok((gateway, client))
}

/// The whole way, and the tokens are good in both eras.
pub async fn the_whole_flow_gives_tokens_that_work(host: HostKind) -> Result<()> {
    let (gateway, client) = gateway(host).await?;
    let authorization = client.authorization()?;
    let code = client.code(&authorization, ALICE).await?;
    let answer = client.redeem(&code, &authorization.verifier).await?;
    ensure!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", answer.headers);
    let tokens = Tokens::read(&answer)?;
    ensure!(tokens.expires_in == 3600, "{tokens:?}");
    for revision in Revision::ERAS {
        ensure!(gateway.client(&tokens.access, revision).await?.tools().await?.is_empty(), "tools without upstreams");
    }
    let refreshed = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
    ensure!(refreshed.refresh != tokens.refresh, "the refresh token was not rotated");
    gateway.client(&refreshed.access, Revision::V2026_07_28).await?;
    Ok(())
}

/// RFC 9728 and RFC 8414.
pub async fn the_discovery_documents_agree_with_each_other(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let http = Http::new();
    let metadata = discover(&http, &gateway.mcp_url()).await?;
    let url = gateway.url();
    ensure!(
        metadata.resource_metadata_url == format!("{url}/.well-known/oauth-protected-resource/mcp"),
        "{metadata:?}"
    );
    for place in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let answer = http.get(&format!("{url}{place}")).await?.expect(200)?;
        ensure!(
            answer.header("content-type").is_some_and(|v| v.starts_with("application/json")),
            "{:?}",
            answer.headers
        );
        ensure!(answer.json()? == metadata.resource, "{place}");
    }
    ensure!(metadata.resource["authorization_servers"] == json!([url]), "{}", metadata.resource);
    ensure!(metadata.resource["bearer_methods_supported"] == json!(["header"]), "{}", metadata.resource);
    let server = &metadata.server;
    ensure!(server["code_challenge_methods_supported"] == json!(["S256"]), "{server}");
    ensure!(server["response_types_supported"] == json!(["code"]), "{server}");
    ensure!(server["authorization_response_iss_parameter_supported"] == true, "{server}");
    ensure!(server["scopes_supported"] == metadata.resource["scopes_supported"], "{server}");
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        ensure!(metadata.endpoint(endpoint)?.starts_with(&format!("{url}/")), "{endpoint}: {server}");
    }
    Ok(())
}

/// RFC 6750 section 3.
pub async fn a_request_without_a_good_token_is_challenged(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    // What cannot be a token at all is a broken request (section 3.1).
    let long = "x".repeat(5000);
    let cases =
        [(None, 401, None), (Some("wrong"), 401, Some("invalid_token")), (Some(&*long), 400, Some("invalid_request"))];
    for (token, status, error) in cases {
        for revision in Revision::ERAS {
            let client = McpClient::new(gateway.mcp_url(), token, revision);
            let reply = client.open("tools/list", json!({})).await?.expect(status).await?;
            let challenge = reply.header("www-authenticate").context("no challenge")?;
            ensure!(challenge.starts_with("Bearer "), "{challenge}");
            ensure!(challenge.contains("resource_metadata="), "{challenge}");
            let told =
                challenge.split_once("error=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(error, _)| error);
            ensure!(told == error, "{challenge}");
        }
    }
    Ok(())
}

/// Single use, under a race. Whoever shows a code again ends what it gave (RFC 6749 section 4.1.2), so a race may also
/// leave nobody with tokens, but never two, and never somebody with tokens that live on.
pub async fn a_code_is_good_for_one_of_twenty_who_ask_at_once(host: HostKind) -> Result<()> {
    let (gateway, client) = gateway(host).await?;
    for _ in 0..3 {
        let authorization = client.authorization()?;
        let code = client.code(&authorization, ALICE).await?;
        // Each with a connection of its own.
        let clients: Vec<Client> = (0..20).map(|_| Client { http: Http::new(), ..client.clone() }).collect();
        let answers = try_join_all(clients.iter().map(|client| client.redeem(&code, &authorization.verifier))).await?;
        let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        ensure!(good.len() <= 1, "{} of 20 got tokens", good.len());
        for answer in bad {
            ensure!(answer.status == 400 && answer.json()?["error"] == "invalid_grant", "{}", answer.text());
        }
        for answer in good {
            dead(&gateway, &client, &Tokens::read(answer)?).await?;
        }
    }
    Ok(())
}

/// One after the other.
pub async fn a_code_shown_again_ends_what_it_gave(host: HostKind) -> Result<()> {
    let (gateway, client) = gateway(host).await?;
    let authorization = client.authorization()?;
    let code = client.code(&authorization, ALICE).await?;
    let tokens = Tokens::read(&client.redeem(&code, &authorization.verifier).await?)?;
    let untouched = client.log_in(ALICE).await?;
    gateway.client(&tokens.access, Revision::V2026_07_28).await?;
    let again = client.redeem(&code, &authorization.verifier).await?.expect(400)?;
    ensure!(again.json()?["error"] == "invalid_grant", "{}", again.text());
    dead(&gateway, &client, &tokens).await?;
    // The same person's other grant is another matter.
    gateway.client(&untouched.access, Revision::V2026_07_28).await?;
    Ok(())
}

async fn dead(gateway: &Gateway, client: &Client, tokens: &Tokens) -> Result<()> {
    let caller = McpClient::new(gateway.mcp_url(), Some(&tokens.access), Revision::V2026_07_28);
    caller.open("tools/list", json!({})).await?.expect(401).await?;
    let refreshed = client.refresh(&tokens.refresh).await?.expect(400)?;
    ensure!(refreshed.json()?["error"] == "invalid_grant", "{}", refreshed.text());
    Ok(())
}

/// PKCE and RFC 6749 section 4.1.3.
pub async fn a_code_is_good_only_with_its_verifier_and_its_client(host: HostKind) -> Result<()> {
    let (gateway, client) = gateway(host).await?;
    let other = Client::register(&gateway.mcp_url(), "another").await?;
    let fresh = || async {
        let authorization = client.authorization()?;
        let code = client.code(&authorization, ALICE).await?;
        anyhow::Ok((authorization, code))
    };
    let (authorization, code) = fresh().await?;
    let wrong_verifier = client.redeem(&code, &authorization.verifier.replace('v', "w")).await?;
    let (authorization, code) = fresh().await?;
    let wrong_client = other.redeem(&code, &authorization.verifier).await?;
    for answer in [wrong_verifier, wrong_client] {
        ensure!(answer.status == 400 && answer.json()?["error"] == "invalid_grant", "{}", answer.text());
    }
    Ok(())
}

/// Two tabs that refresh at once both live.
pub async fn racing_refreshes_get_the_same_tokens(host: HostKind) -> Result<()> {
    let (gateway, client) = gateway(host).await?;
    let tokens = client.log_in(ALICE).await?;
    let clients: Vec<Client> = (0..8).map(|_| Client { http: Http::new(), ..client.clone() }).collect();
    let answers = try_join_all(clients.iter().map(|client| client.refresh(&tokens.refresh))).await?;
    let all: Vec<Tokens> = answers.iter().map(Tokens::read).collect::<Result<_>>()?;
    let same = all.iter().all(|other| (&other.access, &other.refresh) == (&all[0].access, &all[0].refresh));
    ensure!(same, "different tokens");
    gateway.client(&all[0].access, Revision::V2026_07_28).await?;
    // And the rotated one goes on.
    Tokens::read(&client.refresh(&all[0].refresh).await?)?;
    Ok(())
}

/// RFC 6749 section 4.1.2.1.
pub async fn who_says_no_is_sent_back_with_access_denied(host: HostKind) -> Result<()> {
    let (_gateway, client) = gateway(host).await?;
    let Authorization { url, state, .. } = client.authorization()?;
    let back = walk(&mut Browser::default(), &url, BOB, Consent::Deny).await?;
    let value = |name: &str| back.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    ensure!(value("error").as_deref() == Some("access_denied"), "{back}");
    ensure!(value("state") == Some(state), "{back}");
    ensure!(value("iss").as_deref() == client.metadata.server["issuer"].as_str(), "{back}");
    ensure!(value("code").is_none(), "{back}");
    Ok(())
}

/// A wrong name and a wrong password look the same.
pub async fn a_wrong_password_leads_back_to_the_form(host: HostKind) -> Result<()> {
    let (_gateway, client) = gateway(host).await?;
    let mut pages = Vec::new();
    for (name, password) in [("alice", "wrong"), ("nobody", "wrong")] {
        let person = Person { name, password, hash: "" };
        let mut browser = Browser::default();
        let mut page = browser.get(&client.authorization()?.url).await?;
        while let Some(target) = page.redirect() {
            page = browser.get(&target).await?;
        }
        let form = page.forms().into_iter().find(|form| form.asks_password()).context("no login form")?;
        let text = form.fields.iter().find(|field| field.kind == "text").context("no field for the name")?;
        let secret = form.fields.iter().find(|field| field.kind == "password").context("no field for the password")?;
        let values = [(text.name.as_str(), person.name), (secret.name.as_str(), person.password)];
        let answer = browser.submit(&page, &form, &values, form.buttons.first()).await?;
        ensure!(answer.redirect().is_none(), "sent on to {:?}", answer.redirect());
        ensure!(answer.forms().iter().any(|form| form.asks_password()), "{}", answer.answer.text());
        ensure!(!answer.answer.text().contains("wrong"), "the password is on the page");
        pages.push((answer.answer.status, answer.answer.text().matches('<').count()));
    }
    ensure!(pages[0] == pages[1], "an unknown name looks different: {pages:?}");
    Ok(())
}

/// No open redirect.
pub async fn nobody_is_sent_to_an_address_that_is_not_registered(host: HostKind) -> Result<()> {
    let (_gateway, client) = gateway(host).await?;
    for wrong in [
        "https://evil.example/callback",
        "http://127.0.0.1:33418/callback/more",
        "http://127.0.0.1:33418/callback?more=1",
        "http://127.0.0.1.evil.example:33418/callback",
        "http://user@127.0.0.1:33418/callback",
        "javascript:alert(1)",
    ] {
        let right = client.authorization()?.url;
        let pairs: Vec<_> = right.query_pairs().into_owned().collect();
        let mut url: Url = right.clone();
        url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| match name.as_str() {
            "redirect_uri" => (name.as_str(), wrong),
            _ => (name.as_str(), value.as_str()),
        }));
        let page = Browser::default().get(&url).await?;
        ensure!(page.answer.status.is_client_error(), "{wrong}: {}", page.answer.status);
        ensure!(page.answer.header("location").is_none(), "{wrong}: {:?}", page.redirect());
    }
    // Another port on loopback is the same application (RFC 8252 section 7.3).
    let other_port = REDIRECT.replace("33418", "50123");
    let mut url = client.authorization()?.url;
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| match name.as_str() {
        "redirect_uri" => (name.as_str(), other_port.as_str()),
        _ => (name.as_str(), value.as_str()),
    }));
    let page = Browser::default().get(&url).await?;
    ensure!(!page.answer.status.is_client_error(), "{}: {}", page.answer.status, page.answer.text());
    Ok(())
}
