//! Web servers with certificates, on this machine: real TLS, under an authority that exists for one test.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// A certificate authority that nobody knows until its file is given to him.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "mcp-edge tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let folder = tempfile::Builder::new().prefix("mcp-edge-test-ca-").tempdir()?;
        std::fs::write(folder.path().join(FILE), certificate.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), folder })
    }

    /// Its certificate, as a PEM file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    fn server(&self, names: &[&str]) -> Result<ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let chain = vec![CertificateDer::from(certificate)];
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        Ok(builder.with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?)
    }
}

/// Name of the certificate's file.
const FILE: &str = "ca.pem";

/// A server of pages that were put there. It ends when it is dropped.
pub struct HttpsServer {
    port: u16,
    site: Arc<Site>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Site {
    pages: Mutex<BTreeMap<String, Response<Full<Bytes>>>>,
    seen: Mutex<Seen>,
}

/// What has reached a server.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Connections, whether TLS came about or not.
    pub connections: usize,
    /// Requests: path and headers' names.
    pub requests: Vec<(String, Vec<String>)>,
}

impl HttpsServer {
    /// On a free port of 127.0.0.1, with a certificate for these names.
    pub async fn start(authority: &Authority, names: &[&str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(names)?));
        let site = Arc::<Site>::default();
        let served = site.clone();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                served.seen().connections += 1;
                let (acceptor, site) = (acceptor.clone(), served.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(connection).await.ok()?;
                    let service = service_fn(move |request| std::future::ready(site.answer(&request)));
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
                });
            }
        });
        Ok(Self { port, site, task })
    }

    /// Address of a page under one of the server's names.
    pub fn url(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.port)
    }

    /// From now on this is at `path`.
    pub fn put(&self, path: &str, response: Response<Full<Bytes>>) {
        self.site.pages().insert(path.into(), response);
    }

    /// From now on this JSON is at `path`.
    pub fn put_json(&self, path: &str, value: &serde_json::Value) -> Result<()> {
        let response = Response::builder().header("content-type", "application/json").body(value.to_string().into());
        self.put(path, response.context("a page")?);
        Ok(())
    }

    /// What has reached it so far.
    pub fn seen(&self) -> Seen {
        self.site.seen().clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    fn answer(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let headers = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
        let page = self.pages().get(&path).cloned();
        self.seen().requests.push((path, headers));
        Ok(page.unwrap_or_else(|| {
            let mut absent = Response::new(Full::default());
            *absent.status_mut() = http::StatusCode::NOT_FOUND;
            absent
        }))
    }

    fn pages(&self) -> MutexGuard<'_, BTreeMap<String, Response<Full<Bytes>>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
