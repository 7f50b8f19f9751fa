//! Values with URLs: one URL, a list, or one without its scheme.

use super::kind::Form;
use crate::flow::origin::{Origin, Scheme, Turned, UrlOrigin};
use crate::patch::{Span, Splice};

#[derive(Clone, Debug)]
pub(super) struct FoundUrl {
    pub(super) at: usize,
    pub(super) url: UrlOrigin,
    pub(super) is_bare: bool,
}

pub(super) fn urls(value: &str, form: Form) -> Vec<FoundUrl> {
    let begin = value.len() - value.trim_start().len();
    let mut found = Vec::new();
    let mut push = |at: usize| {
        if let Some(url) = UrlOrigin::of(&value[at..]) {
            let is_bare = false;
            found.push(FoundUrl { at, url, is_bare });
        }
    };
    match form {
        Form::Port | Form::CrlCheck => {}
        Form::One => push(begin),
        Form::Bare => {
            push(begin);
            let bare = UrlOrigin::of_bare(&value[begin..]);
            if let (true, Some(url)) = (found.is_empty(), bare) {
                let (at, is_bare) = (begin, true);
                found.push(FoundUrl { at, url, is_bare });
            }
        }
        Form::List => {
            let behind = |(at, c): (usize, char)| separates(c).then_some(at + c.len_utf8());
            let starts = value.char_indices().filter_map(behind);
            std::iter::once(0).chain(starts).for_each(push);
        }
    }
    found
}

impl FoundUrl {
    /// Returns the URL with its scheme, and the rest of the value.
    pub(super) fn text(&self, value: &str) -> String {
        let rest = &value[self.at..];
        match self.is_bare {
            true => format!("{HTTPS}{rest}"),
            false => rest.to_owned(),
        }
    }

    /// Returns the origin of the URL; its end is an offset in [`Self::text`].
    pub(super) fn origin(&self) -> UrlOrigin {
        let mut url = self.url.clone();
        url.end += self.before();
        url
    }

    /// Returns the change of the value for a rewritten URL, and the new origin.
    pub(super) fn change(&self, turned: Turned) -> Option<(Splice, Origin)> {
        let Turned::To {
            length,
            with,
            origin,
            ..
        } = turned
        else {
            return None;
        };
        let with = match (self.is_bare, origin.scheme) {
            (true, Scheme::Https) => with[HTTPS.len()..].to_owned(),
            _ => with,
        };
        Some((splice(self.at, length - self.before(), with), origin))
    }

    fn before(&self) -> usize {
        if self.is_bare { HTTPS.len() } else { 0 }
    }
}

/// Returns the replacement of a whole value, except for the white space around it.
pub(super) fn whole(value: &str, with: String) -> Splice {
    let at = value.len() - value.trim_start().len();
    splice(at, value.trim().len(), with)
}

fn splice(at: usize, length: usize, with: String) -> Splice {
    Splice {
        span: Span::new(at as u32, (at + length) as u32),
        with: with.into_bytes(),
    }
}

fn separates(c: char) -> bool {
    matches!(c, ';' | ',' | '<' | '>') || c.is_whitespace()
}

const HTTPS: &str = "https://";
