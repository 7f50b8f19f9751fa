//! The traffic for the control API: the newest sessions and exchanges of the run, as the records have them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hashlink::LinkedHashMap;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use smol_str::SmolStr;
use tokio::sync::{Notify, Semaphore};

use crate::flow::FailureCause;
use crate::record::analysis::AnalysedSession;
use crate::record::journal::Sessions;
use crate::record::model::EventKind;
use crate::record::{EventRecord, Sink, jsonl};

/// A sink that keeps the newest traffic of a run; clones share it.
#[derive(Clone)]
pub struct Traffic {
    /// The sessions of the run, which the journal updates.
    pub sessions: Sessions,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when an exchange ends.
    grown: Notify,
    waiting: Semaphore,
}

#[derive(Default)]
struct State {
    /// The exchanges under way.
    open: LinkedHashMap<u64, Exchange>,
    /// The exchanges that ended, in that order.
    over: VecDeque<(u64, Arc<Exchange>)>,
    /// The size of the kept JSON, in bytes.
    bytes: usize,
}

/// The records of an exchange.
struct Exchange {
    /// The device, if the exchange belongs to a session.
    device: Option<SmolStr>,
    /// The exchange as JSON; while it is under way, without the closing bracket.
    json: String,
}

/// The query of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageQuery {
    /// Only entries after this number.
    pub(super) after: u64,
    /// The limit of entries.
    pub(super) limit: Option<usize>,
    /// Only entries of this device.
    pub(super) device: Option<String>,
    /// The time to wait if there is no entry yet.
    pub(super) wait: Duration,
}

/// The exchanges of a page. They become JSON after the lock is released.
pub(super) struct ExchangePage {
    exchanges: Vec<Arc<Exchange>>,
    last: u64,
    more: bool,
    missed: bool,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            sessions: Sessions::kept(),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                grown: Notify::new(),
                waiting: Semaphore::new(MOST_WAITING),
            }),
        }
    }
}

impl Sink for Traffic {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        if self.state().exchange(record)? {
            self.shared.grown.notify_waiters();
        }
        Ok(())
    }
}

impl Traffic {
    /// Returns the sessions of a page, and enrollments without a session.
    pub(super) fn sessions(&self, query: &PageQuery) -> Value {
        let device = query.device.as_deref();
        let numbers = self.sessions.numbers(query.after, device);
        let limit = query.limit();
        let asked = numbers.iter().take(limit);
        let sessions = asked.filter_map(|number| self.sessions.session(*number));
        let mut last = query.after;
        let sessions = sessions.map(|(session, is_over)| {
            last = session.summary.number.unwrap_or_default();
            session_json(&session, is_over)
        });
        let sessions: Vec<_> = sessions.collect();
        json!({
            "sessions": sessions,
            "last": last,
            "more": numbers.len() > limit,
            "enrollments": self.sessions.enrollments(device),
        })
    }

    /// Returns one session with its transactions.
    pub(super) fn session(&self, number: u64) -> Option<Value> {
        let (session, is_over) = self.sessions.session(number)?;
        let mut json = session_json(&session, is_over);
        json["transactions"] = json!(session.transactions);
        Some(json)
    }

    /// Returns the exchanges of a page.
    pub(super) fn exchanges(&self, query: &PageQuery) -> ExchangePage {
        let state = self.state();
        let from = state.position_after(query.after);
        let mut page = ExchangePage {
            exchanges: Vec::new(),
            last: query.after,
            more: false,
            missed: from.is_none(),
        };
        let (limit, mut bytes) = (query.limit(), 0);
        for (number, exchange) in state.over.range(from.unwrap_or_default()..) {
            if query.is_of_device(exchange) {
                bytes += exchange.json.len();
                let is_first = page.exchanges.is_empty();
                page.more = page.exchanges.len() == limit || !is_first && bytes > PAGE_BYTES;
                if page.more {
                    break;
                }
                page.exchanges.push(exchange.clone());
            }
            page.last = *number;
        }
        page
    }

