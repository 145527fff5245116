//! One file for each subcommand.

pub mod check;
pub mod compose;
pub mod hash_password;
pub mod schema;
pub mod serve;
pub mod values;

use mcp_edge::StartError;

/// Print an error: its own text, and the causes where they add something the operator can use.
pub fn report(error: &anyhow::Error) {
    let mut text = error.to_string();
    // These texts are complete; the others name their cause.
    let complete = matches!(
        error.downcast_ref(),
        Some(StartError::Settings(_) | StartError::Listen(..) | StartError::Key(_) | StartError::State(..))
    );
    if !complete {
        for cause in error.chain().skip(1) {
            let cause = cause.to_string();
            if !text.contains(&cause) {
                text = format!("{text} ({cause})");
            }
        }
    }
    for line in text.lines() {
        eprintln!("mcp-edge: {line}");
    }
}
