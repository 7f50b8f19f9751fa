//! Atomics that failed, and commands for a user who was not logged on.

use super::cause::is_delete_of_nothing;
use super::earlier::{ASK_AGAIN, user_words};
use super::failed::{done_by_rules, failed_item, failure, is_success, place, value, with_value};
use super::mistake::lacks_cmd_id;
use super::words::{capital, code, named, named_by};
use super::{Case, MOST_LISTED, about};
use crate::dm::locuri::is_of_user;
use crate::flow::{Transaction, TransactionOutcome};
use crate::record::analysis::finding::grouped;
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-06 of an Atomic that failed, or in which a command failed.
    pub(super) fn atomic(&self, atomic: &'s Transaction) -> Option<SessionFinding> {
        let inside = |it: &&Transaction| {
            self.atomic_of(it)
                .is_some_and(|it| it.number == atomic.number)
        };
        let children: Vec<_> = self.transactions().filter(inside).collect();
        let cause = children.iter().find(|it| {
            let code = it.answer().and_then(|answer| answer.code());
            code.is_some_and(|code| code >= 400 && !matches!(code, 507 | 516))
        });
        let refused = match cause {
            Some(_) => None,
            None => children.iter().find_map(|it| Some((*it, user_words(it)?))),
        };
        let named =
            |it: &Transaction| failure(it).map_or_else(|| named(it), |answer| named_by(it, answer));
        let is_over = atomic.outcome == TransactionOutcome::Remedied;
        let has_failed = atomic.has_failed() || cause.is_some();
        if is_over || !has_failed || self.is_of_challenge(atomic) {
            return None;
        }
        let mut all = vec![atomic];
        all.extend(children.iter().copied());
        let mut finding = about("WHY-06", &all);
        finding.transactions.truncate(MOST_LISTED);
        let answered = atomic.answer().and_then(|answer| answer.received);
        let how = match (answered, cause) {
            (Some(got @ 400..), Some(cause)) => {
                format!("{}, because of {}", code(got), named(cause))
            }
            (Some(got), Some(cause)) => format!("{}, though {} failed", code(got), named(cause)),
            (Some(got), None) if refused.is_some() => {
                format!("{}, because the user did not agree", code(got))
            }
            (Some(got), None) => format!("{}, and no command in it reports a failure", code(got)),
            (None, _) => "a command in it failed".into(),
        };
        finding.what = format!("Atomic: {how}");
        let main = cause.copied().unwrap_or(atomic);
        let answer = failure(main).or(main.answer())?;
        finding.by_rules(&done_by_rules(main, answer));
        if let Some(cause) = cause {
            (finding.command, finding.node) = (
                Some(cause.command.clone()),
                cause.failed_node().map(Into::into),
            );
            finding.value = failed_item(cause).and_then(|item| item.value.clone());
            finding.hresult.clone_from(&answer.original_error);
            finding.why.push(format!(
                "{}: {}",
                named(cause),
                code(answer.code().unwrap_or_default())
            ));
        }
        finding.why.push(place(main, answer));
        finding.why.extend(value(main));
        let refused_words = refused.as_ref().map(|(_, words)| capital(words) + ".");
        finding.why.extend(refused_words);
        let shown = refused.as_ref().map_or(main, |(alert, _)| *alert);
        finding.why.extend(folded(&children, shown));
        if !finding.rules.is_empty() {
            finding.next = "take the rule out to see what the device answers by itself".into();
            return Some(finding);
        }
        finding.next = match cause {
            Some(cause) if self.is_without_user(cause) => {
                finding.also.push("WHY-07".into());
                finding.why.push(self.login_words());
                "send ./User commands in an Atomic of their own, in a session with LoginStatus user"
                    .into()
            }
            Some(cause) => {
                let failed = answer.received.unwrap_or_default();
                let shown = self.cause(cause, failed);
                finding.why.extend(shown.why);
                self.repeated(cause, &mut finding);
                if lacks_cmd_id(cause, failed) {
                    finding.by = Some(cause.from);
                    let lacking = children.iter().filter(|it| it.asked.cmd_id.is_empty());
                    finding.next = match lacking.count() {
                        0 | 1 => shown.next,
                        more => format!("give every command a CmdID: these {more} have none"),
                    };
                    return Some(finding);
                }
                if is_delete_of_nothing(cause, failed) {
                    finding.next = "take this Delete out of the Atomic: a node that is not there makes all of it fail".into();
                    return Some(finding);
                }
                let alike = children.iter().filter(|it| it.code() == cause.code());
                let these = match alike.count() {
                    0 | 1 => "this one command".to_owned(),
                    more => format!("these {more} commands"),
                };
                format!("see to {these} first: {}", shown.next)
            }
            None if refused.is_some() => ASK_AGAIN.into(),
            None => format!(
                "look at the device's {}: the Statuses name no command as the cause",
                self.log()
            ),
        };
        Some(finding)
    }

    /// Whether a command failed because its user was not logged on.
    pub(super) fn is_without_user(&self, transaction: &Transaction) -> bool {
        let Some(answer) =
            failure(transaction).filter(|_| transaction.all_rules().next().is_none())
        else {
            return false;
        };
        let login = self.session.summary.login.as_deref();
        let is_it = match answer.original_error.as_deref() {
            Some(error) => error.eq_ignore_ascii_case(NO_USER),
            None => matches!(login, Some("none" | "others")) && !self.user_commands_succeed,
        };
        is_it && transaction.node().is_some_and(is_of_user)
    }

    /// WHY-07 of commands whose user was not logged on.
    pub(super) fn without_user(&self, group: &[&Transaction]) -> SessionFinding {
        let mut finding = about("WHY-07", group);
        let first = group[0];
        let failed = first.code().unwrap_or_default();
        finding.what = match group.len() {
            1 => format!("{}: {}, without its user", named(first), code(failed)),
            more => format!(
                "{more} ./User commands failed without their user, first {}: {}",
                named(first),
                code(failed)
            ),
        };
        let failures = group.iter().take(MOST_LISTED);
        let failures = failures.filter_map(|it| Some(with_value(place(it, failure(it)?), it)));
        finding.why.extend(failures);
        finding.why.push(self.login_words());
        let nodes = self.untouched().filter(|it| it.node().is_some());
        let (of_user, of_device): (Vec<_>, Vec<_>) =
            nodes.partition(|it| it.node().is_some_and(is_of_user));
        finding.why.push(format!(
            "{} of {} ./User commands failed; {} of {} others succeeded.",
            of_user.iter().filter(|it| !is_success(it)).count(),
            of_user.len(),
            of_device.iter().filter(|it| is_success(it)).count(),
            of_device.len()
        ));
        self.repeated(first, &mut finding);
        finding.next = "send ./User commands in a session whose LoginStatus is user".into();
        finding
    }

    fn login_words(&self) -> String {
        match self.session.summary.login.as_deref() {
            Some("none") => "The device sent LoginStatus none: no user was logged on (WHY-07).".into(),
            Some("others") => {
                "The device sent LoginStatus others: another user than the enrolled one was logged on (WHY-07).".into()
            }
            Some(other) => format!("The device sent LoginStatus {other}, and found no user to do it for (WHY-07)."),
            None => "The device found no user to do it for, and sent no LoginStatus (WHY-07).".into(),
        }
    }
}

/// Returns a line on the other commands in an Atomic, counted by their codes.
fn folded(children: &[&Transaction], cause: &Transaction) -> Option<String> {
    let others = children.iter().filter(|it| it.number != cause.number);
    let codes = others.map(|it| it.answer().and_then(|answer| answer.received));
    let words = grouped(codes, |one, other| one == other).into_iter();
    let words = words.map(|alike| match (alike[0], alike.len()) {
        (Some(216), count) => format!("{count} rolled back (216)"),
        (Some(215), count) => format!("{count} not executed (215)"),
        (Some(516), count) => format!("{count} not rolled back (516)"),
        (Some(got), count) => format!("{count} with {}", code(got)),
        (None, count) => format!("{count} without an answer"),
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| format!("its other commands: {}", words.join(", ")))
}

/// The native error of Windows: there is no user for the command.
const NO_USER: &str = "0x86000022";
