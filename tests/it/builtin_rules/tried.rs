//! The record of a played built-in rule, replayed without a network: the sent bytes are the same.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use dmtap::app::trial::{Applicability, Recorded, Trial};
use dmtap::builtin_rules::BuiltinRule;
use dmtap::flow::{Event, Side};
use dmtap::identity::enrollment;
use dmtap::markup::Limits;
use dmtap::patch::{Patch, Span, Splice};
use dmtap::record::model::RuleEffectRecord;
use dmtap::record::{EventRecord, JsonLines, Masking, Sink, replay};
use dmtap::rules::{RuleSet, load};
use dmtap::stay;

/// What came of it.
#[derive(Debug, Default)]
pub struct Tried {
    /// Messages that left as they left the proxy.
    pub same: usize,
    /// Those of them on which a rule acted.
    pub acted: usize,
    /// Those of them that dmtap rewrote by itself.
    pub rewritten: usize,
    /// Where they did not.
    pub differences: Vec<String>,
    /// What a record does not hold, so that nothing can be compared.
    pub unknown: Vec<&'static str>,
}

/// Tries a built-in rule on what was played with it.
pub fn again(builtin: &BuiltinRule, events: &[Event]) -> Tried {
    let rules = RuleSet::from_rules(load::parse(builtin.name, builtin.text).unwrap()).unwrap();
    let mut comparison = Comparison {
        rules,
        run: Trial::new(http::Uri::default(), Limits::default()),
        answers: HashMap::new(),
        replaced: HashSet::new(),
        tried: Tried::default(),
    };
    let mut recorded = Recorded::new(Limits::default());
    let damage = replay(&*record(events), |event, _| {
        comparison.event(&mut recorded, &event);
        Ok(())
    });
    assert!(damage.unwrap().is_empty());
    for exchange in comparison.answers.keys() {
        let line = format!("x{exchange} is answered, and was not");
        comparison.tried.differences.push(line);
    }
    comparison.tried
}

fn record(events: &[Event]) -> Vec<u8> {
    let mut lines = JsonLines::new(Vec::new());
    for (seq, event) in (1..).zip(events) {
        let record = EventRecord::of(seq, event, Masking::Raw);
        lines.write_event(&record).unwrap();
    }
    lines.finish().unwrap();
    lines.into_inner()
}

fn spliced(body: &Bytes, effect: &RuleEffectRecord) -> Bytes {
    let splices = effect.splices.iter().map(|splice| Splice {
        span: Span::new(splice.start, splice.end),
        with: splice.with.0.to_vec(),
    });
    Patch::new(splices.collect()).unwrap().apply(body)
}

struct Comparison {
    rules: RuleSet,
    run: Trial,
    /// What dmtap answers in the server's place, until the record has its own answer.
    answers: HashMap<u64, Bytes>,
    /// Sessions in which dmtap answered in place of a response.
    replaced: HashSet<u64>,
    tried: Tried,
}

/// The server's response is not in the record then, and what was promised about it decides what follows.
const REPLACED: &str = "answered in place of a response";

impl Comparison {
    fn event(&mut self, recorded: &mut Recorded, event: &EventRecord) {
        let number = event.exchange.unwrap_or_default();
        let left = event.sent.as_ref().or(event.body.as_ref());
        let left = left.map(|body| Bytes::copy_from_slice(&body.0));
        let (own, then): (Vec<_>, Vec<_>) = event
            .applied
            .iter()
            .partition(|effect| [stay::NAME, enrollment::NAME].contains(&&*effect.rule));
        let Some(passed) = recorded.next(event) else {
            return;
        };
        if passed.is_own {
            self.run.overhear(&passed);
            match self.answers.remove(&number) {
                Some(answer) => self.compare(&format!("the answer of x{number}"), &answer, left),
                None if !then.is_empty() => {
                    self.tried.unknown.push(REPLACED);
                    self.replaced
                        .extend(event.session.as_ref().map(|session| session.number));
                }
                None => self
                    .tried
                    .unknown
                    .push("answered since the exchange failed"),
            }
            return;
        }
        let session = event.session.as_ref().map(|session| session.number);
        if session.is_some_and(|number| self.replaced.contains(&number)) {
            self.tried.unknown.push(REPLACED);
            return;
        }
        if self.run.fits(&passed) != Applicability::Fits {
            self.tried
                .unknown
                .push("behind a request that was cut or answered");
            return;
        }
        let verdict = self.run.decide(&self.rules, &passed).verdict;
        let what = match passed.speaker {
            Side::Device => format!("request x{number}"),
            Side::Server => format!("response x{number}"),
        };
        let then: Vec<(&str, usize)> = then
            .iter()
            .map(|effect| (&*effect.rule, effect.changes.len()))
            .collect();
        let now: Vec<(&str, usize)> = verdict
            .applied
            .iter()
            .map(|effect| (&*effect.rule, effect.changes.len()))
            .collect();
        if then != now {
            let line = format!("{what}: rules did {then:?}, and now {now:?}");
            self.tried.differences.push(line);
        }
        if event.delivery.len() != verdict.delivery.ops.len() {
            let line = format!("{what}: it was sent by {:?}", event.delivery);
            self.tried.differences.push(line);
        }
        self.tried.acted += usize::from(!now.is_empty());
        if let Some(answer) = verdict.answer {
            self.answers.insert(number, answer.body);
            return;
        }
        let Some(mut leaves) = verdict.body.or(passed.body) else {
            self.tried.unknown.push("a body that was not read");
            return;
        };
        if passed.speaker == Side::Server {
            // They act on responses behind the user's rules, and only the proxy knows the map and the keys.
            leaves = own
                .iter()
                .fold(leaves, |body, effect| spliced(&body, effect));
        }
        self.tried.rewritten += usize::from(!own.is_empty());
        self.compare(&what, &leaves, left);
    }

    fn compare(&mut self, what: &str, leaves: &Bytes, left: Option<Bytes>) {
        let left = left.unwrap_or_default();
        if *leaves == left {
            self.tried.same += 1;
            return;
        }
        let (now, then) = (
            String::from_utf8_lossy(leaves),
            String::from_utf8_lossy(&left),
        );
        let line = format!("{what} left as\n  {then}\nand leaves as\n  {now}");
        self.tried.differences.push(line);
    }
}
