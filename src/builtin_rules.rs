//! The built-in rules: the files of the folder `rules/`, as text in the program.

use std::sync::LazyLock;

use include_dir::{Dir, File, include_dir};

/// A built-in rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinRule {
    /// The folder of the file, which names the subject of the rule.
    pub theme: &'static str,
    /// The file name without `.toml`; unique.
    pub name: &'static str,
    /// The content of the file.
    pub text: &'static str,
}

impl BuiltinRule {
    /// Returns a one-line description of the fault.
    pub fn shows(&self) -> &'static str {
        self.comment(0)
    }

    /// Returns a one-line description of what a correct peer does.
    pub fn right(&self) -> &'static str {
        self.comment(1)
    }

    /// Returns the file name for errors and records; no such file exists on disk.
    pub fn file(&self) -> String {
        format!("built-in:{}/{}.toml", self.theme, self.name)
    }

    /// Whether the rule acts only on values that are sent in chunks.
    pub fn is_about_chunks(&self) -> bool {
        self.theme == "chunks"
    }

    fn of(file: &'static File<'static>) -> Option<Self> {
        let (theme, file_name) = file.path().to_str()?.split_once('/')?;
        Some(Self {
            theme,
            name: file_name.strip_suffix(".toml")?,
            text: file.contents_utf8()?,
        })
    }

    fn comment(&self, line: usize) -> &'static str {
        let line = self.text.lines().nth(line).unwrap_or_default();
        line.trim_start_matches('#').trim()
    }
}

/// Finds the built-in rule of this name.
pub fn find(name: &str) -> Option<&'static BuiltinRule> {
    BUILTIN_RULES.iter().find(|rule| rule.name == name)
}

/// All built-in rules, sorted by theme and name. A new rule file is included once this source file is compiled again.
pub static BUILTIN_RULES: LazyLock<Vec<BuiltinRule>> = LazyLock::new(|| {
    let files = FOLDER.dirs().flat_map(|theme| theme.files());
    let mut rules: Vec<BuiltinRule> = files.filter_map(BuiltinRule::of).collect();
    rules.sort_by_key(|rule| (rule.theme, rule.name));
    rules
});

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");
