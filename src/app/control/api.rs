//! The requests of the control API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answer::Answer;
use super::query;
use super::traffic::Traffic;
use crate::app::print;
use crate::app::rule_sources::report::EntryReport;
use crate::app::rule_sources::{ChangeError, Entry, Put, RuleSetUpdater, Sources, scope};
use crate::rules::SCOPE_HEADER;

/// Every request, for the answer to an unknown one; `docs/control.md` describes them.
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

/// Answers one request. Blocks while it reads rules.
pub(super) fn answer(rules: &RuleSetUpdater, traffic: &Traffic, head: &Parts, body: &[u8]) -> Done {
    let path = head.uri.path().trim_matches('/');
    let segments = path.split('/').map(decoded).collect::<Option<Vec<_>>>();
    let segments = segments.ok_or_else(|| {
        let why = "a name in the path is not percent-encoded UTF-8";
        Answer::error(StatusCode::BAD_REQUEST, why)
    })?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let requests = RuleRequests {
        rules,
        scope: scope_of(head)?,
    };
    let method = match head.method {
        Method::HEAD => "GET",
        _ => head.method.as_str(),
    };
    if !matches!(segments[..], ["sessions"] | ["exchanges"] | ["scopes", _]) {
        query::read(head, &[])?;
    }
    let found = match (method, &segments[..]) {
        ("GET", [""]) => json!({"requests": REQUESTS}),
        ("GET", ["version"]) => {
            json!({"name": "dmtap", "version": env!("CARGO_PKG_VERSION"), "control": 1})
        }
        ("GET", ["rules"]) => return Ok(requests.list()),
        ("POST", ["rules"]) => return requests.add(body),
        ("GET", ["rules", name]) => return requests.show(StatusCode::OK, name),
        ("PUT", ["rules", name]) => return requests.put(name, body),
        ("DELETE", ["rules", name]) => return requests.remove(name),
        ("POST", ["rules", name, "enable"]) => {
            return requests.switch(name, "enabled", Sources::enable);
        }
        ("POST", ["rules", name, "disable"]) => {
            return requests.switch(name, "disabled", Sources::disable);
        }
        ("POST", ["reset"]) => return Ok(requests.reset()),
        ("POST", ["restore"]) => return requests.restore(),
        ("POST", ["reload"]) => return requests.reload(),
        ("GET", ["scopes"]) => json!({"scopes": rules.scopes()}),
        (_, ["scopes", name]) if !scope::is_name(name) => return Err(no_scope()),
        ("GET", ["scopes", name]) => return requests.show_scope(StatusCode::OK, name),
        ("PUT", ["scopes", name]) => return requests.bind_scope(head, name),
        ("DELETE", ["scopes", name]) => return requests.remove_scope(name),
        ("GET", ["sessions"]) => {
            traffic.sessions(&query::read(head, &["after", "limit", "device"])?)
        }
        ("GET", ["sessions", number]) => session(traffic, number)?,
        ("GET", ["exchanges"]) => {
            let query = query::read(head, &query::EXCHANGES)?;
            return Ok(Answer::json(traffic.exchanges(&query).json()));
        }
        (_, segments) => return Err(no_request(segments)),
    };
    Ok(Answer::of(StatusCode::OK, found))
}

/// The answer to a request; `Err` is a refusal.
pub(super) type Done = Result<Answer, Answer>;

/// Refuses a path that is not in [`REQUESTS`], or a method that is not there for it.
fn no_request(segments: &[&str]) -> Answer {
    let is_at = |path: &str| {
        let path: Vec<&str> = path.split('/').collect();
        let mut pairs = path.iter().zip(segments);
        path.len() == segments.len()
            && pairs.all(|(known, it)| known == it || ["NAME", "NUMBER"].contains(known))
    };
    let allowed = REQUESTS.iter().filter_map(|request| {
        let (method, path) = request.split_once(" /")?;
        is_at(path).then_some(method)
    });
    match &allowed.collect::<Vec<_>>()[..] {
        [] => {
            let help = format!("there is {}", REQUESTS.join(", "));
            Answer::error(StatusCode::NOT_FOUND, "there is nothing at this path").help(help)
        }
        allowed => Answer::wrong_method(allowed),
    }
}

