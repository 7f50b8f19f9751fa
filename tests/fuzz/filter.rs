//! Parses any text as a filter: the result is an error with a column inside the text, or a filter that can be
//! evaluated, in bounded time.

#![no_main]

use dmtap::filter::{Filter, MAX_FILTER_BYTES, Term};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match Filter::read(&text) {
        Ok(filter) => {
            for answer in [Some(true), Some(false), None] {
                let holds = |term: &Term| {
                    let _ = term.value.is_text(&text) | term.value.begins(&text);
                    let _ = term.value.is_number(data.len() as u64) | term.value.is_between(&text);
                    answer
                };
                let matches = filter.matches(&mut |term: &Term| holds(term));
                assert!(!matches || filter.can_match(|term, truth| holds(term) != Some(!truth)));
            }
        }
        Err(error) => {
            assert!(error.span().start <= text.len().max(MAX_FILTER_BYTES), "{error}");
            assert!(error.to_string().lines().count() <= 4, "{error}");
        }
    }
});
