//! What the gateway says of itself: the results of `initialize` and `server/discover`.

use crate::calls::{self, STATUS_DEADLINE, Turn};
use crate::capabilities;
use crate::complete;
use crate::errors;
use crate::request::{Client, Ports};
use crate::upstreams::{Description, UpstreamError, Upstreams};
use futures::future::join_all;
use shared_mcp::{Object, Revision};

/// The gateway's `Implementation`.
pub(crate) const GATEWAY_INFO: &str =
    concat!(r#"{"name":"mcp-edge","title":"mcp-edge","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// Most bytes of instructions: they go into the model's context at every start of a client.
const MAX_INSTRUCTIONS: usize = 16 * 1024;

/// The result of `initialize`.
pub(crate) async fn initialize<P: Ports>(turn: &mut Turn<'_, P>, client: &Client) -> String {
    let upstreams = ask(turn, client).await;
    let mut result = Object::new();
    result.set_string("protocolVersion", client.revision.as_str());
    result.set("capabilities", capabilities::merge(client.revision, turn.naming.is_single(), &upstreams));
    result.set("serverInfo", GATEWAY_INFO);
    if let Some(text) = instructions(&upstreams) {
        result.set_string("instructions", &text);
    }
    result.to_string()
}

/// The result of `server/discover`.
pub(crate) async fn discover<P: Ports>(turn: &mut Turn<'_, P>, client: &Client) -> String {
    let upstreams = ask(turn, client).await;
    let versions: Vec<&str> = Revision::ALL.iter().rev().map(|revision| revision.as_str()).collect();
    let mut result = Object::new();
    result.set("supportedVersions", serde_json::Value::from(versions).to_string());
    result.set("capabilities", capabilities::merge(client.revision, turn.naming.is_single(), &upstreams));
    if let Some(text) = instructions(&upstreams) {
        result.set_string("instructions", &text);
    }
    complete::complete(&mut result, "server/discover");
    result.to_string()
}

/// What each upstream says of itself, in order; `None` for one that cannot be used now.
async fn ask<P: Ports>(turn: &mut Turn<'_, P>, client: &Client) -> Vec<(String, Option<Description>)> {
    let asked = turn.naming.upstreams.iter().map(|name| async {
        let status = turn.ports.upstreams().status(name, &client.caller);
        let late = || Err(UpstreamError::TimedOut(format!("no description within {STATUS_DEADLINE:?}")));
        (name.clone(), calls::within(turn.ports, STATUS_DEADLINE, status).await.unwrap_or_else(late))
    });
    let answers = join_all(asked).await;
    let mut failures = Vec::new();
    let mut upstreams = Vec::with_capacity(answers.len());
    for (name, answer) in answers {
        match answer {
            Ok(description) => upstreams.push((name, Some(description))),
            Err(error) => {
                failures.push((name.clone(), error));
                upstreams.push((name, None));
            }
        }
    }
    if !failures.is_empty() {
        turn.facts.reason = Some(errors::reasons(&failures));
    }
    upstreams
}

/// The instructions of all upstreams; where there are several, each under its name.
fn instructions(upstreams: &[(String, Option<Description>)]) -> Option<String> {
    let several = upstreams.len() > 1;
    let parts: Vec<String> = upstreams
        .iter()
        .filter_map(|(name, description)| Some((name, description.as_ref()?.instructions.as_deref()?.trim())))
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| if several { format!("# {name}\n\n{text}") } else { text.to_owned() })
        .collect();
    let text = parts.join("\n\n");
    let end = text.floor_char_boundary(MAX_INSTRUCTIONS);
    text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}
