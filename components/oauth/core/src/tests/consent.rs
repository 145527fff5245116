//! What a person allows, and what is remembered of it.

use super::Bench;
use super::bench::{Browser, CHALLENGE, REDIRECT, location_parameter, text};
use serde_json::json;

#[test]
fn several_skills_can_be_granted_one_by_one_and_are_remembered() {
    let bench = Bench::with_oauth(json!({ "scopes": {
        "calendar:read": { "meaning": "Read your calendar" },
        "calendar:write": { "meaning": "Change your calendar", "includes": ["calendar:read"] },
        "mail": { "meaning": "Send mail <b>" },
    } }));
    let client = bench.client();
    let browser = Browser::new(&bench);
    browser.log_in(&client, "dev", "secret");
    let query = Bench::query(&client, &[("scope", "")]);
    let page = browser.authorize(&query);
    let html = super::bench::html(&page);
    assert_eq!(html.matches(" checked><span>").count(), 3);
    assert!(html.contains("Send mail &lt;b&gt;"));
    let answer = browser.decide(&page, "approve", &["calendar:write", "root"]);
    let code = location_parameter(&answer, "code").unwrap();
    let tokens = bench.redeem(&client, &code).1;
    assert_eq!(tokens["scope"], "calendar:write");
    // Next time the same boxes are ticked, and the page is still shown.
    let html = super::bench::html(&browser.authorize(&query));
    assert_eq!(html.matches(" checked><span>").count(), 1);
    assert!(html.contains("value=\"calendar:write\" checked"));
    // Fewer by refreshing, also by what a scope includes; never more.
    let refresh = |scope: &str| {
        let fields =
            [&Bench::refresh_fields(&client, text(&tokens, "refresh_token"))[..], &[("scope", scope)]].concat();
        bench.post_json_answer("/oauth/token", &fields)
    };
    assert_eq!(refresh("mail").0, 400);
    assert_eq!(refresh("calendar:read").1["scope"], "calendar:read");
}

#[test]
fn the_page_says_which_servers_a_skill_reaches() {
    let bench = Bench::with_oauth(json!({ "scopes": {
        "all": { "meaning": "Everything" },
        "notes": { "meaning": "Read notes", "mcpServers": { "notes": { "tools": { "allow": ["get_*", "<b>"] } }, "wiki": {} } },
    } }));
    let browser = bench.dev();
    let html = super::bench::html(&browser.authorize(&Bench::query(&bench.client(), &[("scope", "")])));
    assert!(html.contains("Everything</span>"), "{html}");
    assert!(html.contains("On these servers: notes (tools get_*, &lt;b&gt;); wiki</span>"), "{html}");
}

#[test]
fn a_remembered_approval_skips_the_page_only_where_the_operator_says_so() {
    for (remember, uri, skipped) in
        [("prefill", REDIRECT, false), ("skip", REDIRECT, true), ("skip", "http://127.0.0.1:1/cb", false)]
    {
        let bench = Bench::with_oauth(json!({ "consent": { "remember": remember } }));
        let client = bench.client_with(&json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" }));
        let query = Bench::query(&client, &[("redirect_uri", uri), ("code_challenge", CHALLENGE)]);
        let browser = bench.dev();
        assert_eq!(browser.authorize(&query).status, 200, "nothing is remembered yet");
        browser.approve(&query);
        assert_eq!(browser.authorize(&query).status == 302, skipped, "{remember} {uri}");
        assert_eq!(browser.authorize(&format!("{query}&prompt=consent")).status, 200);
        // Another client, another browser, another person: nothing is remembered.
        let other = bench.client_with(&json!({ "redirect_uris": [uri] }));
        assert_eq!(browser.authorize(&Bench::query(&other, &[("redirect_uri", uri)])).status, 200);
        assert_eq!(bench.dev().authorize(&query).status, 200);
        browser.log_in_again(&bench.client(), "eve", "eve");
        assert_eq!(browser.authorize(&query).status, 200);
    }
}
