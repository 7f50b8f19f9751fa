//! A text buffer with colours that counts columns.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects};

use crate::printable::escaped;

/// Whether a transcript has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Text alone.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// The role of a piece of text, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    Faint,
    Strong,
    Device,
    Server,
    Good,
    Odd,
    Bad,
    Rule,
}

/// How much a transcript shows.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The most columns of a line; values and addresses that do not fit are cut. With `None`, lines have any length.
    pub width: Option<usize>,
    /// Whether all HTTP header fields are shown.
    pub headers: bool,
    /// Whether values are shown in full, below their commands.
    pub full: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            width: Some(WIDTH),
            headers: false,
            full: false,
        }
    }
}

pub(super) struct TextBuffer {
    colour: Colour,
    pub(super) layout: Layout,
    text: String,
    column: usize,
}

/// The longest reason that is printed, in columns: its end says what to do about the problem.
pub(super) const REASON: usize = 2_000;

/// The default width of a line, in columns.
pub(super) const WIDTH: usize = 100;

impl TextBuffer {
    pub(super) fn new(colour: Colour) -> Self {
        Self {
            colour,
            layout: Layout::default(),
            text: String::new(),
            column: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.column = 0;
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the columns left on this line for a value.
    pub(super) fn value_room(&self) -> usize {
        let width = self.layout.width.unwrap_or(usize::MAX);
        width.saturating_sub(self.column)
    }

    /// Returns the columns left on this line up to the edge of the page. Without a width in the layout, the page has
    /// [`WIDTH`].
    pub(super) fn room(&self) -> usize {
        let width = self.layout.width.unwrap_or(WIDTH);
        width.saturating_sub(self.column)
    }

    pub(super) fn end(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
        self.column = 0;
    }

    /// Adds dmtap's own words. Text from the traffic goes through [`Self::quoted`].
    pub(super) fn put(&mut self, style: Style, words: &str) -> &mut Self {
        self.column += words.chars().count();
        match self.colour == Colour::Colour && style != Style::Text {
            true => {
                let style = style.style();
                // Writing to a String cannot fail.
                let _ = write!(self.text, "{style}{words}{style:#}");
            }
            false => self.text.push_str(words),
        }
        self
    }

    /// Adds text of a peer, escaped and cut to `most` columns. Without a width in the layout, at least [`REASON`]
    /// columns are shown.
    pub(super) fn quoted(&mut self, style: Style, words: &str, most: usize) -> &mut Self {
        let safe = safe(words, self.most(most));
        self.put(style, &safe)
    }

    /// Adds a path, escaped. A path that is too long by the rule of [`Self::quoted`] loses its beginning.
    pub(super) fn path(&mut self, style: Style, path: &str, most: usize) -> &mut Self {
        let end = end_of_path(path, self.most(most));
        self.put(style, &end)
    }

    fn most(&self, columns: usize) -> usize {
        match self.layout.width {
            Some(_) => columns,
            None => columns.max(REASON),
        }
    }
}

impl Style {
    fn style(self) -> anstyle::Style {
        let plain = anstyle::Style::new();
        let colour = |colour: AnsiColor| plain.fg_color(Some(colour.into()));
        match self {
            Self::Text => plain,
            Self::Faint => plain.effects(Effects::DIMMED),
            Self::Strong => plain.effects(Effects::BOLD),
            Self::Device => colour(AnsiColor::Cyan).effects(Effects::BOLD),
            Self::Server => colour(AnsiColor::Blue).effects(Effects::BOLD),
            Self::Good => colour(AnsiColor::Green),
            Self::Odd => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red).effects(Effects::BOLD),
            Self::Rule => colour(AnsiColor::Magenta).effects(Effects::BOLD),
        }
    }
}

/// Escapes all that a terminal would obey or hide, and cuts the text with `…` to `most` columns.
pub(super) fn safe(words: &str, most: usize) -> String {
    let mut text = String::new();
    let mut columns = 0;
    // The place to cut if the rest does not fit.
    let mut cut = 0;
    for character in words.chars() {
        match escaped(character) {
            Some(piece) => {
                columns += piece.len();
                text.push_str(&piece);
            }
            None => {
                columns += 1;
                text.push(character);
            }
        }
        if columns > most {
            text.truncate(cut);
            text.push('…');
            return text;
        }
        if columns < most {
            cut = text.len();
        }
    }
    text
}

/// Escapes a path. If it is longer than `most` columns, keeps its last steps, with `…` in front; of a longer single
/// step, keeps the end.
fn end_of_path(path: &str, most: usize) -> String {
    let mut pieces: Vec<String> = Vec::new();
    let mut columns = 0;
    // The number of pieces, counted from the end, that are whole steps.
    let mut steps = 0;
    let mut is_cut = false;
    for character in path.chars().rev() {
        let piece = escaped(character).map_or_else(|| character.to_string(), Into::into);
        let piece_columns = piece.chars().count();
        if columns + piece_columns > most {
            is_cut = true;
            break;
        }
        columns += piece_columns;
        pieces.push(piece);
        // One column is for the `…`.
        if character == '/' && columns < most {
            steps = pieces.len();
        }
    }
    if is_cut {
        if steps > 0 {
            pieces.truncate(steps);
        } else {
            while columns >= most {
                let Some(first) = pieces.pop() else {
                    break;
                };
                columns -= first.chars().count();
            }
        }
        pieces.push("…".into());
    }
    pieces.into_iter().rev().collect()
}

/// Formats a duration: `12.3 ms`.
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_is_kept_in_whole_steps() {
        let check =
            |path: &str, most: usize, expected: &str| assert_eq!(end_of_path(path, most), expected);
        check("a/b/c", 5, "a/b/c");
        check("a/b/c", 4, "…/c");
        check("aaa/b/c", 5, "…/b/c");
        check("aaa/bcdef", 4, "…def");
        check("a/b\u{1b}c", 20, "a/b\\u{1b}c");
        check("aaaa\u{1b}c", 7, "…c");
        check("", 4, "");
    }

    #[test]
    fn texts_are_cut_and_harmless() {
        let check =
            |said: &str, most: usize, expected: &str| assert_eq!(safe(said, most), expected);
        check("abcd", 4, "abcd");
        check("abcde", 4, "abc…");
        check("a\nb\tc", 20, "a\\nb\\tc");
        check("\x1b[31mred", 20, "\\u{1b}[31mred");
        check("\u{202e}abc", 20, "\\u{202e}abc");
        check("a\u{ad}\u{fff9}", 20, "a\\u{ad}\\u{fff9}");
        check("ab\x1bcd", 5, "ab…");
        check("", 4, "");
    }
}
