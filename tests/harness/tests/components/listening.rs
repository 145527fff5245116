//! `listen` of connector.wasm, and streams that are taken up again, against real upstreams.

use crate::connector::{Came, Connector, Interest, Said, UpstreamError, caller, case, request, tool};
use crate::fake::canned;
use anyhow::{Context, Result, anyhow, bail, ensure};
use harness::{Settings, Upstream, unique};
use serde_json::{Value, json};
use std::sync::PoisonError;
use tokio::sync::oneshot;

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

fn interest(after: Option<String>) -> Interest {
    let notifications = json!({ "toolsListChanged": true, "resourceSubscriptions": ["test://watched-resource"] });
    Interest { upstream: "up".into(), after, notifications: notifications.to_string() }
}

fn up(upstream: &Upstream) -> Result<Connector> {
    Connector::start(&Settings::new().upstream("up", upstream.url()))
}

/// What comes until `last` does, while `act` happens. The listener does not leave before.
async fn heard(
    connector: &Connector,
    revision: &str,
    after: Option<String>,
    last: impl Fn(&Value) -> bool,
    act: impl Future<Output = Result<()>>,
) -> Result<Vec<Value>> {
    let (_abandon, abandoned) = oneshot::channel();
    let enough = |said: &Said| matches!(said, Said::Message(message) if last(message));
    let listening = connector.listen_until(interest(after), caller("c", revision), abandoned, enough);
    let (heard, acted) = tokio::join!(listening, act);
    acted?;
    let heard = heard?.map_err(|error| anyhow!("{revision}: {error:?}"))?.context("nothing to listen to")?;
    let messages = heard.into_iter().filter_map(|said| match said {
        Said::Message(message) => Some(Ok(message)),
        Said::Reached => None,
        Said::Failed(error) => Some(Err(anyhow!("{error:?}"))),
    });
    messages.collect()
}

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["method"].as_str().unwrap_or("response")).collect()
}

fn is(method: &str) -> impl Fn(&Value) -> bool {
    move |message| message["method"] == method
}

