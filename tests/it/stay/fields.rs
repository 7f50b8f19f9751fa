//! Header fields that contain a URL, from the data file.

use std::sync::Arc;

use bytes::Bytes;
use dmtap::conversation::{Conversations, InMemoryState, MessageInput};
use dmtap::flow::{Connection, ConnectionId, ExchangeId, RequestHead, ResponseHead, Timestamp};
use dmtap::markup::Limits;
use dmtap::rules::{HeadEdit, RuleSet, Verdict};
use dmtap::stay::{Extent, StayContext};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::{document, map};

/// A row of the data file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    r#in: String,
    out: String,
    note: Option<String>,
    /// The path of the request, where it is not that of discovery.
    path: Option<String>,
    /// Whether the device sends the field to the server.
    #[serde(default)]
    is_of_request: bool,
}

#[derive(serde::Deserialize)]
struct Rows {
    field: Vec<Row>,
}

#[test]
fn every_header_field_that_leads_somewhere_leads_to_dmtap() {
    let rows: Rows = toml::from_str(include_str!("../../data/stay.toml")).unwrap();
    for row in &rows.field {
        let (verdict, notes) = decided(row);
        let name: HeaderName = row.name.parse().unwrap();
        let set = verdict.head.iter().find_map(|edit| match edit {
            HeadEdit::Set(set, value) if *set == name => std::str::from_utf8(value.as_bytes()).ok(),
            _ => None,
        });
        let (name, sent) = (&row.name, &row.r#in);
        assert_eq!(set.unwrap_or(sent), row.out, "{name}: {sent}");
        // What passes unchanged is no change.
        assert_eq!(set.is_some(), *sent != row.out, "{name}: {sent}");
        assert_eq!(notes, Vec::from_iter(row.note.clone()), "{name}: {sent}");
        let changes = verdict.applied.iter().flat_map(|effect| &effect.changes);
        let changes: Vec<_> = changes.map(|change| &*change.after).collect();
        let shown = format!("{}: {}", name.to_ascii_lowercase(), row.out);
        assert_eq!(changes, Vec::from_iter(set.map(|_| shown)), "{sent}");
    }
    for name in ["Location", "Content-Location", "Refresh"] {
        assert!(rows.field.iter().any(|row| row.name == name), "{name}");
    }
}

/// What leaves of a message with this field, and the ids of its notes.
fn decided(row: &Row) -> (Verdict, Vec<String>) {
    let mut headers = HeaderMap::new();
    let name: HeaderName = row.name.parse().unwrap();
    headers.insert(name, HeaderValue::from_bytes(row.r#in.as_bytes()).unwrap());
    decided_of(row, headers)
}

/// What leaves of a message with these fields, and the ids of its notes.
fn decided_of(row: &Row, headers: HeaderMap) -> (Verdict, Vec<String>) {
    let path = row
        .path
        .as_deref()
        .unwrap_or("/EnrollmentServer/Discovery.svc");
    let connection = Connection {
        id: ConnectionId(1),
        opened: Timestamp(0),
        device: ([127, 0, 0, 1], 1).into(),
        listener: ([127, 0, 0, 1], 2).into(),
        server: "mdm.example.com:443".into(),
        tls: None,
    };
    let (of_request, headers) = match row.is_of_request {
        true => (headers, HeaderMap::new()),
        false => (HeaderMap::new(), headers),
    };
    let request = RequestHead {
        method: Method::GET,
        uri: format!("https://lab.test:8443{path}").parse().unwrap(),
        version: Version::HTTP_11,
        headers: of_request,
    };
    let response = ResponseHead {
        status: StatusCode::FOUND,
        version: Version::HTTP_11,
        headers,
    };
    let limits = Limits::default();
    let stay = StayContext {
        map: map(),
        learned: Arc::default(),
        extent: Extent::Followed,
        path: path.to_owned(),
    };
    let body = Arc::new(document(Bytes::from_static(b"<html/>")));
    let input = MessageInput {
        connection: &connection,
        exchange: ExchangeId(1),
        request: &request,
        response: Some(&response).filter(|_| !row.is_of_request),
        document: Some(&body),
        body: Some(body.source()),
        why_unread: None,
        utf16: None,
        limits: &limits,
        stay: Some(&stay),
        pairs: None,
        identity: None,
    };
    let conversations = Conversations::new(Default::default());
    let (rules, mut state) = (RuleSet::default(), InMemoryState::default());
    let decided = match row.is_of_request {
        true => {
            let (_, decided) =
                conversations.decide_request(&input, &rules, &mut state, Timestamp(0));
            decided
        }
        false => {
            let mut handle = conversations.without_request(&input, Timestamp(0));
            handle.decide_response(&input, &rules, &mut state)
        }
    };
    let notes = decided.notes.iter().map(|note| note.id.to_owned());
    (decided.verdict, notes.collect())
}

#[test]
fn each_cookie_and_each_policy_of_a_response_is_looked_at() {
    let row = |name: &str, r#in: &str| Row {
        name: name.into(),
        r#in: r#in.into(),
        out: String::new(),
        note: None,
        path: None,
        is_of_request: false,
    };
    let mut headers = HeaderMap::new();
    for value in ["a=1", "b=2; Domain=mdm.example.com; Secure", "c=3"] {
        headers.append("set-cookie", value.parse().unwrap());
    }
    let (verdict, _) = decided_of(&row("Set-Cookie", ""), headers.clone());
    verdict.edit_headers(&mut headers);
    let left: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(left, ["a=1", "b=2; Secure", "c=3"]);
}
