//! The same seed and the same conversations have the same outcome, however they overlap.

use std::collections::BTreeMap;
use std::sync::Arc;

use dmtap::proxy::Settings;
use tokio::sync::Barrier;

use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

const RULES: &str = "\
[[rule]]\nname = 'refused'\nstage = 'request'\nmatch = { command = 'Status' }\nlimit = { chance = 0.3 }\n\
step = { set-status = 500 }\n\
[[rule]]\nname = 'marked'\nstage = 'response'\nmatch = { command = 'Get' }\nlimit = { chance = 0.3 }\n\
step = { set-text = '{{session-id}}-{{message-id}}-{{next-cmd-id}}', at = 'Item/Target/LocURI' }\n\
[[rule]]\nname = 'busy'\nstage = 'response'\nmatch = { path = '/*' }\nlimit = { chance = 0.3 }\n\
step = { set-http-status = 503 }\n\
[[rule]]\nname = 'noisy'\nstage = 'response'\nmatch = { message = '20..' }\nlimit = { chance = 0.3 }\n\
step = { random-data-then-close = true }\n";

const MESSAGES: u32 = 40;
const SESSIONS: [&str; 2] = ["A", "B"];

fn message(session: &str, number: u32) -> String {
    let status = |id: u32| {
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>{number}</MsgRef><CmdRef>{id}</CmdRef><Cmd>Get</Cmd>\
             <Data>200</Data></Status>"
        )
    };
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>{session}</SessionID><MsgID>{number}</MsgID><Target><LocURI>https://localhost</LocURI></Target>\
        <Source><LocURI>urn:uuid:{session}</LocURI></Source></SyncHdr><SyncBody>{}{}\
        <Get><CmdID>9</CmdID><Item><Target><LocURI>./DevInfo/Lang</LocURI></Target></Item></Get>\
        <Final/></SyncBody></SyncML>",
        status(1),
        status(2)
    )
}

/// What came of each message: the status and the body the device got, or that it got none.
type Outcome = Vec<String>;

/// How two sessions fall into each other.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// As the scheduler has it.
    Free,
    /// Message by message.
    InStep,
    /// The second one begins where the first has ended.
    OneByOne,
}

/// Plays both sessions, each over a connection of its own; a connection that a rule ends is opened anew.
async fn play(
    order: Order,
    alpn: [&'static str; 2],
    sessions: [&'static str; 2],
) -> BTreeMap<&'static str, Outcome> {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
    let settings = Settings {
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    rig.rule(RULES);
    let barrier = Arc::new(Barrier::new(match order {
        Order::InStep => 2,
        _ => 1,
    }));
    let mut running = Vec::new();
    for (session, alpn) in sessions.into_iter().zip(alpn) {
        let (address, ca, barrier) = (rig.address, rig.ca(), barrier.clone());
        let talk = tokio::spawn(async move {
            let mut outcome = Outcome::new();
            let mut device = super::device::Device::connect(address, &ca, alpn).await;
            for number in 1..=MESSAGES {
                barrier.wait().await;
                let mut request = device.request("POST", "/dm", message(session, number));
                let media = "application/vnd.syncml.dm+xml".parse().unwrap();
                request.headers_mut().insert("content-type", media);
                outcome.push(match device.send(request).await {
                    Ok(answer) => format!("{} {:?}", answer.status(), answer.body()),
                    Err(_) => {
                        device = super::device::Device::connect(address, &ca, alpn).await;
                        "broken off".to_owned()
                    }
                });
            }
            (session, outcome)
        });
        match order {
            Order::OneByOne => {
                let (session, outcome) = soon(talk).await.unwrap();
                running.push(tokio::spawn(async move { (session, outcome) }));
            }
            _ => running.push(talk),
        }
    }
    let mut outcomes = BTreeMap::new();
    for talk in running {
        outcomes.extend([soon(talk).await.unwrap()]);
    }
    // What the server got is part of the outcome, each session for itself.
    for seen in server.seen.lock().unwrap().iter() {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        let session = SESSIONS
            .into_iter()
            .find(|id| body.contains(&format!("<SessionID>{id}<")));
        outcomes.get_mut(session.unwrap()).unwrap().push(body);
    }
    rig.stop().await;
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_at_once_have_the_outcome_they_have_in_any_other_run() {
    let [a, b] = SESSIONS;
    // The runs have nothing in common, and wait most of the time.
    let runs = [
        (Order::Free, ["h2", "http/1.1"], [a, b]),
        (Order::Free, ["h2", "http/1.1"], [a, b]),
        (Order::Free, ["h2", "h2"], [b, a]),
        (Order::InStep, ["http/1.1", "http/1.1"], [a, b]),
        (Order::OneByOne, ["http/1.1", "h2"], [b, a]),
    ];
    let runs = runs.map(|run| (run, tokio::spawn(play(run.0, run.1, run.2))));
    let mut outcomes = Vec::new();
    for (run, outcome) in runs {
        outcomes.push((run, outcome.await.unwrap()));
    }
    let (_, first) = outcomes.remove(0);
    for outcome in first.values() {
        let about = |word: &str| outcome.iter().filter(|line| line.contains(word)).count();
        for word in ["<Data>500</Data>", "-1</", "503 ", "broken off"] {
            let count = about(word);
            assert!(
                word == "-1</" || (2..60).contains(&count),
                "{word}: {count}"
            );
        }
    }
    assert_ne!(first[a].len(), 0);
    for (run, again) in outcomes {
        // Noise is bytes in HTTP/1.1 and a reset stream in HTTP/2: the device got no answer either way.
        assert_eq!(again, first, "{run:?}");
    }
}
