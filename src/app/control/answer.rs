//! What the control API answers: JSON, with a word on what would be right where something is wrong.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::rule_errors_json;
use crate::app::rule_sources::ChangeError;
use crate::rules::{ErrorStyle, RuleErrors};

pub(super) type Body = Full<Bytes>;

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content: Said,
    field: Option<(header::HeaderName, String)>,
}

/// A body in the making.
#[derive(Debug)]
enum Said {
    Nothing,
    /// JSON, its fields in the order of the type.
    Done(String),
    /// What is wrong, and what would be right.
    Wrong(Map<String, Value>),
}

impl Answer {
    /// A success that says something.
    pub(super) fn of(status: StatusCode, value: impl Serialize) -> Self {
        let said = serde_json::to_string(&value);
        Self {
            status,
            content: Said::Done(said.expect("texts and numbers make JSON")),
            field: None,
        }
    }

    /// A success whose JSON is there already.
    pub(super) fn json(text: String) -> Self {
        Self {
            status: StatusCode::OK,
            content: Said::Done(text),
            field: None,
        }
    }

    /// A success that says nothing.
    pub(super) fn done() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content: Said::Nothing,
            field: None,
        }
    }

    pub(super) fn error(status: StatusCode, why: impl Into<String>) -> Self {
        let answer = Self {
            status,
            content: Said::Wrong(Map::new()),
            field: None,
        };
        answer.with("error", why.into())
    }

    /// Adds what would be right.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        self.with("help", help.into())
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Said::Wrong(fields) = &mut self.content {
            fields.insert(key.to_owned(), value.into());
        }
        self
    }

    pub(super) fn unauthorized(why: &str) -> Self {
        let mut answer = Self::error(StatusCode::UNAUTHORIZED, why);
        answer.field = Some((header::WWW_AUTHENTICATE, "Bearer".into()));
        answer
    }

    pub(super) fn wrong_method(allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let mut answer = Self::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method does nothing here",
        )
        .help(format!("use {allowed}"));
        answer.field = Some((header::ALLOW, allowed));
        answer
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let why = format!("the body is larger than {limit} bytes");
        Self::error(StatusCode::PAYLOAD_TOO_LARGE, why)
            .help("send the rules in several requests, or load them as files with --rules")
    }

    pub(super) fn too_many_waiting() -> Self {
        let why = "too many requests wait already";
        Self::error(StatusCode::SERVICE_UNAVAILABLE, why).help("ask without wait, or later")
    }

    pub(super) fn broken_body() -> Self {
        Self::error(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come whole in time",
        )
    }

    pub(super) fn fault() -> Self {
        let why = "a fault in dmtap; its log says more";
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, why)
    }

    /// Why a change was not made.
    pub(super) fn refusal(error: &ChangeError) -> Self {
        let with = |status| Self::error(status, error.to_string());
        match error {
            ChangeError::Rules(errors) => wrong(StatusCode::BAD_REQUEST, errors),
            ChangeError::Taken(errors) => wrong(StatusCode::CONFLICT, errors)
                .help("choose another name, or PUT /rules/NAME to replace the rule"),
            ChangeError::NoRule => with(StatusCode::BAD_REQUEST)
                .help("the body is TOML as in a rule file: [[rule]] with name, stage and step"),
            ChangeError::OtherRules { .. } => with(StatusCode::BAD_REQUEST)
                .help("PUT takes one rule, named as in the path; POST /rules takes any number"),
            ChangeError::Unknown { near, .. } => with(StatusCode::NOT_FOUND).help(match near {
                Some(near) => format!("did you mean `{near}`? GET /rules lists all"),
                None => "GET /rules lists all".to_owned(),
            }),
            ChangeError::TooMany => with(StatusCode::CONFLICT)
                .help("remove some with DELETE /rules/NAME, or POST /restore"),
            ChangeError::TooManyScopes => {
                with(StatusCode::CONFLICT).help("remove some with DELETE /scopes/NAME")
            }
            ChangeError::ConnectionInScope(_) => with(StatusCode::BAD_REQUEST).help(
                "a connection is received before a request names a scope: leave X-Dmtap-Scope out",
            ),
            ChangeError::Duplicate(_) => with(StatusCode::CONFLICT),
        }
    }

    /// What is wrong, where something is.
    pub(super) fn why(&self) -> &str {
        let why = match &self.content {
            Said::Wrong(fields) => fields.get("error").and_then(Value::as_str),
            _ => None,
        };
        why.unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = match self.content {
            Said::Nothing => Bytes::new(),
            Said::Done(text) => (text + "\n").into(),
            Said::Wrong(fields) => format!("{}\n", Value::from(fields)).into(),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        let fixed = HeaderValue::from_static;
        fields.insert(header::CONTENT_TYPE, fixed("application/json"));
        fields.insert(header::CACHE_CONTROL, fixed("no-store"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        if let Some((name, value)) = self.field
            && let Ok(value) = value.parse()
        {
            fields.insert(name, value);
        }
        response
    }
}

/// Rules that are wrong: each error with its place, and all of them as they are drawn on a terminal.
fn wrong(status: StatusCode, errors: &RuleErrors) -> Answer {
    let first = errors.errors().first().map_or("", |error| error.title());
    Answer::error(status, first)
        .with("errors", rule_errors_json::each(errors.errors()))
        .with("drawn", errors.render(ErrorStyle::Plain))
}
