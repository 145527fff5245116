//! Asking the client for something in the middle of a request: by requests to the client in the 2025 revisions, by
//! `input_required` results in 2026-07-28 (SEP-2322).

use crate::content::typed;
use crate::turn::Turn;
use rmcp::ErrorData;
use rmcp::model::{ClientResult, InputRequests, InputRequiredResult, InputResponses, ServerRequest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Answers by key, each as the client gave it (`ElicitResult`, `CreateMessageResult`, `ListRootsResult`).
pub type Answers = BTreeMap<String, Value>;

/// One question: its key and the request to the client.
pub type Question = (&'static str, Value);

/// What the client sent along with a request of 2026-07-28.
pub struct Given {
    /// `inputResponses`.
    pub responses: Option<InputResponses>,
    /// `requestState`.
    pub state: Option<String>,
}

/// How far the asking got.
pub enum Asked {
    /// Every question has an answer.
    All(Answers),
    /// The client has to be asked first: hand this out.
    Required(InputRequiredResult),
}

/// An elicitation with a form.
pub fn elicit(message: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

/// A question to the client's model.
pub fn sample(text: &str, max_tokens: u32) -> Value {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": text } }]);
    json!({ "method": "sampling/createMessage", "params": { "messages": messages, "maxTokens": max_tokens } })
}

/// The client's roots.
pub fn roots() -> Value {
    json!({ "method": "roots/list" })
}

/// The capability that a request to the client needs.
pub fn capability(request: &Value) -> &'static str {
    match request["method"].as_str() {
        Some("elicitation/create") => "elicitation",
        Some("sampling/createMessage") => "sampling",
        _ => "roots",
    }
}

/// The text of a sampling answer.
pub fn sampled_text(answer: &Value) -> &str {
    let content = &answer["content"];
    content["text"].as_str().or_else(|| content[0]["text"].as_str()).unwrap_or_default()
}

/// -32021 with the capability in it.
pub fn missing_capability(capability: &str) -> ErrorData {
    match typed(json!({ capability: {} })) {
        Ok(required) => ErrorData::missing_required_client_capability(required),
        Err(error) => error,
    }
}

/// Put the questions of each step to the client, one step after the other. `name` is what the answers are for; it is sealed
/// into `requestState` so that a state is good for nothing else. Without `keeps_state` there is no `requestState`, which
/// works for a single step only.
pub async fn ask(
    turn: &Turn,
    name: &str,
    steps: &[Vec<Question>],
    given: Given,
    keeps_state: bool,
) -> Result<Asked, ErrorData> {
    for (_, request) in steps.iter().flatten() {
        if !turn.declares(capability(request)) {
            return Err(missing_capability(capability(request)));
        }
    }
    match turn.is_stateless() {
        true => by_results(turn, name, steps, given, keeps_state),
        false => by_requests(turn, steps).await,
    }
}

async fn by_requests(turn: &Turn, steps: &[Vec<Question>]) -> Result<Asked, ErrorData> {
    let mut answers = Answers::new();
    for (key, request) in steps.iter().flatten() {
        let request: ServerRequest = typed(request.clone())?;
        let answer: ClientResult = turn
            .peer()
            .send_request(request)
            .await
            .map_err(|e| ErrorData::internal_error(format!("the client did not answer {key}: {e}"), None))?;
        let answer = serde_json::to_value(answer).map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
        answers.insert((*key).into(), answer);
    }
    Ok(Asked::All(answers))
}

fn by_results(
    turn: &Turn,
    name: &str,
    steps: &[Vec<Question>],
    given: Given,
    keeps_state: bool,
) -> Result<Asked, ErrorData> {
    let mut answers = match given.state {
        Some(state) => open_state(turn, name, &state)?,
        None => Answers::new(),
    };
    // Answers count for the step that was asked last, and only if the state says that it was.
    let mut responses = given.responses.unwrap_or_default();
    for step in steps {
        let missing = |answers: &Answers| step.iter().any(|(key, _)| !answers.contains_key(*key));
        if missing(&answers) {
            for (key, request) in step {
                if let Some(answer) = responses.remove(*key).filter(|answer| is_answer(request, answer)) {
                    answers.insert((*key).into(), answer);
                }
            }
            responses.clear();
        }
        if missing(&answers) {
            let requests: Map<String, Value> =
                step.iter().map(|(key, request)| ((*key).to_owned(), request.clone())).collect();
            let requests: InputRequests = typed(requests.into())?;
            // Only whole steps go into the state: a step is asked again as a whole.
            answers.retain(|key, _| !step.iter().any(|(other, _)| other == key));
            let state = keeps_state.then(|| seal_state(turn, name, &answers)).transpose()?;
            return Ok(Asked::Required(InputRequiredResult::new(Some(requests), state)));
        }
    }
    Ok(Asked::All(answers))
}

fn seal_state(turn: &Turn, name: &str, answers: &Answers) -> Result<String, ErrorData> {
    let state = json!({ "name": name, "answers": answers });
    turn.state.codec.seal_json(&state).map_err(|e| ErrorData::internal_error(e.to_string(), None))
}

fn open_state(turn: &Turn, name: &str, state: &str) -> Result<Answers, ErrorData> {
    let state: Value = turn
        .state
        .codec
        .open_json(state)
        .map_err(|_| ErrorData::invalid_params("requestState is not one of this server", None))?;
    if state["name"] != name {
        return Err(ErrorData::invalid_params("requestState belongs to another request", None));
    }
    typed(state["answers"].clone())
}

/// Whether an answer has the shape of an answer to this request.
fn is_answer(request: &Value, answer: &Value) -> bool {
    match capability(request) {
        "elicitation" => match answer["action"].as_str() {
            Some("accept") => answer["content"].is_object(),
            Some("decline" | "cancel") => true,
            _ => false,
        },
        "sampling" => answer["content"].is_object() || answer["content"].is_array(),
        _ => answer["roots"].is_array(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_shape_of_its_question() {
        let form = elicit("?", json!({ "name": { "type": "string" } }));
        for (request, answer, expected) in [
            (&form, json!({ "action": "accept", "content": { "name": "a" } }), true),
            (&form, json!({ "action": "decline" }), true),
            (&form, json!({ "action": "accept" }), false),
            (&form, json!(7), false),
            (&sample("?", 1), json!({ "content": { "type": "text", "text": "x" } }), true),
            (&sample("?", 1), json!({}), false),
            (&roots(), json!({ "roots": [] }), true),
            (&roots(), json!({ "roots": "none" }), false),
        ] {
            assert_eq!(is_answer(request, &answer), expected, "{request} {answer}");
        }
    }

    #[test]
    fn every_question_is_one_that_rmcp_knows() {
        for request in [elicit("?", json!({ "a": { "type": "string" } })), sample("?", 1), roots()] {
            typed::<ServerRequest>(request.clone()).unwrap();
            typed::<InputRequests>(json!({ "key": request })).unwrap();
        }
    }
}
