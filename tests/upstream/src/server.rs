//! rmcp's handler around a [`Content`].

#![expect(deprecated, reason = "subscribe, unsubscribe and setLevel are what the 2025 revisions have")]

use crate::content::{Content, contents, typed};
use crate::era::Era;
use crate::state::{Change, State};
use crate::turn::Turn;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult,
    GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, LoggingMessageNotificationParam,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ResourceUpdatedNotificationParam, ServerConfig, ServerRequest, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::error::RecvError;

type Result<T> = std::result::Result<T, ErrorData>;

/// One session of the 2025 revisions, or one request of 2026-07-28.
pub struct Server<C> {
    state: Arc<State>,
    content: C,
    log_level: Mutex<Option<LoggingLevel>>,
    subscriptions: Arc<Mutex<BTreeSet<String>>>,
}

impl<C: Content> Server<C> {
    /// A fresh session.
    pub fn new(state: Arc<State>) -> Self {
        Self { content: C::new(state.clone()), state, log_level: Mutex::default(), subscriptions: Arc::default() }
    }

    fn turn(&self, context: RequestContext<RoleServer>) -> Turn {
        let log_level = *self.log_level.lock().unwrap_or_else(PoisonError::into_inner);
        Turn::new(self.state.clone(), context, log_level)
    }

    /// One page of a list under its name, as a list result.
    fn page<T: DeserializeOwned>(
        &self,
        name: &str,
        all: Vec<Value>,
        request: Option<PaginatedRequestParams>,
    ) -> Result<T> {
        let start = match request.and_then(|request| request.cursor) {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .ok()
                .filter(|start| *start < all.len())
                .ok_or_else(|| ErrorData::invalid_params("the cursor is not one of this list", None))?,
        };
        let length = if self.state.page == 0 { all.len() } else { self.state.page };
        let end = all.len().min(start + length);
        let mut result = json!({ "resultType": "complete", name: all[start..end] });
        if end < all.len() {
            result["nextCursor"] = end.to_string().into();
        }
        typed(result)
    }
}

