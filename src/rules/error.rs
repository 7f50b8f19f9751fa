//! Errors in rule files: the place, the wrong word, and the right words.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::mistake::Mistake;
use crate::printable;

/// One error in a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    file: Arc<str>,
    pub(super) text: Arc<str>,
    pub(super) span: Range<usize>,
    what: Mistake,
    pub(super) kind: ErrorKind,
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// A mistake in the file.
    Mistake,
    /// A name that a rule outside the files has.
    NameTaken,
    /// A warning, which does not keep the rule from loading.
    Warning,
}

/// All errors in rule files, in file order; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleErrors(pub(super) Vec<RuleError>);

/// The style in which errors are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Plain text.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

impl RuleError {
    pub(super) fn new(
        file: &Arc<str>,
        text: &Arc<str>,
        span: Range<usize>,
        mut what: Mistake,
    ) -> Self {
        // It may quote the file, whose texts may have line breaks.
        what.0.title = printable::line(&what.0.title).into_owned();
        Self {
            file: file.clone(),
            text: text.clone(),
            span,
            what,
            kind: ErrorKind::Mistake,
        }
    }

    /// Turns the error into a warning, which does not keep the rule from loading.
    pub(super) fn into_warning(mut self) -> Self {
        self.kind = ErrorKind::Warning;
        self
    }

    /// Replaces the error by a note that there are `count` more errors, of which this is the last.
    pub(super) fn and_more(mut self, count: usize) -> Self {
        self.what = Mistake::new(format!("and {count} more"))
            .label("the last of them")
            .help("put the first ones right, and look again");
        self
    }

    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.what.0.label = label.into();
        self
    }

    pub(super) fn also(&mut self, span: Range<usize>, label: impl Into<String>) -> &mut Self {
        self.what.0.also = Some((span, label.into()));
        self
    }

    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.what.0.helps.push(help.into());
        self
    }

    /// Changes the remedies that begin like this: they need a rule file, because no argument can express them.
    pub(super) fn help_in_file(&mut self, beginning: &str) {
        let helps = self.what.0.helps.iter_mut();
        for help in helps.filter(|help| help.starts_with(beginning)) {
            let rest = &help[beginning.len()..];
            *help = format!("{beginning}, write a rule file (--rules FILE){rest}");
        }
    }

    /// Returns the title of the error, in one line.
    pub fn title(&self) -> &str {
        &self.what.0.title
    }

    /// Returns the label at the place itself; may be empty.
    pub fn remark(&self) -> &str {
        &self.what.0.label
    }

    /// Returns the remedies.
    pub fn helps(&self) -> &[String] {
        &self.what.0.helps
    }

    /// Returns the name of the file, as given to the loader.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the line and the column, in characters, from 1.
    pub fn place(&self) -> (usize, usize) {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        (line, 1 + before[line_start..].chars().count())
    }

    /// Whether the error is after another one in the same file.
    pub(super) fn is_behind(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) && self.span.start > other.span.start
    }

    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    /// Returns the error with an excerpt of the file, without a line feed at the end.
    pub fn render(&self, look: ErrorStyle) -> String {
        // Escaping lengthens the text; each place moves by the escapes before it.
        let moved = |at: usize| {
            self.text
                .get(..at)
                .map_or(at, |front| printable::lines(front).len())
        };
        let span = |span: &Range<usize>| moved(span.start)..moved(span.end);
        let source = printable::lines(&self.text);
        let label = printable::lines(self.remark());
        let primary = AnnotationKind::Primary.span(span(&self.span));
        let mut snippet = Snippet::source(&*source)
            .path(printable::line(&self.file))
            .annotation(primary.label(&*label));
        if let Some((place, label)) = &self.what.0.also {
            let also = AnnotationKind::Context.span(span(place));
            snippet = snippet.annotation(also.label(printable::lines(label)));
        }
        let helps = self.helps().iter();
        let helps = helps.map(|help| Level::HELP.message(printable::lines(help)));
        let level = match self.kind {
            ErrorKind::Warning => Level::WARNING,
            ErrorKind::Mistake | ErrorKind::NameTaken => Level::ERROR,
        };
        let report = [level
            .primary_title(self.title())
            .element(snippet)
            .elements(helps)];
        let renderer = match look {
            ErrorStyle::Plain => Renderer::plain(),
            ErrorStyle::Coloured => Renderer::styled(),
        };
        renderer.render(&report)
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.place();
        write!(f, "{}:{line}:{column}: {}", self.file, self.title())
    }
}

impl std::error::Error for RuleError {}

impl RuleErrors {
    /// Collects all results, or all errors if there are any.
    ///
    /// # Errors
    /// All errors, in order.
    pub fn or_all<T>(results: impl IntoIterator<Item = Result<T, Self>>) -> Result<Vec<T>, Self> {
        let (mut fine, mut wrong) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(one) => fine.push(one),
                Err(Self(errors)) => wrong.extend(errors),
            }
        }
        match wrong.is_empty() {
            true => Ok(fine),
            false => Err(Self(wrong)),
        }
    }

    /// Returns the errors, in file order.
    pub fn errors(&self) -> &[RuleError] {
        &self.0
    }

    /// Whether the files have no mistake but names that rules outside of them have.
    pub fn are_of_taken_names(&self) -> bool {
        let mut errors = self.0.iter();
        errors.all(|error| error.kind == ErrorKind::NameTaken)
    }

    /// Returns all errors as text, with an empty line between two.
    pub fn render(&self, look: ErrorStyle) -> String {
        let drawn: Vec<String> = self.0.iter().map(|error| error.render(look)).collect();
        drawn.join("\n\n")
    }
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let feed = if at == 0 { "" } else { "\n" };
            write!(f, "{feed}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleErrors {}
