//! What must hold on every host.
//!
//! A scenario is a function that takes the host and returns an error where something does not hold. It starts what it
//! needs and shares nothing with others, so all of them run at the same time. To add one, write the function and add it
//! to [`for_each_scenario`](crate::for_each_scenario); `tests/hosts.rs` makes one test of it for each host.

pub mod apart;
pub mod catalogue;
pub mod door;
pub mod eras;
pub mod oauth;
pub mod policy;
pub mod restart;
pub mod start;
pub mod streams;
pub mod trouble;

/// Calls a macro with all scenarios, as `module::function, …`.
#[macro_export]
macro_rules! for_each_scenario {
    ($macro:ident) => {
        $macro! {
            oauth::the_whole_flow_gives_tokens_that_work,
            oauth::the_discovery_documents_agree_with_each_other,
            oauth::a_request_without_a_good_token_is_challenged,
            oauth::a_code_is_good_for_one_of_twenty_who_ask_at_once,
            oauth::a_code_shown_again_ends_what_it_gave,
            oauth::a_code_is_good_only_with_its_verifier_and_its_client,
            oauth::racing_refreshes_get_the_same_tokens,
            oauth::who_says_no_is_sent_back_with_access_denied,
            oauth::a_wrong_password_leads_back_to_the_form,
            oauth::nobody_is_sent_to_an_address_that_is_not_registered,
            door::health_is_open_to_all,
            door::a_foreign_origin_is_refused,
            door::a_body_over_the_cap_is_refused,
            door::a_token_counts_only_in_its_header,
            door::a_limit_is_told_with_the_time_to_wait,
            door::an_address_is_limited_whatever_headers_say,
            door::what_is_not_there_is_404,
            catalogue::both_eras_list_and_call,
            catalogue::names_are_bare_where_the_settings_say_so,
            catalogue::prompts_and_resources_work,
            catalogue::what_nobody_knows_passes_through,
            catalogue::ids_come_back_as_they_were,
            catalogue::an_error_of_a_tool_is_not_an_error_of_the_gateway,
            catalogue::upstreams_of_either_era_serve_clients_of_their_era,
            eras::every_client_works_with_every_upstream,
            eras::input_requests_reach_every_client,
            eras::nobody_else_goes_on_with_a_parked_call,
            eras::a_parked_call_is_held_until_its_client_comes,
            eras::changes_reach_every_open_stream,
            eras::a_lost_stream_is_taken_up_again,
            eras::batches_are_for_their_revision,
            policy::pages_of_several_upstreams_make_one_list,
            policy::what_is_not_listed_cannot_be_used,
            policy::a_scope_gives_access_and_a_missing_one_is_named,
            policy::an_address_chooses_what_is_there_and_fills_arguments_in,
            policy::a_changed_definition_is_held_back_until_an_admin_accepts_it,
            policy::tools_are_found_and_called_by_two_tools,
            streams::progress_comes_while_the_tool_runs,
            streams::a_large_answer_comes_whole,
            streams::many_messages_come_in_order,
            streams::who_hangs_up_frees_the_upstream,
            streams::calls_at_the_same_time_do_not_wait_for_each_other,
            apart::a_session_is_unknown_to_everybody_else,
            apart::an_ended_session_is_unknown,
            apart::two_people_never_share_a_session_upstream,
            apart::no_token_of_a_client_reaches_an_upstream,
            apart::credentials_go_to_their_upstream_only,
            apart::one_call_is_one_request_upstream,
            start::wrong_settings_are_refused_at_start,
            restart::everybody_goes_on_after_a_crash,
            restart::everybody_goes_on_after_a_stop,
            restart::a_code_used_before_a_crash_stays_used,
            restart::an_upstream_that_forgot_its_sessions_is_asked_again,
            trouble::an_upstream_that_is_down_hides_nothing_else,
            trouble::broken_messages_get_precise_errors,
            trouble::each_request_is_one_log_line_without_secrets,
            trouble::who_hangs_up_is_logged_as_aborted,
        }
    };
}
