//! Every built-in rule is played in XML and in WBXML, and has exactly the effect in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dmtap::builtin_rules::{self, BUILTIN_RULES, BuiltinRule};
use dmtap::peer::{Encoding, Plan, PlannedCommand};
use dmtap::proxy::Authority;
use dmtap::rules::{Stage, load};
use dmtap::stay::Extent;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::lines::outcomes;
use super::stage::{Played, play, play_plan};

/// What a built-in rule does.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// See `lines.rs`.
    #[serde(default)]
    lines: Vec<String>,
    /// What the device did otherwise than without the built-in rule.
    #[serde(default)]
    device: Vec<String>,
    /// What the server received otherwise than without the built-in rule.
    #[serde(default)]
    server: Vec<String>,
    /// The device's session breaks off, and for a reason that begins so.
    #[serde(default)]
    broken: Option<String>,
    /// The session may break off as well, if the device is quick enough to use what is about to close.
    #[serde(default)]
    may_break: bool,
    /// In how many sessions of one device it is played; one unless given.
    #[serde(default)]
    sessions: Option<u32>,
    /// What it does in WBXML, where that is something else.
    #[serde(default)]
    wbxml: Option<Box<Self>>,
}

/// An Add without MoreData is a last chunk only where chunks went before it.
#[tokio::test(flavor = "multi_thread")]
async fn last_chunk_lost_acts_on_the_last_chunk_of_a_large_object_only() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let rule = builtin_rules::find("last-chunk-lost").unwrap();
    for (plan, acts) in [(Plan::demo(), false), (Plan::large(), true)] {
        let mut commands = plan.packages.iter().flat_map(|package| &package.commands);
        assert!(commands.any(|command| command.as_ref() == "Add"));
        for wire in [Encoding::Xml, Encoding::Wbxml] {
            let played = play_plan(
                rule,
                plan.clone(),
                authority.clone(),
                wire,
                1,
                Extent::Followed,
            )
            .await;
            // How often is what the table says.
            let acted = played.acted.iter().any(|rule| rule == "last-chunk-lost");
            assert_eq!(acted, acts, "{wire:?}: {:?}", played.acted);
        }
    }
}

/// A server may Add, Replace or Exec what is long.
#[tokio::test(flavor = "multi_thread")]
async fn rules_about_chunks_act_on_every_command_with_a_long_value() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let at = |leaf: &str| format!("./Device/Vendor/MSFT/DMTap/{leaf}");
    let long = || "long ".repeat(1_000);
    let commands = [
        PlannedCommand::Replace(at("Colour"), long()),
        PlannedCommand::Exec(at("Restart"), long()),
    ];
    for (command, node) in commands.into_iter().zip(["Colour", "Restart"]) {
        let mut plan = Plan::large();
        plan.packages.truncate(2);
        plan.packages[0].commands = vec![command];
        for name in ["last-chunk-lost", "object-abandoned", "object-interrupted"] {
            let rule = builtin_rules::find(name).unwrap();
            let (plan, authority) = (plan.clone(), authority.clone());
            let played = play_plan(rule, plan, authority, Encoding::Xml, 1, Extent::Followed).await;
            assert!(
                played.acted.iter().any(|acted| acted == name),
                "{name}: {node}: {:?}",
                played.acted
            );
        }
    }
}

/// A built-in rule, how and in how many sessions it was played, and what came of it.
type Play = (&'static BuiltinRule, Encoding, u32, Played);

/// Every built-in rule and none, played once for all tests.
async fn played() -> &'static [Play] {
    static PLAYED: OnceCell<Vec<Play>> = OnceCell::const_new();
    PLAYED.get_or_init(|| play_all(Extent::Followed)).await
}

