//! Every story is played in XML and in WBXML, and does what the table says: nothing less, nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;

use dmtap::peer::Wire;
use dmtap::proxy::Authority;
use dmtap::rules::load;
use dmtap::shelf::{STORIES, Story};
use serde::Deserialize;
use tokio::task::JoinSet;

use super::lines::outcomes;
use super::stage::{Played, play};

/// What a story does.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// See `lines.rs`.
    #[serde(default)]
    lines: Vec<String>,
    /// What the device did otherwise than without the story.
    #[serde(default)]
    device: Vec<String>,
    /// What the server was told otherwise than without the story.
    #[serde(default)]
    server: Vec<String>,
    /// The device's session breaks off, and for a reason that begins so.
    #[serde(default)]
    broken: Option<String>,
    /// The session may break off as well, if the device is quick enough to use what is about to close.
    #[serde(default)]
    may_break: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_story_does_what_the_table_says_in_xml_and_in_wbxml() {
    let table: BTreeMap<String, Expected> = toml::from_str(TABLE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let plain = play(&NO_STORY, authority.clone(), Wire::Xml).await;
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
        let mut found = found(played, &plain);
        if expected.may_break {
            (found.may_break, found.broken) = (true, None);
        }
        if let (Some(begins), Some(why)) = (&expected.broken, &found.broken)
            && why.starts_with(&**begins)
        {
            found.broken = Some(begins.clone());
        }
        if *expected != found {
            wrong.push_str(&format!("# {name}:\n{}\n", found.table(story.name)));
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

/// What was played, as the table has it.
fn found(played: &Played, plain: &Played) -> Expected {
    // What a session that broke off did not come to says nothing.
    let (device, server) = match played.broken {
        Some(_) => (Vec::new(), Vec::new()),
        None => (
            outcomes(&plain.device, &played.device),
            outcomes(&plain.server, &played.server),
        ),
    };
    Expected {
        lines: played.lines.clone(),
        device,
        server,
        broken: played.broken.clone(),
        may_break: false,
    }
}

impl Expected {
    fn table(&self, name: &str) -> String {
        let mut text = format!("[{name}]\n");
        let lists = [
            ("lines", &self.lines),
            ("device", &self.device),
            ("server", &self.server),
        ];
        for (key, lines) in lists {
            if !lines.is_empty() {
                text.push_str(&format!("{key} = [\n"));
                for line in lines {
                    text.push_str(&format!("    {},\n", toml::Value::from(line.as_str())));
                }
                text.push_str("]\n");
            }
        }
        if let Some(why) = &self.broken {
            text.push_str(&format!("broken = {}\n", toml::Value::from(why.as_str())));
        }
        text
    }
}

const TABLE: &str = include_str!("../data/shelf.toml");

const NO_STORY: Story = Story {
    theme: "",
    name: "no story",
    text: "",
};
