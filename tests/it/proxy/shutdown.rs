//! Waits that rules demand do not delay the end of dmtap.

use std::time::Duration;

use dmtap::flow::event::Event;
use dmtap::proxy::{Limits, Settings};
use tokio::net::TcpStream;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

/// A proxy that gives running exchanges an hour: `soon` would not wait for that.
async fn patient(server: &Server, stage: &str, step: &str) -> Rig {
    let rig = Rig::start(Settings {
        limits: Limits {
            grace: Duration::from_secs(3600),
            ..Limits::default()
        },
        ..in_front_of(server.address, &server.ca)
    })
    .await;
    rig.rule(&format!(
        "[[rule]]\nname = 'wait'\nstage = '{stage}'\nstep = {step}\n"
    ));
    rig
}

/// What the device gets where the wait is cut short.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gets {
    All,
    Nothing,
}

#[tokio::test]
async fn waits_of_rules_end_when_dmtap_stops() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let body = vec![b'x'; 100_000];
    for (step, gets, stages) in [
        ("{ delay = '60m' }", Gets::All, &["request", "response"][..]),
        (
            "{ latency = '60m', jitter = '1s' }",
            Gets::All,
            &["request", "response"],
        ),
        (
            "{ bandwidth = '1 B/s' }",
            Gets::All,
            &["request", "response"],
        ),
        (
            "{ slicer = { size = 10, delay = '10s' } }",
            Gets::All,
            &["request", "response"],
        ),
        (
            "{ timeout = '60m' }",
            Gets::Nothing,
            &["request", "response"],
        ),
        ("{ slow-close = '60m' }", Gets::All, &["response"]),
        (
            "[{ delay = '60m' }, { answer = 503 }]",
            Gets::All,
            &["request"],
        ),
    ] {
        for stage in stages {
            for alpn in ["http/1.1", "h2"] {
                let words = format!("{step} {stage} {alpn}");
                let rig = patient(&server, stage, step).await;
                let mut device = rig.device(alpn).await;
                let body = body.clone();
                let running =
                    tokio::spawn(
                        async move { device.send(device.request("POST", "/", body)).await },
                    );
                // A message is reported when it begins to wait.
                match *stage {
                    "request" => drop(rig.log.request().await),
                    _ => drop(rig.log.response().await),
                }
                rig.stop().await;
                let answer = soon(running).await.unwrap();
                match gets {
                    Gets::Nothing => assert!(answer.is_err(), "{words}"),
                    Gets::All => {
                        let answer = answer.unwrap_or_else(|error| panic!("{words}: {error}"));
                        let whole = if answer.status() == 503 { 0 } else { 100_000 };
                        assert_eq!(answer.body().len(), whole, "{words}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_when_dmtap_stops() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["http/1.1"]).await;
    let rig = patient(&server, "connection", "{ handshake-stall = '60m' }").await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let ca = rig.ca();
    let shaking = tokio::spawn(async move { tls(tcp, &ca, "h2", "localhost").await.is_err() });
    let admitted = |event: &Event| matches!(event, Event::ConnectionDecided { .. }).then_some(());
    rig.log.until(admitted).await;
    let log = rig.stop().await;
    assert!(soon(shaking).await.unwrap());
    assert_eq!(log.names(), ["admitted", "refused"]);
}
