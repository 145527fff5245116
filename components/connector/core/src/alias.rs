//! Other ids for the requests of several windows that share one conversation with a legacy upstream.
//!
//! A client of the modern era has no session, so all its windows and processes use one conversation with an upstream that
//! wants sessions, and each of them counts its requests from the same number. Ids must be unique within a session
//! (2025-11-25, "Requests"), and so must progress tokens ("Progress"); servers mix up or lose the responses of requests in
//! flight whose ids are not. A legacy client has a conversation of its own, and its ids travel as they are.

use crate::reply::same_id;
use crate::{Caller, UpstreamError, request};
use serde_json::Value;
use shared_mcp::{Era, Message, Object};

/// The other name of one request, towards the upstream. Texts are JSON texts.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// The client's own id.
    id: String,
    /// What stands for it, and for the progress token: both are of this one request.
    unique: String,
    /// The client's own progress token, where it wants progress.
    token: Option<String>,
}

impl Alias {
    /// The alias of a request of a modern caller. `number` tells apart what the gateway sends for one request of the client.
    pub(crate) fn new(caller: &Caller, message: &Message<'_>, number: u64) -> Option<Self> {
        let Message::Request { id, .. } = message else {
            return None;
        };
        if caller.era() != Era::Modern {
            return None;
        }
        let unique = Value::from(format!("{}-{number}", caller.request_id)).to_string();
        let token = message.params().object("_meta").and_then(|meta| meta.get("progressToken").map(str::to_owned));
        Some(Self { id: id.clone(), unique, token })
    }

    /// The request as the upstream gets it.
    pub(crate) fn outward(&self, message: &Message<'_>) -> Result<String, UpstreamError> {
        let mut object = message.object().clone();
        object.set("id", self.unique.as_str());
        if self.token.is_some() {
            let mut params = message.params();
            let mut meta = params.object("_meta").ok_or_else(request::malformed)?;
            meta.set("progressToken", self.unique.as_str());
            let meta = meta.to_string();
            params.set("_meta", meta);
            object.set("params", params.to_string());
        }
        Ok(object.to_string())
    }

    /// A message of the upstream as the client gets it: its own id in the response, its own token in reports of progress;
    /// all else stays as it is, also where it looks like one of these.
    pub(crate) fn inward(&self, text: String) -> String {
        self.restored(&text).unwrap_or(text)
    }

    fn restored(&self, text: &str) -> Option<String> {
        match Message::parse(text).ok()? {
            Message::Response { id: Some(id), mut object, .. } if same_id(&id, &self.unique) => {
                object.set("id", self.id.as_str());
                Some(object.to_string())
            }
            Message::Notification { method, params: Some(params), mut object }
                if method == "notifications/progress" =>
            {
                let token = self.token.as_deref()?;
                let mut params = Object::parse(&params).ok()?;
                if !same_id(params.get("progressToken")?, &self.unique) {
                    return None;
                }
                params.set("progressToken", token);
                object.set("params", params.to_string());
                Some(object.to_string())
            }
            _ => None,
        }
    }
}
