//! Rules refuse some Items of a command: each Item gets exactly one Status.

use dmtap::dm::Command;
use dmtap::markup::Document;

use super::stage::{Played, at, demo, play, rule};

/// What a peer received of the Items of a Replace: by which references, and the code.
type Reported = Vec<(Vec<String>, u16)>;

fn reported(document: &Document) -> Reported {
    let body = document.root().elements().nth(1).unwrap();
    let answers = body.elements().filter_map(|e| Command::of(e)?.as_status());
    let of_replace = answers.filter(|s| s.cmd().as_deref() == Some("Replace"));
    let references = of_replace.map(|s| {
        let targets = s.target_refs().map(|uri| uri.into_owned());
        let sources = s.source_refs().map(|uri| format!("source {uri}"));
        (targets.chain(sources).collect(), s.code().unwrap().0)
    });
    references.collect()
}

fn names(leaves: &[&str], code: u16) -> (Vec<String>, u16) {
    (leaves.iter().map(|leaf| at(leaf)).collect(), code)
}

/// Makes the Replace of the demo one of three Items: Colour, Width, Height.
fn three_items() -> String {
    let item = |leaf: &str| {
        let uri = at(leaf);
        format!("<Item><Target><LocURI>{uri}</LocURI></Target><Data>7</Data></Item>")
    };
    let colour = at("Colour");
    rule(
        "response",
        &format!("{{ command = \"Replace\", loc-uri = \"{colour}\" }}"),
        &format!(
            "[{{ insert = '{}', after = \"Item\" }}, {{ insert = '{}', last-in = \".\" }}]",
            item("Width"),
            item("Height")
        ),
    )
}

fn refuses(uri: &str, code: u16) -> String {
    let matcher = format!("{{ command = \"Replace\", loc-uri = \"{uri}\", message = 1 }}");
    let step = format!("{{ refuse = {code} }}");
    rule("response", &matcher, &step).replace("played", &format!("refuses-{code}"))
}

async fn check(rules: String, expected: &Reported, done: usize) {
    for played in play(&(three_items() + &rules), &demo()).await {
        played.ends();
        assert_eq!(reported(&played.server.received[1]), *expected, "{played}");
        assert_eq!(of_colour(&played), done, "{played}");
    }
}

fn of_colour(played: &Played) -> usize {
    let colour = "Replace ./Device/Vendor/MSFT/DMTap/Colour";
    played.did(colour).len()
}

#[tokio::test]
async fn only_the_items_that_were_meant_are_refused() {
    let width = refuses(&at("Width"), 425);
    let stay = names(&["Colour", "Height"], 200);
    check(width.clone(), &vec![stay, names(&["Width"], 425)], 1).await;
    check(refuses(&at("*"), 425), &vec![(vec![], 425)], 0).await;
    let two = refuses(&at("*idth"), 425) + &refuses(&at("*eight"), 404);
    let each = |colour: u16, width: u16, height: u16| {
        vec![
            names(&["Colour"], colour),
            names(&["Width"], width),
            names(&["Height"], height),
        ]
    };
    check(two, &each(200, 425, 404), 1).await;
    check(refuses(&at("*i*h*"), 425), &each(200, 425, 425), 1).await;
    // What a third rule refuses of the rest is all that is left, and no more than that.
    let all = width + &refuses(&at("*g*"), 500) + &refuses(&at("Colour"), 404);
    let mut expected = each(404, 425, 500);
    expected.rotate_left(1);
    check(all, &expected, 0).await;
}

#[tokio::test]
async fn an_item_that_has_only_a_source_is_refused_by_it() {
    let rules = rule(
        "request",
        "{ command = \"Replace\", loc-uri = \"./DevInfo/Lang\" }",
        "{ refuse = 405 }",
    );
    for played in play(&rules, &demo()).await {
        played.ends();
        let source = |leaf: &str| format!("source ./DevInfo/{leaf}");
        let stay = ["DevId", "Man", "Mod", "DmV"].map(source).to_vec();
        let expected = vec![(stay, 200), (vec![source("Lang")], 405)];
        assert_eq!(reported(&played.device.received[0]), expected, "{played}");
        let sent = String::from_utf8_lossy(played.server.received[0].source()).into_owned();
        assert!(
            sent.contains("DevInfo/Man") && !sent.contains("DevInfo/Lang"),
            "{sent}"
        );
    }
}
