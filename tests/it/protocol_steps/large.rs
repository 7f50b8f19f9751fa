//! Values that are longer than a message, under built-in rules about them: no reference dangles, and both peers agree.

use dmtap::builtin_rules::BUILTIN_RULES;
use dmtap::peer::Plan;

use super::stage::{Played, at, outline, play, rule};

/// The codes of each Status about the value that is added and read in chunks.
fn of_notice(played: &Played) -> (Vec<u16>, Vec<u16>) {
    (played.did("Add "), played.codes_of("Add "))
}

#[tokio::test]
async fn peers_stay_consistent_under_every_built_in_rule_about_chunks() {
    let about = BUILTIN_RULES
        .iter()
        .filter(|builtin| builtin.is_about_chunks());
    for builtin in about {
        for played in play(builtin.text, &Plan::large()).await {
            played.is_regular();
            let acted = played.applied.iter().any(|(rule, ..)| rule == builtin.name);
            assert!(acted, "{}{played}", builtin.name);
        }
    }
}

#[tokio::test]
async fn a_refused_chunk_is_sent_anew_with_the_whole_object() {
    let matcher = "{ command = \"Add\", loc-uri = \"./Vendor/MSFT/DMTap/Notice\" }";
    for chunk in 0..3 {
        let rules = rule("response", matcher, "{ refuse = 424 }")
            + &format!("limit = {{ skip = {chunk}, times = 1 }}\n");
        for played in play(&rules, &Plan::large()).await {
            played.is_regular();
            let (did, reported) = of_notice(&played);
            assert_eq!(did.last(), Some(&200), "{played}");
            assert_eq!(reported.iter().filter(|code| **code == 424).count(), 1);
            assert_eq!(reported.last(), Some(&200), "{played}");
        }
    }
}

#[tokio::test]
async fn chunks_survive_what_happens_to_the_messages_around_them() {
    for (stage, matcher, step) in [
        ("request", "{ message = 3 }", "{ duplicate-message = true }"),
        ("request", "{ message = 1 }", "{ challenge = 407 }"),
        ("request", "{ message = [2, 3] }", "{ challenge = 401 }"),
        (
            "request",
            "{ message = 3 }",
            "{ busy = 503, retry-after = 0 }",
        ),
        ("response", "{ message = 3 }", "{ break-msgid = \"skip\" }"),
        ("response", "{ message = 1 }", "{ next-message = true }"),
    ] {
        let rules = rule(stage, matcher, step) + "limit = { times = 1 }\n";
        for played in play(&rules, &Plan::large()).await {
            played.ends();
            let (did, reported) = of_notice(&played);
            assert_eq!(did.last(), Some(&200), "{step}{played}");
            assert_eq!(reported.last(), Some(&200), "{step}{played}");
        }
    }
}

#[tokio::test]
async fn a_message_size_forced_small_makes_the_device_chunk_what_it_would_say_at_once() {
    let size = |most: u32| {
        let step = format!("{{ max-msg-size = {most} }}");
        rule("response", "{ message = 1 }", &step)
    };
    for played in play(&size(1300), &Plan::demo()).await {
        played.is_regular().agrees();
        let sizes = played.device.said[1..]
            .iter()
            .map(|said| said.source().len());
        let most = sizes.max().unwrap();
        assert!(most <= 1300, "{most}{played}");
        let mut lines = played.device.said.iter().map(outline);
        assert!(lines.any(|line| !line.ends_with("Final")), "{played}");
        assert_eq!(played.codes_of("Width"), [200]);
        assert_eq!(played.did(&at("Colour")), [200]);
    }
}
