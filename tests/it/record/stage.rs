//! Handmade events: the two messages of an exchange in XML or WBXML, as the proxy would report them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dmtap::dm::{Dialect, Message};
use dmtap::flow::{
    CapturedBody, CapturedMessage, Connection, ConnectionId, Delivery, EffectDetail, EffectKind,
    Event, ExchangeId, Head, Note, ParsedBody, RequestHead, ResponseHead, RuleEffect, Session,
    SessionKey, Severity, Side, Timestamp, TlsDetails,
};
use dmtap::markup::{self, Document, Hint, Limits};
use dmtap::patch::{Patch, Splice};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

/// 2026-03-04T05:06:07Z
pub(crate) const BEGIN: u64 = 1_772_600_767_000_000;

pub(crate) const SERVER: &str = "mdm.example.com:443";

/// A session with the connection it runs on.
pub(crate) struct Stage {
    pub(crate) connection: Arc<Connection>,
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    exchanges: u64,
    now: u64,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let connection = Arc::new(Connection {
            id: ConnectionId(1),
            opened: Timestamp(BEGIN),
            device: "192.0.2.7:50123".parse().unwrap(),
            listener: "192.0.2.1:8443".parse().unwrap(),
            server: SERVER.into(),
            tls: Some(TlsDetails {
                sni: Some("mdm.example.com".into()),
                alpn: Some("h2".into()),
                version: Some("TLSv1.3".into()),
                client: None,
            }),
        });
        let key = SessionKey {
            server: SERVER.into(),
            device: "urn:uuid:0001".into(),
            id: "5".into(),
        };
        Self {
            events: vec![Event::Opened(connection.clone())],
            session: Session::new(1, key),
            connection,
            exchanges: 0,
            now: BEGIN,
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 12_345;
        Timestamp(self.now)
    }

