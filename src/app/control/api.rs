//! What can be asked for, and what it does.

use std::borrow::Cow;

use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::query;
use super::traffic::Traffic;
use crate::app::rule_sources::report::EntryReport;
use crate::app::rule_sources::watch::OnChange;
use crate::app::rule_sources::{ChangeError, Entry, Put, RuleSetUpdater, Sources, scope};
use crate::rules::SCOPE_HEADER;

/// Every request, for those who ask for something else. `docs/control.md` says more.
const REQUESTS: [&str; 19] = [
    "GET /",
    "GET /version",
    "GET /rules",
    "POST /rules",
    "GET /rules/NAME",
    "PUT /rules/NAME",
    "DELETE /rules/NAME",
    "POST /rules/NAME/enable",
    "POST /rules/NAME/disable",
    "POST /reset",
    "POST /restore",
    "POST /reload",
    "GET /scopes",
    "GET /scopes/NAME",
    "PUT /scopes/NAME",
    "DELETE /scopes/NAME",
    "GET /sessions",
    "GET /sessions/NUMBER",
    "GET /exchanges",
];

/// Answers one request. Blocks for as long as rules are read.
pub(super) fn answer(
    rules: &RuleSetUpdater,
    traffic: &Traffic,
    on_change: &OnChange,
    head: &Parts,
    body: &[u8],
) -> Answer {
    let path = head
        .uri
        .path()
        .trim_start_matches('/')
        .trim_end_matches('/');
    let Some(segments) = path.split('/').map(decoded).collect::<Option<Vec<_>>>() else {
        let why = "a name in the path is not percent-encoded UTF-8";
        return Answer::error(StatusCode::BAD_REQUEST, why);
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let scope = match scope_of(head) {
        Ok(scope) => scope,
        Err(wrong) => return wrong,
    };
    let requests = RuleRequests {
        rules,
        scope,
        on_change,
    };
    let done = match &segments[..] {
        [""] => read_only(&head.method, || Ok(Answer::of(StatusCode::OK, overview()))),
        ["version"] => read_only(&head.method, || Ok(Answer::of(StatusCode::OK, version()))),
        ["rules"] => requests.rules(&head.method, body),
        ["rules", name] => requests.rule(&head.method, name, body),
        ["rules", name, "enable"] => act(&head.method, || {
            requests.switch(name, "enabled", Sources::enable)
        }),
        ["rules", name, "disable"] => act(&head.method, || {
            requests.switch(name, "disabled", Sources::disable)
        }),
        ["reset"] => act(&head.method, || requests.reset()),
        ["restore"] => act(&head.method, || requests.restore()),
        ["reload"] => act(&head.method, || requests.reload()),
        ["scopes"] => read_only(&head.method, || {
            let scopes = json!({"scopes": rules.scopes()});
            Ok(Answer::of(StatusCode::OK, scopes))
        }),
        ["scopes", name] => requests.scope(head, name),
        ["sessions"] => read_only(&head.method, || Ok(sessions(traffic, head))),
        ["sessions", number] => read_only(&head.method, || Ok(session(traffic, number))),
        ["exchanges"] => read_only(&head.method, || Ok(exchanges(traffic, head))),
        _ => Ok(unknown()),
    };
    done.unwrap_or_else(|error| Answer::refusal(&error))
}

type Done = Result<Answer, ChangeError>;

fn read_only(method: &Method, answer: impl FnOnce() -> Done) -> Done {
    match *method {
        Method::GET | Method::HEAD => answer(),
        _ => Ok(Answer::wrong_method(&["GET"])),
    }
}

fn act(method: &Method, act: impl FnOnce() -> Done) -> Done {
    match *method {
        Method::POST => act(),
        _ => Ok(Answer::wrong_method(&["POST"])),
    }
}

fn overview() -> serde_json::Value {
    json!({"requests": REQUESTS})
}

fn version() -> serde_json::Value {
    json!({"name": "dmtap", "version": env!("CARGO_PKG_VERSION"), "control": 1})
}

fn unknown() -> Answer {
    let help = format!("there is {}", REQUESTS.join(", "));
    Answer::error(StatusCode::NOT_FOUND, "there is nothing at this path").help(help)
}

/// The scope that a request is about.
fn scope_of(head: &Parts) -> Result<Option<&str>, Answer> {
    let mut named = head.headers.get_all(SCOPE_HEADER).iter();
    let Some(scope) = named.next() else {
        return Ok(None);
    };
    let scope = scope.to_str().ok().filter(|name| scope::is_name(name));
    match (scope, named.next()) {
        (Some(scope), None) => Ok(Some(scope)),
        _ => Err(no_scope()),
    }
}

fn no_scope() -> Answer {
    Answer::error(
        StatusCode::BAD_REQUEST,
        "this cannot be the name of a scope",
    )
    .help("a scope has one name of at most 64 letters, digits, `.`, `_` and `-`")
}

fn sessions(traffic: &Traffic, head: &Parts) -> Answer {
    match query::read(head, &["after", "limit", "device"]) {
        Ok(query) => Answer::of(StatusCode::OK, traffic.sessions(&query)),
        Err(why) => why,
    }
}

fn session(traffic: &Traffic, number: &str) -> Answer {
    let found = number.parse().ok().and_then(|it| traffic.session(it));
    match found {
        Some(session) => Answer::of(StatusCode::OK, session),
        None => Answer::error(
            StatusCode::NOT_FOUND,
            format!("there is no session {number}"),
        )
        .help("GET /sessions lists them; of sessions that are over the newest 1000 are kept"),
    }
}

fn exchanges(traffic: &Traffic, head: &Parts) -> Answer {
    match query::read(head, &query::EXCHANGES) {
        Ok(query) => Answer::json(traffic.exchanges(&query).json()),
        Err(why) => why,
    }
}

/// Rules as JSON.
#[derive(Serialize)]
struct List<'e> {
    rules: Vec<EntryReport<'e>>,
}

