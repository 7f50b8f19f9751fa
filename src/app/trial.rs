//! The trial of rules on messages of the past: the conversation is followed as in the proxy, without a network.
//!
//! ```text
//! messages from files ─► Trial::message ──┐
//!                                         ├─► PastMessage ─► Trial::decide ─► Decision
//! a record of JSON lines ─► Recorded ─────┘
//! ```

mod recorded;
mod replay_check;
mod sender;
pub mod why_not;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

pub use self::recorded::{Recorded, header_map};
pub use self::replay_check::Applicability;
pub use self::sender::{Evidence, Speakers, speaker_of};

use self::replay_check::Unasked;
use crate::conversation::{
    Conversations, Decision, InMemoryState, MessageInput, SessionHandle, SessionLimits,
};
use crate::dm::{Envelope, Message, Refs};
use crate::flow::{
    Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, SessionKey, Side, Timestamp,
};
use crate::markup::{Document, Limits};
use crate::rules::{RuleSet, Verdict};

/// Conversations on which rules are tried, message by message.
#[derive(Debug)]
pub struct Trial {
    conversations: Conversations,
    /// The exchanges whose response is still to come.
    open: BTreeMap<ExchangeId, SessionHandle>,
    state: InMemoryState,
    unasked: Unasked,
    limits: Limits,
    exchanges: u64,
    /// The last exchange of each session; a log may mix several sessions.
    last: HashMap<SessionKey, ExchangeId>,
    /// The exchanges with a response: if the log has no requests, the next response belongs to another exchange.
    answered: BTreeSet<ExchangeId>,
    /// The previous message, if a device sent it.
    asked: Option<Arc<Document>>,
    request: RequestHead,
    response: ResponseHead,
    connection: Connection,
}

/// A message with the facts of its exchange.
#[derive(Clone, Debug)]
pub struct PastMessage {
    /// The sender.
    pub speaker: Side,
    /// The time.
    pub at: Timestamp,
    /// The exchange that it belongs to.
    pub exchange: ExchangeId,
    /// The device's connection.
    pub connection: Connection,
    /// The head of the request.
    pub request: RequestHead,
    /// The head of the response, for a response.
    pub response: Option<ResponseHead>,
    /// The body without content coding, if it was read.
    pub body: Option<Bytes>,
    /// The decoded body, if it decodes.
    pub document: Option<Arc<Document>>,
    /// Whether `document` is only the part in front of the place where the body breaks.
    pub is_broken: bool,
    /// Whether dmtap's own rules changed it before the user's rules saw it, and the record does not have the change.
    pub is_as_received: bool,
    /// Whether it is an answer that dmtap gave in the server's place.
    pub is_own: bool,
    /// The document that was sent, if it was another one.
    pub sent: Option<Arc<Document>>,
}

