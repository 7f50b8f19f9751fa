//! The rules of the architecture that the compiler does not check: layers, purity, sizes.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree};

/// The top-level modules, from the bottom up. One may import those of the rows below its own, but for [`EXCEPTIONS`].
const LAYERS: &[&[(&str, Kind)]] = &[
    &[("nearest", Kind::Pure)],
    &[
        ("patch", Kind::Pure),
        ("builtin_rules", Kind::Pure),
        ("facts", Kind::Pure),
        ("printable", Kind::Pure),
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
    assert!(found("use std::{fs, io};", "std::fs"));
    assert!(found("use tokio::net::TcpStream;", "tokio"));
    assert!(found("fn f() { tracing::warn!(\"x\") }", "tracing"));
    assert!(found("fn f() { Instant::now(); }", "Instant::now"));
    assert!(found("fn f() { x(println!(\"\")); }", "println!"));
    assert!(found("fn f() { vec![print!(\"\")]; }", "print!"));
    assert!(!found("fn f() { print(1); }", "print!"));
    assert!(!found("fn f() { let tokiomarine = 1; }", "tokio"));
}

/// A source file.
struct Source {
    path: PathBuf,
    text: String,
    /// The path of its module, from `crate` on.
    parents: Vec<String>,
}

impl Source {
    /// The top-level module.
    fn module(&self) -> &str {
        self.parents.get(1).map_or("lib", |name| name)
    }

    fn at(&self, found: &Found) -> String {
        format!("{}:{}", self.path.display(), found.line)
    }
}

/// A path in code, from `crate` on where it leads into this crate.
struct Found {
    line: usize,
    segments: Vec<String>,
}

impl Found {
    /// Whether it begins with `name`, or ends with it; `name` may have several segments.
    fn names(&self, name: &str) -> bool {
        let name: Vec<&str> = name.split("::").collect();
        self.segments
            .windows(name.len())
            .enumerate()
            .any(|(at, part)| {
                // The name of a crate counts only at the beginning, that of a type anywhere.
                let is_type = name[0].starts_with(char::is_uppercase);
                part == name && (at == 0 || is_type)
            })
    }
}

/// Every path that code names, unit tests left out.
fn paths(text: &str, parents: &[String]) -> Vec<Found> {
    let file = syn::parse_file(text).unwrap();
    let mut paths = Paths {
        parents: parents.to_vec(),
        found: Vec::new(),
    };
    paths.visit_file(&file);
    paths.found
}

struct Paths {
    parents: Vec<String>,
    found: Vec<Found>,
}

impl Paths {
    fn add(&mut self, line: usize, segments: Vec<String>) {
        let mut segments = segments.into_iter().peekable();
        let mut path = match segments.peek().map(String::as_str) {
            Some("self" | "super") => self.parents.clone(),
            _ => Vec::new(),
        };
        while let Some(word) = segments.next_if(|word| word == "self" || word == "super") {
            if word == "super" {
                path.pop();
            }
        }
        path.extend(segments);
        self.found.push(Found {
            line,
            segments: path,
        });
    }

    fn add_uses(&mut self, tree: &UseTree, before: &[String]) {
        let path = |last: &syn::Ident| [before, &[last.to_string()]].concat();
        match tree {
            UseTree::Path(part) => self.add_uses(&part.tree, &path(&part.ident)),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.add_uses(tree, before)),
            UseTree::Name(name) => self.add(name.span().start().line, path(&name.ident)),
            UseTree::Rename(name) => self.add(name.span().start().line, path(&name.ident)),
            UseTree::Glob(glob) => self.add(glob.span().start().line, before.to_vec()),
        }
    }

    /// The paths among the tokens of a macro, which have no syntax of their own.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 && !segments.is_empty() {
                        self.add(line, std::mem::take(&mut segments));
                    }
                    line = ident.span().start().line;
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    if let Some(last) = segments.last_mut() {
                        last.push('!');
                    }
                    colons = 0;
                }
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => colons = 0,
            }
        }
        if !segments.is_empty() {
            self.add(line, segments);
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'a> Visit<'a> for Paths {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if !is_test(&module.attrs) {
            self.parents.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.parents.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if !is_test(&item.attrs) {
            self.add_uses(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter();
        let segments = segments.map(|segment| segment.ident.to_string());
        self.add(path.span().start().line, segments.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'a Macro) {
        let mut segments: Vec<String> = found
            .path
            .segments
            .iter()
            .map(|s| s.ident.to_string())
            .collect();
        if let Some(last) = segments.last_mut() {
            last.push('!');
        }
        self.add(found.path.span().start().line, segments);
        self.add_tokens(found.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'a Attribute) {}
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &["crate".to_owned()], &mut files);
    assert!(
        files.len() > 20,
        "the sources are not where this test looks"
    );
    files
}

fn collect(folder: &Path, parents: &[String], files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let parents = match name.as_str() {
            "lib" | "mod" => parents.to_vec(),
            _ => [parents, &[name]].concat(),
        };
        if path.is_dir() {
            collect(&path, &parents, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push(Source {
                path,
                text,
                parents,
            });
        }
    }
}
