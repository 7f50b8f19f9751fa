//! Aborts, next messages, duplicates, rollbacks, and wrong numbers.

use super::stage::{at, demo, outline, play, play_whatever_acts, rule};

#[tokio::test]
async fn either_side_aborts_the_session() {
    for played in play(
        &rule("request", "{ message = 2 }", "{ session-abort = true }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        let last = outline(played.server.received.last().unwrap());
        assert!(last.ends_with("Alert7(1223) Final"), "{last}{played}");
        assert_eq!(
            outline(played.device.received.last().unwrap()),
            "2: 2/0=200 Final"
        );
    }
    for played in play(
        &rule("response", "{ message = 2 }", "{ session-abort = true }"),
        &demo(),
    )
    .await
    {
        played.is_consistent();
        assert!(played.end.is_err());
        let last = outline(played.device.received.last().unwrap());
        assert!(
            last.starts_with("2: 2/0=200 Alert") && last.ends_with("(1223) Final"),
            "{last}"
        );
    }
}

#[tokio::test]
async fn the_server_s_commands_come_one_message_later() {
    for played in play(
        &rule("response", "{ message = 1 }", "{ next-message = true }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        assert_eq!(
            outline(&played.device.received[0]),
            "1: 1/0=200 Alert2(1222)"
        );
        assert_eq!(
            outline(&played.device.said[1]),
            "2: 1/0=200 1/2=200 Alert3(1222)"
        );
        assert!(
            outline(&played.device.received[1]).starts_with("2: 2/0=200 2/3=200 1/2=200"),
            "{played}"
        );
        assert_eq!(played.server.received.len(), 3, "{played}");
        played.agrees();
    }
}

#[tokio::test]
async fn a_device_asks_for_the_next_message() {
    for played in play(
        &rule("request", "{ message = 2 }", "{ next-message = true }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        played.agrees();
    }
}

#[tokio::test]
async fn a_request_that_comes_twice_is_answered_twice_alike() {
    for keep in ["first", "second"] {
        let step = format!("{{ duplicate-message = true, keep = \"{keep}\" }}");
        for played in play(&rule("request", "{ message = 2 }", &step), &demo()).await {
            played.ends();
            assert_eq!(played.server.received.len(), 4, "{played}");
            assert_eq!(
                played.server.received[1].source(),
                played.server.received[2].source()
            );
            played.agrees();
            assert!(
                played
                    .applied
                    .iter()
                    .any(|(_, step, what)| step == "duplicate-message" && what.contains(keep))
            );
        }
    }
}

#[tokio::test]
async fn an_atomic_fails_as_one() {
    let check = async |stage: &str, step: &str, expected: &[u16], done: &[u16]| {
        let matcher = "{ method = \"POST\" }";
        for played in play(&rule(stage, matcher, step), &demo()).await {
            played.is_regular();
            let reported = [
                played.codes_of("Atomic"),
                played.codes_of("Width"),
                played.codes_of("Height"),
            ]
            .concat();
            assert_eq!(reported, expected, "{played}");
            assert_eq!(played.did("Width"), done, "{played}");
        }
    };
    check(
        "response",
        "{ atomic-rollback = 404 }",
        &[507, 216, 404],
        &[],
    )
    .await;
    check(
        "response",
        "{ atomic-rollback = 404, child = 1 }",
        &[507, 404, 215],
        &[],
    )
    .await;
    check(
        "response",
        "{ atomic-rollback = 425, undone = 516 }",
        &[507, 516, 425],
        &[],
    )
    .await;
    check(
        "request",
        "{ atomic-rollback = 404, undone = 516 }",
        &[507, 516, 404],
        &[200],
    )
    .await;
    check(
        "request",
        "{ atomic-rollback = 404, child = 1 }",
        &[507, 404, 215],
        &[200],
    )
    .await;
    // There is no third command in the Atomic.
    let rules = rule(
        "request",
        "{ method = \"POST\" }",
        "{ atomic-rollback = 404, child = 3 }",
    );
    for played in play_whatever_acts(&rules, &demo()).await {
        let reported = ["Atomic", "Width", "Height"].map(|what| played.codes_of(what));
        assert_eq!(reported.concat(), [200, 200, 200], "{played}");
        let mut applied = played.applied.iter();
        assert!(
            applied.all(|(_, step, _)| step == "not applied"),
            "{played}"
        );
    }
}

#[tokio::test]
async fn a_broken_msgid_confuses_only_its_hearer() {
    for stage in ["request", "response"] {
        for (how, expected) in [("skip", "4"), ("repeat", "2"), ("zero", "0"), ("text", "x")] {
            let step = format!("{{ break-msgid = \"{how}\" }}");
            for played in play(&rule(stage, "{ message = 3 }", &step), &demo()).await {
                let received = match stage {
                    "request" => &played.server.received[2],
                    _ => &played.device.received[2],
                };
                assert!(
                    outline(received).starts_with(&format!("{expected}:")),
                    "{how}{played}"
                );
                played.is_regular();
                played.agrees();
            }
        }
    }
}

#[tokio::test]
async fn a_status_may_refer_to_nothing_where_the_rule_is_about_that() {
    let matcher = format!("{{ command = \"Status\", loc-uri = \"{}\" }}", at("Colour"));
    for played in play(
        &rule("request", &matcher, "{ unknown-cmdref = true }"),
        &demo(),
    )
    .await
    {
        played.ends();
        assert!(outline(&played.server.received[1]).contains("1/987654=200"));
        assert!(played.codes_of("Colour").is_empty());
    }
}

#[tokio::test]
async fn an_open_package_is_asked_about() {
    for played in play(
        &rule("response", "{ message = 3 }", "{ drop-final = true }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        assert_eq!(outline(&played.device.said[3]), "4: 3/0=200 Alert2(1222)");
        assert_eq!(
            outline(&played.device.received[3]),
            "4: 4/0=200 4/2=200 Final"
        );
    }
    for played in play(
        &rule("request", "{ message = 1 }", "{ drop-final = true }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        assert_eq!(
            outline(&played.device.received[0]),
            "1: 1/0=200 1/2=200 1/3=200 1/4=200 Alert5(1222)"
        );
        played.agrees();
    }
}

#[tokio::test]
async fn protocol_steps_act_together() {
    let rules = [
        rule("request", "{ message = 1 }", "{ challenge = 407 }"),
        rule("response", "{ command = \"Replace\", loc-uri = \"./Vendor/MSFT/DMTap/Colour\" }", "{ refuse = 500 }").replace("played", "second"),
        rule("response", "{ message = 1 }", "{ next-message = true }").replace("played", "third"),
        rule("response", "{ message = 2 }", "{ inject-command = '<Get><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get>' }").replace("played", "fourth"),
        rule("response", "{ message = 3 }", "{ break-msgid = \"skip\" }").replace("played", "fifth"),
    ];
    for played in play(&rules.concat(), &demo()).await {
        played.is_regular();
        assert_eq!(played.codes_of("Colour"), [500], "{played}");
        assert_eq!(played.did("Man"), [200], "{played}");
    }
}
