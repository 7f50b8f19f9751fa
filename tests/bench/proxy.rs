//! Measures the cost of the proxy compared with a bare proxy on the same libraries.
//!
//! `cargo bench --bench proxy [-- FILTER]`, about three minutes. Server, proxies and devices are separate processes on
//! loopback, with TLS on both legs and bodies of 4 KB both ways. Each contender gets a slice of each round, so that a
//! busy machine slows all of them equally. dmtap is the released program, run from the command line; the bare proxy has
//! the same optimisations. `ALPN=h2` measures HTTP/2, `ROUNDS=n` sets the number of rounds.
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
#[path = "proxy/peers.rs"]
mod peers;
#[path = "proxy/role.rs"]
mod role;
#[path = "proxy/rule_files.rs"]
mod rule_files;
#[path = "proxy/table.rs"]
mod table;

use std::time::Duration;

use load::{Habit, Load};
use message::Form;
use role::{Child, Role};
use table::Row;

fn main() {
    if role::play_role_of_this_process() {
        return;
    }
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    let rounds = number("ROUNDS", 15);
    let directory = tempfile::tempdir().unwrap();
    rule_files::write(directory.path());
    let server = Child::start(Role::Server, directory.path(), None).unwrap();
    let mut contenders = Vec::new();
    for &(name, role, form) in CONTENDERS {
        if !(name.contains(&wanted) || name.contains("bare")) {
            continue;
        }
        let proxy = role.map(|role| Child::start(role, directory.path(), Some(&server)));
        match proxy {
            Some(None) => println!("{name}: not installed"),
            proxy => contenders.push((name, form, proxy.flatten())),
        }
    }
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

/// Name, process, bodies. `direct` has no proxy; the bare proxy is the measure of all others. What stands behind
/// `, --stay on` and `, 1,000 rules` is also compared with the contender of the name before it.
const CONTENDERS: &[(&str, Option<Role>, Form)] = &[
    ("direct", None, Form::Xml),
    ("bare proxy", Some(Role::Bare), Form::Xml),
    ("nginx", Some(Role::Nginx), Form::Xml),
    ("haproxy", Some(Role::Haproxy), Form::Xml),
    ("dmtap passing through", PASS, Form::Xml),
    ("dmtap passing through, --stay on", PASS_STAY, Form::Xml),
    ("dmtap passing through WBXML", PASS, Form::Wbxml),
    (
        "dmtap passing through WBXML, --stay on",
        PASS_STAY,
        Form::Wbxml,
    ),
    ("dmtap decoding XML", DECODE, Form::Xml),
    ("dmtap decoding WBXML", DECODE, Form::Wbxml),
    ("dmtap recording XML", RECORD_XML, Form::Xml),
    ("dmtap recording WBXML", RECORD_WBXML, Form::Wbxml),
    ("dmtap with rules, XML", RULES, Form::Xml),
    ("dmtap with rules, WBXML", RULES, Form::Wbxml),
    ("dmtap decoding XML, 1,000 rules", THOUSAND, Form::Xml),
    ("dmtap decoding WBXML, 1,000 rules", THOUSAND, Form::Wbxml),
];

const PASS: Option<Role> = Some(Role::Dmtap(&["-q", "--stay", "off"]));
const PASS_STAY: Option<Role> = Some(Role::Dmtap(&["-q"]));
/// A rule that must read every command and acts on none.
const DECODE: Option<Role> = Some(Role::Dmtap(&["-q", "--fail", "./Nowhere/**=500"]));
const RECORD_XML: Option<Role> = Some(Role::Dmtap(&["-q", "-w", "{dir}/xml.jsonl"]));
const RECORD_WBXML: Option<Role> = Some(Role::Dmtap(&["-q", "-w", "{dir}/wbxml.jsonl"]));
const RULES: Option<Role> = Some(Role::Dmtap(&["-q", "--rules", "{dir}/few.toml"]));
const THOUSAND: Option<Role> = Some(Role::Dmtap(&["-q", "--rules", "{dir}/thousand.toml"]));

fn alpn() -> String {
    std::env::var("ALPN").unwrap_or_else(|_| "http/1.1".into())
}

fn number(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

/// Short, so that what else the machine does falls on neighbours alike.
const SLICE: Duration = Duration::from_millis(250);
