//! `mcpServers`: one entry is one target; whatever is wrong with an entry costs that upstream only.

use crate::{Connector, Ports, UpstreamError};
use serde::Deserialize;
use serde_json::Value;
use shared_ports::Config;
use shared_settings::{DOCUMENT, SettingsError, Upstream, check_url, expand};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The upstreams by name; the error of a broken entry is for the log.
pub(crate) type Entries = BTreeMap<String, Result<Upstream, String>>;

/// The parsed settings together with the text they were parsed from.
#[derive(Debug, Default)]
pub(crate) struct Cache(Option<(String, Rc<Entries>)>);

/// One upstream, ready to be spoken to. Holds secrets, so it has no `Debug`.
pub(crate) struct Target {
    /// Its name in the settings.
    pub name: String,
    /// Its address as the settings have it, references and all: names the upstream in records, and is no secret.
    pub address: String,
    /// The address to connect to.
    pub url: String,
    /// The upstream's own headers; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Time for the first byte of an answer, and between two pieces of a stream.
    pub timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sections {
    #[serde(default)]
    mcp_servers: BTreeMap<String, Value>,
}

impl<P: Ports> Connector<P> {
    /// The upstreams of the settings; parsed once for each text of the settings.
    pub(crate) fn upstreams(&self) -> Result<Rc<Entries>, UpstreamError> {
        let misconfigured = |error: SettingsError| UpstreamError::Misconfigured(error.to_string());
        let config = self.ports.config();
        let text = config.value(DOCUMENT).map_err(|e| misconfigured(e.into()))?;
        let text = text.ok_or_else(|| misconfigured(SettingsError::Missing))?;
        if let Some((cached, entries)) = &self.settings.borrow().0
            && *cached == text
        {
            return Ok(Rc::clone(entries));
        }
        let sections: Sections = shared_settings::read(config, &["mcpServers"]).map_err(misconfigured)?;
        let entries = sections.mcp_servers.into_iter().map(|(name, value)| {
            let entry = parse(&name, value);
            (name, entry)
        });
        let entries = Rc::new(entries.collect::<Entries>());
        self.settings.borrow_mut().0 = Some((text, Rc::clone(&entries)));
        Ok(entries)
    }

    /// The upstream of this name. References are expanded anew each time: a host may change a secret at any time.
    pub(crate) fn target(&self, name: &str) -> Result<Rc<Target>, UpstreamError> {
        let entries = self.upstreams()?;
        let entry = entries.get(name).ok_or(UpstreamError::NotFound)?;
        let upstream = entry.as_ref().map_err(|why| UpstreamError::Misconfigured(why.clone()))?;
        target(name, upstream, self.ports.config()).map(Rc::new).map_err(UpstreamError::Misconfigured)
    }
}

fn parse(name: &str, value: Value) -> Result<Upstream, String> {
    let upstream: Upstream = serde_json::from_value(value).map_err(|e| format!("mcpServers.{name}: {e}"))?;
    match upstream.problems(name).first() {
        None => Ok(upstream),
        Some(problem) => Err(problem.to_string()),
    }
}

fn target(name: &str, upstream: &Upstream, config: &impl Config) -> Result<Target, String> {
    let url = expand(&upstream.url, config).map_err(|e| format!("mcpServers.{name}.url: {e}"))?;
    // The text of that error repeats the address, which may hold a secret now.
    check_url(&url).map_err(|_| format!("mcpServers.{name}.url: is not a usable address once its references are expanded: use https, or http on a loopback address"))?;
    let mut headers = Vec::with_capacity(upstream.headers.len());
    for (header, value) in &upstream.headers {
        let value = expand(value, config).map_err(|e| format!("mcpServers.{name}.headers.{header}: {e}"))?;
        // RFC 9110 section 5.5. A line break in a secret must not become a header of its own.
        if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Err(format!(
                "mcpServers.{name}.headers.{header}: the value has control characters, perhaps a line break at the end of the secret"
            ));
        }
        headers.push((header.to_ascii_lowercase(), value.into_bytes()));
    }
    let timeout = Duration::from_secs(upstream.timeout.into());
    Ok(Target { name: name.into(), address: upstream.url.clone(), url, headers, timeout })
}
