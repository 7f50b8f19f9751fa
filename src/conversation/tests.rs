//! Tests of decisions: one message as its receiver gets it.

use http::{Method, StatusCode, Version};

use super::*;
use crate::dm::CommandKind;
use crate::flow::reconciler::{MOST_OBLIGATIONS, SuppressReply};
use crate::flow::{
    CertificateTrust, ClientCertificate, ConnectionId, Obligation, OwedByRule, SessionEffects,
    TlsDetails,
};
use crate::markup::{self, Hint};

/// An exchange with a server, and rules for it.
struct Stage {
    connection: Connection,
    request: RequestHead,
    response: ResponseHead,
    limits: Limits,
    conversations: Conversations,
    rules: RuleSet,
}

impl Stage {
    fn new(rules: &str) -> Self {
        Self {
            connection: Connection {
                id: ConnectionId(1),
                opened: Timestamp(0),
                device: ([127, 0, 0, 1], 1).into(),
                listener: ([127, 0, 0, 1], 2).into(),
                server: "mdm.example:443".into(),
                tls: None,
            },
            request: RequestHead {
                method: Method::POST,
                uri: "https://mdm.example/dm".parse().unwrap(),
                version: Version::HTTP_11,
                headers: HeaderMap::new(),
            },
            response: ResponseHead {
                status: StatusCode::OK,
                version: Version::HTTP_11,
                headers: HeaderMap::new(),
            },
            limits: Limits::default(),
            conversations: Conversations::new(SessionLimits::default()),
            rules: RuleSet::from_rules(crate::rules::load::parse("test.toml", rules).unwrap())
                .unwrap(),
        }
    }

    fn input<'a>(&'a self, document: &'a Arc<Document>) -> MessageInput<'a> {
        MessageInput {
            connection: &self.connection,
            exchange: ExchangeId(1),
            request: &self.request,
            response: None,
            document: Some(document),
            body: Some(document.source()),
            why_unread: None,
            utf16: None,
            limits: &self.limits,
            stay: None,
            pairs: None,
            identity: None,
        }
    }

    fn request(&self, document: &Arc<Document>) -> (SessionHandle, Decision) {
        let input = self.input(document);
        self.conversations.decide_request(
            &input,
            &self.rules,
            &mut InMemoryState::default(),
            Timestamp(0),
        )
    }

    /// Passes a response. Returns the number of the session that a later device message with MsgID 1 belongs to.
    fn session_after(&self, response: &Arc<Document>) -> u64 {
        let ask = |number| {
            let (mut handle, _) = self.request(&message(number, STATUS));
            handle.delivered(Side::Server);
            handle
        };
        let pass = |mut handle: SessionHandle, response: &Arc<Document>| {
            let input = MessageInput {
                response: Some(&self.response),
                ..self.input(response)
            };
            let decided =
                handle.decide_response(&input, &self.rules, &mut InMemoryState::default());
            assert_eq!(decided.verdict.applied.len(), self.rules.rules().len());
            handle.delivered(Side::Device);
        };
        pass(ask(1), &message(1, GET));
        pass(ask(2), response);
        ask(1).tag(Side::Device, None).unwrap().number
    }
}

fn message(number: u32, commands: &str) -> Arc<Document> {
    decoded(&format!(
        "<SyncML><SyncHdr><SessionID>7</SessionID><MsgID>{number}</MsgID>\
         <Source><LocURI>urn:uuid:1</LocURI></Source></SyncHdr>\
         <SyncBody>{commands}<Final/></SyncBody></SyncML>"
    ))
}

fn decoded(text: &str) -> Arc<Document> {
    let bytes = text.as_bytes().to_vec().into();
    Arc::new(markup::decode(bytes, Hint::default(), &Limits::default()).unwrap())
}

const GET: &str = "<Get><CmdID>9</CmdID></Get>";
const STATUS: &str =
    "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Data>200</Data></Status>";

#[test]
fn a_key_of_any_length_is_not_kept() {
    let stage = Stage::new("");
    let text = message(1, GET).source().to_vec();
    let text = String::from_utf8(text)
        .unwrap()
        .replace("urn:uuid:1", &"9".repeat(2000));
    let (handle, decided) = stage.request(&decoded(&text));
    assert_eq!(decided.session, None);
    assert_eq!(handle.tag(Side::Device, None), None);
    let notes: Vec<_> = decided.notes.iter().map(|note| note.id).collect();
    assert_eq!(notes, ["SES-01"]);
}

#[test]
fn a_source_that_the_client_certificate_does_not_name_is_noted_once_a_session() {
    let noted = |subject: &str, number: u32| {
        let mut stage = Stage::new("");
        stage.connection.tls = Some(TlsDetails {
            client: Some(Arc::new(ClientCertificate {
                subject: subject.into(),
                issuer: String::new(),
                serial: String::new(),
                sha1: String::new(),
                sha256: String::new(),
                trust: CertificateTrust::DmtapCa,
                chain: Vec::new(),
            })),
            ..TlsDetails::default()
        });
        let mut notes = Vec::new();
        for id in 1..=number {
            let (mut handle, decided) = stage.request(&message(id, GET));
            handle.delivered(Side::Server);
            notes = decided.notes;
        }
        notes.iter().any(|note| note.id == "CERT-01")
    };
    assert!(noted("CN=another device", 1));
    assert!(!noted("CN=another device", 2));
    assert!(!noted("CN=urn:uuid:1", 1));
}

