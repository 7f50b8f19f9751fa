//! A device, a proxy and a server for protocol steps, with everything that each of them sent and received.

use std::collections::HashMap;
use std::sync::Arc;

use dmtap::app::device::{RetryPolicy, SessionError, run_session};
use dmtap::app::dial::Dialer;
use dmtap::app::server;
use dmtap::dm::{Message, Refs, StatusCode};
use dmtap::flow::event::Event;
use dmtap::flow::{CapturedMessage, Note};
use dmtap::markup::{Document, Hint, Limits, decode};
use dmtap::peer::{Device, Encoding, Plan, PlannedCommand, Profile, Server};
use dmtap::proxy::{Authority, Trust};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::rig::{EventLog, Rig, in_front_of, soon};

/// One session that was played.
pub struct Played {
    pub wire: Encoding,
    /// How the session ended for the device: how many messages it sent.
    pub end: Result<u32, SessionError>,
    /// What the device did, in order.
    pub done: Vec<(String, StatusCode)>,
    /// What the server received, in order.
    pub received: Vec<(String, StatusCode)>,
    /// The code with which the server refused the device altogether.
    pub refused: Option<u16>,
    pub device: Side,
    pub server: Side,
    pub notes: Vec<Note>,
    pub applied: Vec<(String, String, String)>,
}

/// What one peer said and received, in order.
#[derive(Default)]
pub struct Side {
    pub said: Vec<Document>,
    pub received: Vec<Document>,
}

pub const DEVICE: &str = "DMTAP-0123456789ABCDEF";

/// Plays rules on a plan, in XML and in WBXML; each of them acts.
pub async fn play(rules: &str, plan: &Plan) -> [Played; 2] {
    let all = play_whatever_acts(rules, plan).await;
    for played in &all {
        for rule in rule_names(rules) {
            let is_done =
                |(name, step, _): &(String, String, String)| *name == rule && step != "not applied";
            assert!(
                played.applied.iter().any(is_done),
                "{rule} did not act{played}"
            );
        }
    }
    all
}

/// The same, whether the rules act or not.
pub async fn play_whatever_acts(rules: &str, plan: &Plan) -> [Played; 2] {
    [
        play_in(Encoding::Xml, rules, plan).await,
        play_in(Encoding::Wbxml, rules, plan).await,
    ]
}

fn rule_names(rules: &str) -> Vec<String> {
    let rules = dmtap::rules::load::parse("played.toml", rules).unwrap();
    rules.into_iter().map(|rule| rule.name).collect()
}

pub async fn play_in(wire: Encoding, rules: &str, plan: &Plan) -> Played {
    let secrets = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(secrets.path()).unwrap();
    let shared = Arc::new(Mutex::new(Server::remembering(plan.clone())));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let tls = server::tls(&authority).unwrap();
    let serving = tokio::spawn(server::serve(
        listener,
        tls,
        shared.clone(),
        |_| {},
        stop.clone(),
    ));

    let rig = Rig::start(in_front_of(address, authority.certificate_file())).await;
    rig.rule(rules);
    let client = Dialer::new(Vec::new())
        .client(&Trust::PlatformAnd(rig.ca()))
        .unwrap();
    let url = format!("https://localhost:{}/dm", rig.address.port());
    let url: http::Uri = url.parse().unwrap();
    let mut device = Device::new(Profile::default(), dmtap::peer::device::demo_tree());
    let session = run_session(
        &client,
        &url,
        &mut device,
        "1",
        wire,
        RetryPolicy::default(),
    );
    let end = soon(session).await;
    drop(client);
    let events = rig.stop().await;
    stop.cancel();
    soon(serving).await.unwrap();
    let server = shared.lock();
    let received = server
        .session(DEVICE, "1")
        .map(|session| session.outcomes.clone());
    let mut played = collect(wire, end, &device, received.unwrap_or_default(), events);
    for (request, reply) in server.log() {
        played.server.received.extend(document(request));
        played.server.said.extend(document(&reply.clone().into()));
    }
    played
}

