//! The sources of the crate, and the paths that they name.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree};

/// A source file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The path of its module, from `crate` on.
    pub(crate) parents: Vec<String>,
}

impl Source {
    /// The top-level module.
    pub(crate) fn module(&self) -> &str {
        self.parents.get(1).map_or("lib", |name| name)
    }

    pub(crate) fn at(&self, found: &Found) -> String {
        format!("{}:{}", self.path.display(), found.line)
    }
}

/// A path in code, from `crate` on where it leads into this crate.
pub(crate) struct Found {
    line: usize,
    pub(crate) segments: Vec<String>,
}

impl Found {
    /// Whether it begins with `name`, or ends with it; `name` may have several segments.
    pub(crate) fn names(&self, name: &str) -> bool {
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
pub(crate) fn paths(text: &str, parents: &[String]) -> Vec<Found> {
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

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &["crate".to_owned()], &mut files);
    assert!(
        files.len() > 20,
        "the sources are not where this test looks"
    );
    files
}

pub(crate) fn collect(folder: &Path, parents: &[String], files: &mut Vec<Source>) {
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
        // What the fuzz targets were built into is no source.
        if path.is_dir() && !path.ends_with("target") {
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
