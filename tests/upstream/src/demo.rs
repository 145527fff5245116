//! A few tools worth trying by hand.

use crate::content::{Content, argument, failed, messages, required_number, required_text, structured, text};
use crate::state::{Change, State};
use crate::turn::Turn;
use chrono::{FixedOffset, Utc};
use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest countdown, so that a typing mistake does not hold a stream for hours.
const MAX_COUNTDOWN: f64 = 3600.0;

/// Most dice and sides of one roll.
const MAX_DICE: f64 = 100.0;

/// Longest note, in bytes, and most notes.
const MAX_NOTE: usize = 4096;
const MAX_NOTES: usize = 1000;

/// The demo.
pub struct Demo {
    state: Arc<State>,
}

impl Demo {
    fn notes(&self) -> MutexGuard<'_, BTreeMap<u32, String>> {
        self.state.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_note(&self, note: &str) -> Result<CallToolResponse, ErrorData> {
        let mut notes = self.notes();
        if note.is_empty() || note.len() > MAX_NOTE || notes.len() >= MAX_NOTES {
            return failed(format!("A note has 1 to {MAX_NOTE} bytes, and there are at most {MAX_NOTES} of them."));
        }
        let id = notes.last_key_value().map_or(1, |(id, _)| id + 1);
        notes.insert(id, note.into());
        drop(notes);
        self.state.changed(Change::Resources);
        self.state.changed(Change::Resource("notes://all".into()));
        structured(json!({ "id": id, "uri": format!("notes://{id}") }), format!("Note {id} is kept."))
    }

    fn delete_note(&self, id: f64) -> Result<CallToolResponse, ErrorData> {
        // Out of range becomes a number that no note has.
        let removed = self.notes().remove(&(id as u32));
        if removed.is_none() {
            return failed(format!("There is no note {id}."));
        }
        self.state.changed(Change::Resources);
        self.state.changed(Change::Resource("notes://all".into()));
        text(format!("Note {id} is gone."))
    }

    async fn countdown(&self, from: f64, turn: &Turn) -> Result<CallToolResponse, ErrorData> {
        if !(1.0..=MAX_COUNTDOWN).contains(&from) {
            return failed(format!("`from` has to be 1 to {MAX_COUNTDOWN} seconds."));
        }
        let from = from as u64;
        for gone in 0..from {
            turn.progress(gone, from, Some(format!("{} …", from - gone))).await?;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = turn.cancelled() => return failed("The countdown was cancelled."),
            }
        }
        turn.progress(from, from, Some("Liftoff!".into())).await?;
        text("Liftoff!")
    }
}

impl Content for Demo {
    const SERVER_INFO: (&'static str, &'static str) = ("mcp-edge-demo", "mcp-edge demo");
    const INSTRUCTIONS: &'static str = "Small tools for trying out the gateway: echo, add, now, countdown (sends progress once a \
        second), roll_dice, and a list of notes that is shared by everybody and forgotten when the server stops.";

    fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    fn tools(&self) -> Vec<Value> {
        let read_only = json!({ "readOnlyHint": true, "openWorldHint": false });
        let number = |description: &str| json!({ "type": "number", "description": description });
        vec![
            json!({
                "name": "echo", "title": "Echo", "description": "Says back what you say.",
                "inputSchema": { "type": "object", "required": ["text"], "properties": {
                    "text": { "type": "string", "description": "What to say back." } } },
                "annotations": read_only,
            }),
            json!({
                "name": "add", "title": "Add two numbers", "description": "Adds two numbers and returns their sum.",
                "inputSchema": { "type": "object", "required": ["a", "b"], "properties": {
                    "a": number("First number."), "b": number("Second number.") } },
                "outputSchema": { "type": "object", "required": ["sum"], "properties": { "sum": number("a + b.") } },
                "annotations": read_only,
            }),
            json!({
                "name": "now", "title": "Date and time", "description": "Tells the date and time, in UTC or at an offset from it.",
                "inputSchema": { "type": "object", "properties": {
                    "utcOffsetMinutes": { "type": "integer", "minimum": -1439, "maximum": 1439, "default": 0,
                        "description": "Minutes east of UTC: 120 is +02:00." } } },
                "outputSchema": { "type": "object", "required": ["time", "unixSeconds"], "properties": {
                    "time": { "type": "string", "format": "date-time", "description": "RFC 3339." },
                    "unixSeconds": { "type": "integer", "description": "Seconds since the Unix epoch." } } },
                "annotations": read_only,
            }),
            json!({
                "name": "countdown", "title": "Countdown",
                "description": "Counts down the seconds and reports progress each second while it runs. Can be cancelled.",
                "inputSchema": { "type": "object", "required": ["from"], "properties": {
                    "from": { "type": "integer", "minimum": 1, "maximum": MAX_COUNTDOWN, "description": "Seconds to count down." } } },
                "annotations": read_only,
            }),
            json!({
                "name": "roll_dice", "title": "Roll dice", "description": "Rolls dice and returns each result and the total.",
                "inputSchema": { "type": "object", "properties": {
                    "count": { "type": "integer", "minimum": 1, "maximum": MAX_DICE, "default": 1, "description": "How many dice." },
                    "sides": { "type": "integer", "minimum": 2, "maximum": MAX_DICE, "default": 6, "description": "Sides of each." } } },
                "outputSchema": { "type": "object", "required": ["rolls", "total"], "properties": {
                    "rolls": { "type": "array", "items": { "type": "integer" } }, "total": { "type": "integer" } } },
                "annotations": { "readOnlyHint": true, "openWorldHint": false },
            }),
            json!({
                "name": "add_note", "title": "Add a note", "description": "Keeps a note until the server stops. Everybody can read it.",
                "inputSchema": { "type": "object", "required": ["text"], "properties": {
                    "text": { "type": "string", "minLength": 1, "maxLength": MAX_NOTE, "description": "The note." } } },
                "outputSchema": { "type": "object", "required": ["id", "uri"], "properties": {
                    "id": { "type": "integer" }, "uri": { "type": "string" } } },
                "annotations": { "readOnlyHint": false, "destructiveHint": false, "openWorldHint": false },
            }),
            json!({
                "name": "list_notes", "title": "List notes", "description": "Lists the notes with their numbers.",
                "inputSchema": { "type": "object", "properties": {} },
                "outputSchema": { "type": "object", "required": ["notes"], "properties": {
                    "notes": { "type": "array", "items": { "type": "object", "required": ["id", "text"], "properties": {
                        "id": { "type": "integer" }, "text": { "type": "string" } } } } } },
                "annotations": read_only,
            }),
            json!({
                "name": "delete_note", "title": "Delete a note", "description": "Deletes a note by its number.",
                "inputSchema": { "type": "object", "required": ["id"], "properties": {
                    "id": { "type": "integer", "description": "Number of the note." } } },
                "annotations": { "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": false },
            }),
        ]
    }

