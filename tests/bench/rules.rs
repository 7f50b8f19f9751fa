//! Measures the cost of a rule set: deciding on a message of 4 KB with a thousand rules of which none matches.
//!
//! `cargo bench --bench rules`, some seconds. A row is the median of the rounds, next to the time for decoding the
//! message.

#[path = "../it/rules/support.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod support;

use std::hint::black_box;
use std::time::Instant;

use dmtap::flow::Side;
use dmtap::markup::Document;
use dmtap::rules::Stage;
use support::{Talk, book, decode, message, message_text, on, status};

const RULES: usize = 1_000;
const ROUNDS: usize = 31;
const RUNS: usize = 50;

/// Matchers that do not match, each with `N` for the number of the rule.
const MATCHERS: [&str; 16] = [
    "command = \"Status\", loc-uri = \"./Vendor/MSFT/Csp{N}/**\"",
    "data = \"value{N}\"",
    "device = \"urn:uuid:{N}\"",
    "host = \"mdm{N}.example\"",
    "path = \"/dm{N}\"",
    "any = [{ data = \"value{N}\" }, { loc-uri = \"./A/{N}\" }]",
    "command = \"Exec\"",
    "status = 404",
    "alert = 1226",
    "host = \"mdm{N}.*\"",
    "header = { name = \"X-Number\", value = \"{N}\" }",
    "message = \"9{N}..\"",
    "cmd-id = \"x{N}\"",
    "answers = { command = \"Get\", loc-uri = \"./A/{N}\" }",
    "data = { contains = \"value{N}\" }",
    "command = \"Status\", has = \"Item/Meta/Mark{N}\"",
];

fn main() {
    let asked: String = (2..22)
        .map(|n| on("Replace", n, &format!("./Vendor/MSFT/A/{n}")))
        .collect();
    let answered: String = (2..22).map(|n| status(n, 1, n, "Replace", 200)).collect();
    let body = message(2, &answered);
    let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, &asked));
    let text = message_text(2, &answered);
    let decoding = median(|| {
        black_box(decode(black_box(&text)));
    });
    println!(
        "{} bytes, 20 Statuses; decoding takes {decoding:.1} µs\n",
        text.len()
    );
    println!("| {RULES} rules, none matching | µs |\n|---|---|");
    for matcher in MATCHERS {
        println!("| `{matcher}` | {:.1} |", cost(&mut talk, matcher, &body));
    }
}

fn cost(talk: &mut Talk, matcher: &str, body: &Document) -> f64 {
    let rule = |n: usize| {
        let matcher = matcher.replace("{N}", &n.to_string());
        format!(
            "[[rule]]\nname = \"r{n}\"\nstage = \"request\"\nmatch = {{ {matcher} }}\nstep = {{ delay = \"1s\" }}\n"
        )
    };
    let book = book(&(0..RULES).map(rule).collect::<String>());
    median(|| {
        let verdict = talk.decide(&book, Stage::Request, body);
        assert!(verdict.applied.is_empty(), "{matcher}");
        black_box(verdict);
    })
}

/// Microseconds of one run.
fn median(mut run: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..RUNS).for_each(|_| run());
            begun.elapsed().as_secs_f64() * 1e6 / RUNS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
