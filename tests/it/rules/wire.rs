//! Deliveries that are decided from the message alone.

use std::time::Duration;

use dmtap::flow::{DeliveryStep, Noise};
use dmtap::rules::Stage;

use super::support::{Talk, book, message};

fn rule(name: &str, step: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nstage = \"response\"\nstep = {step}\n")
}

#[test]
fn jitter_depends_on_the_message_and_on_nothing_else() {
    let jitter = book(&rule("slow", r#"{ latency = "200ms", jitter = "50ms" }"#));
    let other = book(&rule("late", r#"{ latency = "200ms", jitter = "50ms" }"#));
    let wait = |run: u64, book, number: u32| {
        let mut talk = Talk::new(run, "device");
        let verdict = talk.decide(book, Stage::Response, &message(number, ""));
        match verdict.delivery.ops[..] {
            [DeliveryStep::Wait(time)] => time,
            ref ops => panic!("{ops:?}"),
        }
    };
    let waits: Vec<Duration> = (1..40).map(|n| wait(1, &jitter, n)).collect();
    let bounds = Duration::from_millis(150)..=Duration::from_millis(250);
    assert!(waits.iter().all(|wait| bounds.contains(wait)), "{waits:?}");
    // In another run, where connections and sessions have other numbers.
    assert_eq!(
        waits,
        (1..40).map(|n| wait(77, &jitter, n)).collect::<Vec<_>>()
    );
    let mut different = waits.clone();
    different.sort();
    different.dedup();
    assert!(different.len() > 30, "{waits:?}");
    assert_ne!(waits[0], wait(1, &other, 1));
}

#[test]
fn noise_depends_on_the_message_and_on_nothing_else() {
    let noisy = book(&rule("noise", "{ random-data-then-close = true }"));
    let noise = |run: u64, number: u32| -> Noise {
        let mut talk = Talk::new(run, "device");
        let verdict = talk.decide(&noisy, Stage::Response, &message(number, ""));
        match verdict.delivery.ops[..] {
            [DeliveryStep::Noise(noise), DeliveryStep::Close] => noise,
            ref ops => panic!("{ops:?}"),
        }
    };
    assert_eq!(noise(1, 1).bytes(), noise(9, 1).bytes());
    assert_ne!(noise(1, 1).bytes(), noise(1, 2).bytes());
}

#[test]
fn the_first_rule_that_ends_a_connection_has_the_word() {
    let rules = [
        rule("first", "{ limit-data = 5 }"),
        rule("second", "{ reset-peer = { after = 2 } }"),
        rule("third", r#"{ set-text = "8", at = "SyncHdr/MsgID" }"#),
    ];
    let book = book(&rules.concat());
    let verdict = Talk::new(1, "device").decide(&book, Stage::Response, &message(1, ""));
    assert_eq!(
        verdict.delivery.ops,
        [DeliveryStep::Send(5), DeliveryStep::Close]
    );
    let reported = verdict.applied.iter().map(|applied| {
        let change = &applied.changes[0];
        (&*applied.rule, &*change.step)
    });
    assert_eq!(
        reported.collect::<Vec<_>>(),
        [
            ("first", "limit-data"),
            ("second", "not applied"),
            ("third", "set-text")
        ]
    );
    assert!(verdict.body.is_some());
}