impl<'e> List<'e> {
    fn of(entries: impl Iterator<Item = &'e Entry>) -> Self {
        Self {
            rules: entries.map(EntryReport::of).collect(),
        }
    }
}

/// The requests about rules.
struct RuleRequests<'a> {
    rules: &'a RuleSetUpdater,
    /// The scope that they are about; without one, the rules of no scope.
    scope: Option<&'a str>,
    on_change: &'a OnChange,
}

impl RuleRequests<'_> {
    /// A request about a scope itself.
    fn scope(&self, head: &Parts, name: &str) -> Done {
        if !scope::is_name(name) {
            return Ok(no_scope());
        }
        let known = || self.rules.scopes().into_iter().find(|it| it.name == name);
        let unknown = || {
            Answer::error(StatusCode::NOT_FOUND, format!("there is no scope `{name}`"))
                .help("GET /scopes lists all")
        };
        match head.method {
            Method::GET | Method::HEAD => {
                Ok(known().map_or_else(unknown, |scope| Answer::of(StatusCode::OK, scope)))
            }
            Method::PUT => {
                let device = match query::read(head, &["device"]) {
                    Ok(query) => query.device,
                    Err(wrong) => return Ok(wrong),
                };
                let status = known().map_or(StatusCode::CREATED, |_| StatusCode::OK);
                let device = device.as_deref().filter(|device| !device.is_empty());
                self.rules
                    .change(|sources| sources.bind_scope(name, device))?;
                self.log("made scope", name);
                Ok(known().map_or_else(unknown, |scope| Answer::of(status, scope)))
            }
            Method::DELETE if known().is_none() => Ok(unknown()),
            Method::DELETE => {
                self.rules.restore(Some(name))?;
                self.log("removed scope", name);
                Ok(Answer::done())
            }
            _ => Ok(Answer::wrong_method(&["GET", "PUT", "DELETE"])),
        }
    }

    fn rules(&self, method: &Method, body: &[u8]) -> Done {
        match *method {
            Method::GET | Method::HEAD => {
                let entries = self.rules.entries_in(self.scope);
                Ok(Answer::of(StatusCode::OK, List::of(entries.iter())))
            }
            Method::POST => self.add(body),
            _ => Ok(Answer::wrong_method(&["GET", "POST"])),
        }
    }

    fn rule(&self, method: &Method, name: &str, body: &[u8]) -> Done {
        match *method {
            Method::GET | Method::HEAD => self.show(StatusCode::OK, name),
            Method::PUT => self.put(name, body),
            Method::DELETE => {
                self.rules
                    .change(|sources| sources.remove(self.scope, name))?;
                self.log("removed", name);
                Ok(Answer::done())
            }
            _ => Ok(Answer::wrong_method(&["GET", "PUT", "DELETE"])),
        }
    }

    fn add(&self, body: &[u8]) -> Done {
        let Ok(text) = std::str::from_utf8(body) else {
            return Ok(no_text());
        };
        let names = self.rules.change(|sources| sources.add(self.scope, text))?;
        self.log("added", &names.join(", "));
        let entries = self.rules.entries_in(self.scope);
        let added = entries
            .iter()
            .filter(|entry| names.contains(&entry.rule.name));
        Ok(Answer::of(StatusCode::CREATED, List::of(added)))
    }

    fn put(&self, name: &str, body: &[u8]) -> Done {
        let Ok(text) = std::str::from_utf8(body) else {
            return Ok(no_text());
        };
        let (status, did) = match self
            .rules
            .change(|sources| sources.put(self.scope, name, text))?
        {
            Put::Added => (StatusCode::CREATED, "added"),
            Put::Replaced => (StatusCode::OK, "replaced"),
        };
        self.log(did, name);
        self.show(status, name)
    }

    fn switch(
        &self,
        name: &str,
        did: &str,
        switch: fn(&mut Sources, Option<&str>, &str) -> Result<(), ChangeError>,
    ) -> Done {
        self.rules
            .change(|sources| switch(sources, self.scope, name))?;
        self.log(did, name);
        self.show(StatusCode::OK, name)
    }

    fn reset(&self) -> Done {
        self.rules.reset(self.scope);
        self.log("reset all counts", "");
        Ok(Answer::done())
    }

    fn restore(&self) -> Done {
        self.rules.restore(self.scope)?;
        self.log("put everything back as it was at the start", "");
        self.rules(&Method::GET, &[])
    }

    fn reload(&self) -> Done {
        let reloaded = self.rules.reload()?;
        self.log("reloaded", &reloaded.changed.join(", "));
        let absent = reloaded.absent.iter();
        let absent = absent.map(|(file, why)| json!({"file": file, "why": why}));
        let body = json!({
            "changed": reloaded.changed,
            "absent": absent.collect::<Vec<_>>(),
            "in_force": reloaded.in_force,
        });
        Ok(Answer::of(StatusCode::OK, body))
    }

    fn show(&self, status: StatusCode, name: &str) -> Done {
        let entry = self.rules.entry(self.scope, name)?;
        Ok(Answer::of(status, EntryReport::of(&entry)))
    }

    fn log(&self, did: &str, what: &str) {
        let line = match self.scope {
            Some(scope) => format!("rules: control in scope {scope} {did} {what}"),
            None => format!("rules: control {did} {what}"),
        };
        (self.on_change)(line.trim_end());
    }
}

fn no_text() -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "the body is not UTF-8")
        .help("the body is TOML as in a rule file")
}

/// A segment of a path without its percent-encoding (RFC 3986 §2.1); `None` if that is broken.
fn decoded(segment: &str) -> Option<String> {
    let is_hex =
        |part: &str| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    let is_whole = segment.split('%').skip(1).all(is_hex);
    let text = percent_decode_str(segment).decode_utf8();
    text.ok().filter(|_| is_whole).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_percent_encoded() {
        let check = |segment: &str, expected: Option<&str>| {
            assert_eq!(decoded(segment).as_deref(), expected, "{segment}");
        };
        check("busy", Some("busy"));
        check("so%20busy%2F%c3%a4", Some("so busy/ä"));
        check("100%", None);
        check("%4", None);
        check("%zz", None);
        check("%ff", None);
    }
}
