//! Header fields of responses that contain a URL, from the data file.

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
            HeadEdit::Set(set, value) if *set == name => value.to_str().ok(),
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

/// What leaves of a response with this field, and the ids of its notes.
fn decided(row: &Row) -> (Verdict, Vec<String>) {
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
    let request = RequestHead {
        method: Method::GET,
        uri: format!("https://lab.test:8443{path}").parse().unwrap(),
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
    };
    let mut headers = HeaderMap::new();
    let name: HeaderName = row.name.parse().unwrap();
    headers.insert(name, HeaderValue::from_str(&row.r#in).unwrap());
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
        response: Some(&response),
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
    let mut handle = conversations.without_request(&input, Timestamp(0));
    let mut state = InMemoryState::default();
    let decided = handle.response(&input, &RuleSet::default(), &mut state);
    let notes = decided.notes.iter().map(|note| note.id.to_owned());
    (decided.verdict, notes.collect())
}
