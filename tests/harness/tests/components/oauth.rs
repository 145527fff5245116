//! `mcp-edge:oauth/tokens` and `mcp-edge:oauth/endpoints` of oauth.wasm.

use crate::fake::Breakable;
use crate::{Single, wasmtime_error};
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use harness::oauth::{Client, Tokens};
use harness::{ALICE, BOB, Settings};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mcp_edge::runtime::Clock;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::bindings::http::types::Request as WasiRequest;

mod world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mcp-edge:gateway/oauth",
        exports: { default: async },
        with: { "wasi:http": wasmtime_wasi_http::p3::bindings::http },
    });
}

pub use world::exports::mcp_edge::oauth::tokens::{
    Grant, GrantError, Principal, ProviderToken, RefreshError, TokenError,
};

/// oauth.wasm behind a listener: requests to the authorization server go to it, `/mcp` is challenged as the router does.
pub struct Oauth {
    single: Arc<Single>,
    pub url: String,
    time: Arc<AtomicI64>,
    pub broken: Arc<AtomicBool>,
}

impl Oauth {
    /// To be called on a `LocalSet`.
    async fn start() -> Result<Self> {
        Self::start_with(&Settings::new()).await
    }

    /// The same with these settings.
    pub async fn start_with(settings: &Settings) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut single = Single::load("oauth", settings, &url)?;
        let time = Arc::new(AtomicI64::new(0));
        single.services.clock = Clock::with_offset(time.clone());
        let (store, broken) = Breakable::store(single.services.store.clone());
        single.services.store = store;
        let single = Arc::new(single);
        tokio::task::spawn_local(serve(listener, single.clone(), url.clone()));
        Ok(Self { single, url, time, broken })
    }

    pub fn resource(&self) -> String {
        format!("{}/mcp", self.url)
    }

    pub async fn client(&self) -> Result<Client> {
        Client::register(&self.resource(), "contract <test>").await
    }

    pub async fn validate(&self, token: &str, resource: &str) -> Result<Result<Principal, TokenError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        world.mcp_edge_oauth_tokens().call_validate(&mut store, token, resource).await.map_err(wasmtime_error)
    }

    pub async fn list_grants(&self, subject: &str) -> Result<Result<Vec<Grant>, GrantError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        world.mcp_edge_oauth_tokens().call_list_grants(&mut store, subject).await.map_err(wasmtime_error)
    }

    async fn revoke_grant(&self, subject: &str, grant: &str) -> Result<Result<(), GrantError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        world.mcp_edge_oauth_tokens().call_revoke_grant(&mut store, subject, grant).await.map_err(wasmtime_error)
    }

    pub async fn delete_user(&self, subject: &str) -> Result<Result<u64, GrantError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        world.mcp_edge_oauth_tokens().call_delete_user(&mut store, subject).await.map_err(wasmtime_error)
    }

    async fn sweep(&self, position: u64) -> Result<Result<Option<u64>, GrantError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        world.mcp_edge_oauth_tokens().call_sweep(&mut store, position).await.map_err(wasmtime_error)
    }

    pub async fn refresh(&self, grant: &str) -> Result<Result<ProviderToken, RefreshError>> {
        let mut store = self.single.store();
        let world = instance(&self.single, &mut store).await?;
        let answer = store
            .run_concurrent(async |store| world.mcp_edge_oauth_tokens().call_refresh(store, grant.into()).await)
            .await
            .map_err(wasmtime_error)?;
        answer.map_err(wasmtime_error)
    }
}

async fn instance(single: &Single, store: &mut wasmtime::Store<mcp_edge::runtime::Guest>) -> Result<world::Oauth> {
    world::Oauth::instantiate_async(store, &single.component, &single.runtime.linker).await.map_err(wasmtime_error)
}

