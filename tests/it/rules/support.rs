//! Conversations as data: earlier messages, a message in, rules, a message out.

use std::sync::Arc;

use bytes::Bytes;
use dmtap::conversation::{InMemoryState, MessageInput, SessionView};
use dmtap::flow::{
    Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, Session, SessionKey, Side,
    Timestamp,
};
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{self, Document, Element, Hint, Limits};
use dmtap::rules::{ErrorStyle, RuleSet, Stage, Verdict, load};

/// A session between a device and a server, as the proxy follows it.
pub(crate) struct Talk {
    pub(crate) session: Session,
    pub(crate) connection: Connection,
    pub(crate) tally: InMemoryState,
    pub(crate) request: RequestHead,
    pub(crate) response: ResponseHead,
    pub(crate) limits: Limits,
    /// Whether the rules know the session's account.
    pub(crate) has_account: bool,
}

impl Talk {
    pub(crate) fn new(number: u64, device: &str) -> Self {
        let key = SessionKey {
            server: "mdm.example:443".into(),
            device: device.into(),
            id: "7".into(),
        };
        let request = http::Request::post("https://mdm.example/dm?mode=Machine").body(());
        let response = http::Response::new(());
        Self {
            session: Session::new(number, key),
            connection: connection(number),
            tally: InMemoryState::default(),
            request: request_head(request.unwrap()),
            response: response_head(response),
            limits: Limits::default(),
            has_account: true,
        }
    }

    /// A message that was delivered before, unchanged.
    pub(crate) fn said(mut self, by: Side, message: &Document) -> Self {
        self.session
            .delivered(by.other(), Arc::new(message.clone()), None);
        self
    }

    /// Asks the book about a body of `stage`, as the proxy does.
    pub(crate) fn decide(&mut self, book: &RuleSet, stage: Stage, body: &Document) -> Verdict {
        let document = Arc::new(body.clone());
        let speaker = match stage {
            Stage::Response => Side::Server,
            _ => Side::Device,
        };
        let mut view = SessionView::of(&mut self.session, speaker, &document);
        if !self.has_account {
            view.reconciler = None;
        }
        let mut tally = std::mem::take(&mut self.tally);
        let input = MessageInput {
            document: Some(&document),
            ..self.input(stage, Some(document.source()))
        };
        let verdict = view.decide(&input, book, &mut tally);
        self.tally = tally;
        verdict
    }

    /// Asks the book about a message that is not markup.
    pub(crate) fn decide_opaque(&mut self, book: &RuleSet, stage: Stage) -> Verdict {
        self.decide_bytes(book, stage, None)
    }

    /// Asks the book about bytes that are not markup.
    pub(crate) fn decide_bytes(
        &mut self,
        book: &RuleSet,
        stage: Stage,
        body: Option<&Bytes>,
    ) -> Verdict {
        let mut tally = std::mem::take(&mut self.tally);
        let input = self.input(stage, body);
        let verdict = SessionView::default().decide(&input, book, &mut tally);
        self.tally = tally;
        verdict
    }

    fn input<'a>(&'a self, stage: Stage, body: Option<&'a Bytes>) -> MessageInput<'a> {
        MessageInput {
            connection: &self.connection,
            exchange: ExchangeId(1),
            request: &self.request,
            response: (stage == Stage::Response).then_some(&self.response),
            document: None,
            body,
            why_unread: None,
            utf16: None,
            limits: &self.limits,
            stay: None,
            pairs: None,
            identity: None,
        }
    }
}

pub(crate) fn connection(id: u64) -> Connection {
    Connection {
        id: ConnectionId(id),
        opened: Timestamp(0),
        device: ([127, 0, 0, 1], 40_000).into(),
        listener: ([127, 0, 0, 1], 8443).into(),
        server: "mdm.example:443".into(),
        tls: None,
    }
}

fn request_head(request: http::Request<()>) -> RequestHead {
    let (parts, ()) = request.into_parts();
    RequestHead {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
    }
}

fn response_head(response: http::Response<()>) -> ResponseHead {
    let (parts, ()) = response.into_parts();
    ResponseHead {
        status: parts.status,
        version: parts.version,
        headers: parts.headers,
    }
}

/// The book of one file; its errors are the test's.
pub(crate) fn book(text: &str) -> RuleSet {
    match load::parse("test.toml", text) {
        Ok(rules) => RuleSet::from_rules(rules).unwrap(),
        Err(errors) => panic!("{}", errors.render(ErrorStyle::Plain)),
    }
}

/// The errors of a file as drawn on paper; nothing for a file that is right.
pub(crate) fn drawn(file: &str) -> String {
    match load::parse("test.toml", file) {
        Ok(_) => String::new(),
        Err(errors) => errors.render(ErrorStyle::Plain),
    }
}

/// Checks the errors of a file, exactly as drawn; `REFERENCE` stands for the place of all words.
pub(crate) fn check(file: &str, expected: &str) {
    let expected = expected.trim_start_matches('\n');
    let expected = expected.replace("REFERENCE", "`dmtap rules schema`");
    assert_eq!(drawn(file), expected, "{file}");
}

/// Checks that a file is refused with these words in one error, and accepted if there are none.
pub(crate) fn check_file(file: &str, words: &[&str]) {
    let drawn = drawn(file);
    let errors = drawn.matches("error:").count();
    assert_eq!(errors, usize::from(!words.is_empty()), "{file}\n{drawn}");
    for word in words {
        assert!(drawn.contains(word), "{word}\n{file}\n{drawn}");
    }
}

/// Checks the same of one rule with these keys, at a stage.
pub(crate) fn check_rule(stage: &str, keys: &str, words: &[&str]) {
    let file = format!("[[rule]]\nname = \"a\"\nstage = \"{stage}\"\n{keys}\n");
    check_file(&file, words);
}

/// A message with these commands in its body.
pub(crate) fn message(number: u32, commands: &str) -> Document {
    decode(&message_text(number, commands))
}

/// The text of [`message`].
pub(crate) fn message_text(number: u32, commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>{number}</MsgID><Target><LocURI>a</LocURI></Target>\
         <Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

pub(crate) fn decode(text: &str) -> Document {
    let source = Bytes::copy_from_slice(text.as_bytes());
    markup::decode(source, Hint::default(), &Limits::default()).unwrap()
}

/// The same message as WBXML.
pub(crate) fn wbxml(document: &Document) -> Document {
    let bytes = encode(document, &WbxmlOptions::default()).unwrap();
    markup::decode(bytes.into(), Hint::default(), &Limits::default()).unwrap()
}

/// The tree of a document in words, the same for XML and WBXML.
pub(crate) fn tree(document: &Document) -> Vec<(String, String)> {
    let words = |element: Element<'_>| (element.path().to_string(), element.text().into_owned());
    document.elements().map(words).collect()
}

/// A command on one node.
pub(crate) fn on(command: &str, id: u32, uri: &str) -> String {
    format!(
        "<{command}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target>\
         <Data>old</Data></Item></{command}>"
    )
}

/// A Status for command `answered` of message `message`.
pub(crate) fn status(id: u32, message: u32, answered: u32, name: &str, code: u16) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{answered}</CmdRef>\
         <Cmd>{name}</Cmd><Data>{code}</Data></Status>"
    )
}