    fn prompts(&self) -> Vec<Value> {
        vec![json!({
            "name": "summarize_notes", "title": "Summarize the notes", "description": "Asks for a summary of all notes.",
            "arguments": [{ "name": "style", "description": "For example: one sentence, bullet points, a poem.", "required": false }],
        })]
    }

    fn resources(&self) -> Vec<Value> {
        vec![json!({
            "uri": "notes://all", "name": "notes", "title": "All notes", "mimeType": "text/plain",
            "description": "Every note, one per line.",
        })]
    }

    fn templates(&self) -> Vec<Value> {
        vec![json!({
            "uriTemplate": "notes://{id}", "name": "note", "title": "One note", "mimeType": "text/plain",
            "description": "The note with this number.",
        })]
    }

    async fn call(&self, request: CallToolRequestParams, turn: &Turn) -> Result<CallToolResponse, ErrorData> {
        match &*request.name {
            "echo" => text(required_text(&request, "text")?),
            "add" => {
                let sum = required_number(&request, "a")? + required_number(&request, "b")?;
                structured(json!({ "sum": sum }), sum.to_string())
            }
            "now" => now(argument(&request, "utcOffsetMinutes").and_then(Value::as_i64).unwrap_or(0)),
            "countdown" => self.countdown(required_number(&request, "from")?, turn).await,
            "roll_dice" => {
                let number = |name, default| argument(&request, name).and_then(Value::as_f64).unwrap_or(default);
                roll_dice(number("count", 1.0), number("sides", 6.0))
            }
            "add_note" => self.add_note(required_text(&request, "text")?),
            "list_notes" => {
                let notes: Vec<Value> =
                    self.notes().iter().map(|(id, text)| json!({ "id": id, "text": text })).collect();
                structured(json!({ "notes": notes }), lines(&self.notes()))
            }
            "delete_note" => self.delete_note(required_number(&request, "id")?),
            name => Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        }
    }

    async fn prompt(&self, request: GetPromptRequestParams, _: &Turn) -> Result<GetPromptResponse, ErrorData> {
        if request.name != "summarize_notes" {
            return Err(ErrorData::invalid_params(format!("there is no prompt `{}`", request.name), None));
        }
        let style = request.arguments.as_ref().and_then(|a| a.get("style")).and_then(|v| v.as_str().map(str::to_owned));
        let style = style.unwrap_or_else(|| "one sentence".into());
        let notes = lines(&self.notes());
        messages(json!([{ "role": "user", "content": { "type": "text",
            "text": format!("Summarize these notes as {style}:\n\n{notes}") } }]))
    }

    fn read(&self, uri: &str) -> Option<Value> {
        let notes = self.notes();
        let text = match uri.strip_prefix("notes://")? {
            "all" => lines(&notes),
            id => notes.get(&id.parse().ok()?)?.clone(),
        };
        Some(json!({ "uri": uri, "mimeType": "text/plain", "text": text }))
    }

    fn complete(&self, argument: &str) -> Vec<String> {
        match argument {
            "style" => ["one sentence", "bullet points", "a poem"].map(Into::into).to_vec(),
            "id" => self.notes().keys().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }
}

fn lines(notes: &BTreeMap<u32, String>) -> String {
    match notes.is_empty() {
        true => "There are no notes.".into(),
        false => notes.iter().map(|(id, text)| format!("{id}. {text}")).collect::<Vec<_>>().join("\n"),
    }
}

fn now(offset_minutes: i64) -> Result<CallToolResponse, ErrorData> {
    let offset = i32::try_from(offset_minutes).ok().and_then(|minutes| FixedOffset::east_opt(minutes.checked_mul(60)?));
    let Some(offset) = offset else {
        return failed("`utcOffsetMinutes` has to be less than a day.");
    };
    let now = Utc::now();
    let time = now.with_timezone(&offset).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    structured(json!({ "time": time, "unixSeconds": now.timestamp() }), time)
}

fn roll_dice(count: f64, sides: f64) -> Result<CallToolResponse, ErrorData> {
    if !(1.0..=MAX_DICE).contains(&count) || !(2.0..=MAX_DICE).contains(&sides) {
        return failed(format!("1 to {MAX_DICE} dice of 2 to {MAX_DICE} sides can be rolled."));
    }
    let rolls: Vec<u64> = (0..count as u64).map(|_| rand::random_range(1..=sides as u64)).collect();
    let total: u64 = rolls.iter().sum();
    let text = rolls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    structured(json!({ "rolls": rolls, "total": total }), format!("{text} = {total}"))
}
