//! Header fields that peers must check.

use dmtap::dm::Message;
use dmtap::peer::Encoding;

use super::stage::{demo, outline, play, play_whatever_acts, rule};

#[tokio::test]
async fn sizes_are_announced_where_the_peer_announced_none() {
    for stage in ["request", "response"] {
        for (verb, size) in [("max-msg-size", 1500), ("max-obj-size", 64)] {
            let step = format!("{{ {verb} = {size} }}");
            for played in play(&rule(stage, "{ message = 1 }", &step), &demo()).await {
                played.is_regular();
                let received = match stage {
                    "request" => &played.server.received[0],
                    _ => &played.device.received[0],
                };
                let meta = Message::of(received)
                    .unwrap()
                    .header()
                    .unwrap()
                    .meta()
                    .unwrap();
                let said = meta.max_msg_size().or(meta.max_obj_size());
                assert_eq!(said, Some(size));
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_version_is_refused() {
    for (what, code) in [("ver-proto", 513), ("ver-dtd", 505)] {
        let step = format!("{{ wrong-version = \"{what}\" }}");
        for played in play(&rule("request", "{ message = 1 }", &step), &demo()).await {
            played.is_regular();
            assert_eq!(played.refused, Some(code), "{played}");
        }
        for played in play(&rule("response", "{ message = 1 }", &step), &demo()).await {
            played.ends().is_consistent();
            assert_eq!(
                outline(&played.server.received[1]),
                format!("2: 1/0={code} Final")
            );
        }
    }
    let step = "{ wrong-version = \"namespace\", to = \"SYNCML:SYNCML1.1\" }";
    let rules = rule("request", "{ message = 1 }", step);
    for played in play_whatever_acts(&rules, &demo()).await {
        played.is_regular();
        let source = String::from_utf8_lossy(played.server.received[0].source()).into_owned();
        let is_declined = played
            .applied
            .iter()
            .any(|(_, step, _)| step == "not applied");
        assert_eq!(source.contains("SYNCML1.1"), played.wire == Encoding::Xml);
        assert_eq!(is_declined, played.wire == Encoding::Wbxml);
    }
}

#[tokio::test]
async fn the_next_message_goes_where_the_server_says() {
    // The address of the proxy is known when it runs: the address that the device gets here is of another host.
    let step = "{ resp-uri = \"https://localhost:1/elsewhere?a=1&b=2\" }";
    for played in play(&rule("response", "{ message = 1 }", step), &demo()).await {
        let header = Message::of(&played.device.received[0])
            .unwrap()
            .header()
            .unwrap();
        assert_eq!(
            header.resp_uri().as_deref(),
            Some("https://localhost:1/elsewhere?a=1&b=2")
        );
        let end = played.end.as_ref().unwrap_err().to_string();
        assert!(end.contains("localhost:1/elsewhere"), "{end}");
    }
}

#[tokio::test]
async fn a_message_of_another_session_ends_this_one() {
    for played in play(
        &rule("response", "{ message = 2 }", "{ wrong-session = \"FF\" }"),
        &demo(),
    )
    .await
    {
        let end = played.end.as_ref().unwrap_err().to_string();
        assert!(end.contains("another session"), "{end}");
    }
}

#[tokio::test]
async fn a_device_whose_session_the_server_was_told_wrong_gets_its_own_back() {
    let rules = rule("request", "{ message = 2 }", "{ wrong-session = \"FF\" }");
    for played in play(&rules, &demo()).await {
        let session = |document| {
            let header = Message::of(document).unwrap().header().unwrap();
            header.session_id().unwrap().into_owned()
        };
        let reported: Vec<String> = played.server.received.iter().map(session).collect();
        assert_eq!(reported, ["1", "FF"], "{played}");
        let got: Vec<String> = played.device.received.iter().map(session).collect();
        assert_eq!(got, ["1", "1"], "{played}");
        // A server begins no session in the middle.
        assert!(
            outline(&played.device.received[1]).ends_with("(1223) Final"),
            "{played}"
        );
        let end = played.end.as_ref().unwrap_err().to_string();
        assert!(end.contains("aborted"), "{end}");
    }
}

#[tokio::test]
async fn of_two_wrong_sessions_the_server_gets_the_last_and_the_device_its_own() {
    let step = |id: &str| format!("{{ wrong-session = \"{id}\" }}");
    let first = rule("request", "{ message = 2 }", &step("FF"));
    let second = rule("request", "{ message = 2 }", &step("EE")).replace("played", "second");
    for played in play(&(first + &second), &demo()).await {
        let session = |document| {
            let header = Message::of(document).unwrap().header().unwrap();
            header.session_id().unwrap().into_owned()
        };
        let reported: Vec<String> = played.server.received.iter().map(session).collect();
        assert_eq!(reported, ["1", "EE"], "{played}");
        let got: Vec<String> = played.device.received.iter().map(session).collect();
        assert_eq!(got, ["1", "1"], "{played}");
    }
}
