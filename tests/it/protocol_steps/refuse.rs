//! Commands that never arrive, answers that never arrive, and commands that nobody sent.

use dmtap::peer::PlannedCommand;

use super::stage::{at, demo, outline, plan, play, rule};

#[tokio::test]
async fn a_refused_command_never_reaches_the_device_and_its_sender_gets_a_status() {
    let rules = rule(
        "response",
        "{ command = \"Replace\", loc-uri = \"./Vendor/MSFT/DMTap/Colour\" }",
        "{ refuse = 500 }",
    );
    for played in play(&rules, &demo()).await {
        played.is_regular();
        assert!(played.did("Colour").is_empty(), "{played}");
        assert_eq!(played.codes_of("Colour"), [500], "{played}");
        assert_eq!(
            outline(&played.server.received[1]),
            "2: 1/0=200 1/5=200 Results5 1/6=200 1/7=500 1/8=200 Final",
            "{played}"
        );
    }
}

#[tokio::test]
async fn a_device_left_without_commands_gets_something_harmless_to_do() {
    let get = plan([
        vec![PlannedCommand::Get("./DevDetail/SwV".into())],
        vec![PlannedCommand::Get(at("Width"))],
    ]);
    let rules = rule(
        "response",
        "{ loc-uri = \"./DevDetail/**\", command = \"Get\" }",
        "{ refuse = 404 }",
    );
    for played in play(&rules, &get).await {
        played.is_regular();
        assert_eq!(played.codes_of("SwV"), [404]);
        assert_eq!(played.codes_of("Width"), [200]);
        assert_eq!(
            outline(&played.server.received[1]),
            "2: 1/0=200 1/5=404 Final"
        );
        assert_eq!(played.did("DevId"), [200]);
        let mut done = played.applied.iter().map(|(.., what)| what.trim());
        let what = "Get ./DevInfo/DevId to keep the session open";
        assert!(done.any(|it| it == what), "{:?}", played.applied);
    }
}

#[tokio::test]
async fn commands_in_containers_are_refused_as_the_container_would_have_it() {
    let nested = plan([vec![
        PlannedCommand::Sequence(vec![
            PlannedCommand::Get(at("Width")),
            PlannedCommand::Replace(at("Colour"), "blue".into()),
        ]),
        PlannedCommand::Atomic(vec![
            PlannedCommand::Replace(at("Width"), "1".into()),
            PlannedCommand::Replace(at("Height"), "2".into()),
            PlannedCommand::Replace(at("Colour"), "green".into()),
        ]),
    ]]);
    let check = async |uri: &str, code: u16, expected: &str, done: &[u16]| {
        let rules = rule(
            "response",
            &format!(
                "{{ command = [\"Get\", \"Replace\", \"Atomic\", \"Sequence\"], loc-uri = \"{uri}\" }}"
            ),
            &format!("{{ refuse = {code} }}"),
        );
        for played in play(&rules, &nested).await {
            played.is_regular();
            assert_eq!(outline(&played.server.received[1]), expected, "{played}");
            let codes: Vec<u16> = played.done.iter().map(|(_, code)| code.0).collect();
            assert_eq!(codes, done, "{played}");
        }
    };
    check(
        &at("Height"),
        425,
        "2: 1/0=200 1/5=200 1/6=200 Results6 1/7=200 1/8=507 1/9=216 1/10=425 1/11=215 Final",
        &[200, 200, 200],
    )
    .await;
    check(
        &at("*"),
        500,
        "2: 1/0=200 1/5=200 1/6=500 1/7=500 1/8=507 1/9=500 1/10=215 1/11=215 Final",
        &[200],
    )
    .await;
}

#[tokio::test]
async fn a_hidden_status_takes_its_results_along() {
    let rules = rule(
        "request",
        "{ command = \"Status\", answers = \"Get\", loc-uri = \"./DevDetail/**\" }",
        "{ hide-status = true }",
    );
    for played in play(&rules, &demo()).await {
        played.ends();
        assert!(played.codes_of("SwV").is_empty(), "{played}");
        assert_eq!(
            outline(&played.server.received[1]),
            "2: 1/0=200 1/6=200 1/7=200 1/8=200 Final"
        );
    }
}

#[tokio::test]
async fn the_server_never_learns_of_an_injected_command() {
    let get = "<Sequence><CmdID>1</CmdID><Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get></Sequence>";
    let rules = rule(
        "response",
        "{ message = 1 }",
        &format!("{{ inject-command = '{get}' }}"),
    );
    for played in play(&rules, &demo()).await {
        played.is_regular();
        assert_eq!(played.did("Sequence"), [200, 200], "{played}");
        assert_eq!(played.done.len(), played.received.len() + 2, "{played}");
    }
}

#[tokio::test]
async fn an_injected_command_in_the_last_message_of_the_server_is_answered_by_dmtap() {
    let get = "<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>";
    let rules = rule(
        "response",
        "{ message = 3 }",
        &format!("{{ inject-command = '{get}' }}"),
    );
    for played in play(&rules, &demo()).await {
        played.is_regular();
        assert_eq!(played.server.received.len(), 3, "{played}");
        assert_eq!(played.device.said.len(), 4, "{played}");
        assert_eq!(
            outline(&played.device.received[3]),
            "4: 4/0=200 Final",
            "{played}"
        );
    }
}

#[tokio::test]
async fn the_device_gets_an_alert_for_what_never_reached_it_whole() {
    let rules = rule("request", "{ command = \"Alert\" }", "{ refuse = 412 }");
    for played in play(&rules, &demo()).await {
        played.is_regular();
        assert_eq!(outline(&played.server.received[0]), "1: Replace4 Final");
        assert!(
            outline(&played.device.received[0]).starts_with("1: 1/0=200 1/2=412 1/3=412 1/4=200 "),
            "{played}"
        );
    }
}