fn collect(
    wire: Encoding,
    end: Result<u32, SessionError>,
    device: &Device,
    received: Vec<(String, StatusCode)>,
    events: Arc<EventLog>,
) -> Played {
    let mut played = Played {
        wire,
        end,
        done: device.done.clone(),
        refused: device.refused.map(|code| code.0),
        received,
        device: Side::default(),
        server: Side::default(),
        notes: Vec::new(),
        applied: Vec::new(),
    };
    for event in events.events() {
        match event {
            Event::Request(captured) => played.pass(&captured, true),
            Event::Response(captured) => played.pass(&captured, false),
            _ => {}
        }
    }
    played
}

impl Played {
    fn pass(&mut self, captured: &CapturedMessage, is_request: bool) {
        match is_request {
            true => self.device.said.extend(document(&captured.body.received)),
            false => self.device.received.extend(document(&captured.body.sent)),
        }
        self.notes.extend(captured.notes.iter().cloned());
        for applied in &captured.applied {
            let reported = applied.changes.iter().map(|change| {
                let what = format!("{} {}", change.before, change.after);
                (applied.rule.clone(), change.step.to_string(), what)
            });
            self.applied.extend(reported);
        }
    }

    /// That nothing dangles for either peer, and that the session ended.
    pub fn is_regular(&self) -> &Self {
        self.ends().device.answered("device", self, Rest::Answered);
        self.server.answered("server", self, Rest::Answered);
        self.has_no_dangling_notes()
    }

    /// The same, where the session ends so early that commands stay without answer.
    pub fn is_consistent(&self) -> &Self {
        self.device.answered("device", self, Rest::Open);
        self.server.answered("server", self, Rest::Open);
        self.has_no_dangling_notes()
    }

    fn has_no_dangling_notes(&self) -> &Self {
        let dangling: Vec<_> = self.notes.iter().filter(|n| n.id == "STA-03").collect();
        assert!(dangling.is_empty(), "{dangling:?}{self}");
        self
    }

    pub fn ends(&self) -> &Self {
        assert!(self.end.is_ok(), "{:?}{self}", self.end);
        self
    }

    /// That the server received what the device did with its commands.
    pub fn agrees(&self) -> &Self {
        let done = self
            .done
            .iter()
            .filter(|(what, _)| !what.starts_with("Alert"));
        assert!(done.eq(self.received.iter()), "{self}");
        self
    }

    /// The codes the server received for commands whose name and LocURI contain this.
    pub fn codes_of(&self, what: &str) -> Vec<u16> {
        let about = self.received.iter().filter(|(name, _)| name.contains(what));
        about.map(|(_, code)| code.0).collect()
    }

    /// The codes with which the device did commands whose name and LocURI contain this.
    pub fn did(&self, what: &str) -> Vec<u16> {
        let about = self.done.iter().filter(|(name, _)| name.contains(what));
        about.map(|(_, code)| code.0).collect()
    }
}

/// What becomes of commands that nobody answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Answered,
    Open,
}

