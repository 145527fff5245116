//! A client that answers what a server asks in the middle of a request, in the way of its era.

use crate::mcp::{McpClient, result_of};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

/// Most rounds: no fixture asks more often.
const ROUNDS: usize = 10;

/// What came of it.
#[derive(Debug)]
pub struct Conversation {
    /// The result.
    pub result: Value,
    /// The methods that were asked, in order.
    pub asked: Vec<String>,
    /// Notifications that came before the result.
    pub notifications: Vec<Value>,
}

/// An answer to each thing that a server may ask.
pub fn answer(request: &Value) -> Result<Value> {
    let properties = &request["params"]["requestedSchema"]["properties"];
    Ok(match request["method"].as_str() {
        Some("elicitation/create") => {
            let value = |schema: &Value| match schema["type"].as_str() {
                Some("boolean") => json!(true),
                _ => json!("Ada"),
            };
            let content: serde_json::Map<String, Value> = properties
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), value(schema)))
                .collect();
            json!({ "action": "accept", "content": content })
        }
        Some("sampling/createMessage") => json!({
            "role": "assistant", "model": "test", "content": { "type": "text", "text": "Paris" }, "stopReason": "endTurn",
        }),
        Some("roots/list") => json!({ "roots": [{ "uri": "file:///home", "name": "home" }] }),
        _ => bail!("the server asks {request}"),
    })
}

impl McpClient {
    /// Send a request, and answer whatever it takes to get its result.
    pub async fn converse(&self, method: &str, mut params: Value) -> Result<Conversation> {
        let mut asked = Vec::new();
        let mut notifications = Vec::new();
        for _ in 0..ROUNDS {
            let mut reply = self.open(method, params.clone()).await?;
            let result = loop {
                let Some(message) = reply.next().await? else { bail!("the reply ended without a response") };
                match (message["method"].as_str(), message["id"].is_null()) {
                    (None, _) => break result_of(message)?,
                    (Some(_), true) => notifications.push(message),
                    (Some(method), false) => {
                        asked.push(method.to_owned());
                        self.respond(&message["id"], answer(&message)?).await?.expect(202).await?;
                    }
                }
            };
            if result["resultType"] != "input_required" {
                return Ok(Conversation { result, asked, notifications });
            }
            ensure!(self.revision.is_stateless(), "{result}");
            let mut responses = json!({});
            for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
                asked.push(request["method"].as_str().unwrap_or_default().to_owned());
                responses[key] = answer(request)?;
            }
            params["inputResponses"] = responses;
            match &result["requestState"] {
                Value::Null => drop(params.as_object_mut().and_then(|params| params.remove("requestState"))),
                state => params["requestState"] = state.clone(),
            }
        }
        bail!("{method}: asked more than {ROUNDS} times")
    }
}
