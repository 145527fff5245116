//! Scenarios on Spin once more, for the second manifest. (Its name is in front of each test, so that a run without Spin
//! leaves them out with all others.)

use anyhow::Result;
use harness::{HostKind, scenarios};
use std::io::Write;

macro_rules! with_dependencies {
    ($($module:ident :: $name:ident,)*) => {
        mod spin {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Result<()> {
                    if let Some(reason) = HostKind::SpinDependencies.missing() {
                        let _ = writeln!(std::io::stderr(), "{reason}");
                        return Ok(());
                    }
                    scenarios::$module::$name(HostKind::SpinDependencies).await
                }
            )*
        }
    };
}

// Each way between two components, and everything that a dependency has to inherit: the store, variables, outbound hosts.
with_dependencies! {
    oauth::the_whole_flow_gives_tokens_that_work,
    catalogue::both_eras_list_and_call,
    streams::progress_comes_while_the_tool_runs,
    streams::who_hangs_up_frees_the_upstream,
    apart::credentials_go_to_their_upstream_only,
    restart::everybody_goes_on_after_a_crash,
    trouble::each_request_is_one_log_line_without_secrets,
}
