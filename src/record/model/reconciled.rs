//! Changes that follow from what a rule did before, in words.

use std::borrow::Cow;

use crate::flow::{EffectDetail, EffectKind};

impl EffectDetail {
    /// Whether it only adapts a number: there are many such changes, and they say one thing.
    pub fn is_renumbering(&self) -> bool {
        self.kind == EffectKind::Renumber
    }

    /// What was there, as a person reads it: a regular expression without the flags in front of it.
    pub fn before_as_shown(&self) -> &str {
        match self.kind {
            EffectKind::ReplaceText => self.before.strip_prefix("(?s)").unwrap_or(&self.before),
            _ => &self.before,
        }
    }

    /// What a change comes to that reconciles the peers with an earlier one, where its values do not say that.
    pub fn reconciled(&self) -> Option<Cow<'static, str>> {
        match self.kind {
            EffectKind::Renumber => Some(self.shift()),
            EffectKind::RestoreCredentials => Some("credentials as before the challenge".into()),
            EffectKind::SuppressReply => Some("removed: the answer to what dmtap sent".into()),
            _ => None,
        }
    }

    fn shift(&self) -> Cow<'static, str> {
        let number = |text: &str| text.trim().parse::<i64>().ok();
        let numbers = number(&self.before).zip(number(&self.after));
        match numbers.map(|(before, after)| before.abs_diff(after)) {
            Some(1) => "numbers shifted by one".into(),
            Some(by) => format!("numbers shifted by {by}").into(),
            None => "numbers shifted".into(),
        }
    }
}
