//! What a set of tools, prompts and resources has to say.

use crate::state::State;
use crate::turn::Turn;
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, ReadResourceResult,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;

/// A set of tools, prompts and resources. Lists are JSON, as on the wire.
pub trait Content: Send + Sync + 'static {
    /// `Implementation` of the server.
    const SERVER_INFO: (&'static str, &'static str);
    /// Instructions for the model.
    const INSTRUCTIONS: &'static str;

    /// The set, with the state of the process.
    fn new(state: Arc<State>) -> Self;

    /// `Tool` objects.
    fn tools(&self) -> Vec<Value>;

    /// `Prompt` objects.
    fn prompts(&self) -> Vec<Value>;

    /// `Resource` objects.
    fn resources(&self) -> Vec<Value>;

    /// `ResourceTemplate` objects.
    fn templates(&self) -> Vec<Value>;

    /// Call a tool.
    fn call(
        &self,
        request: CallToolRequestParams,
        turn: &Turn,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send;

    /// Fill in a prompt.
    fn prompt(
        &self,
        request: GetPromptRequestParams,
        turn: &Turn,
    ) -> impl Future<Output = Result<GetPromptResponse, ErrorData>> + Send;

    /// Read a resource; none where there is no such resource.
    fn read(&self, uri: &str) -> Option<Value>;

    /// Values that an argument of a prompt or template may take.
    fn complete(&self, argument: &str) -> Vec<String>;
}

/// A typed message out of JSON. The JSON is ours, so a mismatch is our bug and becomes an internal error.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value.clone()).map_err(|e| ErrorData::internal_error(format!("{e} in {value}"), None))
}

/// A tool result with this content.
pub fn result(content: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(typed(json!({ "resultType": "complete", "content": content }))?))
}

/// A tool result with one text.
pub fn text(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    result(json!([{ "type": "text", "text": text.into() }]))
}

/// A tool result with structured content, and the same as text for clients that know no other.
pub fn structured(value: Value, text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(typed(json!({
        "resultType": "complete", "content": [{ "type": "text", "text": text.into() }], "structuredContent": value,
    }))?))
}

/// A tool result that reports an error of the tool.
pub fn failed(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(typed(json!({
        "resultType": "complete", "content": [{ "type": "text", "text": text.into() }], "isError": true,
    }))?))
}

/// A prompt with these messages.
pub fn messages(messages: Value) -> Result<GetPromptResponse, ErrorData> {
    Ok(GetPromptResponse::Complete(typed(json!({ "resultType": "complete", "messages": messages }))?))
}

/// A read resource.
pub fn contents(value: Value) -> Result<ReadResourceResult, ErrorData> {
    typed(json!({ "resultType": "complete", "contents": [value] }))
}

/// An argument of a call as text.
pub fn argument<'a>(request: &'a CallToolRequestParams, name: &str) -> Option<&'a Value> {
    request.arguments.as_ref()?.get(name)
}

/// A text argument that has to be there.
pub fn required_text<'a>(request: &'a CallToolRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    argument(request, name)
        .and_then(Value::as_str)
        .ok_or_else(|| ErrorData::invalid_params(format!("`{name}` has to be a text"), None))
}

/// A number argument that has to be there.
pub fn required_number(request: &CallToolRequestParams, name: &str) -> Result<f64, ErrorData> {
    argument(request, name)
        .and_then(Value::as_f64)
        .ok_or_else(|| ErrorData::invalid_params(format!("`{name}` has to be a number"), None))
}
