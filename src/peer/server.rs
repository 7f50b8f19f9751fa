//! The reference DM server: answers what it must, then works through its plan.

use std::collections::{HashMap, VecDeque};

use super::compose::{Composer, Header, Reference};
use super::plan::{Plan, Sent};
use crate::dm::{CommandKind, Message, StatusCode};
use crate::markup::Document;

/// A server with one plan for every device.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    sessions: HashMap<Key, Talk>,
    order: VecDeque<Key>,
}

type Key = (String, String);

/// One session as the server sees it.
#[derive(Debug, Default)]
pub struct Talk {
    msg_id: u32,
    package: usize,
    sent: HashMap<(u32, u32), String>,
    /// What the device answered to each command, in order: the command and the code.
    pub heard: Vec<(String, StatusCode)>,
}

impl Server {
    /// A server at the start of its work. It calls itself what devices call it.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            sessions: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The session of a device.
    pub fn session(&self, device: &str, session_id: &str) -> Option<&Talk> {
        self.sessions
            .get(&(device.to_owned(), session_id.to_owned()))
    }

    /// The answer to a device's message, as XML; `None` where it is no SyncML message with a header.
    pub fn answer(&mut self, document: &Document) -> Option<String> {
        let message = Message::of(document)?;
        let header = message.header()?;
        let key = (
            header.source()?.into_owned(),
            header.session_id()?.into_owned(),
        );
        let msg_ref = header.msg_id()?.into_owned();
        self.remember(&key, &msg_ref);
        let own_uri = header.target().unwrap_or_default();
        let plan = &self.plan;
        let talk = self.sessions.get_mut(&key)?;
        talk.msg_id += 1;
        talk.hear(message);
        let head = Header {
            session_id: &key.1,
            msg_id: talk.msg_id,
            target: &key.0,
            source: &own_uri,
        };
        let mut reply = Composer::new(&head, 1);
        acknowledge(&mut reply, message, &msg_ref);
        if !aborted(message) {
            talk.go_on(plan, &mut reply);
        }
        Some(reply.finish())
    }

    /// Makes room for a session; message 1 begins it anew.
    fn remember(&mut self, key: &Key, msg_ref: &str) {
        if msg_ref == "1" || !self.sessions.contains_key(key) {
            self.order.retain(|known| known != key);
            self.order.push_back(key.clone());
            self.sessions.insert(key.clone(), Talk::default());
        }
        while self.order.len() > MOST_SESSIONS {
            let oldest = self.order.pop_front();
            oldest.map(|key| self.sessions.remove(&key));
        }
    }
}

impl Talk {
    fn hear(&mut self, message: Message<'_>) {
        for status in message.commands().filter_map(|command| command.as_status()) {
            let number =
                |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|t| t.parse().ok());
            let (Some(msg), Some(cmd)) = (number(status.msg_ref()), number(status.cmd_ref()))
            else {
                continue;
            };
            let what = self.sent.get(&(msg, cmd));
            if let (Some(what), Some(code), true) =
                (what, status.code(), self.heard.len() < MOST_HEARD)
            {
                self.heard.push((what.clone(), code));
            }
        }
    }

    fn go_on(&mut self, plan: &Plan, reply: &mut Composer) {
        let Some(package) = plan.packages.get(self.package) else {
            return;
        };
        self.package += 1;
        for order in &package.commands {
            for Sent { cmd_id, what } in order.write(reply) {
                self.sent.insert((self.msg_id, cmd_id), what);
            }
        }
    }
}

/// Status for the SyncHdr and for every command but Status and Results (PRO 6; DREP 6.5.1).
fn acknowledge(reply: &mut Composer, message: Message<'_>, msg_ref: &str) {
    let header = Reference {
        msg: msg_ref,
        cmd: "0",
        name: "SyncHdr",
    };
    reply.status(&header, None, StatusCode(200));
    for command in message.commands() {
        let kind = command.kind();
        if matches!(kind, CommandKind::Status | CommandKind::Results) {
            continue;
        }
        let code = match kind {
            CommandKind::Alert | CommandKind::Replace => StatusCode(200),
            _ => StatusCode(405),
        };
        let cmd = command.cmd_id().unwrap_or_default();
        let of = Reference {
            msg: msg_ref,
            cmd: &cmd,
            name: command.element().local(),
        };
        reply.status(&of, None, code);
    }
}

fn aborted(message: Message<'_>) -> bool {
    message
        .commands()
        .filter_map(|c| c.as_alert())
        .any(|alert| alert.code().is_some_and(|c| c.0 == 1223))
}

/// Sessions a server remembers; the oldest is forgotten.
const MOST_SESSIONS: usize = 1024;
/// Answers a session remembers.
const MOST_HEARD: usize = 10_000;