async fn serve(listener: tokio::net::TcpListener, single: Arc<Single>, url: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (single, url) = (single.clone(), url.clone());
        tokio::task::spawn_local(async move {
            let service = hyper::service::service_fn(move |request| {
                let (single, url) = (single.clone(), url.clone());
                async move {
                    let answer = route(&single, &url, request).await;
                    Ok::<_, Infallible>(answer.unwrap_or_else(|error| {
                        let mut response = Response::new(Full::new(Bytes::from(format!("{error:?}"))));
                        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                        response
                    }))
                }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn route(single: &Single, url: &str, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    if request.uri().path() == "/mcp" {
        let challenge = format!("Bearer resource_metadata=\"{url}/.well-known/oauth-protected-resource/mcp\"");
        let response = Response::builder().status(401).header("www-authenticate", challenge);
        return Ok(response.body(Full::default())?);
    }
    let (parts, body) = request.into_parts();
    let body = Full::new(body.collect().await?.to_bytes());
    handle(single, Request::from_parts(parts, body)).await
}

/// Call `endpoints.handle`.
async fn handle(single: &Single, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>> {
    let mut store = single.store();
    let world = instance(single, &mut store).await?;
    let (request, sent) = WasiRequest::from_http(store.data_mut().http().hooks, request);
    let response = store
        .run_concurrent(async |store| {
            let request = store.with(|mut store| store.data_mut().http().table.push(request))?;
            let answer = async {
                let response = world.mcp_edge_oauth_endpoints().call_handle(store, request).await?;
                let response = response.map_err(|code| wasmtime::Error::msg(format!("{code:?}")))?;
                let response = store.with(|mut store| store.data_mut().http().table.delete(response))?;
                let response = store.with(|store| response.into_http(store, async { Ok(()) }))?;
                let (parts, body) = response.into_parts();
                let body = body.collect().await.map_err(|error| wasmtime::Error::msg(format!("{error:?}")))?;
                wasmtime::error::Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
            };
            let (answer, _) = futures::join!(answer, sent);
            answer
        })
        .await
        .map_err(wasmtime_error)?;
    response.map_err(wasmtime_error)
}

/// Run on one thread: a wasmtime store is not shared between threads.
pub async fn local(test: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::task::LocalSet::new().run_until(test).await
}

#[tokio::test]
async fn a_good_token_gives_its_principal() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        let client = oauth.client().await?;
        let tokens = client.log_in(ALICE).await?;
        let alice = oauth.validate(&tokens.access, &oauth.resource()).await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(alice.subject == "alice" && alice.client_id == client.id && alice.roles == ["admin"], "{alice:?}");
        ensure!(alice.user_hash.len() == 32 && alice.user_hash.bytes().all(|b| b.is_ascii_hexdigit()), "{alice:?}");
        ensure!(alice.scopes.is_sorted() && alice.tenant.is_none(), "{alice:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        ensure!((now + 3590..=now + 3601).contains(&alice.expires_at), "{alice:?} at {now}");
        // Safe to repeat, and told apart from others.
        ensure!(oauth.validate(&tokens.access, &oauth.resource()).await?.is_ok());
        let tokens = client.log_in(BOB).await?;
        let bob = oauth.validate(&tokens.access, &oauth.resource()).await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(bob.subject == "bob" && bob.roles.is_empty(), "{bob:?}");
        ensure!(bob.user_hash != alice.user_hash && bob.grant_id != alice.grant_id, "{bob:?} {alice:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_bad_token_gets_its_own_error() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        let client = oauth.client().await?;
        let tokens = client.log_in(ALICE).await?;
        let resource = oauth.resource();
        let error = async |token: &str, resource: &str| {
            let error = oauth.validate(token, resource).await?.err().context("a bad token was taken")?;
            anyhow::Ok(match error {
                TokenError::Unknown => "unknown",
                TokenError::Expired => "expired",
                TokenError::Revoked => "revoked",
                TokenError::WrongAudience => "wrong-audience",
                TokenError::Unavailable(_) => "unavailable",
            })
        };
        let changed = format!("{}x", &tokens.access[..tokens.access.len() - 1]);
        for unknown in ["", "x", "Bearer", &tokens.refresh, &changed, &"a".repeat(4000)] {
            ensure!(error(unknown, &resource).await? == "unknown", "{unknown}");
        }
        for other in ["", "https://other.example/mcp", &oauth.url, &format!("{resource}/"), &resource.to_uppercase()] {
            ensure!(error(&tokens.access, other).await? == "wrong-audience", "{other}");
        }
        oauth.broken.store(true, Ordering::Relaxed);
        ensure!(error(&tokens.access, &resource).await? == "unavailable");
        oauth.broken.store(false, Ordering::Relaxed);
        oauth.time.store(3599, Ordering::Relaxed);
        ensure!(oauth.validate(&tokens.access, &resource).await?.is_ok(), "ended too early");
        oauth.time.store(3602, Ordering::Relaxed);
        ensure!(error(&tokens.access, &resource).await? == "expired");

        let fresh = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
        let principal = oauth.validate(&fresh.access, &resource).await?.map_err(|e| anyhow!("{e:?}"))?;
        oauth.revoke_grant("alice", &principal.grant_id).await?.map_err(|e| anyhow!("{e:?}"))?;
        let after = error(&fresh.access, &resource).await?;
        ensure!(after == "revoked" || after == "unknown", "{after}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn grants_are_listed_and_ended_one_by_one_by_their_owner() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        ensure!(oauth.list_grants("alice").await?.is_ok_and(|grants| grants.is_empty()), "grants before any login");
        let client = oauth.client().await?;
        let first = client.log_in(ALICE).await?;
        oauth.time.store(10, Ordering::Relaxed);
        let second = oauth.client().await?.log_in(ALICE).await?;
        client.log_in(BOB).await?;

        let grants = oauth.list_grants("alice").await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(grants.len() == 2 && grants[0].created_at < grants[1].created_at, "{grants:?}");
        ensure!(grants[0].client_id == client.id && grants[0].client_name == "contract <test>", "{grants:?}");
        ensure!(grants[0].expires_at >= grants[0].created_at + 30 * 24 * 3600 - 5, "{grants:?}");

        let is_not_found = |result: &Result<(), GrantError>| matches!(result, Err(GrantError::NotFound));
        let id = &grants[0].id;
        for (subject, id) in [("bob", id.as_str()), ("nobody", id), ("alice", "made-up"), ("alice", "")] {
            let result = oauth.revoke_grant(subject, id).await?;
            ensure!(is_not_found(&result), "{subject} {id}: {result:?}");
        }
        let resource = oauth.resource();
        ensure!(oauth.validate(&first.access, &resource).await?.is_ok(), "ended by somebody else");
        ensure!(oauth.revoke_grant("alice", id).await?.is_ok());
        ensure!(oauth.validate(&first.access, &resource).await?.is_err(), "still good");
        ensure!(is_not_found(&oauth.revoke_grant("alice", id).await?), "ended twice");
        ensure!(oauth.validate(&second.access, &resource).await?.is_ok(), "the other grant ended too");
        ensure!(client.refresh(&first.refresh).await?.json()?["error"] == "invalid_grant");
        let left = oauth.list_grants("alice").await?.map_err(|e| anyhow!("{e:?}"))?;
        ensure!(left.len() == 1 && left[0].id == grants[1].id, "{left:?}");

        oauth.broken.store(true, Ordering::Relaxed);
        ensure!(matches!(oauth.list_grants("alice").await?, Err(GrantError::Unavailable(_))));
        ensure!(matches!(oauth.revoke_grant("alice", &left[0].id).await?, Err(GrantError::Unavailable(_))));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_sweep_goes_through_all_and_forgets_only_what_has_ended() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        let client = oauth.client().await?;
        let tokens = client.log_in(ALICE).await?;
        let sweep = async || {
            let mut position = Some(0);
            while let Some(at) = position {
                position = oauth.sweep(at).await?.map_err(|e| anyhow!("{e:?}"))?;
            }
            anyhow::Ok(oauth.single.services.store.keys(None)?.keys)
        };
        let is_grant =
            |key: &String| ["oauth:grant:", "oauth:token:", "oauth:refresh:"].iter().any(|p| key.starts_with(p));
        ensure!(sweep().await?.iter().any(is_grant));
        ensure!(oauth.validate(&tokens.access, &oauth.resource()).await?.is_ok(), "swept too early");
        oauth.time.store(200 * 24 * 3600, Ordering::Relaxed);
        let left = sweep().await?;
        ensure!(!left.iter().any(is_grant), "{left:?}");
        oauth.broken.store(true, Ordering::Relaxed);
        for position in [0, 1] {
            let answer = oauth.sweep(position).await?;
            ensure!(matches!(answer, Err(GrantError::Unavailable(_))), "{answer:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_broken_store_is_an_answer_and_no_trap() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        let client = oauth.client().await?;
        let tokens = client.log_in(ALICE).await?;
        let authorization = client.authorization()?;
        oauth.broken.store(true, Ordering::Relaxed);
        let page = client.http.get(authorization.url.as_str()).await?;
        let refresh = client.refresh(&tokens.refresh).await?;
        let code = client.redeem("a-code", &authorization.verifier).await?;
        for answer in [page, refresh, code] {
            ensure!(answer.status == 503, "{}: {}", answer.status, answer.text());
            ensure!(!answer.text().contains("broken by the test"), "{}", answer.text());
        }
        oauth.broken.store(false, Ordering::Relaxed);
        Tokens::read(&client.refresh(&tokens.refresh).await?)?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_store_holds_no_token_and_no_password() -> Result<()> {
    local(async {
        let oauth = Oauth::start().await?;
        let client = oauth.client().await?;
        let authorization = client.authorization()?;
        let code = client.code(&authorization, ALICE).await?;
        let tokens = Tokens::read(&client.redeem(&code, &authorization.verifier).await?)?;
        let refreshed = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
        let mut everything = Vec::new();
        let mut cursor = None;
        loop {
            let page = oauth.single.services.store.keys(cursor.as_deref())?;
            for key in &page.keys {
                everything.extend_from_slice(key.as_bytes());
                everything.extend(oauth.single.services.store.get(key)?.unwrap_or_default());
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        ensure!(!everything.is_empty(), "nothing is kept");
        let everything = String::from_utf8_lossy(&everything);
        for secret in [&tokens.access, &tokens.refresh, &refreshed.access, &refreshed.refresh, &code, ALICE.password] {
            ensure!(!everything.contains(secret), "{secret} is in the store");
        }
        Ok(())
    })
    .await
}
