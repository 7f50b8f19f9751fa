//! Rules tried on messages that passed before: the conversation is followed as the proxy follows it, without a network.
//!
//! ```text
//! messages from files ─► DryRun::message ─┐
//!                                         ├─► Passed ─► DryRun::play ─► Verdict
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

pub use self::recorded::{Recorded, Replayed, header_map};
pub use self::replay_check::Applicability;
pub use self::sender::{Evidence, Speakers, speaker_of};

use self::replay_check::Unasked;
use crate::conversation::{
    Conversations, Decision, InMemoryState, MessageInput, SessionHandle, SessionLimits,
};
use crate::dm::Message;
use crate::flow::{
    Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, SessionKey, Side, Timestamp,
};
use crate::markup::{Document, Limits};
use crate::rules::{RuleSet, Verdict};

/// Conversations that rules are tried on, message by message.
#[derive(Debug)]
pub struct DryRun {
    conversations: Conversations,
    /// Exchanges whose response is still to come.
    open: BTreeMap<ExchangeId, SessionHandle>,
    state: InMemoryState,
    unasked: Unasked,
    limits: Limits,
    exchanges: u64,
    /// The last exchange of each session: a log may mix the messages of several.
    last: HashMap<SessionKey, ExchangeId>,
    /// Exchanges with a response, where responses come without requests: the next one is of another exchange.
    answered: BTreeSet<ExchangeId>,
    request: RequestHead,
    response: ResponseHead,
    connection: Connection,
}

/// A message with what is known of its passage.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Who spoke.
    pub speaker: Side,
    /// When.
    pub at: Timestamp,
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
    /// Whether `document` is only what stands in front of the place where the body breaks.
    pub is_broken: bool,
    /// Whether dmtap's own rules changed it before the user's rules saw it, and the record does not say how.
    pub is_as_received: bool,
    /// What was sent then in the place of the document, where that was something else.
    pub sent: Option<Arc<Document>>,
}

impl DryRun {
    /// Messages are taken to have gone to this address of a server, and to have come from there. `limits` bounds the
    /// decoding of what rules change.
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
    pub fn message(
        &mut self,
        speaker: Side,
        body: Bytes,
        document: Option<Arc<Document>>,
    ) -> Passed {
        let session = session_of("", speaker, document.as_deref());
        let last = session.as_ref().and_then(|session| self.last.get(session));
        let mut exchange = last.copied().unwrap_or(ExchangeId(self.exchanges));
        if speaker == Side::Device || self.exchanges == 0 || self.answered.contains(&exchange) {
            // The device goes on: the server had its message before this one, and answered it.
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
        if speaker == Side::Server {
            self.answered.insert(exchange);
            if self.answered.len() > MOST_OPEN {
                self.answered.pop_first();
            }
        }
        Passed {
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
            sent: None,
        }
    }

    /// Does with the next message what the proxy does, and gives what leaves.
    pub fn play(&mut self, rules: &RuleSet, passed: &Passed) -> Verdict {
        self.decide(rules, passed).verdict
    }

    /// Does with the next message what the proxy does.
    pub fn decide(&mut self, rules: &RuleSet, passed: &Passed) -> Decision {
        let limits = self.limits;
        let input = passed.input(&limits);
        let (mut handle, decided) = match passed.speaker {
            Side::Device => self
                .conversations
                .request(&input, rules, &mut self.state, passed.at),
            Side::Server => {
                let mut handle = self.handle(passed);
                let decided = handle.response(&input, rules, &mut self.state);
                (handle, decided)
            }
        };
        let verdict = &decided.verdict;
        if let (None, Some(sent)) = (&verdict.body, &passed.sent)
            && verdict.answer.is_none()
            && verdict.delivery.is_whole()
        {
            handle.sends(sent.clone());
        }
        if let Some(answer) = &verdict.answer {
            handle.answered(&answer.body, &answer.headers);
        }
        if passed.is_broken {
            handle.sends_unread();
        }
        match passed.speaker {
            Side::Server => handle.delivered(Side::Device),
            Side::Device if reaches_the_server(verdict) => self.begin(passed.exchange, handle),
            Side::Device => {
                let session = decided.session.as_ref().map(|tag| tag.key.clone());
                self.unasked.enter(passed.exchange, session);
            }
        }
        decided
    }

    /// Whether the next message of a record would still have been said, after what the rules did before it.
    pub fn fits(&mut self, passed: &Passed) -> Applicability {
        let session = self.key(passed);
        self.unasked.fit(passed, session)
    }

    /// Takes notice of what dmtap itself said to the device when the record was made.
    pub fn overhear(&mut self, passed: &Passed) {
        // It was not the server then either that answered: the record goes on as the trial does.
        let session = self.key(passed);
        if self.unasked.forgive(passed.exchange, session) {
            return;
        }
        if let (Some(mut handle), Some(body)) = (self.open.remove(&passed.exchange), &passed.body) {
            handle.answered(body, passed.headers());
        }
    }

    fn begin(&mut self, exchange: ExchangeId, handle: SessionHandle) {
        self.open.insert(exchange, handle);
        if self.open.len() > MOST_OPEN {
            self.open.pop_first();
        }
    }

    /// The handle of the exchange that this response ends; the server got the request.
    fn handle(&mut self, response: &Passed) -> SessionHandle {
        if let Some(mut handle) = self.open.remove(&response.exchange) {
            handle.delivered(Side::Server);
            return handle;
        }
        let input = response.input(&self.limits);
        self.conversations.without_request(&input, response.at)
    }

    /// Which session a message is of, if any.
    fn key(&self, passed: &Passed) -> Option<SessionKey> {
        if let (Side::Server, Some(handle)) = (passed.speaker, self.open.get(&passed.exchange)) {
            return Some(handle.tag(Side::Device, None)?.key);
        }
        let server = &passed.connection.server;
        session_of(server, passed.speaker, passed.document.as_deref())
    }
}

/// The session that a message names.
fn session_of(server: &str, speaker: Side, document: Option<&Document>) -> Option<SessionKey> {
    SessionKey::of(server, speaker, Message::of(document?)?).ok()?
}

fn reaches_the_server(verdict: &Verdict) -> bool {
    verdict.answer.is_none() && verdict.delivery.is_whole()
}

impl Passed {
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

    /// The header fields of the message.
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

/// Exchanges without a response at a time.
const MOST_OPEN: usize = 4096;