    /// Waits until an exchange of the query ends, or until its time is over. Returns `false` at once if too many requests
    /// wait already.
    pub(super) async fn wait(&self, query: &PageQuery) -> bool {
        let Ok(_place) = self.shared.waiting.try_acquire() else {
            return false;
        };
        let _ = tokio::time::timeout(query.wait.min(LONGEST_WAIT), async {
            loop {
                let grown = self.shared.grown.notified();
                tokio::pin!(grown);
                grown.as_mut().enable();
                if self.state().has(query) {
                    return;
                }
                grown.await;
            }
        })
        .await;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

impl PageQuery {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE)
    }

    fn is_of_device(&self, exchange: &Exchange) -> bool {
        let device = self.device.as_deref();
        device.is_none_or(|device| exchange.device.as_deref() == Some(device))
    }
}

impl ExchangePage {
    /// Returns the page as JSON: each exchange with the records of its request, and of its response or failure.
    pub(super) fn json(self) -> String {
        let mut text = "{\"exchanges\":[".to_owned();
        for (number, exchange) in self.exchanges.iter().enumerate() {
            text.push_str(if number > 0 { "," } else { "" });
            text.push_str(&exchange.json);
        }
        let (last, more, missed) = (self.last, self.more, self.missed);
        let _ = write!(
            text,
            "],\"last\":{last},\"more\":{more},\"missed\":{missed}}}"
        );
        text
    }
}

/// Returns a session without its transactions. `verdict` is `failed` if a finding is pending, else `ok`; `null` while the
/// session is open and nothing failed.
fn session_json(session: &AnalysedSession, is_over: bool) -> Value {
    let has_failed = session.summary.findings.iter().any(|it| it.pending);
    let verdict = match has_failed {
        true => Some("failed"),
        false => is_over.then_some("ok"),
    };
    let mut json = json!(session.summary);
    json["state"] = json!(if is_over { "over" } else { "open" });
    json["verdict"] = json!(verdict);
    json
}

impl State {
    /// Takes in a record of an exchange. Returns whether the exchange ended with it.
    fn exchange(&mut self, record: &EventRecord) -> io::Result<bool> {
        let Some(number) = record.exchange else {
            return Ok(false);
        };
        let (name, is_over) = match record.event {
            EventKind::Request => ("request", false),
            EventKind::Response => ("response", true),
            EventKind::Failed => ("failed", !record.is_answered),
            _ => return Ok(false),
        };
        if record.cause == Some(FailureCause::NotTaken) {
            return self.not_taken(number, record).map(|()| false);
        }
        let known = self.open.remove(&number);
        self.bytes -= known.as_ref().map_or(0, |known| known.json.len());
        let mut exchange = known.unwrap_or_else(|| Exchange {
            device: None,
            json: format!("{{\"exchange\":{number}"),
        });
        let _ = write!(exchange.json, ",\"{name}\":{}", jsonl::object(record)?);
        if let Some(session) = &record.session {
            exchange.device = Some(session.device.clone());
        }
        if is_over {
            exchange.json.push('}');
        }
        self.bytes += exchange.json.len();
        match is_over {
            true => self.over.push_back((number, Arc::new(exchange))),
            false => drop(self.open.insert(number, exchange)),
        }
        self.make_room();
        Ok(is_over)
    }

    /// Adds the failure of a device to take the response, which comes after the end of the exchange.
    fn not_taken(&mut self, number: u64, record: &EventRecord) -> io::Result<()> {
        let mut newest = self.over.iter_mut().rev();
        let Some((_, over)) = newest.find(|(known, _)| *known == number) else {
            return Ok(());
        };
        let begun = over.json.strip_suffix('}').unwrap_or_default();
        let json = format!("{begun},\"failed\":{}}}", jsonl::object(record)?);
        self.bytes += json.len() - over.json.len();
        *over = Arc::new(Exchange {
            device: over.device.clone(),
            json,
        });
        Ok(())
    }