impl<C: Content> ServerHandler for Server<C> {
    fn get_info(&self) -> ServerConfig {
        let (name, title) = C::SERVER_INFO;
        let info = typed(json!({
            // What rmcp falls back to; it refuses `initialize` where this revision has none.
            "protocolVersion": match self.state.era {
                Era::Stateless => ProtocolVersion::V_2026_07_28,
                Era::Both | Era::Sessions => ProtocolVersion::V_2025_11_25,
            },
            "capabilities": {
                "tools": { "listChanged": true },
                "prompts": { "listChanged": true },
                "resources": { "listChanged": true, "subscribe": true },
                "completions": {},
                "logging": {},
                "extensions": { "io.modelcontextprotocol/tasks": {} },
            },
            "serverInfo": { "name": name, "title": title, "version": env!("CARGO_PKG_VERSION") },
            "instructions": C::INSTRUCTIONS,
        }));
        info.unwrap_or_default()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.state.era.versions()
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult> {
        self.page("tools", self.content.tools(), page)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.content.tools().into_iter().find(|tool| tool["name"] == name)?;
        typed(tool).ok()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse> {
        let turn = self.turn(context);
        self.content.call(request, &turn).await
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult> {
        self.page("prompts", self.content.prompts(), page)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse> {
        let turn = self.turn(context);
        self.content.prompt(request, &turn).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult> {
        self.page("resources", self.content.resources(), page)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult> {
        self.page("resourceTemplates", self.content.templates(), page)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse> {
        match self.content.read(&request.uri) {
            Some(value) => Ok(ReadResourceResponse::Complete(contents(value)?)),
            None => Err(ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": request.uri })))),
        }
    }

    async fn complete(&self, request: CompleteRequestParams, _: RequestContext<RoleServer>) -> Result<CompleteResult> {
        let all = self.content.complete(&request.argument.name);
        let values: Vec<String> = all.into_iter().filter(|value| value.starts_with(&request.argument.value)).collect();
        typed(
            json!({ "resultType": "complete", "completion": { "total": values.len(), "hasMore": false, "values": values } }),
        )
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: RequestContext<RoleServer>) -> Result<()> {
        if self.turn(context).is_stateless() {
            return Err(ErrorData::method_not_found::<rmcp::model::SetLevelRequestMethod>());
        }
        *self.log_level.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.level);
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<()> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<()> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri);
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        tokio::spawn(tell_session(self.state.clone(), context.peer, self.subscriptions.clone()));
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        (!self.state.mute).then(|| requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<()> {
        let mut changes = self.state.changes.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            let sink = context.sink();
            // What the filter refuses is not for this stream.
            let _ = match change {
                Ok(Change::Tools) => sink.notify_tool_list_changed().await,
                Ok(Change::Prompts) => sink.notify_prompt_list_changed().await,
                Ok(Change::Resources) => sink.notify_resource_list_changed().await,
                Ok(Change::Resource(uri)) => sink.notify_resource_updated(uri).await,
                Ok(Change::Said(_) | Change::Asked(_)) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
        }
    }

    async fn get_task(&self, request: GetTaskParams, _: RequestContext<RoleServer>) -> Result<GetTaskResult> {
        Ok(GetTaskResult::new(self.state.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<()> {
        self.state.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<()> {
        self.state.tasks.cancel_task(&request.task_id)
    }
}

/// Tell a session of the 2025 revisions what changes, until it ends.
async fn tell_session(state: Arc<State>, peer: Peer<RoleServer>, subscriptions: Arc<Mutex<BTreeSet<String>>>) {
    let mut changes = state.changes.subscribe();
    while !peer.is_transport_closed() {
        // A session without an open stream cannot be told; it will list again when it has one.
        let _ = match changes.recv().await {
            Ok(Change::Tools) => peer.notify_tool_list_changed().await,
            Ok(Change::Prompts) => peer.notify_prompt_list_changed().await,
            Ok(Change::Resources) => peer.notify_resource_list_changed().await,
            Ok(Change::Resource(uri)) => {
                if !subscriptions.lock().unwrap_or_else(PoisonError::into_inner).contains(&uri) {
                    continue;
                }
                peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
            }
            Ok(Change::Said(text)) => {
                let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.into());
                peer.notify_logging_message(message.with_logger("fixtures")).await
            }
            Ok(Change::Asked(request)) => {
                tokio::spawn(ask(state.clone(), peer.clone(), request));
                continue;
            }
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
    }
}

/// Ask a client of the 2025 revisions something outside of calls.
async fn ask(state: Arc<State>, peer: Peer<RoleServer>, request: Value) {
    let answer = match typed::<ServerRequest>(request) {
        Ok(request) => peer.send_request(request).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let answer = answer.and_then(|answer| serde_json::to_value(answer).map_err(|error| error.to_string()));
    state.stats.answered(answer.unwrap_or_else(Value::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Fixtures;
    use clap::Parser as _;

    fn server(arguments: &[&str]) -> Server<Fixtures> {
        let options = crate::Options::parse_from([&["upstream"], arguments].concat());
        Server::new(Arc::new(State::new(&options)))
    }

    #[tokio::test]
    async fn pages_of_a_list_make_up_the_whole() {
        let server = server(&["--page", "7"]);
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let request = cursor.map(|c| typed(json!({ "cursor": c })).unwrap());
            let page: ListToolsResult = server.page("tools", server.content.tools(), request).unwrap();
            assert!(page.tools.len() <= 7);
            names.extend(page.tools.into_iter().map(|tool| tool.name.into_owned()));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let all: Vec<_> = server.content.tools().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, all);
        let wrong = typed(json!({ "cursor": "nonsense" })).unwrap();
        assert!(server.page::<ListToolsResult>("tools", server.content.tools(), Some(wrong)).is_err());
    }

    #[test]
    fn every_entry_of_the_lists_is_one_that_rmcp_knows() {
        let server = server(&[]);
        assert_eq!(server.get_info().server_info.name, "mcp-edge-fixtures");
        for tool in server.content.tools() {
            typed::<Tool>(tool).unwrap();
        }
        for prompt in server.content.prompts() {
            typed::<rmcp::model::Prompt>(prompt).unwrap();
        }
        for resource in server.content.resources() {
            typed::<rmcp::model::Resource>(resource).unwrap();
        }
        for template in server.content.templates() {
            typed::<rmcp::model::ResourceTemplate>(template).unwrap();
        }
    }
}