    /// A request of the device, in a new exchange.
    pub(crate) fn request(
        &mut self,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> &mut CapturedMessage {
        self.exchanges += 1;
        let head = RequestHead {
            method: Method::POST,
            uri: "https://mdm.example.com/MDM.svc?mode=Maintenance&Platform=WoA"
                .parse()
                .unwrap(),
            version: Version::HTTP_2,
            headers: header_map(headers),
        };
        self.session.begin_exchange();
        let captured = self.captured(Side::Device, Head::Request(head.into()), body.into());
        self.push(captured, Event::Request)
    }

    /// A response of the server.
    pub(crate) fn response(
        &mut self,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> &mut CapturedMessage {
        let head = ResponseHead {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            headers: header_map(headers),
        };
        let mut captured = self.captured(Side::Server, Head::Response(head), body.into());
        captured.took = Duration::from_micros(12_345);
        self.push(captured, Event::Response)
    }

    fn push(
        &mut self,
        captured: CapturedMessage,
        event: fn(Arc<CapturedMessage>) -> Event,
    ) -> &mut CapturedMessage {
        self.events.push(event(Arc::new(captured)));
        match self.events.last_mut() {
            Some(Event::Request(captured) | Event::Response(captured)) => {
                Arc::get_mut(captured).unwrap()
            }
            _ => unreachable!(),
        }
    }

    fn captured(&mut self, from: Side, head: Head, body: Bytes) -> CapturedMessage {
        let parsed = read(&body);
        let mut links = Vec::new();
        let mut tag = None;
        if let Some(document) = parsed.document().cloned()
            && let Some(message) = Message::of(&document)
        {
            links = self.session.links(from, message);
            tag = Some(self.session.tag(message));
            self.session.delivered(from.other(), document.clone(), None);
        }
        CapturedMessage {
            exchange: ExchangeId(self.exchanges),
            connection: self.connection.clone(),
            from,
            synthesized: false,
            at: self.tick(),
            took: Duration::ZERO,
            head,
            body: CapturedBody {
                received: body.clone(),
                plain: None,
                sent: body,
                parsed,
                sent_document: None,
            },
            client_auth: None,
            session: tag,
            links,
            notes: Vec::new(),
            applied: Vec::new(),
            delivery: Delivery::default(),
        }
    }

    pub(crate) fn closed(&mut self) {
        let at = self.tick();
        let connection = self.connection.id;
        self.events.push(Event::Closed { connection, at });
    }

    pub(crate) fn malformed(&mut self, why: &str) {
        let at = self.tick();
        self.events.push(Event::Malformed {
            connection: self.connection.id,
            device: self.connection.device,
            at,
            why: why.into(),
        });
    }

    pub(crate) fn failed(&mut self, side: Option<Side>, why: &str) {
        let at = self.tick();
        self.events.push(Event::Failed {
            exchange: ExchangeId(self.exchanges),
            connection: self.connection.id,
            at,
            side,
            is_answered: false,
            by_rule: false,
            cause: None,
            why: why.into(),
            help: None,
        });
    }
}

pub(crate) fn read(body: &Bytes) -> ParsedBody {
    if body.is_empty() {
        return ParsedBody::Empty;
    }
    match markup::decode(body.clone(), Hint::default(), &Limits::default()) {
        Ok(document) => {
            let dialect = Dialect::of(&document);
            ParsedBody::Document(Arc::new(document), dialect)
        }
        Err(error) => ParsedBody::Broken(error),
    }
}

fn header_map(fields: &[(&str, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    fields.collect()
}

pub(crate) fn note(severity: Severity, text: &str) -> Note {
    Note {
        id: "SES-04",
        severity,
        at: Some(17),
        text: text.into(),
    }
}

/// Has a rule set the text of an element, of which the place is reported as well.
pub(crate) fn change(
    captured: &mut CapturedMessage,
    rule: &str,
    step: &'static str,
    path: &str,
    after: &str,
) {
    let source = captured.body.received.clone();
    let document = document(captured);
    let element = document
        .elements()
        .find(|e| e.path().as_str() == path)
        .unwrap();
    let text = element.texts().next().unwrap();
    let splice = Splice {
        span: text.span(),
        with: after.into(),
    };
    let change = EffectDetail {
        path: path.into(),
        step: step.into(),
        kind: kind_of(step),
        before: element.text().into(),
        after: after.into(),
    };
    let patch = Patch::new(vec![splice]).unwrap();
    captured.body.sent = patch.apply(&source);
    captured.body.sent_document = read(&captured.body.sent).document().cloned();
    captured.applied.push(RuleEffect {
        rule: rule.into(),
        changes: vec![change],
        patch,
    });
}

/// What `document` looks like with content coding: its bytes are not those received.
pub(crate) fn coded(captured: &mut CapturedMessage, received: &'static [u8]) {
    captured.body.received = Bytes::from_static(received);
    captured.body.sent = captured.body.received.clone();
}

pub(crate) fn document(captured: &CapturedMessage) -> &Document {
    captured.body.parsed.document().unwrap()
}

/// What kind of change a step makes, as far as these tests have steps.
pub fn kind_of(step: &str) -> EffectKind {
    match step {
        "set-status" => EffectKind::Status,
        "set-text" | "set-attribute" => EffectKind::Changed,
        "replace-text" => EffectKind::Replaced,
        "set-header" | "add-header" | "remove-header" => EffectKind::Header,
        "insert" => EffectKind::Inserted,
        "replace" => EffectKind::Replaced,
        "remove" | "hide-status" => EffectKind::Removed,
        "copy" | "duplicate" => EffectKind::Copied,
        "move" | "reverse" => EffectKind::Moved,
        "refuse" => EffectKind::Refused,
        "inject-command" => EffectKind::Added,
        "reset" => EffectKind::Reset,
        "delay" => EffectKind::Delayed,
        "answer" => EffectKind::Answered,
        "not applied" => EffectKind::NotApplied,
        "credentials" => EffectKind::RestoredCredentials,
        _ => EffectKind::Other,
    }
}
