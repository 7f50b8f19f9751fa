//! The answers of the control API: JSON; that of an error also says what would be right.

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

/// An answer before it becomes an HTTP response.
#[derive(Debug, Default)]
pub(super) struct Answer {
    status: StatusCode,
    /// The JSON of a success; empty if there is nothing to return.
    json: String,
    /// The error and what would be right; empty in a success.
    error: Map<String, Value>,
    field: Option<(header::HeaderName, String)>,
}

impl Answer {
    /// Creates a success with a value, whose fields keep the order of its type.
    pub(super) fn of(status: StatusCode, value: impl Serialize) -> Self {
        let json = serde_json::to_string(&value);
        let json = json.expect("texts and numbers make JSON");
        Self {
            status,
            ..Self::json(json)
        }
    }

    /// Creates a success from JSON.
    pub(super) fn json(json: String) -> Self {
        Self {
            json,
            ..Self::default()
        }
    }

    /// Creates a success without content.
    pub(super) fn done() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            ..Self::default()
        }
    }

    pub(super) fn error(status: StatusCode, why: impl Into<String>) -> Self {
        let answer = Self {
            status,
            ..Self::default()
        };
        answer.with("error", why.into())
    }

    /// Adds what would be right.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        self.with("help", help.into())
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.error.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn unauthorized(why: &str) -> Self {
        Self {
            field: Some((header::WWW_AUTHENTICATE, "Bearer".into())),
            ..Self::error(StatusCode::UNAUTHORIZED, why)
        }
    }

    pub(super) fn wrong_method(allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let why = "this method does nothing here";
        let answer = Self::error(StatusCode::METHOD_NOT_ALLOWED, why);
        Self {
            field: Some((header::ALLOW, allowed.clone())),
            ..answer.help(format!("use {allowed}"))
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let why = format!("the body is larger than {limit} bytes");
        Self::error(StatusCode::PAYLOAD_TOO_LARGE, why)
            .help("send the rules in several requests, or load them as files with --rules")
    }

    /// Returns the reason of an error; empty for a success.
    pub(super) fn why(&self) -> &str {
        let why = self.error.get("error").and_then(Value::as_str);
        why.unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = match (self.error.is_empty(), self.json.is_empty()) {
            (false, _) => format!("{}\n", Value::from(self.error)),
            (true, false) => self.json + "\n",
            (true, true) => String::new(),
        };
        let mut response = Response::new(Full::from(body));
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

/// The answer to a change that was refused.
impl From<ChangeError> for Answer {
    fn from(error: ChangeError) -> Self {
        let with = |status| Self::error(status, error.to_string());
        match &error {
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
}

/// Creates the answer to rules with mistakes: each mistake with its place, and the drawing that a terminal shows.
fn wrong(status: StatusCode, errors: &RuleErrors) -> Answer {
    let first = errors.errors().first().map_or("", |error| error.title());
    Answer::error(status, first)
        .with("errors", rule_errors_json::each(errors.errors()))
        .with("drawn", errors.render(ErrorStyle::Plain))
}
