//! The record of a conversation with a legacy upstream, and the record of its description.

use crate::Description;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared_mcp::Object;

/// What is kept of a conversation with a legacy upstream, under `user:{hash}:upstream:{conversation}:{name}`. Any part of
/// the gateway that has it can go on with the conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// Address of the upstream, as the settings have it; the record of another address does not count.
    pub address: String,
    /// `Mcp-Session-Id`, where the upstream gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The negotiated revision.
    pub revision: String,
    /// When it was initialised: seconds since the Unix epoch.
    pub since: u64,
    /// When it was used last, give or take ten minutes, once that is later: seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// What the upstream says of itself.
    pub about: About,
}

/// What an upstream says of itself; the values are kept as the text they came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct About {
    capabilities: Box<RawValue>,
    server_info: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
}

impl About {
    /// Out of an `InitializeResult` or a `DiscoverResult`; `server_info` is where the era has it.
    pub(crate) fn of(result: &Object<'_>, server_info: Option<&str>) -> Option<Self> {
        let object = |text: Option<&str>| {
            let text = text.filter(|text| text.starts_with('{')).unwrap_or("{}");
            RawValue::from_string(text.into()).ok()
        };
        Some(Self {
            capabilities: object(result.get("capabilities"))?,
            server_info: object(server_info)?,
            instructions: result.string("instructions"),
        })
    }

    /// The second of each pair whose capability, the first, says that its list may change.
    pub(crate) fn lists_that_change(&self, lists: &[(&str, &'static str)]) -> Vec<&'static str> {
        let Ok(capabilities) = Object::parse(self.capabilities.get()) else {
            return Vec::new();
        };
        let changes = |name: &str| capabilities.object(name).is_some_and(|one| one.get("listChanged") == Some("true"));
        lists.iter().filter(|(name, _)| changes(name)).map(|(_, method)| *method).collect()
    }

    /// In the shape of the interface.
    pub(crate) fn describe(&self, revision: &str) -> Description {
        Description {
            revision: revision.into(),
            capabilities: self.capabilities.get().into(),
            server_info: self.server_info.get().into(),
            instructions: self.instructions.clone(),
        }
    }
}
