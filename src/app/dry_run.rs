//! Rules tried on messages that passed before: the conversation is followed as the proxy follows it, without a network.
//!
//! ```text
//! messages from files ─► Trial::message ─┐
//!                                        ├─► Passed ─► Trial::play ─► Verdict
//! a record of JSON lines ─► Recorded ────┘
//! ```

mod in_memory_state;
mod recorded;
mod replay_check;
mod sender;
mod sessions;
pub mod why_not;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version, header};

pub use self::recorded::{Recorded, Replayed};
pub use self::replay_check::Applicability;
pub use self::sender::{Evidence, speaker_of};

use self::in_memory_state::InMemoryState;
use self::replay_check::Unasked;
use self::sessions::SessionTable;
use crate::dm::Message;
use crate::flow::reconciler::ReconcileContext;
use crate::flow::{
    Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, Session, Side, Timestamp,
    media,
};
use crate::markup::{self, Document, Limits};
use crate::rules::{Facts, RuleSet, Stage, Verdict};

/// Conversations that rules are tried on, message by message.
#[derive(Debug)]
pub struct DryRun {
    talks: SessionTable,
    counts: InMemoryState,
    unasked: Unasked,
    exchanges: u64,
    request: RequestHead,
    response: ResponseHead,
    connection: Connection,
}

/// A message with what is known of its passage.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Who spoke.
    pub speaker: Side,
    /// The exchange it is half of.
    pub exchange: ExchangeId,
    /// The device's connection.
    pub connection: Connection,
    /// The head of the request.
    pub request: RequestHead,
    /// The head of the response, where it is one.
    pub response: Option<ResponseHead>,
    /// The body without content coding, where it was read.
    pub body: Option<Bytes>,
    /// The body decoded, where it decodes.
    pub document: Option<Arc<Document>>,
    /// What was sent then in the place of the document, where that was something else.
    pub sent: Option<Arc<Document>>,
}

impl DryRun {
    /// Messages are taken to have gone to this address of a server, and to have come from there.
    pub fn new(uri: Uri) -> Self {
        let server = uri.authority().map_or("", |authority| authority.as_str());
        Self {
            talks: SessionTable::default(),
            counts: InMemoryState::default(),
            unasked: Unasked::default(),
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

    /// The next message of one conversation, of which nothing else is known.
    pub fn message(&mut self, speaker: Side, document: Arc<Document>) -> Passed {
        if speaker == Side::Device || self.exchanges == 0 {
            self.exchanges += 1;
        }
        Passed {
            speaker,
            exchange: ExchangeId(self.exchanges),
            connection: self.connection.clone(),
            request: self.request.clone(),
            response: (speaker == Side::Server).then(|| self.response.clone()),
            body: Some(document.source().clone()),
            document: Some(document),
            sent: None,
        }
    }

    /// Asks the rules about the next message, and does in it what they promised before.
    pub fn play(&mut self, rules: &RuleSet, passed: &Passed) -> Verdict {
        let session = self.talks.enter(passed);
        let mut verdict = decide(rules, passed, session.as_deref(), &mut self.counts);
        if let Some(session) = session {
            reconcile(session, passed, &mut verdict);
        }
        if passed.speaker == Side::Device && !reaches_the_server(&verdict) {
            let session = self.talks.key(passed);
            self.unasked.enter(passed.exchange, session);
        }
        verdict
    }

    /// Whether the next message of a record would still have been said, after what the rules did before it.
    pub fn fits(&mut self, passed: &Passed) -> Applicability {
        let session = self.talks.key(passed);
        self.unasked.fit(passed, session)
    }

    /// Takes notice of what dmtap itself said to the device when the record was made.
    pub fn overhear(&mut self, passed: &Passed) {
        // It was not the server then either that answered: the record goes on as the trial does.
        let session = self.talks.key(passed);
        if self.unasked.forgive(passed.exchange, session) {
            return;
        }
        let session = self.talks.of(passed.exchange);
        if let (Some(session), Some(document)) = (session, &passed.document) {
            session.delivered(passed.speaker.other(), document.clone());
        }
    }
}

fn reaches_the_server(verdict: &Verdict) -> bool {
    verdict.answer.is_none() && verdict.delivery.is_whole()
}

fn decide(
    rules: &RuleSet,
    passed: &Passed,
    session: Option<&Session>,
    counts: &mut InMemoryState,
) -> Verdict {
    let message = passed.document.as_deref().and_then(Message::of);
    let talk = session.zip(message);
    let tag = talk.map(|(session, message)| session.tag(message));
    let links = talk.map(|(session, message)| session.links(passed.speaker, message));
    let facts = Facts {
        stage: stage_of(passed.speaker),
        connection: &passed.connection,
        exchange: passed.exchange,
        request: &passed.request,
        response: passed.response.as_ref(),
        session: tag.as_ref(),
        reconciler: session.map(|session| &session.reconciler),
        document: passed.document.as_ref(),
        body: passed.body.as_ref(),
        links: links.as_deref().unwrap_or_default(),
        limits: &Limits::default(),
    };
    rules.decide(&facts, counts)
}

/// Does in the message what is owed about it, and enters what leaves into the ledger of its receiver.
fn reconcile(session: &mut Session, passed: &Passed, verdict: &mut Verdict) {
    // A conversation this short does not fill the account.
    let _ = session
        .reconciler
        .promise(&std::mem::take(&mut verdict.promised));
    if let Some(leaving) = verdict.leaving(passed.document.as_ref()).cloned() {
        let headers = passed.headers();
        let setting = ReconcileContext {
            speaker: passed.speaker,
            limits: &Limits::default(),
            hint: media::hint(headers),
        };
        let settled = session.reconciler.reconcile(&leaving, setting);
        verdict.apply_reconciled(settled, &leaving, headers.get(header::CONTENT_TYPE));
    }
    if let Some(answer) = &verdict.answer {
        let hint = media::hint(&answer.headers);
        if let Ok(said) = markup::decode(answer.body.clone(), hint, &Limits::default()) {
            session.delivered(Side::Device, Arc::new(said));
        }
        return;
    }
    let sent = match &verdict.body {
        Some(_) => verdict.document.as_ref(),
        None => passed.sent.as_ref().or(passed.document.as_ref()),
    };
    if let Some(sent) = sent.filter(|_| verdict.delivery.is_whole()) {
        session.delivered(passed.speaker.other(), sent.clone());
    }
}

impl Passed {
    /// The header fields of the message.
    fn headers(&self) -> &HeaderMap {
        match &self.response {
            Some(head) => &head.headers,
            None => &self.request.headers,
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
