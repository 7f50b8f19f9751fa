//! What follows from what a rule did before, in words.

use std::borrow::Cow;

use super::EffectDetailRecord;

impl EffectDetailRecord<'_> {
    /// Whether it only keeps the numbers of both sides in step: there are many such changes, and they say one thing.
    pub fn is_renumbering(&self) -> bool {
        self.step == "renumber"
    }

    /// What was there, as it was written: `-B` puts a flag in front of its regular expression.
    pub fn before_as_written(&self, rule: &str) -> &str {
        let own = self.before.strip_prefix("(?s)");
        own.filter(|_| rule.starts_with("modify-body "))
            .unwrap_or(&self.before)
    }

    /// What a change that settles an earlier one comes to, where its values do not say that.
    pub fn settled(&self) -> Option<Cow<'static, str>> {
        match &*self.step {
            "renumber" => Some(self.shift()),
            "credentials" => Some("credentials as before the challenge".into()),
            "swallow" => {
                let kind = self.before.split(' ').next().unwrap_or_default();
                Some(format!("removed: the {kind} for what dmtap said itself").into())
            }
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
