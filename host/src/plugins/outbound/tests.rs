//! Against servers made of a few lines, on the loopback interface.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that treats each connection with `serve`, and a count of connections.
async fn server<F, Fut>(serve: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let serve = serve.clone();
            tokio::spawn(async move { serve(stream).await });
        }
    });
    (url, connections)
}

/// Read one request without a body; false at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return false,
        }
    }
    true
}

fn get(url: &str) -> http::Request<WasiBody> {
    http::Request::get(url).body(empty()).unwrap()
}

const QUICK: RequestOptions = RequestOptions {
    connect_timeout: Some(Duration::from_millis(200)),
    first_byte_timeout: Some(Duration::from_millis(200)),
    between_bytes_timeout: Some(Duration::from_millis(200)),
};

async fn text(outbound: &Outbound, url: &str) -> Result<String, Error> {
    exchange(outbound, get(url)).await
}

async fn exchange(outbound: &Outbound, request: http::Request<WasiBody>) -> Result<String, Error> {
    let body = outbound.send(request, QUICK).await?.into_body().collect().await?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn connections_are_kept_and_a_closed_one_is_replaced_silently() {
    let (url, connections) = server(|mut stream| async move {
        // Two requests a connection, then it closes while idle.
        for _ in 0..2 {
            if !read_request(&mut stream).await {
                return;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let outbound = Outbound::new(&Trust::default()).unwrap();
    for n in 0..6 {
        assert_eq!(text(&outbound, &url).await.unwrap(), "ok", "{n}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn nothing_sent_can_be_told_from_broken_later() {
    let outbound = Outbound::new(&Trust::default()).unwrap();
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = text(&outbound, &format!("http://{closed}/")).await;
    assert!(matches!(refused, Err(Error::ConnectionRefused)), "{refused:?}");

    let unknown = text(&outbound, "http://no-such-host.invalid/").await;
    assert!(matches!(unknown, Err(Error::DnsError { .. } | Error::ConnectionTimeout)), "{unknown:?}");

    let (url, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let dropped = text(&outbound, &url).await;
    assert!(matches!(dropped, Err(Error::HttpResponseIncomplete | Error::ConnectionTerminated)), "{dropped:?}");

    let (url, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"SMTP ready\r\n\r\n").await.unwrap();
    })
    .await;
    let garbage = text(&outbound, &url).await;
    assert!(matches!(garbage, Err(Error::HttpProtocolError)), "{garbage:?}");

    let (url, _) = server(|mut stream| async move {
        stream.write_all(b"SMTP ready\r\n\r\n").await.unwrap();
    })
    .await;
    let plain = text(&outbound, &url.replace("http:", "https:")).await;
    assert!(matches!(plain, Err(Error::TlsProtocolError)), "{plain:?}");
}

#[tokio::test]
async fn each_timeout_has_its_own_end() {
    let outbound = Outbound::new(&Trust::default()).unwrap();
    let (url, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let silent = text(&outbound, &url).await;
    assert!(matches!(silent, Err(Error::ConnectionReadTimeout)), "{silent:?}");

    let (url, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let stuck = text(&outbound, &url).await;
    assert!(matches!(stuck, Err(Error::ConnectionReadTimeout)), "{stuck:?}");

    // TLS that never answers is a connection that never comes.
    let (url, _) = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    })
    .await;
    let unanswered = text(&outbound, &url.replace("http:", "https:")).await;
    assert!(matches!(unanswered, Err(Error::ConnectionTimeout)), "{unanswered:?}");
}

#[tokio::test]
async fn a_slow_stream_that_keeps_talking_is_not_cut() {
    let (url, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await.unwrap();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.write_all(b"x").await.unwrap();
        }
    })
    .await;
    assert_eq!(text(&Outbound::new(&Trust::default()).unwrap(), &url).await.unwrap(), "xxxxx");
}

/// A server that answers each request with its own head.
async fn mirror() -> (String, Arc<AtomicUsize>) {
    server(|mut stream| async move {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let length = head.len();
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
            stream.write_all(&head).await.unwrap();
        }
    })
    .await
}

async fn within(outbound: &Outbound, url: &str, reach: &str) -> Result<String, Error> {
    let mut request = get(url);
    request.headers_mut().insert(PUBLIC_ONLY, reach.parse().unwrap());
    exchange(outbound, request).await
}

#[tokio::test]
async fn a_request_for_public_addresses_goes_to_no_other_however_they_are_written() {
    let outbound = Outbound::new(&Trust::default()).unwrap();
    let (url, connections) = mirror().await;
    let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1.to_owned();
    // A connection that is open already is no way around it.
    let head = text(&outbound, &url).await.unwrap();
    assert!(head.starts_with("GET / "), "{head}");
    for host in
        ["127.0.0.1", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
    {
        let denied = within(&outbound, &format!("http://{host}:{port}/"), "public").await;
        assert!(matches!(denied, Err(Error::DestinationIpProhibited)), "{host}: {denied:?}");
    }
    for host in
        ["10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]"]
    {
        for reach in ["public", "public, loopback"] {
            let denied = within(&outbound, &format!("http://{host}:{port}/"), reach).await;
            assert!(matches!(denied, Err(Error::DestinationIpProhibited)), "{host}: {denied:?}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn loopback_is_reached_where_it_is_allowed_over_a_connection_of_its_own_and_nobody_sees_the_header() {
    let outbound = Outbound::new(&Trust::default()).unwrap();
    let (url, connections) = mirror().await;
    text(&outbound, &url).await.unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let head = within(&outbound, &url.replace("127.0.0.1", host), "public, loopback").await.unwrap();
        assert!(head.starts_with("GET / ") && !head.contains(PUBLIC_ONLY), "{head}");
    }
    // One for each pool and name.
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    let denied = within(&outbound, &url, "public").await;
    assert!(matches!(denied, Err(Error::DestinationIpProhibited)), "{denied:?}");
}
