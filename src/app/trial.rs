//! Rules tried on messages from files: the conversation is followed as the proxy follows it, without a network.

pub mod silent;
mod speaker;

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Uri, Version};

pub use self::speaker::{Evidence, speaker_of};

use crate::dm::Message;
use crate::flow::account::Setting;
use crate::flow::{
    Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, Session, SessionKey, Side,
    Timestamp,
};
use crate::markup::{Document, Hint, Limits};
use crate::rules::{Facts, RuleSet, Stage, Tally, Verdict};

/// A conversation that rules are tried on, message by message.
#[derive(Debug)]
pub struct Trial {
    session: Option<Session>,
    counts: Counts,
    exchanges: u64,
    request: RequestHead,
    response: ResponseHead,
    connection: Connection,
}

impl Trial {
    /// A conversation at this address of a server.
    pub fn new(uri: Uri) -> Self {
        let server = uri.authority().map_or("", |authority| authority.as_str());
        Self {
            session: None,
            counts: Counts::default(),
            exchanges: 0,
            connection: connection(server),
            request: RequestHead {
                method: Method::POST,
                uri,
                version: Version::HTTP_11,
                headers: HeaderMap::new(),
            },
            response: ResponseHead {
                status: StatusCode::OK,
                version: Version::HTTP_11,
                headers: HeaderMap::new(),
            },
        }
    }

    /// Asks the rules about the next message, and does in it what they promised before.
    pub fn play(&mut self, rules: &RuleSet, speaker: Side, document: &Arc<Document>) -> Verdict {
        if speaker == Side::Device || self.exchanges == 0 {
            self.exchanges += 1;
        }
        let message = Message::of(document);
        self.enter(speaker, message);
        let mut verdict = self.decide(rules, speaker, document);
        let Some(session) = &mut self.session else {
            return verdict;
        };
        // A conversation this short does not fill the account.
        let _ = session
            .account
            .promise(&std::mem::take(&mut verdict.promised));
        let leaving = match &verdict.body {
            Some(_) => verdict.document.clone(),
            None => Some(document.clone()),
        };
        let Some(leaving) = leaving.filter(|_| verdict.answer.is_none()) else {
            return verdict;
        };
        let setting = Setting {
            speaker,
            limits: &Limits::default(),
            hint: Hint::default(),
        };
        let settled = session.account.settle(&leaving, setting);
        verdict.applied.extend(settled.applied);
        if settled.body.is_some() {
            verdict.body = settled.body;
            verdict.document = settled.document;
        }
        let sent = match &verdict.body {
            Some(_) => verdict.document.clone(),
            None => Some(leaving),
        };
        if let Some(sent) = sent {
            session.delivered(speaker.other(), sent);
        }
        verdict
    }

    fn decide(&mut self, rules: &RuleSet, speaker: Side, document: &Arc<Document>) -> Verdict {
        let message = Message::of(document);
        let session = self.session.as_ref().zip(message);
        let tag = session.map(|(session, message)| session.tag(message));
        let links = session.map(|(session, message)| session.links(speaker, message));
        let facts = Facts {
            stage: stage_of(speaker),
            connection: &self.connection,
            exchange: ExchangeId(self.exchanges),
            request: &self.request,
            response: (speaker == Side::Server).then_some(&self.response),
            session: tag.as_ref(),
            account: self.session.as_ref().map(|session| &session.account),
            document: Some(document),
            body: Some(document.source()),
            links: links.as_deref().unwrap_or_default(),
            limits: &Limits::default(),
        };
        rules.decide(&facts, &mut self.counts)
    }

    /// Devices name sessions; the first message may be a server's all the same.
    fn enter(&mut self, speaker: Side, message: Option<Message<'_>>) {
        let header = message.and_then(|message| message.header());
        if speaker == Side::Device || self.session.is_none() {
            let device = header.and_then(|header| match speaker {
                Side::Device => header.source(),
                Side::Server => header.target(),
            });
            let id = header.and_then(|header| header.session_id());
            let key = SessionKey {
                device: device.unwrap_or_default().into(),
                id: id.unwrap_or_default().into(),
            };
            if self.session.as_ref().is_none_or(|known| known.key != key) {
                self.session = Some(Session::new(1, key));
            }
            if let Some(session) = &mut self.session {
                session.begin_exchange();
                if let Some(message) = message.filter(|_| speaker == Side::Device) {
                    session.hear(message);
                }
            }
        }
        let msg_id = header.and_then(|header| header.msg_id());
        if let (Some(session), Some(msg_id)) = (&mut self.session, msg_id) {
            session.account.hear(speaker, &msg_id);
        }
    }
}

/// The stage at which rules see what a peer says.
pub fn stage_of(speaker: Side) -> Stage {
    match speaker {
        Side::Device => Stage::Request,
        Side::Server => Stage::Response,
    }
}

fn connection(server: &str) -> Connection {
    Connection {
        id: ConnectionId(1),
        opened: Timestamp::default(),
        device: ([127, 0, 0, 1], 0).into(),
        listener: ([127, 0, 0, 1], 0).into(),
        server: server.into(),
        tls: None,
    }
}

/// What limits counted, and the states of scenarios. The trial ends with the files it was given.
#[derive(Debug, Default)]
struct Counts {
    counts: HashMap<(usize, String), u64>,
    states: HashMap<(String, String), Arc<str>>,
}

impl Tally for Counts {
    fn count(&mut self, rule: usize, scope: &str) -> u64 {
        let count = self.counts.entry((rule, scope.to_owned())).or_default();
        *count += 1;
        *count
    }

    fn state(&mut self, scenario: &str, scope: &str) -> Option<Arc<str>> {
        self.states
            .get(&(scenario.to_owned(), scope.to_owned()))
            .cloned()
    }

    fn advance(&mut self, scenario: &str, scope: &str, from: Option<&str>, to: &str) -> bool {
        if self.state(scenario, scope).as_deref() != from {
            return false;
        }
        self.states
            .insert((scenario.to_owned(), scope.to_owned()), to.into());
        true
    }
}