impl Side {
    /// Every Status it got refers once to a command it sent, and every command it sent got one.
    fn answered(&self, name: &str, played: &Played, rest: Rest) {
        let mut open: HashMap<(String, String), (String, u32)> = HashMap::new();
        for message in self.said.iter().map(|d| Message::of(d).unwrap()) {
            let id = message.header().unwrap().msg_id().unwrap().into_owned();
            open.insert((id.clone(), "0".into()), ("SyncHdr".into(), 0));
            for command in message.all_commands().filter(|c| c.as_status().is_none()) {
                let cmd = command.cmd_id().unwrap().into_owned();
                let local = command.element().local().to_owned();
                open.insert((id.clone(), cmd), (local, 0));
            }
        }
        for message in self.received.iter().map(|d| Message::of(d).unwrap()) {
            let mut ids = Vec::new();
            for command in message.all_commands() {
                ids.push(command.cmd_id().unwrap().into_owned());
                let Some(status) = command.as_status() else {
                    continue;
                };
                let refs = (
                    status.msg_ref().unwrap().into_owned(),
                    status.cmd_ref().unwrap().into_owned(),
                );
                let Some((cmd, count)) = open.get_mut(&refs) else {
                    panic!("the {name} got a Status for {refs:?}, which it never sent{played}");
                };
                assert_eq!(
                    status.cmd().as_deref(),
                    Some(&**cmd),
                    "{name} {refs:?}{played}"
                );
                *count += 1;
            }
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "the {name} got a CmdID twice{played}");
        }
        let last = self.said.last().and_then(|d| {
            let header = Message::of(d)?.header()?;
            Some(header.msg_id()?.into_owned())
        });
        for ((message, cmd), (what, count)) in open {
            // Nobody answers the header of the server's last message.
            if cmd == "0" && Some(&message) == last.as_ref() {
                continue;
            }
            // Results get a Status only where something is to be said of them.
            let open = (rest == Rest::Open || what == "Results") && count == 0;
            assert!(
                count == 1 || open || cmd.is_empty(),
                "the {name} got {count} Statuses for {what} {message}/{cmd}{played}"
            );
        }
    }
}

impl std::fmt::Display for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |documents: &[Document]| {
            let text = documents.iter().map(outline);
            text.collect::<Vec<_>>().join("\n    ")
        };
        write!(
            f,
            "\n{:?}\n  device said\n    {}\n  server heard\n    {}\n  server said\n    {}\n  device heard\n    {}\n  {:#?}",
            self.wire,
            list(&self.device.said),
            list(&self.server.received),
            list(&self.server.said),
            list(&self.device.received),
            self.applied,
        )
    }
}

/// A message in one line: its MsgID, and each command with its CmdID and what it answers.
pub fn outline(document: &Document) -> String {
    let Some(message) = Message::of(document) else {
        return document.root().local().to_owned();
    };
    let id = message.header().and_then(|h| h.msg_id());
    let mut line = format!("{}:", id.unwrap_or_default());
    for command in message.all_commands() {
        let cmd = command.cmd_id().unwrap_or_default();
        line += &match (command.as_status(), Refs::of(command)) {
            (Some(s), _) => format!(
                " {}/{}={}",
                s.msg_ref().unwrap_or_default(),
                s.cmd_ref().unwrap_or_default(),
                s.code().map_or(0, |code| code.0)
            ),
            (_, Some(refs)) => format!(" Results{}", refs.cmd_ref.unwrap_or_default()),
            _ => match command.as_alert().and_then(|alert| alert.code()) {
                Some(code) => format!(" Alert{cmd}({})", code.0),
                None => format!(" {}{cmd}", command.element().local()),
            },
        };
    }
    if message.is_final() {
        line += " Final";
    }
    line
}

fn document(body: &bytes::Bytes) -> Option<Document> {
    let document = decode(body.clone(), Hint::default(), &Limits::default()).ok()?;
    Message::of(&document)?;
    Some(document)
}

/// A node of the demo's tree.
pub fn at(leaf: &str) -> String {
    format!("./Device/Vendor/MSFT/DMTap/{leaf}")
}

pub fn plan<const N: usize>(packages: [Vec<PlannedCommand>; N]) -> Plan {
    Plan::of(packages)
}

/// Get, Add, Replace, Exec; then an Atomic and a Sequence.
pub fn demo() -> Plan {
    Plan::demo()
}

/// A rule.
pub fn rule(stage: &str, matcher: &str, step: &str) -> String {
    format!("[[rule]]\nname = \"played\"\nstage = \"{stage}\"\nmatch = {matcher}\nstep = {step}\n")
}