/// Returns the scope that a request names in its header field.
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

fn session(traffic: &Traffic, number: &str) -> Result<Value, Answer> {
    let found = number.parse().ok().and_then(|it| traffic.session(it));
    found.ok_or_else(|| {
        let why = format!("there is no session {number}");
        Answer::error(StatusCode::NOT_FOUND, why)
            .help("GET /sessions lists them; of sessions that are over the newest 1000 are kept")
    })
}

/// The requests about rules and scopes.
struct RuleRequests<'a> {
    rules: &'a RuleSetUpdater,
    /// The scope that they are about; without one, the rules of no scope.
    scope: Option<&'a str>,
}

impl RuleRequests<'_> {
    fn show_scope(&self, status: StatusCode, name: &str) -> Done {
        let scopes = self.rules.scopes();
        match scopes.iter().find(|scope| scope.name == name) {
            Some(scope) => Ok(Answer::of(status, scope)),
            None => {
                let why = format!("there is no scope `{name}`");
                Err(Answer::error(StatusCode::NOT_FOUND, why).help("GET /scopes lists all"))
            }
        }
    }

    fn bind_scope(&self, head: &Parts, name: &str) -> Done {
        let device = query::read(head, &["device"])?.device;
        let device = device.filter(|device| !device.is_empty());
        let status = match self.show_scope(StatusCode::OK, name) {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::CREATED,
        };
        self.rules
            .change(|sources| sources.bind_scope(name, device.as_deref()))?;
        self.log("made scope", name);
        self.show_scope(status, name)
    }

    fn remove_scope(&self, name: &str) -> Done {
        self.show_scope(StatusCode::OK, name)?;
        self.rules.restore(Some(name))?;
        self.log("removed scope", name);
        Ok(Answer::done())
    }

    fn list(&self) -> Answer {
        let entries = self.rules.entries_in(self.scope);
        rules(StatusCode::OK, entries.iter())
    }

    fn add(&self, body: &[u8]) -> Done {
        let text = text(body)?;
        let names = self.rules.change(|sources| sources.add(self.scope, text))?;
        self.log("added", &names.join(", "));
        let entries = self.rules.entries_in(self.scope);
        let added = entries
            .iter()
            .filter(|entry| names.contains(&entry.rule.name));
        Ok(rules(StatusCode::CREATED, added))
    }

    fn put(&self, name: &str, body: &[u8]) -> Done {
        let text = text(body)?;
        let put = self
            .rules
            .change(|sources| sources.put(self.scope, name, text))?;
        let (status, did) = match put {
            Put::Added => (StatusCode::CREATED, "added"),
            Put::Replaced => (StatusCode::OK, "replaced"),
        };
        self.log(did, name);
        self.show(status, name)
    }

    fn remove(&self, name: &str) -> Done {
        self.rules
            .change(|sources| sources.remove(self.scope, name))?;
        self.log("removed", name);
        Ok(Answer::done())
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

    fn reset(&self) -> Answer {
        self.rules.reset(self.scope);
        self.log("reset all counts", "");
        Answer::done()
    }

    fn restore(&self) -> Done {
        self.rules.restore(self.scope)?;
        self.log("put everything back as it was at the start", "");
        Ok(self.list())
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
        print::coloured(line.trim_end());
    }
}

/// Creates the answer with a list of rules.
fn rules<'e>(status: StatusCode, entries: impl Iterator<Item = &'e Entry>) -> Answer {
    let rules: Vec<_> = entries.map(EntryReport::of).collect();
    Answer::of(status, BTreeMap::from([("rules", rules)]))
}

fn text(body: &[u8]) -> Result<&str, Answer> {
    std::str::from_utf8(body).map_err(|_| {
        Answer::error(StatusCode::BAD_REQUEST, "the body is not UTF-8")
            .help("the body is TOML as in a rule file")
    })
}

/// Returns a segment of a path without its percent-encoding (RFC 3986 §2.1); `None` if that is broken.
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
