//! Challenges, and servers that are busy.

use dmtap::dm::Message;
use dmtap::markup::Document;

use super::stage::{Played, demo, outline, play, rule};

fn cred(document: &Document) -> Option<String> {
    let header = Message::of(document).unwrap().header().unwrap();
    Some(header.cred()?.scheme()?.into_owned())
}

fn nonces(played: &Played) -> Vec<String> {
    let messages = played
        .device
        .received
        .iter()
        .map(|d| Message::of(d).unwrap());
    let chal = messages.filter_map(|m| {
        let status = m.commands().next()?.as_status()?;
        Some(status.chal()?.next_nonce()?.into_owned())
    });
    chal.collect()
}

#[tokio::test]
async fn a_challenged_device_comes_back_with_credentials_and_the_server_saw_nothing() {
    for (code, scheme, name) in [
        (407, "md5", "syncml:auth-md5"),
        (401, "basic", "syncml:auth-basic"),
    ] {
        let step = format!("{{ challenge = {code}, scheme = \"{scheme}\" }}");
        for played in play(&rule("request", "{ message = 1 }", &step), &demo()).await {
            played.is_regular();
            assert_eq!(
                outline(&played.device.received[0]),
                format!("1: 1/0={code} 1/2={code} 1/3={code} 1/4={code} Final")
            );
            assert_eq!(
                outline(&played.device.said[1]),
                "2: 1/0=200 Alert2(1201) Alert3(1224) Replace4 Final",
                "{played}"
            );
            assert_eq!(cred(&played.device.said[1]).as_deref(), Some(name));
            assert!(
                outline(&played.server.received[0]).starts_with("1: Alert"),
                "{played}"
            );
            assert_eq!(cred(&played.server.received[0]), None);
            assert_eq!(played.done, played.received);
        }
    }
}

#[tokio::test]
async fn nonces_are_new_for_each_message_unless_the_rule_is_about_a_stale_one() {
    let check = async |nonce: &str, same: bool| {
        let step = format!("{{ challenge = 401, nonce = \"{nonce}\" }}");
        for played in play(&rule("request", "{ message = [1, 2] }", &step), &demo()).await {
            played.is_regular();
            let nonces = nonces(&played);
            assert_eq!(nonces.len(), 2, "{played}");
            assert_eq!(nonces[0] == nonces[1], same, "{nonce}: {nonces:?}");
            assert_eq!(played.server.received.len(), 3, "{played}");
        }
    };
    check("fresh", false).await;
    check("used", true).await;
    check("LG3iZQhhdmKNHg==", true).await;
}

#[tokio::test]
async fn a_device_that_is_challenged_for_ever_gives_up() {
    for played in play(
        &rule("request", "{ method = \"POST\" }", "{ challenge = 401 }"),
        &demo(),
    )
    .await
    {
        played.ends();
        assert_eq!(played.refused, Some(401));
        assert!(played.server.received.is_empty());
    }
}

#[tokio::test]
async fn a_challenge_in_the_server_s_response_keeps_its_commands_from_the_device() {
    for played in play(
        &rule("response", "{ message = 1 }", "{ challenge = 401 }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        assert_eq!(
            outline(&played.device.received[0]),
            "1: 1/0=401 1/2=401 1/3=401 1/4=401 Final"
        );
        assert_eq!(played.codes_of("Colour"), [401], "{played}");
        assert!(played.did("Colour").is_empty());
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    for code in [503, 429] {
        let step = format!("{{ busy = {code}, retry-after = 0 }}");
        let rules = rule("request", "{ message = 2 }", &step) + "limit = { times = 2 }\n";
        for played in play(&rules, &demo()).await {
            played.ends();
            assert_eq!(played.server.received.len(), 3);
            assert_eq!(played.device.said.len(), 5, "{played}");
            assert_eq!(played.done, played.received);
        }
    }
}

#[tokio::test]
async fn a_device_told_to_retry_later_ends_its_session() {
    for played in play(
        &rule("request", "{ message = 1 }", "{ busy = 417 }"),
        &demo(),
    )
    .await
    {
        played.is_regular();
        assert_eq!(played.refused, Some(417));
        assert!(played.server.received.is_empty());
    }
}
