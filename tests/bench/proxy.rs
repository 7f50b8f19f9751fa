//! What the proxy costs beside a bare one on the same libraries.
//!
//! `cargo bench --bench proxy [-- FILTER]`, about two minutes. Server, proxies and devices are processes of their
//! own, on loopback, with TLS on both legs and 4 KB bodies both ways; every contender gets a slice of each round,
//! so that a busy machine slows all of them alike. `ALPN=h2` measures HTTP/2, `ROUNDS=n` more or fewer rounds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and prints what it measured"
)]

#[path = "proxy/bare.rs"]
mod bare;
#[path = "proxy/load.rs"]
mod load;
#[path = "proxy/message.rs"]
mod message;
#[path = "proxy/role.rs"]
mod role;
#[path = "proxy/table.rs"]
mod table;

use std::time::Duration;

use load::{Habit, Load};
use message::Form;
use role::{Child, Role};
use table::Row;

fn main() {
    if let Some(role) = Role::of_this_process() {
        return role.play();
    }
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let rounds = number("ROUNDS", 15);
    let directory = tempfile::tempdir().unwrap();
    let server = Child::start(Role::Server, directory.path(), None);
    let contenders: Vec<_> = CONTENDERS
        .iter()
        .filter(|(name, ..)| name.contains(&wanted) || name.contains("bare"))
        .map(|&(name, role, form)| {
            let proxy = role.map(|role| Child::start(role, directory.path(), Some(&server)));
            (name, form, proxy)
        })
        .collect();
    let load = Load::new(directory.path(), &alpn());
    for (habit, title) in [
        (Habit::KeepAlive, "keep-alive"),
        (Habit::NewConnection, "a new TLS connection per request"),
    ] {
        let mut rows: Vec<_> = contenders.iter().map(|(name, ..)| Row::new(name)).collect();
        for round in 0..=rounds {
            for ((_, form, proxy), row) in contenders.iter().zip(&mut rows) {
                let child = proxy.as_ref().unwrap_or(&server);
                let before = child.cpu();
                let slice = load.run(child.address, *form, habit, SLICE);
                let cpu = child
                    .cpu()
                    .zip(before)
                    .map(|(after, before)| after - before);
                // The first round warms everything up.
                if round > 0 {
                    row.add(slice, cpu.filter(|_| proxy.is_some()));
                }
            }
        }
        table::print(title, &rows);
    }
}

/// Name, process, bodies. The first one is `direct`, the second one the measure of all others.
const CONTENDERS: [(&str, Option<Role>, Form); 11] = [
    ("direct", None, Form::Xml),
    ("bare proxy", Some(Role::Bare), Form::Xml),
    ("dmtap passing through", Some(Role::Pass), Form::Xml),
    ("dmtap decoding XML", Some(Role::Annotate), Form::Xml),
    ("dmtap decoding WBXML", Some(Role::Annotate), Form::Wbxml),
    ("dmtap recording XML", Some(Role::Record), Form::Xml),
    ("dmtap recording WBXML", Some(Role::Record), Form::Wbxml),
    ("dmtap with rules, XML", Some(Role::Rules), Form::Xml),
    ("dmtap with rules, WBXML", Some(Role::Rules), Form::Wbxml),
    (
        "dmtap decoding XML, 1,000 rules",
        Some(Role::ThousandRules),
        Form::Xml,
    ),
    (
        "dmtap decoding WBXML, 1,000 rules",
        Some(Role::ThousandRules),
        Form::Wbxml,
    ),
];

fn alpn() -> String {
    std::env::var("ALPN").unwrap_or_else(|_| "http/1.1".into())
}

fn number(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

/// Short, so that what else the machine does falls on neighbours alike.
const SLICE: Duration = Duration::from_millis(250);
