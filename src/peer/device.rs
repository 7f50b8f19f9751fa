//! The device simulator: begins a session as Windows does and runs the server's commands on a tree in memory.

mod perform;
mod report;

use super::auth;
use super::compose::Composer;
use super::large::{Incoming, LargeObject, Sizes};
use super::server::wrong_version;
use super::tree::{Access, Found, Tree};
use crate::dm::compose::{HeaderBuilder, ItemRef, StatusBuilder};
use crate::dm::{AlertCode, CommandKind, Message, StatusCode};
use crate::markup::{Document, Space};
use report::Backlog;

/// The identity of the device.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `./DevInfo/DevId`, which is also the Source of messages.
    pub id: String,
    /// `./DevInfo/Man`.
    pub manufacturer: String,
    /// `./DevInfo/Mod`.
    pub model: String,
    /// `./DevInfo/Lang`.
    pub language: String,
    /// The LoginStatus of the user: `user`, `others` or `none`.
    pub login: String,
    /// The size limits that the device announces in its headers.
    pub sizes: Sizes,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            id: "DMTAP-0123456789ABCDEF".into(),
            manufacturer: "dmtap".into(),
            model: "Simulated device".into(),
            language: "en-US".into(),
            login: "user".into(),
            sizes: Sizes::default(),
        }
    }
}

impl Profile {
    /// Returns the nodes of `./DevInfo` with the values of the profile.
    fn nodes(&self) -> [(&'static str, &str); 4] {
        [
            ("DevId", &self.id),
            ("Man", &self.manufacturer),
            ("Mod", &self.model),
            ("Lang", &self.language),
        ]
    }
}

/// A device with its tree and at most one session.
#[derive(Debug)]
pub struct Device {
    profile: Profile,
    tree: Tree,
    server: String,
    session_id: String,
    msg_id: u32,
    /// The number of challenges from the server in this session.
    challenged: u32,
    /// The credentials that the server requested, as XML.
    cred: Option<String>,
    /// Whether the device only waits for the server to end the session.
    giving_up: bool,
    /// The size limits that the server announced.
    theirs: Sizes,
    incoming: Incoming,
    /// Large objects whose end never came.
    lost: Vec<LargeObject>,
    backlog: Backlog,
    /// The URI for the next messages, as the server requested (`RespURI`).
    pub resp_uri: Option<String>,
    /// The code with which the server refused a whole message, if it did.
    pub refused: Option<StatusCode>,
    /// The commands that the device executed, in order, each with the code of its Status.
    pub done: Vec<(String, StatusCode)>,
}

/// The reaction of the device to a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The device sends this message, as XML.
    Send(String),
    /// The session is over.
    End,
    /// The device cannot continue, for this reason.
    Broken(String),
}

/// The outcome of a command, before it is written into a message.
struct Outcome {
    cmd: String,
    name: String,
    target: Option<ItemRef>,
    /// The node, for people; for an Alert, with its code in front.
    uri: String,
    code: StatusCode,
    found: Vec<(String, Found)>,
}

impl Device {
    /// Creates a device without a session. Adds the values of the profile to the tree.
    pub fn new(profile: Profile, tree: Tree) -> Self {
        let (server, session_id) = (String::new(), String::new());
        let tree = profile.nodes().iter().fold(tree, |tree, (name, value)| {
            tree.with(&format!("./DevInfo/{name}"), "chr", value, Access::Read)
        });
        Self {
            profile,
            tree,
            server,
            session_id,
            msg_id: 0,
            challenged: 0,
            cred: None,
            giving_up: false,
            theirs: Sizes::default(),
            incoming: Incoming::default(),
            lost: Vec::new(),
            backlog: Backlog::default(),
            resp_uri: None,
            refused: None,
            done: Vec::new(),
        }
    }

    /// Changes the tree from outside a session, as the device itself may.
    pub fn change_tree(&mut self, change: impl FnOnce(Tree) -> Tree) {
        self.tree = change(std::mem::take(&mut self.tree));
    }

