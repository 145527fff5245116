//! What all sessions of the process share.

use crate::Options;
use crate::era::Era;
use crate::signals::Signals;
use crate::stats::Stats;
use rmcp::model::RequestStateCodec;
use rmcp::task_manager::TaskManager;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, broadcast};

/// How many changes a slow stream may lag behind.
const CHANGES_KEPT: usize = 64;

/// Something that open streams are told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The contents of this resource.
    Resource(String),
    /// Nothing, but this is said: a log message outside of calls (2025 revisions).
    Said(String),
    /// Nothing, but the client is asked this: a request outside of calls (2025 revisions).
    Asked(Value),
}

/// Shared by all sessions.
pub struct State {
    /// Revisions that are spoken.
    pub era: Era,
    /// Longest page of a list; 0 is no limit.
    pub page: usize,
    /// Whether nothing is ever said outside of calls.
    pub mute: bool,
    /// Changes, for whoever listens.
    pub changes: broadcast::Sender<Change>,
    /// Ends all event streams that are open.
    pub hang_up: Notify,
    /// See [`Signals`].
    pub signals: Signals,
    /// See [`Stats`].
    pub stats: Stats,
    /// Tasks (SEP-2663) of the fixtures.
    pub tasks: TaskManager,
    /// Seals `requestState`.
    pub codec: RequestStateCodec,
    /// The demo's notes by number.
    pub notes: Mutex<BTreeMap<u32, String>>,
    /// Whether the fixture tool that comes and goes is there.
    pub extra_tool: AtomicBool,
}

impl State {
    /// State of a fresh process.
    pub fn new(options: &Options) -> Self {
        let first = "Try the countdown tool: its progress arrives while it runs.";
        Self {
            era: options.era,
            page: options.page,
            mute: options.mute,
            changes: broadcast::channel(CHANGES_KEPT).0,
            hang_up: Notify::new(),
            signals: Signals::default(),
            stats: Stats::new(options.record),
            tasks: TaskManager::new(),
            codec: RequestStateCodec::try_new(rand::random::<[u8; 32]>()).expect("32 bytes are enough"),
            notes: Mutex::new(BTreeMap::from([(1, first.into())])),
            extra_tool: AtomicBool::new(false),
        }
    }

    /// Tell the open streams.
    pub fn changed(&self, change: Change) {
        // Nobody listening is fine.
        let _ = self.changes.send(change);
    }
}
