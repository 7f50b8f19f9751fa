//! The query of a request for a list.

use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::traffic::{LONGEST_WAIT, MOST_PAGE, PageQuery};

/// Reads a query that may have these fields.
pub(super) fn read(head: &Parts, known: &[&str]) -> Result<PageQuery, Answer> {
    let mut query = PageQuery::default();
    let fields = head.uri.query().unwrap_or_default();
    let mut read = Vec::new();
    for field in fields.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let wrong = |what: &str| {
            let why = format!("`{name}` in the query is {what}");
            let help = match known.is_empty() {
                true => "this request has no query".to_owned(),
                false => format!("there is {}", known.join(", ")),
            };
            Answer::error(StatusCode::BAD_REQUEST, why).help(help)
        };
        if !known.contains(&name) {
            return Err(wrong("not known"));
        }
        if read.contains(&name) {
            return Err(wrong("there twice"));
        }
        read.push(name);
        let number = || value.parse().map_err(|_| wrong("no whole number"));
        match name {
            "after" => query.after = number()?,
            "limit" => match usize::try_from(number()?) {
                Ok(limit @ 1..=MOST_PAGE) => query.limit = Some(limit),
                _ => return Err(wrong(&format!("not in 1 to {MOST_PAGE}"))),
            },
            "wait" => match Duration::from_secs(number()?) {
                wait if wait <= LONGEST_WAIT => query.wait = wait,
                _ => {
                    let longest = LONGEST_WAIT.as_secs();
                    return Err(wrong(&format!("not in 0 to {longest} (seconds)")));
                }
            },
            _ => {
                let text = percent_decode_str(value).decode_utf8();
                let text = text.map_err(|_| wrong("not UTF-8"))?;
                query.device = Some(text.into_owned());
            }
        }
    }
    Ok(query)
}

/// The fields of a query for exchanges.
pub(super) const EXCHANGES: [&str; 4] = ["after", "limit", "device", "wait"];

/// Returns the query of a request that wants to wait.
pub(super) fn waiting(head: &Parts) -> Option<PageQuery> {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let is_exchanges = is_read && head.uri.path().trim_matches('/') == "exchanges";
    let query = is_exchanges.then(|| read(head, &EXCHANGES))?;
    query.ok().filter(|query| !query.wait.is_zero())
}