    /// Removes the oldest exchanges beyond the limits.
    fn make_room(&mut self) {
        while self.over.len() > MOST_EXCHANGES || self.bytes > MOST_BYTES && self.over.len() > 1 {
            let oldest = self.over.pop_front();
            self.bytes -= oldest.map_or(0, |(_, oldest)| oldest.json.len());
        }
        while self.open.len() > MOST_EXCHANGES || self.bytes > MOST_BYTES && self.open.len() > 1 {
            let oldest = self.open.pop_front();
            self.bytes -= oldest.map_or(0, |(_, oldest)| oldest.json.len());
        }
    }

    /// Returns the index of the exchange that ended next after this one; `None` if this one is not kept, or unknown.
    fn position_after(&self, number: u64) -> Option<usize> {
        if number == 0 {
            return Some(0);
        }
        let before = self.over.iter().rposition(|(known, _)| *known == number);
        before.map(|before| before + 1)
    }

    /// Whether an exchange of the query ended.
    fn has(&self, query: &PageQuery) -> bool {
        let from = self.position_after(query.after).unwrap_or_default();
        let mut ended = self.over.range(from..);
        ended.any(|(_, exchange)| query.is_of_device(exchange))
    }
}

/// The limit of exchanges that ended, and of those under way.
const MOST_EXCHANGES: usize = 10_000;
/// The limit of all of them, in bytes.
const MOST_BYTES: usize = 64 << 20;
/// The limit of entries of a page, unless the query has another.
const PAGE: usize = 100;
/// The highest limit that a query can have.
pub(super) const MOST_PAGE: usize = 1_000;
/// The limit of a page of exchanges, in bytes; a single exchange may be larger.
const PAGE_BYTES: usize = 8 << 20;
/// The limit of waiting requests.
const MOST_WAITING: usize = 16;
/// The longest wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, event: &str, exchange: u64, device: &str) -> EventRecord {
        let session =
            json!({"number": 1, "device": device, "server": "s:443", "id": "1", "exchange": 1});
        let record = json!({
            "v": 1, "seq": seq, "event": event, "at": "2026-11-23T04:16:40.000000Z", "at_us": seq,
            "connection": {"id": 1}, "exchange": exchange, "session": session,
        });
        serde_json::from_value(record).unwrap()
    }

    fn page(traffic: &Traffic, after: u64, device: Option<&str>) -> Value {
        let query = PageQuery {
            after,
            limit: Some(2),
            device: device.map(str::to_owned),
            ..PageQuery::default()
        };
        serde_json::from_str(&traffic.exchanges(&query).json()).unwrap()
    }

    fn numbers(page: &Value) -> Vec<u64> {
        let exchanges = page["exchanges"].as_array().unwrap().iter();
        exchanges
            .map(|it| it["exchange"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn an_exchange_that_failed_is_over_when_dmtap_answered_it() {
        let mut traffic = Traffic::default();
        traffic.write_event(&record(1, "request", 1, "a")).unwrap();
        let mut failed = record(2, "failed", 1, "a");
        failed.is_answered = true;
        traffic.write_event(&failed).unwrap();
        assert_eq!(numbers(&page(&traffic, 0, None)), [0; 0]);
        traffic.write_event(&record(3, "response", 1, "a")).unwrap();
        let whole = &page(&traffic, 0, None)["exchanges"][0];
        for event in ["request", "failed", "response"] {
            assert_eq!(whole[event]["event"], event, "{whole}");
        }
        // An exchange without an answer is over at once.
        traffic.write_event(&record(4, "request", 2, "a")).unwrap();
        traffic.write_event(&record(5, "failed", 2, "a")).unwrap();
        assert_eq!(numbers(&page(&traffic, 1, None)), [2]);
        assert!(traffic.state().open.is_empty());
        // The device did not take a response that came.
        let mut failed = record(6, "failed", 1, "a");
        failed.cause = Some(FailureCause::NotTaken);
        traffic.write_event(&failed).unwrap();
        assert_eq!(numbers(&page(&traffic, 0, None)), [1, 2]);
        let whole = &page(&traffic, 0, None)["exchanges"][0];
        assert_eq!(whole["failed"]["cause"], "not-taken", "{whole}");
        let kept: usize = traffic.state().over.iter().map(|it| it.1.json.len()).sum();
        assert_eq!(traffic.state().bytes, kept);
    }

    #[test]
    fn a_page_of_one_device_goes_on_behind_the_exchanges_of_others() {
        let mut traffic = Traffic::default();
        for (exchange, device) in [(1, "b"), (2, "a"), (3, "b"), (4, "a"), (5, "a"), (6, "b")] {
            let response = record(exchange, "response", exchange, device);
            traffic.write_event(&response).unwrap();
        }
        let check = |after: u64, device: &str, expected: &[u64], last: u64, more: bool| {
            let page = page(&traffic, after, Some(device));
            assert_eq!(numbers(&page), expected, "{page}");
            assert_eq!(
                (&page["last"], &page["more"]),
                (&json!(last), &json!(more)),
                "{page}"
            );
            assert_eq!(page["missed"], false);
        };
        check(0, "a", &[2, 4], 4, true);
        check(4, "a", &[5], 6, false);
        check(6, "a", &[], 6, false);
        check(0, "c", &[], 6, false);
        let has = |after: u64, device: &str| {
            let query = PageQuery {
                after,
                device: Some(device.to_owned()),
                ..PageQuery::default()
            };
            traffic.state().has(&query)
        };
        assert_eq!([has(4, "a"), has(5, "a")], [true, false]);
    }

    #[test]
    fn records_go_in_while_a_page_is_written() {
        let mut traffic = Traffic::default();
        traffic.write_event(&record(1, "response", 1, "a")).unwrap();
        let page = traffic.exchanges(&PageQuery::default());
        let kept = traffic.state().over[0].1.clone();
        // The page shares the texts: no copy was made under the lock.
        assert!(Arc::ptr_eq(&page.exchanges[0], &kept));
        traffic.write_event(&record(2, "response", 2, "a")).unwrap();
        assert!(page.json().contains("\"exchange\":1"));
    }

    #[tokio::test]
    async fn only_so_many_requests_wait_at_a_time() {
        let traffic = Traffic::default();
        let query = PageQuery::default();
        assert!(traffic.wait(&query).await);
        let others = traffic
            .shared
            .waiting
            .acquire_many(MOST_WAITING as u32)
            .await;
        assert!(!traffic.wait(&query).await);
        drop(others);
        assert!(traffic.wait(&query).await);
    }

    #[test]
    fn exchanges_that_are_no_longer_kept_are_reported_as_missed() {
        let mut state = State::default();
        let kept = MOST_EXCHANGES as u64;
        for number in 1..=kept + 2 {
            let exchange = Exchange {
                device: None,
                json: "{}".to_owned(),
            };
            state.over.push_back((number, Arc::new(exchange)));
            state.bytes += 2;
            state.make_room();
        }
        assert_eq!(state.over.len(), MOST_EXCHANGES);
        assert_eq!(state.bytes, 2 * MOST_EXCHANGES);
        assert_eq!(state.position_after(2), None);
        assert_eq!(state.position_after(3), Some(1));
        let traffic = Traffic::default();
        *traffic.shared.state.lock() = state;
        let missed = |after: u64| {
            let query = PageQuery {
                after,
                limit: Some(1),
                ..PageQuery::default()
            };
            traffic.exchanges(&query).missed
        };
        assert_eq!([2, 3, kept + 2].map(missed), [true, false, false]);
    }
}
