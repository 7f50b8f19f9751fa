//! Streams of events, which may never end.

use dmtap::flow::{NotParsed, ParsedBody};
use dmtap::proxy::{BodyCapture, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::framing::{IDLE_RULES, LOOKS, Looks};
use super::rig::{Rig, soon};

#[tokio::test]
async fn a_stream_of_events_passes_as_it_comes_whoever_looks() {
    for looks in LOOKS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (arrived, go_on) = oneshot::channel();
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked";
            let first = format!("{head}\r\n\r\n9\r\ndata: 1\n\n\r\n");
            tcp.write_all(first.as_bytes()).await.unwrap();
            go_on.await.unwrap();
            tcp.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
                .await
                .unwrap();
        });
        let settings = Settings {
            body_capture: match looks {
                Looks::ARecord => BodyCapture::Annotate,
                Looks::Nobody | Looks::ARule => BodyCapture::Pass,
            },
            ..Settings::reverse(origin.parse().unwrap())
        };
        let rig = Rig::start(settings).await;
        if looks == Looks::ARule {
            rig.rule(IDLE_RULES);
        }
        let mut tcp = TcpStream::connect(rig.address).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"data: 1\n\n\r\n") {
            assert!(
                soon(tcp.read_buf(&mut answer)).await.unwrap() > 0,
                "{looks:?}"
            );
        }
        arrived.send(()).unwrap();
        let _ = soon(tcp.read_to_end(&mut answer)).await;
        assert!(answer.ends_with(b"data: 2\n\n\r\n0\r\n\r\n"), "{looks:?}");
        let response = rig.log.response().await;
        let passed = NotParsed::NotAsked { bytes: 18 };
        assert!(
            matches!(&response.body.parsed, ParsedBody::Unread(unread) if *unread == passed),
            "{looks:?}: {:?}",
            response.body.parsed
        );
    }
}