async fn play_all(extent: Extent) -> Vec<Play> {
    let table: BTreeMap<String, Expected> = toml::from_str(TABLE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder.path()).unwrap());
    let mut playing = JoinSet::new();
    let sessions = |builtin: &BuiltinRule| {
        table
            .get(builtin.name)
            .and_then(|e| e.sessions)
            .unwrap_or(1)
    };
    // Attestation is played, and tried, where devices enroll: enroll::attestation.
    let played = BUILTIN_RULES.iter();
    let played = played.filter(|builtin| builtin.theme != "attestation");
    for builtin in played.chain(NO_RULES) {
        for wire in [Encoding::Xml, Encoding::Wbxml] {
            let (authority, sessions) = (authority.clone(), sessions(builtin));
            playing.spawn(async move {
                let played = play(builtin, authority, wire, sessions, extent).await;
                (builtin, wire, sessions, played)
            });
        }
    }
    let longer = BUILTIN_RULES.iter().filter(|builtin| sessions(builtin) > 1);
    for sessions in longer.map(sessions).collect::<BTreeSet<_>>() {
        let (authority, none) = (authority.clone(), &NO_RULES[0]);
        playing.spawn(async move {
            let played = play(none, authority, Encoding::Xml, sessions, extent).await;
            (none, Encoding::Xml, sessions, played)
        });
    }
    let mut played = playing.join_all().await;
    played
        .sort_by_key(|(builtin, wire, ..)| (builtin.theme, builtin.name, *wire == Encoding::Wbxml));
    played
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_every_built_in_rule_is_tried_with_the_same_bytes_as_the_proxy_sent() {
    let mut wrong = String::new();
    let (mut same, mut rewritten) = (0, 0);
    let (followed, full) = tokio::join!(played(), play_all(Extent::Full));
    for (builtin, wire, _, played) in followed.iter().chain(&full) {
        let tried = &played.tried;
        let mut note = |what: &str| {
            wrong.push_str(&format!("# {} in {wire:?}: {what}\n", builtin.name));
        };
        tried.differences.iter().for_each(|line| note(line));
        same += tried.same;
        rewritten += tried.rewritten;
        let rules = load::parse(builtin.name, builtin.text).unwrap();
        let is_about_messages = rules.iter().any(|rule| rule.stage != Stage::Connection);
        let is_compared = is_about_messages && !NOT_COMPARED.contains(&builtin.name);
        if is_compared != (tried.acted > 0) {
            note(&format!("acts on {} messages", tried.acted));
        }
        if NOT_COMPARED.contains(&builtin.name) == tried.unknown.is_empty() {
            note(&format!("not compared: {:?}", tried.unknown));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(same > 1000, "{same} messages were compared");
    assert!(rewritten > 500, "{rewritten} had URLs rewritten");
}

/// Rules that answer in place of a response: a record has that answer and not the response, and the session goes on as
/// rules promised about the response; `cli::trial` compares their answers. Rules about connections cannot be tried on messages
/// either.
const NOT_COMPARED: &[&str] = &["answer-lost", "early-end", "next-message"];

#[tokio::test(flavor = "multi_thread")]
async fn every_built_in_rule_does_what_the_table_says_in_xml_and_in_wbxml() {
    let table: BTreeMap<String, Expected> = toml::from_str(TABLE).unwrap();
    let played = played().await;
    let mut wrong = String::new();
    let mut acted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (builtin, wire, sessions, now) in played {
        let name = format!("{} in {wire:?}", builtin.name);
        let nothing = Expected::default();
        let expected = table.get(builtin.name).unwrap_or(&nothing);
        let expected = match (&expected.wbxml, wire) {
            (Some(wbxml), Encoding::Wbxml) => wbxml,
            _ => expected,
        };
        let plain = played.iter().find(|(other, _, as_long, _)| {
            let is_plain = other.name == NO_RULES[0].name && as_long == sessions;
            is_plain && other.is_about_chunks() == builtin.is_about_chunks()
        });
        let mut found = found(now, &plain.expect("it is played without a built-in rule").3);
        if expected.may_break {
            (found.may_break, found.broken) = (true, None);
        }
        if let (Some(begins), Some(why)) = (&expected.broken, &found.broken)
            && why.starts_with(&**begins)
        {
            found.broken = Some(begins.clone());
        }
        if !expected.is_as(&found) {
            wrong.push_str(&format!("# {name}:\n{}\n", found.table(builtin.name)));
        }
        acted
            .entry(builtin.name)
            .or_default()
            .extend(now.acted.iter().cloned());
        let in_both = table.get(builtin.name).is_none_or(|e| e.wbxml.is_none());
        let acted = match in_both {
            true => &now.acted.iter().cloned().collect(),
            false => &acted[builtin.name],
        };
        for rule in load::parse(builtin.name, builtin.text).unwrap() {
            if !acted.contains(&rule.name) && (in_both || *wire == Encoding::Wbxml) {
                wrong.push_str(&format!("# {name}: the rule {} never acted\n\n", rule.name));
            }
        }
    }
    let known = |name: &String| BUILTIN_RULES.iter().any(|builtin| builtin.name == name);
    for name in table.keys().filter(|name| !known(name)) {
        wrong.push_str(&format!("# {name} is no built-in rule\n"));
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
        ..Expected::default()
    }
}

impl Expected {
    fn is_as(&self, found: &Self) -> bool {
        let said = |e: &Self| {
            let lists = [&e.lines, &e.device, &e.server].map(Clone::clone);
            (lists, e.broken.clone(), e.may_break)
        };
        said(self) == said(found)
    }

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

const TABLE: &str = include_str!("../../data/builtin_rules.toml");

/// What is played without rules: the plan of most built-in rules, and that of the built-in rules about chunks.
const NO_RULES: &[BuiltinRule] = &[
    BuiltinRule {
        theme: "",
        name: "no built-in rule",
        text: "",
    },
    BuiltinRule {
        theme: "chunks",
        name: "no built-in rule",
        text: "",
    },
];
