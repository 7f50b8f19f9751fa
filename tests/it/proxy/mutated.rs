//! Mutated messages through a running proxy, with random heads and framings. Without a rule, the bytes arrive
//! unchanged; with built-in rules, the record explains every change of a body.
//!
//! A run is short and always the same. `DMTAP_FUZZ_SECONDS` makes it longer, with a seed from the clock or from
//! `DMTAP_FUZZ_SEED`: a failure names the seed that reproduces it.

#[path = "mutated/ends.rs"]
mod ends;
#[path = "mutated/explained.rs"]
mod explained;
#[path = "mutated/messages.rs"]
mod messages;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dmtap::builtin_rules::{BUILTIN_RULES, BuiltinRule};
use dmtap::flow::event::{Event, EventSink};
use dmtap::proxy::{Authority, BodyCapture, Proxy, Settings, StaySettings};
use dmtap::record::{
    Colour, EventRecord, Journal, JsonLines, Masking, Pcapng, Transcript, WhenFull, jsonl,
};
use dmtap::rules::{RuleSet, Step, load};
use tokio_util::sync::CancellationToken;

use super::rig::{in_front_of, soon};
use ends::{Arrived, Device, NUMBER, Server};
use messages::{Exchange, Random, exchanges};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rule_mutated_messages_arrive_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    for seed in seeds(4) {
        for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
            let batch = Batch::play(directory.path(), seed, body_capture, RuleSet::default()).await;
            for (number, exchange) in batch.exchanges.iter().enumerate() {
                let [request, response] = batch.arrived(number);
                let what = format!("exchange {number} of DMTAP_FUZZ_SEED={seed}, {body_capture:?}");
                assert!(request.body == exchange.request.body, "{what}: the request");
                assert!(
                    response.body == exchange.response.body,
                    "{what}: the response"
                );
                assert_eq!(response.status, exchange.status, "{what}");
                for (arrived, half) in
                    [(request, &exchange.request), (response, &exchange.response)]
                {
                    for name in half.headers.keys() {
                        let sent: Vec<_> = half.headers.get_all(name).iter().collect();
                        let got: Vec<_> = arrived.headers.get_all(name).iter().collect();
                        assert_eq!(got, sent, "{what}: {name}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_built_in_rules_the_record_explains_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let mut changed = 0;
    for seed in seeds(8) {
        let rules = built_in(seed);
        let batch = Batch::play(directory.path(), seed, BodyCapture::Annotate, rules).await;
        println!("DMTAP_FUZZ_SEED={seed}");
        changed += explained::check(
            &batch.record(),
            &batch.exchanges,
            &batch.requests,
            &batch.responses,
        );
    }
    println!("{changed} bodies changed");
    assert!(changed > 0, "no rule changed anything");
}

/// The seeds to play: so many, or as many as there is time for.
fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    let seconds: Option<u64> = number("DMTAP_FUZZ_SECONDS");
    let clock = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64
    };
    let first = number("DMTAP_FUZZ_SEED").unwrap_or_else(|| seconds.map_or(1, |_| clock()));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (first..).take_while(move |seed| match end {
        Some(end) => Instant::now() < end,
        None => *seed < first + count,
    })
}

/// Built-in rules about messages: all of them at once, or a few.
fn built_in(seed: u64) -> RuleSet {
    let mut random = Random::new(seed);
    let mut names: Vec<&BuiltinRule> = BUILTIN_RULES
        .iter()
        .filter(|rule| {
            !["connection", "tls"].contains(&rule.theme) && !NOT_WHOLE.contains(&rule.name)
        })
        .collect();
    match random.below(4) {
        // Those that answer in the server's place would leave nothing to the others.
        0 => names.retain(|rule| !answers(rule)),
        _ => {
            let few = 1 + random.below(6);
            names = (0..few).map(|_| *random.pick(&names)).collect();
            names.sort_by_key(|rule| rule.name);
            names.dedup();
        }
    }
    let texts = names.iter().map(|rule| (rule.name, rule.text));
    let rules = load::parse_beside([], texts, &load::no_includes).unwrap();
    RuleSet::from_rules(rules).unwrap()
}

fn answers(rule: &BuiltinRule) -> bool {
    let rules = load::parse(rule.name, rule.text).unwrap();
    let mut steps = rules.iter().flat_map(|rule| &rule.steps);
    steps.any(|step| matches!(step, Step::Fault(_)))
}

/// Built-in rules that send a message late, or only a part of it.
const NOT_WHOLE: [&str; 4] = ["answer-lost", "early-end", "half-a-message", "slow"];

/// Exchanges of one device after another, in both versions of HTTP, and what came of them.
struct Batch {
    exchanges: Arc<Vec<Exchange>>,
    requests: Vec<Arrived>,
    responses: Vec<Arrived>,
    lines: Vec<u8>,
}

impl Batch {
    async fn play(directory: &Path, seed: u64, body_capture: BodyCapture, rules: RuleSet) -> Self {
        let exchanges = Arc::new(exchanges(&mut Random::new(seed), 40));
        let server = Server::start(directory, exchanges.clone()).await;
        let authority = Arc::new(Authority::load_or_create(directory).unwrap());
        let ca = authority.certificate_file().to_owned();
        let lines = Lines::default();
        let journal = Arc::new(Journals::new(body_capture, &lines));
        let settings = Settings {
            body_capture,
            listen: ([127, 0, 0, 1], 0).into(),
            stay: StaySettings {
                // It rewrites URLs of other hosts, and a mutation makes such URLs.
                extent: StaySettings::default().extent.filter(|_| !rules.is_empty()),
                ..StaySettings::default()
            },
            ..in_front_of(server.address, &server.ca)
        };
        let sink: Arc<dyn EventSink> = journal.clone();
        let proxy = Proxy::bind(settings, authority, Arc::new(rules), sink).await;
        let proxy = proxy.unwrap();
        let address = proxy.local_addr();
        let stop = CancellationToken::new();
        let running = tokio::spawn(proxy.run(stop.clone()));

        let devices = ["http/1.1", "h2"]
            .into_iter()
            .enumerate()
            .map(|(first, alpn)| {
                let (exchanges, ca) = (exchanges.clone(), ca.clone());
                tokio::spawn(async move {
                    let mut device = Device::connect(address, &ca, alpn).await;
                    let mut responses = Vec::new();
                    for number in (first..exchanges.len()).step_by(2) {
                        let arrived = device.exchange(&exchanges[number], number);
                        let arrived = soon(arrived).await.unwrap_or_else(|error| {
                            panic!("exchange {number} of DMTAP_FUZZ_SEED={seed}, {alpn}: {error}")
                        });
                        responses.push(arrived);
                    }
                    responses
                })
            });
        let mut responses = Vec::new();
        for device in devices.collect::<Vec<_>>() {
            responses.extend(device.await.unwrap());
        }
        stop.cancel();
        soon(running).await.unwrap();
        journal.close();
        let requests = std::mem::take(&mut *server.arrived.lock().unwrap());
        let lines = std::mem::take(&mut *lines.0.lock().unwrap());
        Self {
            exchanges,
            requests,
            responses,
            lines,
        }
    }

    /// What arrived of an exchange.
    fn arrived(&self, number: usize) -> [&Arrived; 2] {
        [&self.requests, &self.responses].map(|all| {
            let mut found = all.iter().filter(|arrived| arrived.number == number);
            let arrived = found.next().unwrap();
            assert!(found.next().is_none() && arrived.headers.contains_key(NUMBER));
            arrived
        })
    }

    fn record(&self) -> Vec<EventRecord> {
        let lines = self.lines.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| jsonl::read(line).unwrap()).collect()
    }
}

/// Records in every form, masked and not, of which the JSON lines that are not masked are kept; none where nobody looks.
struct Journals(Vec<Journal>);

impl Journals {
    fn new(body_capture: BodyCapture, lines: &Lines) -> Self {
        if body_capture == BodyCapture::Pass {
            return Self(Vec::new());
        }
        let jsonl = JsonLines::new(lines.clone());
        let raw = Journal::builder().masking(Masking::Raw);
        let raw = raw.sink("raw", Box::new(jsonl), WhenFull::Block);
        let transcript = Transcript::new(io::sink(), Colour::Plain);
        let pcapng = Pcapng::new(io::sink()).unwrap();
        let masked = Journal::builder()
            .sink(
                "masked",
                Box::new(JsonLines::new(io::sink())),
                WhenFull::Block,
            )
            .sink("transcript", Box::new(transcript), WhenFull::Block)
            .sink("pcapng", Box::new(pcapng), WhenFull::Block);
        Self(vec![raw.start(), masked.start()])
    }

    fn close(&self) {
        for journal in &self.0 {
            journal.close().unwrap();
        }
    }
}

impl EventSink for Journals {
    fn on_event(&self, event: Event) {
        for journal in &self.0 {
            journal.on_event(event.clone());
        }
    }
}

/// A writer whose bytes stay.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
