//! Every story is played in XML and in WBXML, and does what the table says: nothing less, nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;

use dmtap::peer::Wire;
use dmtap::proxy::Authority;
use dmtap::rules::load;
use dmtap::shelf::STORIES;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::stage::{Played, play};

/// What a story does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// See `lines.rs`.
    lines: Vec<String>,
    /// The device's session breaks off, and this is in the reason.
    #[serde(default)]
    broken: Option<String>,
}

const TABLE: &str = include_str!("../data/shelf.toml");

#[tokio::test(flavor = "multi_thread")]
async fn every_story_does_what_the_table_says_in_xml_and_in_wbxml() {
    let table: BTreeMap<String, Expected> = toml::from_str(TABLE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let mut playing = JoinSet::new();
    for story in STORIES {
        for wire in [Wire::Xml, Wire::Wbxml] {
            let authority = authority.clone();
            playing.spawn(async move { (story, wire, play(story, authority, wire).await) });
        }
    }
    let mut played = playing.join_all().await;
    played.sort_by_key(|(story, wire, _)| (story.theme, story.name, *wire == Wire::Wbxml));
    let mut wrong = String::new();
    for (story, wire, played) in &played {
        let name = format!("{} in {wire:?}", story.name);
        let nothing = Expected::default();
        let expected = table.get(story.name).unwrap_or(&nothing);
        if let Some(why) = compare(expected, played) {
            wrong.push_str(&format!(
                "# {name}: {why}\n{}\n",
                as_table(story.name, played)
            ));
        }
        for rule in load::parse(story.name, story.text).unwrap() {
            if !played.acted.contains(&rule.name) {
                wrong.push_str(&format!("# {name}: the rule {} never acted\n\n", rule.name));
            }
        }
    }
    let known = |name: &String| STORIES.iter().any(|story| story.name == name);
    for name in table.keys().filter(|name| !known(name)) {
        wrong.push_str(&format!("# {name} is no story\n"));
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn compare(expected: &Expected, played: &Played) -> Option<&'static str> {
    let broken = match (&expected.broken, &played.broken) {
        (Some(part), Some(why)) => why.contains(&**part),
        (expected, played) => expected.is_none() && played.is_none(),
    };
    match (expected.lines == played.lines, broken) {
        _ if expected.lines.is_empty() => Some("the table expects nothing of it"),
        (false, _) => Some("it did something else"),
        (_, false) => Some("the session ended in another way"),
        _ => None,
    }
}

/// What was played, as the table would have it.
fn as_table(name: &str, played: &Played) -> String {
    let mut text = format!("[{name}]\nlines = [\n");
    for line in &played.lines {
        text.push_str(&format!("    {},\n", toml::Value::from(line.as_str())));
    }
    text.push_str("]\n");
    if let Some(why) = &played.broken {
        text.push_str(&format!("broken = {}\n", toml::Value::from(why.as_str())));
    }
    text
}