impl Trial {
    /// Creates a trial in which `uri` is the server's address in all messages from files. `limits` bounds the decoding of
    /// messages that rules change.
    pub fn new(uri: Uri, limits: Limits) -> Self {
        let server = uri.authority().map_or("", |authority| authority.as_str());
        Self {
            conversations: Conversations::new(SessionLimits::default()),
            open: BTreeMap::new(),
            state: InMemoryState::default(),
            unasked: Unasked::default(),
            limits,
            exchanges: 0,
            last: HashMap::new(),
            answered: BTreeSet::new(),
            asked: None,
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

    /// Returns the next message of one conversation, without facts of its exchange.
    pub fn message(
        &mut self,
        speaker: Side,
        body: Bytes,
        document: Option<Arc<Document>>,
    ) -> PastMessage {
        let session = session_of("", speaker, document.as_deref());
        let last = session.as_ref().and_then(|session| self.last.get(session));
        let mut exchange = last.copied().unwrap_or(ExchangeId(self.exchanges));
        let is_answered = self.exchanges == 0 || self.answered.contains(&exchange);
        let asked = self.asked.as_deref();
        let pair = (speaker == Side::Server).then_some(asked.zip(document.as_deref()));
        if is_answered && pair.flatten().is_some_and(|(asked, it)| answers(it, asked)) {
            return self.answer(body, document);
        }
        let is_alone = session.is_none() && document.as_deref().is_some_and(asks_only);
        let is_of_enrollment = |it: &Document| Envelope::of(it).is_some();
        let is_of_other_kind = asked
            .zip(document.as_deref())
            .is_some_and(|(asked, it)| is_of_enrollment(asked) && Message::of(it).is_some());
        if speaker == Side::Device || is_answered || is_alone || is_of_other_kind {
            // The device continues, so the server received its previous message, and answered it.
            if let Some(before) = self.open.get_mut(&exchange) {
                before.delivered(Side::Server);
                before.response_unseen();
            }
            self.exchanges += 1;
            exchange = ExchangeId(self.exchanges);
            self.last.extend(session.map(|session| (session, exchange)));
            if self.last.len() > MOST_OPEN {
                self.last.clear();
            }
        }
        self.past_message(speaker, exchange, body, document)
    }

    /// Returns the answer to the previous message, whatever its header names.
    pub fn answer(&mut self, body: Bytes, document: Option<Arc<Document>>) -> PastMessage {
        self.past_message(Side::Server, ExchangeId(self.exchanges), body, document)
    }

    fn past_message(
        &mut self,
        speaker: Side,
        exchange: ExchangeId,
        body: Bytes,
        document: Option<Arc<Document>>,
    ) -> PastMessage {
        self.asked = document.clone().filter(|_| speaker == Side::Device);
        if speaker == Side::Server {
            self.answered.insert(exchange);
            if self.answered.len() > MOST_OPEN {
                self.answered.pop_first();
            }
        }
        PastMessage {
            speaker,
            at: Timestamp::default(),
            exchange,
            connection: self.connection.clone(),
            request: self.request.clone(),
            response: (speaker == Side::Server).then(|| self.response.clone()),
            body: Some(body),
            document,
            is_broken: false,
            is_as_received: false,
            is_own: false,
            sent: None,
        }
    }

    /// Handles the next message as the proxy does.
    pub fn decide(&mut self, rules: &RuleSet, past: &PastMessage) -> Decision {
        let limits = self.limits;
        let input = past.input(&limits);
        let (mut handle, decided) = match past.speaker {
            Side::Device => {
                self.conversations
                    .decide_request(&input, rules, &mut self.state, past.at)
            }
            Side::Server => {
                let mut handle = self.handle(past);
                let decided = handle.decide_response(&input, rules, &mut self.state);
                (handle, decided)
            }
        };
        let verdict = &decided.verdict;
        if let (None, Some(sent)) = (&verdict.body, &past.sent)
            && verdict.answer.is_none()
            && verdict.delivery.is_whole()
        {
            handle.sends(sent.clone());
        }
        if let Some(answer) = &verdict.answer {
            handle.answered(&answer.body, &answer.headers);
        }
        if past.is_broken {
            handle.sends_unread();
        }
        match past.speaker {
            Side::Server => handle.delivered(Side::Device),
            Side::Device if reaches_the_server(verdict) => self.begin(past.exchange, handle),
            Side::Device => {
                let session = decided.session.as_ref().map(|tag| tag.key.clone());
                self.unasked.enter(past.exchange, session);
            }
        }
        decided
    }

    /// Whether the next message of a record would still have been sent, after the earlier effects of the rules.
    pub fn fits(&mut self, past: &PastMessage) -> Applicability {
        let session = self.key(past);
        self.unasked.fit(past, session)
    }

    /// Takes an answer that dmtap itself gave to the device when the record was made.
    pub fn overhear(&mut self, past: &PastMessage) {
        // The server did not answer then either: the record still fits the trial.
        let session = self.key(past);
        if self.unasked.forgive(past.exchange, session) {
            return;
        }
        if let (Some(mut handle), Some(body)) = (self.open.remove(&past.exchange), &past.body) {
            handle.answered(body, past.headers());
        }
    }

    fn begin(&mut self, exchange: ExchangeId, handle: SessionHandle) {
        self.open.insert(exchange, handle);
        if self.open.len() > MOST_OPEN {
            self.open.pop_first();
        }
    }

    /// Returns the handle of the exchange that this response ends; the server received the request.
    fn handle(&mut self, response: &PastMessage) -> SessionHandle {
        if let Some(mut handle) = self.open.remove(&response.exchange) {
            handle.delivered(Side::Server);
            return handle;
        }
        let input = response.input(&self.limits);
        self.conversations.without_request(&input, response.at)
    }

    /// Returns the session of a message, if it has one.
    fn key(&self, past: &PastMessage) -> Option<SessionKey> {
        if let (Side::Server, Some(handle)) = (past.speaker, self.open.get(&past.exchange)) {
            return Some(handle.tag(Side::Device, None)?.key);
        }
        let server = &past.connection.server;
        session_of(server, past.speaker, past.document.as_deref())
    }
}

/// Returns the session that a message names.
fn session_of(server: &str, speaker: Side, document: Option<&Document>) -> Option<SessionKey> {
    SessionKey::of(server, speaker, Message::of(document?)?).ok()?
}

/// Whether a message of the server answers this one of a device, also with another SessionID or another name of the device.
fn answers(answer: &Document, asked: &Document) -> bool {
    let [answer, asked] = [answer, asked].map(Message::of);
    let (Some(answer), Some(asked)) = (answer, asked) else {
        return false;
    };
    let msg_ref = answer.header_status().and_then(|status| status.msg_ref());
    let headers = answer.header().zip(asked.header());
    let is_of_it = headers.is_some_and(|(answer, asked)| {
        let devices = answer.target().zip(asked.source());
        devices.is_some_and(|(one, other)| one.eq_ignore_ascii_case(&other))
            || answer.session_id().is_some() && answer.session_id() == asked.session_id()
    });
    is_of_it && msg_ref.is_some() && msg_ref == asked.msg_id()
}

/// Whether a message has commands, and answers nothing.
fn asks_only(document: &Document) -> bool {
    let mut commands = Message::of(document)
        .into_iter()
        .flat_map(Message::commands)
        .peekable();
    commands.peek().is_some() && commands.all(|it| Refs::of(it).is_none())
}

fn reaches_the_server(verdict: &Verdict) -> bool {
    verdict.answer.is_none() && verdict.delivery.is_whole()
}

impl PastMessage {
    fn input<'a>(&'a self, limits: &'a Limits) -> MessageInput<'a> {
        MessageInput {
            connection: &self.connection,
            exchange: self.exchange,
            request: &self.request,
            response: self.response.as_ref(),
            document: self.document.as_ref(),
            body: self.body.as_ref(),
            why_unread: None,
            utf16: None,
            limits,
            stay: None,
            pairs: None,
            identity: None,
        }
    }

    /// Returns the header fields of the message.
    fn headers(&self) -> &HeaderMap {
        match &self.response {
            Some(head) => &head.headers,
            None => &self.request.headers,
        }
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

/// The limit of exchanges that are remembered.
const MOST_OPEN: usize = 4096;
