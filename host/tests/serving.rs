//! The listener and the instances behind it, with a guest that behaves as it is told.

mod common;

use bytes::Bytes;
use common::{builder, client, get, start, url};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_edge::runtime::{Clock, LogSink};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Repeat until true, for things that happen soon.
async fn soon<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Read until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut buffer = [0; 1024];
        let count = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.expect(text).unwrap();
        assert!(count > 0, "the connection ended before {text:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_serve_many_requests() {
    let subject = start().await;
    for _ in 0..20 {
        assert_eq!(subject.text("/hello").await, "hello");
    }
    assert_eq!(subject.text("/seen").await, "21");
    assert_eq!(subject.get("/nothing").await.0, 404);
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guest_sees_authority_and_client_address_but_no_hop_by_hop_header() {
    let subject = start().await;
    let mut stream = TcpStream::connect(subject.running.address()).await.unwrap();
    let request = "GET /request?a=b HTTP/1.1\r\nHost: example.test:99\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
                   TE: trailers\r\nMcp-Edge-Client-Address: 10.9.8.7\r\nX-Kept: yes\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    for line in [
        "authority example.test:99",
        "scheme Some(Scheme::Http)",
        "target /request?a=b",
        "x-kept: yes",
        "mcp-edge-client-address: 127.0.0.1",
    ] {
        assert!(answer.contains(line), "{line} is not in {answer}");
    }
    for line in ["x-hop", "\nte: ", "\nhost: ", "connection: close,", "10.9.8.7"] {
        assert!(!answer.contains(line), "{line} is in {answer}");
    }
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_served_with_prior_knowledge() {
    let subject = start().await;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let requests = (0..50).map(|_| client.get(subject.url("/request").parse().unwrap()));
    for response in futures::future::join_all(requests).await {
        let response = response.unwrap();
        assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let authority = format!("authority {}", subject.running.address());
        assert!(String::from_utf8_lossy(&body).contains(&authority));
    }
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused() {
    let subject = start().await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "400"),
        (&long, "431"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(subject.running.address()).await.unwrap();
        // The server may answer and close before it has read all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    assert_eq!(subject.text("/hello").await, "hello");
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_both_ways_at_once() {
    let subject = start().await;
    let mut stream = TcpStream::connect(subject.running.address()).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    for word in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        read_until(&mut stream, word).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "0\r\n\r\n").await;
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_learns_that_its_client_hung_up() {
    let subject = start().await;
    for name in ["a", "b"] {
        let mut stream = TcpStream::connect(subject.running.address()).await.unwrap();
        let request = format!("GET /ticks?{name} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, "data: tick").await;
        drop(stream);
        let key = format!("/get?ended:{name}");
        soon("the end of the stream", || async { subject.text(&key).await == "Ok(Some([49]))" }).await;
    }
    // Over HTTP/2 only the stream is reset, the connection stays.
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut response = client.get(subject.url("/ticks?c").parse().unwrap()).await.unwrap();
    response.frame().await.unwrap().unwrap();
    drop(response);
    soon("the end of the stream", || async { subject.text("/get?ended:c").await == "Ok(Some([49]))" }).await;
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_spins_is_ended_and_others_go_on() {
    let subject = start().await;
    let spin = subject.url("/spin");
    let spinning = tokio::spawn(async move { get(&spin).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(subject.text("/hello").await, "hello");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    let (status, body) = tokio::time::timeout(Duration::from_secs(60), spinning).await.unwrap().unwrap();
    assert_eq!(status, 502);
    assert!(body.contains("gateway_failed"), "{body}");
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_computations_of_many_requests_all_finish() {
    let subject = start().await;
    let requests = (0..16).map(|_| subject.get("/compute?300"));
    for (status, _) in futures::future::join_all(requests).await {
        assert_eq!(status, 200);
    }
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_a_502_and_the_next_request_gets_a_new_instance() {
    let subject = start().await;
    for target in ["/panic", "/grow?300"] {
        let (status, body) = subject.get(target).await;
        assert_eq!(status, 502, "{target}");
        assert!(body.contains("\"error\":\"gateway_failed\"") && !body.contains("asked to"), "{body}");
        assert_eq!(subject.text("/hello").await, "hello");
    }
    assert_eq!(subject.get("/error").await.0, 502);
    assert_eq!(subject.text("/grow?100").await, (100 * 256).to_string());
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_instance_trapped_breaks_instead_of_ending() {
    let subject = start().await;
    let mut response = client().get(subject.url("/ticks?x").parse().unwrap()).await.unwrap();
    response.frame().await.unwrap().unwrap();
    // The same instance: there is only one as long as it has room.
    assert_eq!(subject.text("/seen").await, "2");
    assert_eq!(subject.get("/panic").await.0, 502);
    let rest = tokio::time::timeout(Duration::from_secs(5), response.collect()).await.unwrap();
    assert!(rest.is_err(), "the stream looks complete");
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_ends_event_streams_and_finishes_requests() {
    let subject = start().await;
    let mut ticks = client().get(subject.url("/ticks?x").parse().unwrap()).await.unwrap();
    ticks.frame().await.unwrap().unwrap();
    let wait = subject.url("/wait?700");
    let waiting = tokio::spawn(async move { get(&wait).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let address = subject.running.address();
    let begin = Instant::now();
    subject.running.stop().await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(waiting.await.unwrap(), (200, "waited".into()));
    assert!(ticks.collect().await.is_ok(), "an event stream ends cleanly");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_clock_moves_with_the_tests() {
    let state = tempfile::tempdir().unwrap();
    let offset = Arc::new(AtomicI64::new(0));
    let running = builder(state.path()).clock(Clock::with_offset(offset.clone())).start().await.unwrap();
    for shift in [0, 3600, -86400] {
        offset.store(shift, Ordering::SeqCst);
        let seen: i64 = get(&url(&running, "/clock")).await.1.parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((seen - now - shift).abs() <= 1, "{seen} {now} {shift}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guests_lines_reach_the_log_whole() {
    let state = tempfile::tempdir().unwrap();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = lines.clone();
    let log = LogSink::new(move |line| into.lock().unwrap().push(line.into()));
    let events: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = events.clone();
    let running = builder(state.path())
        .log(log)
        .events(LogSink::new(move |line| into.lock().unwrap().push(line.into())))
        .start()
        .await
        .unwrap();
    let long = "x".repeat(9000);
    get(&url(&running, "/log?one")).await;
    get(&url(&running, &format!("/log?{long}"))).await;
    assert_eq!(*lines.lock().unwrap(), ["one".to_owned(), long]);
    get(&url(&running, "/panic")).await;
    assert!(events.lock().unwrap().iter().any(|line| line.contains("asked to")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_reach_other_servers_and_can_tell_unreachable_from_broken() {
    let subject = start().await;
    let hello = subject.url("/hello");
    for _ in 0..3 {
        assert_eq!(subject.text(&format!("/fetch?{hello}")).await, "200 hello");
    }
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(subject.text(&format!("/fetch?http://{closed}/")).await.starts_with("Unreachable"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let breaks = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
        }
    });
    assert!(subject.text(&format!("/fetch?http://{breaks}/")).await.starts_with("Broken"));
    subject.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_use_the_store_and_it_survives_a_restart() {
    let subject = start().await;
    assert_eq!(subject.text("/increment?c").await, "Ok(1)");
    let counts = futures::future::join_all((0..30).map(|_| subject.text("/increment?c"))).await;
    let mut values: Vec<u32> =
        counts.iter().map(|text| text.trim_start_matches("Ok(").trim_end_matches(')').parse().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, (2..=31).collect::<Vec<_>>());
    assert_eq!(subject.text("/swap?s").await, "Ok(\"true failed on first, then true\")");
    assert_eq!(subject.text("/get?s").await, format!("Ok(Some({:?}))", b"third"));
    assert_eq!(subject.text("/increment?s").await, "Err(StoreError(\"not a counter\"))");
    assert_eq!(subject.text("/config?client_address_header").await, "Ok(Some(\"mcp-edge-client-address\"))");
    assert_eq!(subject.text("/config?absent").await, "Ok(None)");
    subject.running.stop().await;
    let running = builder(subject.state.path()).start().await.unwrap();
    assert_eq!(get(&url(&running, "/increment?c")).await.1, "Ok(32)");
    running.stop().await;
}