async fn open(upstream: &Upstream, streams: u64) -> Result<()> {
    upstream.until("the stream is open", |stats| stats["openStreams"] == streams).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_is_told_and_asked_outside_of_calls() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = up(&upstream)?;
    let watch = request("resources/subscribe", json!({ "uri": "test://watched-resource" }));
    let came = connector.exchange("up", &watch, caller("c", LEGACY)).await?;
    ensure!(came.is_ok(), "{came:?}");
    let act = async {
        open(&upstream, 1).await?;
        upstream.tell("ask", r#"{"method":"ping"}"#).await?;
        upstream
            .until("the ping is answered", |stats| stats["answers"].as_array().is_some_and(|a| a.len() == 1))
            .await?;
        upstream.tell("say", "hello").await?;
        upstream.tell("change/tools", "").await?;
        upstream.tell("touch", "test://watched-resource").await?;
        upstream.tell("touch", "test://another").await?;
        upstream.tell("ask", r#"{"method":"roots/list"}"#).await
    };
    let heard = heard(&connector, LEGACY, None, is("roots/list"), act).await?;
    let expected =
        ["notifications/message", "notifications/tools/list_changed", "notifications/resources/updated", "roots/list"];
    ensure!(methods(&heard) == expected, "{heard:?}");
    ensure!(
        heard[0]["params"]["data"] == "hello" && heard[2]["params"]["uri"] == "test://watched-resource",
        "{heard:?}"
    );
    ensure!(connector.event_ids.lock().unwrap_or_else(PoisonError::into_inner).len() >= 4, "no event ids");
    // The answer finds its way through any instance.
    let answer = json!({ "jsonrpc": "2.0", "id": heard[3]["id"], "result": { "roots": [{ "uri": "file:///a" }] } });
    let came = connector.exchange("up", &answer, caller("c", LEGACY)).await?;
    ensure!(matches!(came, Ok(Came::Accepted)), "{came:?}");
    let stats =
        upstream.until("the answer came", |stats| stats["answers"].as_array().is_some_and(|a| a.len() == 2)).await?;
    ensure!(stats["answers"][1]["roots"][0]["uri"] == "file:///a", "{stats}");
    ensure!(upstream.count("initialize").await? == 1, "the session is that of the conversation");
    Ok(())
}

#[tokio::test]
async fn a_modern_upstream_tells_what_it_was_asked_for() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2026"]).await?;
    let connector = up(&upstream)?;
    let act = async {
        open(&upstream, 1).await?;
        upstream.tell("change/prompts", "").await?;
        upstream.tell("change/tools", "").await?;
        upstream.tell("touch", "test://another").await?;
        upstream.tell("touch", "test://watched-resource").await
    };
    let heard = heard(&connector, MODERN, None, is("notifications/resources/updated"), act).await?;
    let expected = [
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ];
    ensure!(methods(&heard) == expected, "{heard:?}");
    ensure!(
        heard.iter().all(|m| m.to_string().find("subscriptionId").is_none()),
        "the name is the connector's: {heard:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_listened_to_again() -> Result<()> {
    for (era, revision) in [("2025", LEGACY), ("2026", MODERN), ("2025", MODERN), ("2026", LEGACY)] {
        let upstream = Upstream::start(&["--set", "fixtures", "--era", era]).await?;
        let connector = up(&upstream)?;
        let act = async {
            open(&upstream, 1).await?;
            upstream.tell("hang-up", "").await?;
            let again = if era == "2025" { "GET" } else { "subscriptions/listen" };
            upstream.until("it comes again", |stats| stats["methods"][again] == 2).await?;
            // A subscription that was made again says by itself that everything may have changed.
            upstream.tell("change/tools", "").await
        };
        let heard = heard(&connector, revision, None, is("notifications/tools/list_changed"), act).await;
        heard.with_context(|| format!("{era} for {revision}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_lost_its_sessions_is_listened_to_in_a_new_one() -> Result<()> {
    let mut upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = up(&upstream)?;
    let (_abandon, abandoned) = oneshot::channel();
    let enough =
        |said: &Said| matches!(said, Said::Message(m) if m["method"] == "notifications/resources/list_changed");
    let listening = connector.listen_until(interest(None), caller("c", LEGACY), abandoned, enough);
    let act = async {
        open(&upstream, 1).await?;
        upstream.stop().await?;
        upstream.restart().await
    };
    let (heard, acted) = tokio::join!(listening, act);
    acted?;
    let heard = heard?.map_err(|error| anyhow!("{error:?}"))?.context("nothing")?;
    // All lists that may have changed in between.
    ensure!(heard.iter().filter(|said| matches!(said, Said::Message(_))).count() == 3, "{heard:?}");
    ensure!(upstream.count("resources/subscribe").await? == 1, "what was subscribed to is subscribed to again");
    Ok(())
}

#[tokio::test]
async fn an_upstream_may_say_nothing_outside_of_calls() -> Result<()> {
    for (era, revision) in [("2025", LEGACY), ("2026", MODERN)] {
        let upstream = Upstream::start(&["--set", "fixtures", "--mute", "--era", era]).await?;
        let connector = up(&upstream)?;
        let (_abandon, abandoned) = oneshot::channel();
        let heard = connector.listen_until(interest(None), caller("c", revision), abandoned, |_| true).await?;
        ensure!(matches!(heard, Ok(None)), "{era}: {heard:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_connection_is_closed_as_soon_as_nobody_listens() -> Result<()> {
    for (era, revision) in [("2025", LEGACY), ("2026", MODERN)] {
        let upstream = Upstream::start(&["--set", "fixtures", "--era", era]).await?;
        let connector = up(&upstream)?;
        let (abandon, abandoned) = oneshot::channel();
        let listening = connector.listen_until(interest(None), caller("c", revision), abandoned, |_| false);
        let act = async {
            open(&upstream, 1).await?;
            drop(abandon);
            open(&upstream, 0).await
        };
        let (heard, acted) = tokio::join!(listening, act);
        acted.with_context(|| era.to_owned())?;
        ensure!(matches!(heard?, Ok(Some(_))), "{era}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_whose_stream_was_left_is_gone_on_with() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = up(&upstream)?;
    let name = unique("go-on");
    let (abandon, abandoned) = oneshot::channel::<()>();
    let mut abandon = Some(abandon);
    // Left, not cancelled: whoever waits for the answer comes again.
    let message = tool("wait_for_signal", json!({ "name": name }));
    let came =
        connector.exchange_until("up", &message, caller("c", LEGACY), abandoned, |_| drop(abandon.take())).await?;
    let Ok(Came::Messages(messages, _)) = came else { bail!("{came:?}") };
    ensure!(messages.len() == 1, "{messages:?}");
    let event = connector.event_ids.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
    let event = event.context("no event id")?;
    let act = async {
        upstream.until("the tool still waits", |stats| stats["waiting"] == 1).await?;
        upstream.signal(&name).await
    };
    let heard = heard(&connector, LEGACY, Some(event), |message| message["result"].is_object(), act).await?;
    ensure!(heard.last().is_some_and(|response| response["id"] == "my-id"), "{heard:?}");
    // rmcp 3.8 begins with the event that was named, so there may be one more.
    ensure!(methods(&heard).ends_with(&["notifications/progress", "response"]), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_the_upstream_closes_to_be_polled_is_taken_up_and_its_places_are_told() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let connector = up(&upstream)?;
    let name = unique("polled");
    let message = tool("wait_for_signal", json!({ "name": name }));
    let act = async {
        upstream.until("the tool waits", |stats| stats["waiting"] == 1 && stats["openStreams"] == 1).await?;
        upstream.tell("hang-up", "").await?;
        upstream.until("it comes again", |stats| stats["methods"]["GET"] == 1 && stats["openStreams"] == 1).await?;
        upstream.signal(&name).await
    };
    let (came, acted) = tokio::join!(connector.exchange("up", &message, caller("c", LEGACY)), act);
    acted?;
    let Ok(Came::Messages(messages, None)) = came? else { bail!("no messages") };
    // The caller does not notice.
    let expected = ["notifications/progress", "notifications/progress", "response"];
    ensure!(methods(&messages) == expected && messages[2]["id"] == "my-id", "{messages:?}");
    ensure!(!connector.event_ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty(), "no place was told");
    Ok(())
}

#[tokio::test]
async fn arguments_are_repeated_in_headers_where_the_tool_says_so() -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2026"]).await?;
    let connector = up(&upstream)?;
    for region in ["us-west1", "é \n", ""] {
        let message = tool("test_header_parameter", json!({ "region": region }));
        let came = connector.exchange("up", &message, caller("c", LEGACY)).await?;
        // The upstream refuses calls whose headers are not what the arguments are.
        let Ok(Came::Response(response)) = came else { bail!("{came:?}") };
        ensure!(response["result"]["content"][0]["text"] == region, "{response}");
    }
    Ok(())
}

#[tokio::test]
async fn each_failure_to_listen_has_its_own_error() -> Result<()> {
    const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const PAGE: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\n<p/>";
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        format!("http://{}/mcp", listener.local_addr()?)
    };
    let listen = async |entry: Value, interest: Interest, revision: &str| -> Result<UpstreamError> {
        let connector = Connector::start(&Settings::new().with("/mcpServers/up", entry))?;
        let (_abandon, abandoned) = oneshot::channel();
        let heard = connector.listen_until(interest, caller("c", revision), abandoned, |_| true).await?;
        heard.err().context("it is listened to")
    };
    for (entry, expected) in [
        (json!({ "url": closed }), "unreachable"),
        (json!({ "url": canned("").await?, "timeout": 1 }), "timed-out"),
        (json!({ "url": canned(UNAUTHORIZED).await? }), "unauthorized"),
        (json!({ "url": canned(BROKEN).await? }), "refused"),
        (json!({ "url": canned(PAGE).await? }), "invalid-reply"),
        (json!({ "url": closed, "headers": { "X-Key": "${ABSENT}" } }), "misconfigured"),
    ] {
        for revision in [LEGACY, MODERN] {
            let error = listen(entry.clone(), interest(None), revision).await?;
            ensure!(case(&error) == expected, "{entry} for {revision}: {error:?}");
        }
    }
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let entry = json!({ "url": upstream.url() });
    let error = listen(entry.clone(), Interest { upstream: "another".into(), ..interest(None) }, LEGACY).await?;
    ensure!(case(&error) == "not-found", "{error:?}");
    // Nobody has a session that this could be an event of.
    let error = listen(entry.clone(), interest(Some("1/0".into())), LEGACY).await?;
    ensure!(matches!(error, UpstreamError::Refused(404)), "{error:?}");
    let connector = up(&upstream)?;
    connector.broken();
    let (_abandon, abandoned) = oneshot::channel();
    let heard = connector.listen_until(interest(None), caller("c", LEGACY), abandoned, |_| true).await?;
    ensure!(heard.as_ref().is_err_and(|error| case(error) == "unavailable"), "{heard:?}");
    Ok(())
}
