//! Checks that a record explains every change of a body.

use std::collections::HashMap;

use bytes::Bytes;
use dmtap::markup::utf16;
use dmtap::patch::{Patch, Span, Splice};
use dmtap::record::EventRecord;
use dmtap::record::model::{DeliveryStepRecord, EventKind, RuleEffectRecord};

use super::ends::{Arrived, NUMBER};
use super::messages::{Exchange, Half};

/// Holds each message of a record against what was sent and what arrived. Gives how many bodies rules changed.
pub fn check(
    records: &[EventRecord],
    exchanges: &[Exchange],
    requests: &[Arrived],
    responses: &[Arrived],
) -> usize {
    let mut numbers = HashMap::new();
    let mut changed = 0;
    for record in records {
        let (EventKind::Request | EventKind::Response) = record.event else {
            continue;
        };
        let exchange = record.exchange.unwrap();
        let head = record.head.as_ref().unwrap();
        if let Some(number) = head.header(NUMBER) {
            numbers.insert(exchange, number.parse::<usize>().unwrap());
        }
        // dmtap's own message has no bytes as received.
        if record.own {
            continue;
        }
        let number = numbers[&exchange];
        let (half, arrived) = match record.event {
            EventKind::Request => (&exchanges[number].request, requests),
            _ => (&exchanges[number].response, responses),
        };
        let left = explained(record, half);
        changed += usize::from(left.is_some());
        // A rule may send nothing of it, or only a part.
        let is_whole = |op: &DeliveryStepRecord| {
            matches!(
                op,
                DeliveryStepRecord::WaitUs(_) | DeliveryStepRecord::SentWhole
            )
        };
        if !record.delivery.iter().all(is_whole) {
            continue;
        }
        for arrived in arrived.iter().filter(|a| a.number == number) {
            // What arrived may be an answer of dmtap's own: that is another record.
            if !arrived.headers.contains_key(NUMBER) {
                continue;
            }
            match &left {
                None => assert_eq!(arrived.body, half.body, "{}", what(record)),
                Some(left) => assert_eq!(text(&arrived.body), text(left), "{}", what(record)),
            }
        }
    }
    changed
}

/// The body that the rules made of the one received, by the splices of the record; `None`: they changed nothing.
fn explained(record: &EventRecord, half: &Half) -> Option<Bytes> {
    let body = record.body.as_ref().map_or(&[][..], |body| &body.0);
    let received = Bytes::copy_from_slice(body);
    let is_known = |plain: &Bytes| [&half.body, plain, &text(plain)].contains(&&received);
    let is_sent = half.plain.as_ref().is_none_or(is_known);
    assert!(is_sent || received.is_empty(), "{}", what(record));
    let mut left = received.clone();
    for effect in &record.applied {
        left = patch(effect).apply(&left);
    }
    match &record.sent {
        None => assert_eq!(left, received, "{}", what(record)),
        Some(sent) => {
            let sent = Bytes::copy_from_slice(&sent.0);
            assert_eq!(text(&left), text(&sent), "{}", what(record));
        }
    }
    record.sent.is_some().then_some(left)
}

/// What begins like XML in UTF-16 is recorded in UTF-8.
fn text(bytes: &Bytes) -> Bytes {
    utf16::in_utf8(bytes.clone()).unwrap_or_else(|_| bytes.clone())
}

fn patch(effect: &RuleEffectRecord) -> Patch {
    let splices = effect.splices.iter().map(|splice| Splice {
        span: Span::new(splice.start, splice.end),
        with: splice.with.0.to_vec(),
    });
    Patch::new(splices.collect()).unwrap()
}

/// A record for people, without its bodies.
fn what(record: &EventRecord) -> String {
    let short = EventRecord {
        body: None,
        sent: None,
        commands: Vec::new(),
        ..record.clone()
    };
    serde_json::to_string_pretty(&short).unwrap()
}
