//! Mistakes that a failed command itself shows, each with the right way to send the command.

use super::Case;
use super::cause::{Cause, is_about_value, native_error, policy_area};
use super::failed::failed_item;
use crate::dm::locuri;
use crate::facts;
use crate::flow::lint::mistake_in_uri;
use crate::flow::{Side, Transaction};

impl<'s> Case<'s> {
    /// Returns the mistake in a command that explains this code.
    pub(super) fn mistake(&self, transaction: &Transaction, failed: u16) -> Option<Cause> {
        let is_explained = matches!(failed, 400 | 404 | 405 | 415 | 500);
        let of_server = transaction.from == Side::Server && is_explained;
        let own = of_server.then(|| {
            in_uri(transaction)
                .or_else(|| in_scope(transaction, failed))
                .or_else(|| in_format_of_admx(transaction))
                .or_else(|| in_document(transaction))
        });
        own.flatten()
            .or_else(|| self.against_standard(transaction, failed))
    }

    /// Returns the note about a command that shares its CmdID with another one, so that an answer names both.
    pub(super) fn shared_id(&self, transaction: &Transaction) -> Option<&'s str> {
        let at = transaction.number as usize - 1;
        let error = self.session.errors.get(&at)?;
        let is_shared = error.id == "CMD-01" && !transaction.asked.cmd_id.is_empty();
        is_shared.then_some(&*error.text)
    }

    /// Returns the rule of the standard that the command breaks.
    fn against_standard(&self, transaction: &Transaction, failed: u16) -> Option<Cause> {
        let at = transaction.number as usize - 1;
        let error = self
            .session
            .errors
            .get(&at)
            .filter(|error| is_refusal(failed) || is_about_size(failed, &error.id))?;
        let is_warning = error.severity != "error";
        // The native error of Windows says more, unless it is about the value.
        if is_warning && native_error(transaction).is_some() && !is_about_value(transaction) {
            return None;
        }
        let why = match transaction.asked.cmd_id.is_empty() {
            true => "The command has no CmdID (CMD-01).".to_owned(),
            false if is_warning => format!("Its value may be why: {} ({}).", error.text, error.id),
            false => format!(
                "The command breaks the standard, which may be why: {} ({}).",
                error.text, error.id
            ),
        };
        let next = match &*error.id {
            "CMD-01" => OWN_ID,
            _ if is_warning => "mend the value: dmtap lint shows the place",
            _ => {
                "mend the command: dmtap lint lists what it breaks, and dmtap explain says what that means"
            }
        };
        Some(Cause::certain(why, next))
    }
}

/// The advice about a command without a CmdID, or with that of another.
pub(super) const OWN_ID: &str = "give every command a CmdID of its own";

/// Whether a command was refused because it has no CmdID.
pub(super) fn lacks_cmd_id(transaction: &Transaction, failed: u16) -> bool {
    transaction.asked.cmd_id.is_empty() && is_refusal(failed)
}

/// Whether a receiver answers so to a command that breaks the standard.
fn is_refusal(failed: u16) -> bool {
    matches!(failed, 400 | 405 | 406 | 415 | 500)
}

/// Whether the standard asks a receiver for this code where a command breaks this rule about its size.
fn is_about_size(failed: u16, id: &str) -> bool {
    matches!((failed, id), (413, "LOB-05") | (424, "LOB-07"))
}

fn in_uri(transaction: &Transaction) -> Option<Cause> {
    let (id, what) = mistake_in_uri(failed_item(transaction)?.node.as_deref()?)?;
    Some(Cause::certain(
        format!("Its LocURI {what} ({id})."),
        "correct the LocURI: write it like ./A/B, without blanks, .. or * in the place of a name",
    ))
}

/// Returns the mistake of a LocURI that names a scope in which the CSP has no node.
fn in_scope(transaction: &Transaction, failed: u16) -> Option<Cause> {
    let item = failed_item(transaction).filter(|_| matches!(failed, 404 | 405))?;
    let node = item.node.as_deref()?;
    let path = locuri::canonical(node);
    let path = path.strip_prefix("user/").unwrap_or(&path);
    let csp = facts::csp_of(node).filter(|_| path.starts_with("vendor/msft/"))?;
    let scope = facts::only_scope(csp)?;
    if (scope == "User") == locuri::is_of_user(node) {
        return None;
    }
    let (has, named) = match scope {
        "User" => ("./User", "./Device"),
        _ => ("./Device", "./User"),
    };
    let csp = &csp.key;
    Some(Cause::certain(
        format!(
            "The CSP {csp} is below {has} only, and the LocURI of the command is below {named}."
        ),
        format!("send it to ./{scope}/Vendor/MSFT/{csp}/…"),
    ))
}

/// Returns the mistake of a policy of an ADMX file that was not sent as text.
fn in_format_of_admx(transaction: &Transaction) -> Option<Cause> {
    let area = policy_area(transaction)?;
    let is_admx = area.starts_with("admx_") || area.contains('~');
    let is_write = matches!(&*transaction.command, "Add" | "Replace");
    let format = failed_item(transaction)?.format.as_deref()?;
    let is_text = matches!(&*format.to_ascii_lowercase(), "chr" | "xml" | "");
    (is_admx && is_write && !is_text).then(|| Cause::certain(
        format!("A policy of an ADMX file takes text (format chr), and the server sent it with format {format}."),
        "send <enabled/> as text of the format chr, with a <data id=\"…\" value=\"…\"/> for each value, or <disabled/>",
    ))
}

/// Returns the mistake of a document of declared configuration (WinDC) whose context or id differs from its LocURI
/// (MicrosoftDocs, declared configuration, "Common errors").
fn in_document(transaction: &Transaction) -> Option<Cause> {
    let item = failed_item(transaction)?;
    let node = item.node.as_deref()?;
    let path = locuri::canonical(node);
    let path = path.strip_suffix("/document")?;
    let (around, id) = path.rsplit_once("/documents/")?;
    let is_of_user = around.starts_with("user/");
    let value = item.value.as_deref()?;
    let document = &value[value.find("<DeclaredConfiguration ")?..];
    let (whose, other) = match is_of_user {
        true => ("user", "./Device"),
        false => ("device", "./User"),
    };
    if let Some(context) =
        attribute(document, "context").filter(|it| !it.eq_ignore_ascii_case(whose))
    {
        return Some(Cause::certain(
            format!(
                "Its LocURI is that of a document for the {whose}, and the document says context=\"{context}\"."
            ),
            format!(
                "send it to {other}/Vendor/MSFT/DeclaredConfiguration/…, or correct its context"
            ),
        ));
    }
    let own = attribute(document, "id").filter(|own| !own.eq_ignore_ascii_case(id))?;
    let id = node.rsplit('/').nth(1).unwrap_or(id);
    Some(Cause::certain(
        format!("Its LocURI names the document {id}, and the document says id=\"{own}\"."),
        "give the document the id that stands in its LocURI",
    ))
}

/// Returns the value of an attribute in the text of an element, which may be cut after the attribute.
fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let tag = text.split('>').next()?;
    let at = tag.find(&format!(" {name}="))? + name.len() + 2;
    let quote = tag[at..]
        .chars()
        .next()
        .filter(|it| matches!(it, '"' | '\''))?;
    let (value, _) = tag[at + 1..].split_once(quote)?;
    Some(value)
}
