//! The rules of the architecture that the compiler does not check: layers, purity, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[path = "tidy/source.rs"]
mod source;

use source::{Source, collect, paths, root, sources};

/// The top-level modules, from the bottom up. One may import those of the rows below its own, but for [`EXCEPTIONS`].
const LAYERS: &[&[(&str, Kind)]] = &[
    &[("nearest", Kind::Pure)],
    &[
        ("patch", Kind::Pure),
        ("builtin_rules", Kind::Pure),
        ("facts", Kind::Pure),
        ("printable", Kind::Pure),
        ("json_schema", Kind::Pure),
        ("error_text", Kind::Impure),
    ],
    &[("markup", Kind::Pure)],
    &[("dm", Kind::Pure)],
    &[("flow", Kind::Pure), ("filter", Kind::Pure)],
    &[
        ("rules", Kind::Pure),
        ("stay", Kind::Pure),
        ("identity", Kind::Pure),
    ],
    &[("peer", Kind::Pure)],
    &[("conversation", Kind::Shared), ("record", Kind::Impure)],
    &[("proxy", Kind::Impure)],
    &[("app", Kind::Impure)],
    &[("cli", Kind::Impure)],
];

/// Modules, and those below them that they may not import either.
const EXCEPTIONS: &[(&str, &[&str])] = &[
    ("peer", &["flow", "rules", "stay"]),
    ("conversation", &["peer", "error_text"]),
    ("record", &["peer", "rules", "stay", "identity"]),
    ("identity", &["error_text", "builtin_rules"]),
    ("proxy", &["peer", "builtin_rules"]),
    ("rules", &["error_text", "builtin_rules"]),
    ("stay", &["error_text", "builtin_rules"]),
];

/// What a module may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It only computes: none of [`IMPURE`] and [`SHARED`].
    Pure,
    /// It only computes, with locks and given times.
    Shared,
    /// It does IO.
    Impure,
}

/// The row and the kind of a module.
fn layer(module: &str) -> Option<(usize, Kind)> {
    let rows = LAYERS.iter().enumerate();
    let mut modules = rows.flat_map(|(row, modules)| modules.iter().map(move |m| (row, m)));
    let found = modules.find(|(_, (name, _))| *name == module);
    found.map(|(row, (_, kind))| (row, *kind))
}

/// What a pure module may not name: crates and paths of IO, clocks and randomness.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "rustls",
    "tracing",
    "std::fs",
    "std::io",
    "std::thread",
    "std::env",
    "std::process",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::time::Instant::now",
    "Instant::now",
    "SystemTime",
    "println!",
    "eprintln!",
];

/// Locks and clocks' types. Exchanges of many connections share the sessions of `conversation`, which gets the time as an
/// argument.
const SHARED: &[&str] = &["Mutex", "RwLock", "Instant"];

/// Macros that print to the standard streams: they panic if the stream cannot be written, and block if nobody reads.
const PRINTING: &[&str] = &["println!", "eprintln!", "print!", "eprint!"];

const LONGEST_FILE: usize = 500;

