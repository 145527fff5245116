//! The pages with connected apps, and deleting users.

use super::Bench;
use super::bench::{Browser, TestClient, hidden, html};
use crate::validate::TokenError;

#[test]
fn a_person_sees_the_connected_apps_and_ends_one() {
    let bench = Bench::new();
    let client = bench.client();
    let (first, second) = (bench.tokens(&client), bench.tokens(&client));
    let browser = Browser::new(&bench);
    let page = browser.get("/oauth/apps");
    assert!(html(&page).contains("<h1>Sign in</h1>"));
    let answer =
        browser.post("/oauth/login", &[("request", &hidden(&page)), ("username", "dev"), ("password", "secret")]);
    assert_eq!(answer.header("location"), Some("/oauth/apps"));
    let page = browser.get("/oauth/apps");
    let shown = html(&page);
    assert_eq!(shown.matches("<h2>Test client</h2>").count(), 2);
    assert!(shown.contains("Since 2027-01-15") && shown.contains("Use the tools, prompts"));
    let id = bench.validate(&first).unwrap().grant_id;
    let answer = browser.post("/oauth/apps", &[("request", &hidden(&page)), ("end", &id)]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/oauth/apps")));
    assert_eq!(bench.validate(&first), Err(TokenError::Revoked));
    assert!(bench.validate(&second).is_ok());
    // Twice is not wrong.
    assert_eq!(browser.post("/oauth/apps", &[("request", &hidden(&page)), ("end", &id)]).status, 303);
    browser.post("/oauth/apps", &[("request", &hidden(&page)), ("action", "switch")]);
    assert!(html(&browser.get("/oauth/apps")).contains("<h1>Sign in</h1>"));
}

#[test]
fn nobody_ends_what_is_somebody_elses_and_no_other_site_ends_anything() {
    let bench = Bench::new();
    let client = bench.client();
    let tokens = bench.tokens(&client);
    let id = bench.validate(&tokens).unwrap().grant_id;
    let (dev, eve) = (bench.dev(), Browser::new(&bench));
    eve.log_in(&client, "eve", "eve");
    let eves_form = hidden(&eve.get("/oauth/apps"));
    assert_eq!(eve.post("/oauth/apps", &[("request", &eves_form), ("end", &id)]).status, 303);
    let consent = hidden(&dev.authorize(&Bench::query(&client, &[])));
    for (forged, status) in [(&*eves_form, 403), ("", 400), ("x", 400), (&*consent, 400)] {
        assert_eq!(dev.post("/oauth/apps", &[("request", forged), ("end", &id)]).status, status);
        assert_eq!(dev.post("/oauth/admin", &[("request", forged), ("end", &id)]).status, 400);
    }
    assert!(bench.validate(&tokens).is_ok());
}

#[test]
fn only_administrators_see_all_users() {
    let mut bench = Bench::new();
    let client = bench.client();
    let eve = Browser::new(&bench);
    eve.log_in(&client, "eve", "eve");
    let eves = bench.redeem(&client, &eve.approve(&Bench::query(&client, &[]))).1;
    assert_eq!(eve.get("/oauth/admin").status, 403);
    assert!(!html(&eve.get("/oauth/apps")).contains("/oauth/admin"));
    let dev = bench.dev();
    assert!(html(&dev.get("/oauth/apps")).contains("/oauth/admin"));
    let users = html(&dev.get("/oauth/admin"));
    let hash = bench.settings.keys.user_hash("eve");
    assert!(users.contains(&format!("/oauth/admin?user={hash}\">eve")), "{users}");
    let page = dev.get(&format!("/oauth/admin?user={hash}"));
    assert!(html(&page).contains("<h2>Test client</h2>"));
    assert_eq!(dev.get("/oauth/admin?user=x").status, 404);
    let id = bench.validate(&eves).unwrap().grant_id;
    let form = hidden(&page);
    assert_eq!(eve.post("/oauth/admin", &[("request", &form), ("user", &hash), ("end", &id)]).status, 403);
    assert!(bench.validate(&eves).is_ok());
    assert_eq!(dev.post("/oauth/admin", &[("request", &form), ("user", &hash), ("end", &id)]).status, 303);
    assert_eq!(bench.validate(&eves), Err(TokenError::Revoked));
    dev.post("/oauth/admin", &[("request", &form), ("user", &hash), ("action", "delete")]);
    assert_eq!(dev.get(&format!("/oauth/admin?user={hash}")).status, 404);
    // Who is none any more does nothing with the pages that are still open.
    let eves = bench.redeem(&client, &eve_again(&bench, &client)).1;
    let cookies = dev.cookies.take();
    bench.settings.users[0].roles.clear();
    let dev = Browser { bench: &bench, cookies: cookies.into() };
    let principal = bench.validate(&eves).unwrap();
    let fields = [("request", form.as_str()), ("user", &principal.user_hash), ("end", &principal.grant_id)];
    assert_eq!(dev.post("/oauth/admin", &fields).status, 403);
    assert!(bench.validate(&eves).is_ok());
}

#[test]
fn a_user_beyond_the_end_of_the_list_is_found_by_his_hash() {
    let bench = Bench::new();
    let client = bench.client();
    let eve = Browser::new(&bench);
    eve.log_in(&client, "eve", "eve");
    let tokens = bench.redeem(&client, &eve.approve(&Bench::query(&client, &[]))).1;
    shared_ports::Store::increment(&bench.store, "oauth:users:count", 1500).unwrap();
    let dev = bench.dev();
    let hash = bench.settings.keys.user_hash("eve");
    assert!(!html(&dev.get("/oauth/admin")).contains(&hash));
    let page = dev.get(&format!("/oauth/admin?user={hash}"));
    assert_eq!(page.status, 200);
    let fields = [("request", &*hidden(&page)), ("user", &hash), ("action", "delete")];
    assert_eq!(dev.post("/oauth/admin", &fields).status, 303);
    assert_eq!(bench.validate(&tokens), Err(TokenError::Revoked));
    // What is no hash never becomes part of a key.
    for other in [format!("{hash}:known"), hash.to_uppercase()] {
        assert_eq!(dev.get(&format!("/oauth/admin?user={other}")).status, 404, "{other}");
    }
}

fn eve_again(bench: &Bench, client: &TestClient) -> String {
    let eve = Browser::new(bench);
    eve.log_in(client, "eve", "eve");
    eve.approve(&Bench::query(client, &[]))
}