    /// Begins a session: package 1 with Alert 1201, LoginStatus and DevInfo (PRO 8.3; MS-MDM 4), as XML.
    pub fn begin(&mut self, server: &str, session_id: &str) -> String {
        (self.server, self.session_id, self.msg_id) = (server.into(), session_id.into(), 0);
        (self.challenged, self.cred, self.giving_up) = (0, None, false);
        (self.resp_uri, self.refused) = (None, None);
        (self.theirs, self.incoming) = Default::default();
        (self.lost, self.backlog) = Default::default();
        self.done.clear();
        self.package_1(None)
    }

    /// Writes package 1. After a challenge, it answers the message with the challenge.
    fn package_1(&mut self, challenged_in: Option<&str>) -> String {
        let mut message = self.message();
        if let Some(msg_ref) = challenged_in {
            message.status(&StatusBuilder::of_header(msg_ref, StatusCode(200)));
        }
        message.alert(AlertCode(1201));
        message.command("Alert", |m| {
            m.leaf("Data", "1224");
            m.within("Item", |m| {
                m.within("Meta", |m| {
                    m.meta("Type", "com.microsoft/MDM/LoginStatus");
                    m.meta("Format", "chr");
                });
                m.leaf("Data", &self.profile.login);
            });
        });
        self.dev_info(&mut message);
        message.finish()
    }

    /// Returns the text of a leaf in the tree.
    pub fn text(&self, uri: &str) -> Option<String> {
        match self.tree.get(uri) {
            Ok(Found::Leaf(_, text)) => Some(text),
            _ => None,
        }
    }

    /// Executes a message of the server and returns the reaction.
    pub fn answer(&mut self, document: &Document) -> Next {
        let Some(message) = Message::of(document) else {
            return Next::Broken(format!(
                "the server's message is not SyncML: its root element is <{}>",
                document.root().local()
            ));
        };
        let namespace = message.namespace().filter(|_| !document.is_wbxml());
        if let Some(other) = namespace.filter(|it| Space::of_namespace(it) != Some(Space::SyncMl)) {
            return Next::Broken(format!(
                "the server's message is not SyncML: its XML namespace is {other}, not SYNCML:SYNCML1.2"
            ));
        }
        let Some(msg_ref) = message.msg_id() else {
            return Next::Broken("the server's message has no MsgID".into());
        };
        if let Some(next) = self.turned_down(message, &msg_ref) {
            return next;
        }
        if message.has_alert(AlertCode::SESSION_ABORT) {
            return Next::Broken("the server aborted the session (Alert 1223)".into());
        }
        let outcomes = self.work_on(message);
        let is_open = !message.is_final() && message.body().is_some();
        if outcomes.is_empty() && self.lost.is_empty() && !is_open {
            // A client never sends a message that would hold only its SyncHdr Status (PRO 8).
            return Next::End;
        }
        self.done.extend(
            outcomes
                .iter()
                .map(|o| (format!("{} {}", o.name, o.uri).trim_end().into(), o.code)),
        );
        self.backlog.add(&msg_ref, outcomes, message);
        self.backlog.add_lost(&mut self.lost);
        self.report(&msg_ref)
    }

    /// Reads a message and executes its commands.
    fn work_on(&mut self, message: Message<'_>) -> Vec<Outcome> {
        if let Some(header) = message.header() {
            self.theirs.note(header);
        }
        self.backlog.note(message, self.msg_id);
        let mut outcomes = Vec::new();
        for command in message.commands() {
            if command.kind() != CommandKind::Status {
                outcomes.append(&mut self.carry_out(command));
            }
        }
        if outcomes.is_empty() && message.is_final() {
            // The server ends the session, so unfinished objects will never be completed.
            self.lost.extend(self.incoming.give_up(None));
        }
        outcomes
    }