#[test]
fn imports_never_point_upwards() {
    let mut wrong = Vec::new();
    for file in sources() {
        if ["lib", "main"].contains(&file.module()) {
            continue;
        }
        let has_layer = layer(file.module()).is_some();
        assert!(has_layer, "{} has no layer: add it here", file.module());
        for found in paths(&file.text, &file.parents) {
            if let [first, other, ..] = &found.segments[..]
                && first == "crate"
                && !may_import(file.module(), other)
            {
                wrong.push(format!("{} may not use {other}", file.at(&found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a module may use another one; names that are no modules are none of this test's business.
fn may_import(module: &str, other: &str) -> bool {
    let (Some((row, _)), Some((below, _))) = (layer(module), layer(other)) else {
        return true;
    };
    let mut exceptions = EXCEPTIONS.iter();
    let is_excepted = exceptions.any(|(name, others)| *name == module && others.contains(&other));
    module == other || below < row && !is_excepted
}

#[test]
fn pure_modules_touch_no_io_clock_or_lock() {
    let mut wrong = Vec::new();
    for file in sources() {
        let shared = match layer(file.module()) {
            Some((_, Kind::Pure)) => SHARED,
            Some((_, Kind::Shared)) => &[],
            _ => continue,
        };
        for found in paths(&file.text, &file.parents) {
            for name in IMPURE.iter().chain(shared).filter(|name| found.names(name)) {
                wrong.push(format!("{}: {name} in a pure module", file.at(&found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_parts_of_the_rules_import_each_other_in_a_circle() {
    let mut files = sources();
    files.retain(|file| file.module() == "rules");
    let modules: BTreeSet<String> = files.iter().map(|file| file.parents.join("::")).collect();
    let mut imports = Vec::new();
    // What a module imports, others may import from it.
    let mut aliases = BTreeMap::new();
    for file in &files {
        let own = file.parents.join("::");
        for found in paths(&file.text, &file.parents) {
            let mut path = found.segments.join("::");
            if modules.contains(&format!("{own}::{}", found.segments[0])) {
                path = format!("{own}::{path}");
            }
            if path.starts_with("crate::rules::") {
                let name = found.segments.last().map_or("", String::as_str);
                aliases.insert(format!("{own}::{name}"), path.clone());
                imports.push((own.clone(), path));
            }
        }
    }
    let mut links = BTreeSet::new();
    for (from, path) in imports {
        let mut path = &path;
        // Names go through few files; two of one name may lead to each other.
        for _ in 0..4 {
            path = aliases.get(path).unwrap_or(path);
        }
        // The outermost module of each that the other does not stand in.
        let mut pair = from.split("::").zip(path.split("::"));
        let Some(at) = pair.position(|(one, other)| one != other) else {
            continue;
        };
        let outermost = |path: &str| path.split("::").take(at + 1).collect::<Vec<_>>().join("::");
        let (one, other) = (outermost(&from), outermost(path));
        if modules.contains(&other) {
            links.insert((one, other));
        }
    }
    assert!(links.len() > 50, "{links:#?}");
    let circle = in_a_circle(links);
    assert!(circle.is_empty(), "a circle is among these: {circle:#?}");
}

/// The links that are left when those are gone that lead to an end, or come from a beginning.
fn in_a_circle(mut links: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    loop {
        let (from, to): (BTreeSet<String>, BTreeSet<String>) = links.iter().cloned().unzip();
        let before = links.len();
        links.retain(|(one, other)| to.contains(one) && from.contains(other));
        if links.len() == before {
            return links;
        }
    }
}

#[test]
fn nothing_prints_past_the_queue() {
    let mut wrong = Vec::new();
    for file in sources() {
        for found in paths(&file.text, &file.parents) {
            if PRINTING.iter().any(|name| found.segments == [*name]) {
                wrong.push(format!("{}: {}", file.at(&found), found.segments[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fuzz targets build these modules as a crate of their own.
#[test]
fn the_fuzz_crate_has_every_crate_of_the_modules_it_builds() {
    let dependencies = |manifest: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let table = manifest["dependencies"].as_table().unwrap();
        table.keys().cloned().collect()
    };
    let has = dependencies("tests/fuzz/Cargo.toml");
    let mut missing = dependencies("Cargo.toml");
    missing.retain(|name| !has.contains(name));
    let is_built =
        |file: &Source| ["dm", "facts", "filter", "markup", "patch"].contains(&file.module());
    for file in sources().iter().filter(|file| is_built(file)) {
        for found in paths(&file.text, &file.parents) {
            for name in &missing {
                let library = if name == "md-5" { "md5" } else { name };
                let is_used =
                    found.segments.len() > 1 && found.segments[0] == library.replace('-', "_");
                assert!(
                    !is_used,
                    "{}: tests/fuzz/Cargo.toml lacks {name}",
                    file.at(&found)
                );
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_the_cap() {
    let mut files = sources();
    collect(&root().join("tests"), &[], &mut files);
    let long: Vec<String> = files
        .iter()
        .map(|file| (&file.path, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(
        long.is_empty(),
        "longer than {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| file.path)
        .collect();
    assert!(silent.is_empty(), "no `//!` line: {silent:?}");
}

#[test]
fn these_checks_find_what_they_look_for() {
    let found = |code: &str, name: &str| {
        let parents = ["crate", "record", "redact"].map(str::to_owned);
        paths(code, &parents).iter().any(|path| path.names(name))
    };
    for code in [
        "use crate::proxy::Proxy;",
        "use crate::{\n    dm,\n    proxy::{\n wire }\n};",
        "use super::super::proxy as front;",
        "fn f() { let x = crate::proxy::wire::x(); }",
        "fn f(x: Vec<crate::proxy::X>) {}",
        "macro_rules! m { () => { crate::proxy::x() } }",
        "mod inner { use super::super::super::proxy; }",
    ] {
        assert!(found(code, "crate::proxy"), "{code}");
    }
    assert!(!found("use crate::proxying::x;", "crate::proxy"));
    assert!(!found("/// crate::proxy\nfn f() {}", "crate::proxy"));
    assert!(!found(
        "#[cfg(test)]\nmod tests { use crate::proxy; }",
        "crate::proxy"
    ));
    assert!(
        may_import("rules", "flow") && may_import("rules", "rules") && may_import("cli", "app")
    );
    assert!(
        !may_import("flow", "rules")
            && !may_import("rules", "peer")
            && !may_import("proxy", "peer")
    );
    let links = |links: &[(&str, &str)]| {
        let links = links.iter().map(|(a, b)| (a.to_string(), b.to_string()));
        in_a_circle(links.collect()).len()
    };
    assert_eq!(links(&[("a", "b"), ("b", "c"), ("a", "c")]), 0);
    assert_eq!(links(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]), 2);
    assert!(found("use std::{fs, io};", "std::fs"));
    assert!(found("use tokio::net::TcpStream;", "tokio"));
    assert!(found("fn f() { tracing::warn!(\"x\") }", "tracing"));
    assert!(found("fn f() { Instant::now(); }", "Instant::now"));
    assert!(found("fn f() { x(println!(\"\")); }", "println!"));
    assert!(found("fn f() { vec![print!(\"\")]; }", "print!"));
    assert!(!found("fn f() { print(1); }", "print!"));
    assert!(!found("fn f() { let tokiomarine = 1; }", "tokio"));
}