#[test]
fn a_status_without_a_body_delivers_no_message() {
    let check = |status: u16, next: u64| {
        let stage = Stage::new(&format!(
            "[[rule]]\nname = \"a\"\nstage = \"response\"\nstep = {{ set-http-status = {status} }}\n"
        ));
        // A message that asks for more keeps the session open, if the device gets it.
        assert_eq!(stage.session_after(&message(2, GET)), next, "{status}");
    };
    check(200, 1);
    check(204, 2);
    // The device uses its cached content.
    check(304, 1);
    check(500, 1);
}

/// A state that lets another exchange fill the session's reconciler while the rules decide on this one.
struct Overtaken(SharedSession);

impl RuleState for Overtaken {
    fn count(&mut self, _: usize, _: &str) -> u64 {
        let owed = |number| OwedByRule {
            rule: "other".into(),
            obligation: Obligation::Suppress(SuppressReply {
                from: Side::Device,
                msg_ref: "1".into(),
                cmd_ref: format!("{number}").into(),
                cmd: CommandKind::Get,
            }),
        };
        let effects = SessionEffects {
            owed: (0..MOST_OBLIGATIONS).map(owed).collect(),
            ..SessionEffects::default()
        };
        self.0.take_on(&effects).unwrap();
        1
    }

    fn state(&mut self, _: (Option<&str>, &str), _: &str) -> Option<Arc<str>> {
        None
    }

    fn advance(&mut self, _: (Option<&str>, &str), _: &str, _: Option<&str>, _: &str) -> bool {
        true
    }
}

#[test]
fn obligations_for_which_no_room_is_left_are_reported_as_dropped() {
    let stage = Stage::new(
        "[[rule]]\nname = \"a\"\nstage = \"response\"\nlimit = { times = 9 }\n\
         match = { command = \"Get\" }\nstep = { refuse = 404 }\n",
    );
    let (mut handle, _) = stage.request(&message(1, STATUS));
    let get = message(1, "<Get><CmdID>9</CmdID><Item/></Get>");
    let input = MessageInput {
        response: Some(&stage.response),
        ..stage.input(&get)
    };
    let mut other = Overtaken(handle.session.clone().unwrap());
    let decided = handle.decide_response(&input, &stage.rules, &mut other);
    let effects = decided.verdict.applied.iter();
    let steps: Vec<_> = effects
        .flat_map(|effect| {
            effect
                .changes
                .iter()
                .map(|change| (&*effect.rule, &*change.step))
        })
        .collect();
    assert_eq!(steps, [("a", "refuse"), ("a", "dropped")]);
}

#[test]
fn a_message_that_dmtap_answers_itself_is_reported_as_the_effects_left_it() {
    let stage = Stage::new(
        "[[rule]]\nname = \"a\"\nstage = \"request\"\nmatch = { message = 1 }\n\
         step = { challenge = 407, scheme = \"basic\" }\n",
    );
    let alert = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>";
    let (mut handle, decided) = stage.request(&message(1, alert));
    let challenge = decided.verdict.answer.unwrap();
    handle.answered(&challenge.body, &challenge.headers);
    // Only dmtap asked for this message.
    let answer = message(2, STATUS);
    let (_, decided) = stage.request(&answer);
    assert!(decided.verdict.answer.is_some());
    let mut left = answer.source().clone();
    for effect in &decided.verdict.applied {
        left = effect.patch.apply(&left);
    }
    assert_ne!(left, answer.source());
    assert_eq!(decided.verdict.body, Some(left));
}

#[test]
fn an_answer_to_a_command_of_the_server_reaches_it_under_the_number_that_the_server_gave() {
    let skip = r#"
        [[rule]]
        name = "skip"
        stage = "response"
        match = { message = 2 }
        step = { break-msgid = "skip" }
    "#;
    let status = |msg_ref: u32, cmd_ref: u32, cmd: &str| {
        format!(
            "<Status><CmdID>{cmd_ref}1</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{cmd_ref}</CmdRef>\
             <Cmd>{cmd}</Cmd><Data>200</Data></Status>"
        )
    };
    // `answered` is what the device writes about message 2, which arrived as message 3; `expected` is what the server
    // gets.
    let check = |answered: &str, expected: Option<&str>| {
        let stage = Stage::new(skip);
        let pass = |number, asks: &str, answers: &str| {
            let (mut handle, decided) = stage.request(&message(number, answers));
            handle.delivered(Side::Server);
            let response = message(number, asks);
            let input = MessageInput {
                response: Some(&stage.response),
                ..stage.input(&response)
            };
            handle.decide_response(&input, &stage.rules, &mut InMemoryState::default());
            handle.delivered(Side::Device);
            decided
        };
        pass(1, GET, STATUS);
        pass(2, "<Delete><CmdID>5</CmdID></Delete>", STATUS);
        let decided = pass(3, "", answered);
        let body = decided
            .verdict
            .body
            .map(|body| String::from_utf8(body.to_vec()).unwrap());
        let expected =
            expected.map(|it| String::from_utf8(message(3, it).source().to_vec()).unwrap());
        assert_eq!(body, expected, "{answered}");
        assert!(decided.verdict.answer.is_none(), "the server is asked");
        decided
            .notes
            .into_iter()
            .map(|note| note.text)
            .collect::<Vec<_>>()
    };
    let both = |msg_ref| status(msg_ref, 0, "SyncHdr") + &status(msg_ref, 5, "Delete");
    // The device uses the numbers as they arrived.
    assert!(check(&both(3), Some(&both(2))).is_empty());
    // The device counts for itself: the MsgRef is the server's already, and the message is sent unchanged.
    assert_eq!(
        check(&both(2), None),
        [r#"Status has MsgRef "2": the message that it answers arrived with MsgID "3""#]
    );
}