    fn message(&mut self) -> Composer {
        self.msg_id += 1;
        let header = HeaderBuilder {
            session_id: &self.session_id,
            msg_id: self.msg_id,
            target: &self.server,
            source: &self.profile.id,
            user: self.cred.is_some().then_some(USER),
            rest: self.cred.clone().unwrap_or_default(),
            ..HeaderBuilder::default()
        };
        // In Windows, the first CmdID is 2 in the first message and 1 in later messages.
        let last_id = u32::from(self.msg_id == 1);
        Composer::new(header, self.profile.sizes, last_id)
    }

    fn dev_info(&self, message: &mut Composer) {
        message.command("Replace", |m| {
            let mut item = |name: &str, value: &str| {
                m.within("Item", |m| {
                    m.within("Source", |m| m.leaf("LocURI", &format!("./DevInfo/{name}")));
                    m.leaf("Data", value);
                });
            };
            let nodes = self.profile.nodes();
            nodes.iter().for_each(|(name, value)| item(name, value));
            item("DmV", "1.3");
        });
    }
}

/// The handling of a message as a whole.
impl Device {
    /// Returns the reaction to a message that refuses the device's last message, that is of another session, or that
    /// has an unsupported version; `None` for any other message.
    fn turned_down(&mut self, message: Message<'_>, msg_ref: &str) -> Option<Next> {
        let header = message.header()?;
        if header.session_id().is_some_and(|id| id != self.session_id) && self.msg_id > 0 {
            let why = "the server's message is of another session";
            return Some(Next::Broken(why.into()));
        }
        if let Some(uri) = header.resp_uri() {
            self.resp_uri = Some(uri.into_owned());
        }
        if self.giving_up {
            return Some(Next::End);
        }
        if let Some(code) = wrong_version(header) {
            self.giving_up = true;
            let mut reply = self.message();
            reply.status(&StatusBuilder::of_header(msg_ref, code));
            return Some(Next::Send(reply.finish()));
        }
        self.refused_by(message, msg_ref)
    }

    /// Returns the reaction to a refusal of the device's last message: it answers a challenge, or gives up.
    fn refused_by(&mut self, message: Message<'_>, msg_ref: &str) -> Option<Next> {
        let own = message.header_status()?;
        let code = own.code().filter(|code| !code.is_success())?;
        self.challenged += 1;
        // The nonce may have been stale, so the device answers one more challenge (SEC 5.3.3).
        let asked = code.is_challenge() && self.challenged <= MOST_CHALLENGES;
        let cred = own.chal().filter(|_| asked);
        let cred = cred.and_then(|chal| auth::cred(chal, USER, PASSWORD));
        match cred {
            Some(cred) => {
                self.cred = Some(cred);
                Some(Next::Send(self.package_1(Some(msg_ref))))
            }
            None => {
                self.refused = Some(code);
                Some(Next::End)
            }
        }
    }
}

/// The device's user name and password, if the server asks for them.
pub(super) const USER: &str = "Bruce2";
pub(super) const PASSWORD: &str = "OhBehave";
/// The most challenges that the device answers in one session.
const MOST_CHALLENGES: u32 = 2;

/// Returns the tree of the demo.
pub fn demo_tree() -> Tree {
    let at = |leaf: &str| format!("./Device/Vendor/MSFT/DMTap/{leaf}");
    let encryption = "./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption";
    let wipe = "./Device/Vendor/MSFT/RemoteWipe/doWipe";
    Tree::default()
        .with("./DevDetail/SwV", "chr", "10.0.26100.1", Access::Read)
        .with(&at("Colour"), "chr", "red", Access::Write)
        .with(&at("Width"), "int", "1280", Access::Write)
        .with(&at("Height"), "int", "720", Access::Write)
        .with(&at("Restart"), "null", "", Access::Execute)
        .with(encryption, "int", "0", Access::Write)
        .with(wipe, "null", "", Access::Execute)
}
