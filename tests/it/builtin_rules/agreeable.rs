//! A device that answers 200 to everything, as some real devices do: no built-in rule makes it send the server answers
//! to commands that the server never sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dmtap::app::dial::{Dialer, HttpClient};
use dmtap::app::server;
use dmtap::builtin_rules::{BUILTIN_RULES, BuiltinRule};
use dmtap::dm::Message;
use dmtap::flow::event::{Event, EventSink};
use dmtap::markup::{Document, Hint, Limits, decode, tag};
use dmtap::peer::{Plan, PlannedCommand, Server};
use dmtap::proxy::{Authority, Origin, Proxy, Scheme, Settings, Trust};
use dmtap::rules::{RuleSet, load};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Rules that are there to refer to what nobody sent, or to answer twice.
const MEANT: [&str; 4] = [
    "unknown-reference",
    "answer-twice",
    "message-twice",
    "message-number-repeated",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_reaches_the_server_for_a_command_it_never_sent() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let mut wrong = String::new();
    let about_messages = BUILTIN_RULES.iter().filter(|builtin| {
        !["connection", "tls", "enrollment", "attestation"].contains(&builtin.theme)
            && !MEANT.contains(&builtin.name)
    });
    for builtin in about_messages {
        let log = play(builtin, authority.clone()).await;
        for line in strange(&log) {
            wrong.push_str(&format!("{}: {line}\n", builtin.name));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The answers to commands that the server did not send, and those that it got more than once.
fn strange(log: &[(Bytes, String)]) -> Vec<String> {
    let mut sent: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut strange = Vec::new();
    for (request, reply) in log {
        for command in answers(request) {
            match sent.get_mut(&command.0) {
                Some(count) if *count == 0 => *count += 1,
                Some(_) => strange.push(format!("{command:?} twice")),
                None => strange.push(format!("{command:?} never sent")),
            }
        }
        let Some(document) = document(reply.as_bytes()) else {
            continue;
        };
        let id = msg_id(&document);
        sent.insert((id.clone(), "0".into()), 0);
        let message = Message::of(&document).unwrap();
        for command in message.all_commands() {
            let cmd_id = command.cmd_id().unwrap().into_owned();
            sent.insert((id.clone(), cmd_id), 0);
        }
    }
    strange
}

type Answer = ((String, String), String);

/// MsgRef, CmdRef and Cmd of each Status.
fn answers(request: &[u8]) -> Vec<Answer> {
    let Some(document) = document(request) else {
        return Vec::new();
    };
    let Some(message) = Message::of(&document) else {
        return Vec::new();
    };
    let statuses = message.commands().filter_map(|c| c.as_status());
    let refs = statuses.filter_map(|status| {
        let refs = (
            status.msg_ref()?.into_owned(),
            status.cmd_ref()?.into_owned(),
        );
        Some((refs, status.cmd().unwrap_or_default().into_owned()))
    });
    refs.collect()
}

fn document(body: &[u8]) -> Option<Document> {
    let body = Bytes::copy_from_slice(body);
    let document = decode(body, Hint::default(), &Limits::default()).ok()?;
    Message::of(&document).is_some().then_some(document)
}

fn msg_id(document: &Document) -> String {
    let header = Message::of(document).and_then(|message| message.header());
    let id = header.and_then(|header| header.msg_id());
    id.unwrap_or_default().into_owned()
}

/// A plan in which there is something for every rule: an Atomic and a Sequence among the rest.
fn plan(builtin: &BuiltinRule) -> Plan {
    let at = |leaf: &str| format!("./Device/Vendor/MSFT/DMTap/{leaf}");
    match builtin.theme {
        "chunks" => Plan::large(),
        "atomic" => Plan::demo(),
        _ => Plan::of([
            vec![
                PlannedCommand::Sequence(vec![PlannedCommand::Replace(
                    at("Colour"),
                    "blue".into(),
                )]),
                PlannedCommand::Add(at("Notice"), "short".into()),
                PlannedCommand::Get(at("Width")),
                PlannedCommand::Exec(at("Restart"), String::new()),
            ],
            vec![PlannedCommand::Atomic(vec![PlannedCommand::Replace(
                at("Width"),
                "7".into(),
            )])],
        ]),
    }
}

/// One session of the device; everything the server got and said.
async fn play(builtin: &BuiltinRule, authority: Arc<Authority>) -> Vec<(Bytes, String)> {
    // How long it waits is no matter here.
    let text = builtin.text.replace("\"2s\"", "\"20ms\"");
    let rules = RuleSet::from_rules(load::parse(builtin.name, &text).unwrap()).unwrap();
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Origin {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let peer = Arc::new(Mutex::new(Server::remembering(plan(builtin))));
    let tls = server::tls(&authority).unwrap();
    let serving = server::serve(listener, tls, peer.clone(), |_| {}, stop.clone());
    let serving = tokio::spawn(serving);
    let trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    let mut settings = Settings::reverse(upstream);
    settings.listen.set_port(0);
    settings.trust = trust.clone();
    let proxy = Proxy::bind(settings, authority, Arc::new(rules), Arc::new(Nobody))
        .await
        .unwrap();
    let port = proxy.local_addr().port();
    let running = tokio::spawn(proxy.run(stop.clone()));
    let client = Dialer::new(Vec::new()).client(&trust).unwrap();
    let url = format!("https://localhost:{port}/dm?mode=Maintenance");
    let session = session(&client, &url);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), session).await;
    drop(client);
    stop.cancel();
    running.await.unwrap();
    serving.await.unwrap();
    let peer = peer.lock();
    peer.log().to_vec()
}

/// Sends messages until one cannot be answered, or until there is nothing more to do.
async fn session(client: &HttpClient, url: &str) {
    let mut body = String::from(
        "<Alert><CmdID>2</CmdID><Data>1201</Data></Alert><Replace><CmdID>3</CmdID><Item><Source><LocURI>\
         ./DevInfo/DevId</LocURI></Source><Data>agreeable</Data></Item></Replace>",
    );
    for number in 1..=8 {
        let message = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>1</SessionID><MsgID>{number}</MsgID><Target><LocURI>{url}</LocURI></Target><Source>\
             <LocURI>agreeable</LocURI></Source></SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>",
            url = url.replace('&', "&amp;")
        );
        let request = http::Request::post(url)
            .header("content-type", "application/vnd.syncml.dm+xml")
            .body(Full::new(Bytes::from(message)));
        let Ok(response) = client.request(request.unwrap()).await else {
            return;
        };
        let Ok(answer) = response.into_body().collect().await else {
            return;
        };
        let Some(document) = document(&answer.to_bytes()) else {
            return;
        };
        let Some(said) = agree(&document) else {
            return;
        };
        body = said;
    }
}

/// A Status 200 for everything that has a CmdID, and a value for every Get; `None` where there is no command.
fn agree(document: &Document) -> Option<String> {
    let message = msg_id(document);
    let mut id = 1;
    let mut status = |cmd_ref: &str, cmd: &str| {
        id += 1;
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
             <Data>200</Data></Status>"
        )
    };
    let mut text = status("0", "SyncHdr");
    let mut any = false;
    for element in document.elements() {
        let Some(cmd_id) = element.child(tag::CMD_ID) else {
            continue;
        };
        if !["Status", "Results"].contains(&element.local()) {
            any = true;
            text += &status(&cmd_id.text(), element.local());
        }
    }
    any.then_some(text)
}

struct Nobody;

impl EventSink for Nobody {
    fn on_event(&self, _: Event) {}
}
