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
use crate::markup::Document;
use report::Backlog;

/// Who the device says it is.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `./DevInfo/DevId` and the Source of its messages.
    pub id: String,
    /// `./DevInfo/Man`.
    pub manufacturer: String,
    /// `./DevInfo/Mod`.
    pub model: String,
    /// `./DevInfo/Lang`.
    pub language: String,
    /// What it says of the user's login: `user`, `others` or `none`.
    pub login: String,
    /// What it takes, as it announces in its headers.
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
    /// The nodes of `./DevInfo` that it says.
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
    /// How often the server asked for credentials in this session.
    challenged: u32,
    /// The credentials that the server asked for, as XML.
    cred: Option<String>,
    /// Set where it only waits for the server to end the session.
    giving_up: bool,
    /// What the server takes.
    theirs: Sizes,
    incoming: Incoming,
    /// Objects whose end never came.
    lost: Vec<LargeObject>,
    backlog: Backlog,
    /// Where the server wants the next messages to go (`RespURI`).
    pub resp_uri: Option<String>,
    /// The code with which the server refused a whole message, if it did.
    pub refused: Option<StatusCode>,
    /// What it did, in order: the command and the code it answered with.
    pub done: Vec<(String, StatusCode)>,
}

/// What the device does after a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It sends this message, as XML.
    Send(String),
    /// The session is over.
    End,
    /// It cannot go on, for this reason.
    Broken(String),
}

/// One outcome on its way into a message.
struct Outcome {
    cmd: String,
    name: String,
    target: Option<ItemRef>,
    /// Its node for people; of an Alert, its code in front.
    uri: String,
    code: StatusCode,
    found: Vec<(String, Found)>,
}

impl Device {
    /// A device at rest. What its profile says is in its tree, too.
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

    /// Changes the tree, as something on the device does that is not a session.
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

    /// Package 1; after a challenge it answers the message that held it.
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

    /// The text of a leaf of its tree.
    pub fn text(&self, uri: &str) -> Option<String> {
        match self.tree.get(uri) {
            Ok(Found::Leaf(_, text)) => Some(text),
            _ => None,
        }
    }

    /// Carries out a message of the server.
    pub fn answer(&mut self, document: &Document) -> Next {
        let Some(message) = Message::of(document) else {
            let root = document.root();
            return Next::Broken(match root.foreign_namespace() {
                Some(other) if root.local() == "SyncML" => format!(
                    "the server's message is not SyncML: its XML namespace is {other}, not SYNCML:SYNCML1.2"
                ),
                _ => format!(
                    "the server's message is not SyncML: its root element is <{}>",
                    root.local()
                ),
            });
        };
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

    /// Hears a message, and carries out its commands.
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
            // The server ends the session; what it has not said to its end it never will.
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
        // Windows begins at 2 in package 1 and at 1 afterwards.
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

/// What it makes of a message as a whole.
impl Device {
    /// What it does with a message that turns its own down, or that is none for it.
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

    /// What it does where the server refuses the message before: it meets a challenge, or gives up.
    fn refused_by(&mut self, message: Message<'_>, msg_ref: &str) -> Option<Next> {
        let own = message.header_status()?;
        let code = own.code().filter(|code| !code.is_success())?;
        self.challenged += 1;
        // The nonce may have been stale: one more challenge is to be met (SEC 5.3.3).
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

/// Who the device is for the server, where that asks.
pub(super) const USER: &str = "Bruce2";
pub(super) const PASSWORD: &str = "OhBehave";
/// Challenges in one session that the device meets.
const MOST_CHALLENGES: u32 = 2;

/// The tree the demo works on.
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
