//! The sample shop, in process and as a process.

use std::time::{Duration, Instant};

use anyhow::Result;
use hyper::Method;
use shunt_testbed::shop::{Fault, LocalShop, Seen, ShopOptions};
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Client, Load, Shop, Wire, until};

#[tokio::test]
async fn says_what_it_was_asked_over_both_protocols() -> Result<()> {
    let shop = LocalShop::start("v7").await?;
    for (wire, protocol) in [(Wire::Http1, "HTTP/1.1"), (Wire::Http2, "HTTP/2.0")] {
        let client = Client::new(shop.address()).host("shop.test").wire(wire);
        let ask =
            client.request(Method::PUT, "/a?b=c").header("x-a", "1").header("x-a", "2").header("x-raw", b"\xff\x01\xfe".map(|b| b | 0x80));
        let reply = ask.body("hello").send().await?;
        let seen: Seen = reply.json()?;
        assert_eq!((seen.protocol.as_str(), seen.method.as_str(), seen.path.as_str()), (protocol, "PUT", "/a?b=c"));
        assert_eq!((seen.authority.as_str(), seen.body_bytes), ("shop.test", 5));
        assert_eq!(seen.all("x-a"), ["1", "2"]);
        assert_eq!(seen.header("x-raw"), Some("ff81fe"));
        assert_eq!(reply.version().as_deref(), Some("v7"));
    }
    Ok(())
}

#[tokio::test]
async fn counts_copies_and_headers_apart() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let client = Client::new(shop.address());
    client.get("/").await?;
    client.request(Method::GET, "/").header("x-shunt-shadow", "1").header("x-shunt-route", "a/b/v1").send().await?;
    client.get("/reply?status=404").await?;
    client.get("/ready").await?;
    let counts = shop.counts();
    assert_eq!((counts.total, counts.shadow, counts.primary(), counts.open), (3, 1, 2, 0));
    assert_eq!(counts.with_header("x-shunt-route", "a/b/v1"), 1);
    assert_eq!(counts.status.get(&404), Some(&1));
    assert_eq!(shop.requests().len(), 3);
    Ok(())
}

#[tokio::test]
async fn grpc_status_comes_in_trailers() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let client = Client::new(shop.address()).wire(Wire::Http2);
    let ask = client.request(Method::POST, "/shop.Checkout/Status14").header("content-type", "application/grpc").header("te", "trailers");
    let reply = ask.body(vec![0_u8; 5]).send().await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.trailers.get("grpc-status").map(hyper::header::HeaderValue::as_bytes), Some(&b"14"[..]));
    Ok(())
}

#[tokio::test]
async fn faults_break_what_they_say() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let client = Client::new(shop.address());
    assert!(client.get("/reset").await.is_err());
    assert!(client.get("/reset-body").await.is_err());
    let reply =
        client.post_json("/admin/fault", &Fault { error_percent: 100.0, error_status: 502, ready: false, ..Fault::default() }).await?;
    assert_eq!(reply.status, 200);
    let reply = client.get("/").await?;
    assert_eq!((reply.status, reply.header("x-injected").as_deref()), (502, Some("1")));
    assert_eq!(client.get("/ready").await?.status, 503);
    assert_eq!(client.get("/live").await?.status, 200);
    shop.fault(Fault { reset_percent: 100.0, ..Fault::default() });
    assert!(client.get("/").await.is_err());
    assert_eq!(client.request(Method::POST, "/admin/fault").body("{\"typo\":1}").send().await?.status, 400);
    assert_eq!(shop.counts().open, 0);
    Ok(())
}

#[tokio::test]
async fn replies_as_the_query_says() -> Result<()> {
    let shop = LocalShop::start("v1").await?;
    let client = Client::new(shop.address());
    let reply = client.get("/reply?status=201&header=cache-control:public,%20max-age%3D5&header=set-cookie:a%3Db&size=7").await?;
    assert_eq!((reply.status, reply.body.len()), (201, 7));
    assert_eq!(reply.header("cache-control").as_deref(), Some("public, max-age=5"));
    assert_eq!(reply.header_all("set-cookie"), ["a=b"]);
    let start = Instant::now();
    assert_eq!(client.get("/stream?chunks=3&ms=30&bytes=4").await?.body.len(), 12);
    assert!(start.elapsed() >= Duration::from_millis(60));
    Ok(())
}

#[tokio::test]
async fn a_process_lets_requests_end_and_closes_sockets_when_it_stops() -> Result<()> {
    let mut shop = Shop::start("v1").await?;
    let client = Client::new(shop.address());
    let mut socket = WebSocket::open(shop.address(), "shop.test", "/ws", &[]).await?;
    socket.echo("hello").await?;
    assert_eq!(socket.version(), Some("v1"));
    let slow = tokio::spawn(async move { client.get("/slow?ms=500").await });
    until("the slow request is there", Duration::from_secs(5), || async { shop.counts().await.is_ok_and(|counts| counts.open == 1) })
        .await?;
    let status = shop.stop().await?;
    assert!(status.success(), "{status}");
    assert_eq!(slow.await??.status, 200);
    tokio::time::timeout(Duration::from_secs(2), socket.closed()).await?;
    assert!(Client::new(shop.address()).get("/").await.is_err());
    shop.restart().await?;
    assert_eq!(Client::new(shop.address()).get("/").await?.version().as_deref(), Some("v1"));
    Ok(())
}

#[tokio::test]
async fn a_process_stops_within_its_grace_though_a_request_hangs() -> Result<()> {
    let mut shop = Shop::start_at("v1", "127.0.0.1:0".parse()?, &["--grace-ms", "300"]).await?;
    let client = Client::new(shop.address());
    let slow = tokio::spawn(async move { client.get("/slow?ms=60000").await });
    until("the slow request is there", Duration::from_secs(5), || async { shop.counts().await.is_ok_and(|counts| counts.open == 1) })
        .await?;
    let start = Instant::now();
    assert!(shop.stop().await?.success());
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(slow.await?.is_err());
    Ok(())
}

#[tokio::test]
async fn load_keeps_its_rate_and_tells_injected_errors_apart() -> Result<()> {
    let mut options = ShopOptions::new("v1");
    options.watch = vec!["cookie".to_owned()];
    let shop = LocalShop::with(options).await?;
    let tally = Load::new(shop.address()).users(50).rate(500.0).run(500).await;
    assert_eq!((tally.failed(), tally.skipped()), (0, 0), "{}", tally.summary());
    assert!((500..600).contains(&tally.requests()), "{}", tally.summary());
    assert_eq!(shop.counts().headers["cookie"].len(), 50);
    assert_eq!(shop.counts().total, tally.requests() as u64);
    shop.fault(Fault::errors(50.0));
    let tally = Load::new(shop.address()).rate(500.0).run(200).await;
    assert_eq!(tally.failed(), 0);
    assert!(tally.injected() > 50, "{}", tally.summary());
    Ok(())
}
