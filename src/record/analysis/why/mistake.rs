//! Mistakes that a failed command itself shows.

use super::cause::policy_area;
use crate::dm::locuri;
use crate::facts;
use crate::flow::lint::mistake_in_uri;
use crate::flow::{Side, Transaction};

/// A mistake, and what to send instead.
pub(super) struct Mistake {
    pub(super) why: String,
    pub(super) next: String,
}

impl Mistake {
    /// The one that explains why a command got this code.
    pub(super) fn of(transaction: &Transaction, failed: u16) -> Option<Self> {
        let is_explained = matches!(failed, 400 | 404 | 405 | 415 | 500);
        if transaction.from != Side::Server || !is_explained {
            return None;
        }
        in_uri(transaction)
            .or_else(|| in_scope(transaction, failed))
            .or_else(|| in_format_of_admx(transaction))
            .or_else(|| in_document(transaction))
    }
}

fn in_uri(transaction: &Transaction) -> Option<Mistake> {
    let (id, what) = mistake_in_uri(transaction.failed_node()?)?;
    Some(Mistake {
        why: format!("Its LocURI {what} ({id})."),
        next: "correct the LocURI: it has the form ./A/B, with no blank, .. or * for a name".into(),
    })
}

/// The CSP has no node in the scope that the LocURI names.
fn in_scope(transaction: &Transaction, failed: u16) -> Option<Mistake> {
    let node = transaction
        .failed_node()
        .filter(|_| matches!(failed, 404 | 405))?;
    let csp = facts::csp_of(node).filter(|_| is_of_windows(node))?;
    let scope = facts::only_scope(csp)?;
    if (scope == "User") == locuri::is_of_user(node) {
        return None;
    }
    let (whose, named) = match scope {
        "User" => ("user", "the device"),
        _ => ("device", "the user"),
    };
    Some(Mistake {
        why: format!(
            "{} is of the {whose} only, and its LocURI names a node of {named}.",
            csp.key
        ),
        next: format!("send it to ./{scope}/Vendor/MSFT/{}/…", csp.key),
    })
}

fn is_of_windows(node: &str) -> bool {
    let node = locuri::canonical(node);
    let node = node.strip_prefix("user/").unwrap_or(&node);
    node.starts_with("vendor/msft/")
}

/// A policy of an ADMX file takes an element as text.
fn in_format_of_admx(transaction: &Transaction) -> Option<Mistake> {
    let area = policy_area(transaction)?;
    let is_admx = area.starts_with("admx_") || area.contains('~');
    let is_write = matches!(&*transaction.command, "Add" | "Replace");
    let format = transaction.items.first()?.format.as_deref()?;
    let is_text = matches!(&*format.to_ascii_lowercase(), "chr" | "xml" | "");
    (is_admx && is_write && !is_text).then(|| Mistake {
        why: format!("A policy of an ADMX file takes text (format chr), and this was sent with format {format}."),
        next: "send <enabled/> as text of the format chr, with a <data id=\"…\" value=\"…\"/> for each value, or <disabled/>".into(),
    })
}

/// A document of declared configuration (WinDC) says itself whose it is and what its id is (MicrosoftDocs, declared
/// configuration, "Common errors").
fn in_document(transaction: &Transaction) -> Option<Mistake> {
    let node = transaction.failed_node()?;
    let path = locuri::canonical(node);
    let path = path.strip_suffix("/document")?;
    let (around, id) = path.rsplit_once("/documents/")?;
    let is_of_user = around.starts_with("user/");
    let value = transaction.items.first()?.value.as_deref()?;
    let document = &value[value.find("<DeclaredConfiguration ")?..];
    let (whose, other) = match is_of_user {
        true => ("user", "./Device"),
        false => ("device", "./User"),
    };
    if let Some(context) =
        attribute(document, "context").filter(|it| !it.eq_ignore_ascii_case(whose))
    {
        return Some(Mistake {
            why: format!(
                "Its LocURI names a document of the {whose}, and the document in it has context=\"{context}\"."
            ),
            next: format!(
                "send it to {other}/Vendor/MSFT/DeclaredConfiguration/…, or correct its context"
            ),
        });
    }
    let own = attribute(document, "id").filter(|own| !own.eq_ignore_ascii_case(id))?;
    let id = node.rsplit('/').nth(1).unwrap_or(id);
    Some(Mistake {
        why: format!(
            "Its LocURI names the document {id}, and the document in it has id=\"{own}\"."
        ),
        next: "give the document the id that stands in its LocURI".into(),
    })
}

/// The value of an attribute in the text of an element, which may be cut behind it.
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
