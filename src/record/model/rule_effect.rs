//! What rules did as plain data.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{BodyRecord, RuleEffectRecord, SpliceRecord, place_name};
use crate::flow::{CapturedMessage, EffectDetail, EffectKind, RuleEffect};
use crate::markup::{self, Document, Hint, Limits, Path};
use crate::patch::{Patch, Splice};
use crate::record::redact::{MASK, Masking, Redactor, SecretPaths, SecretSpans, Touch};

/// What rules did to a connection.
pub(super) fn of_connection(applied: &[RuleEffect], masking: Masking) -> Vec<RuleEffectRecord> {
    let secrets = Redactor::new(masking);
    let paths = SecretPaths::default();
    let records = applied
        .iter()
        .map(|applied| record(applied, None, &paths, &secrets, Vec::new()));
    records.collect()
}

/// What rules did to a message. `received` and `sent` are its secrets before and after.
pub(super) fn of_message(
    message: &CapturedMessage,
    received: Option<&SecretSpans>,
    sent: Option<&SecretSpans>,
    secrets: &Redactor,
) -> Vec<RuleEffectRecord> {
    if message.applied.is_empty() {
        return Vec::new();
    }
    let body = &message.body;
    let document = body.parsed.document().map(|document| &**document);
    let received = body.parsed.document().zip(received);
    let sent = body.sent_document.as_ref().zip(sent);
    let found = [received, sent].into_iter().flatten();
    let paths = SecretPaths::of(found.map(|(document, spans)| (&**document, spans)));
    let mut source = match body.parsed.document() {
        Some(document) => document.source().clone(),
        None => body.received.clone(),
    };
    let records = message.applied.iter().map(|applied| {
        let patch = &applied.patch;
        if patch.is_empty() {
            return record(applied, document, &paths, secrets, Vec::new());
        }
        source = patch.apply(&source);
        let is_sent = |document: &Bytes| *document == source;
        let splices = match sent.filter(|(document, _)| is_sent(document.source())) {
            _ if secrets.masking() == Masking::Raw => raw(patch),
            Some((_, spans)) => masked(patch, spans, secrets),
            None => match secrets_of(&source) {
                Some(spans) => masked(patch, &spans, secrets),
                None => unread(applied, &paths, secrets),
            },
        };
        record(applied, document, &paths, secrets, splices)
    });
    records.collect()
}

/// The secrets of a body that only the next rule saw.
fn secrets_of(body: &Bytes) -> Option<SecretSpans> {
    let document = markup::decode(body.clone(), Hint::default(), &Limits::default()).ok()?;
    Some(Redactor::new(Masking::Masked).find(&document, &[]))
}

fn raw(patch: &Patch) -> Vec<SpliceRecord> {
    let splices = patch.splices().iter().map(|splice| SpliceRecord {
        start: splice.span.start,
        end: splice.span.end,
        with: BodyRecord(Bytes::copy_from_slice(&splice.with)),
        bytes: None,
    });
    splices.collect()
}

/// Each splice with a mask in place of the secrets that stand in what it puts there. `spans` are those of what the patch
/// makes.
fn masked(patch: &Patch, spans: &SecretSpans, secrets: &Redactor) -> Vec<SpliceRecord> {
    // How much is put in and taken out in front of a splice.
    let (mut added, mut removed) = (0, 0);
    let splices = patch.splices().iter().map(|splice| {
        let start = splice.span.start as usize + added - removed;
        added += splice.with.len();
        removed += splice.span.len();
        let shown = spans.shorten(&splice.with, start);
        let with = secrets.scrub_shortly(&shown).into_owned();
        shortened(splice, with)
    });
    splices.collect()
}

/// The same where what the patch makes is no document: nothing is known of its secrets.
fn unread(applied: &RuleEffect, paths: &SecretPaths, secrets: &Redactor) -> Vec<SpliceRecord> {
    // A document in base64 is written anew as a whole, with all its secrets.
    let touches = |change: &EffectDetail| {
        change.path.contains(Path::INTO) || paths.touch(&change.path) != Touch::None
    };
    let is_secret = applied.changes.iter().any(touches);
    let splices = applied.patch.splices().iter().map(|splice| {
        let with = match is_secret && !splice.with.is_empty() {
            true => MASK.as_bytes().to_vec(),
            false => {
                let scrubbed = secrets.scrub_shortly(&splice.with);
                secrets.by_looks(&scrubbed).into_owned()
            }
        };
        shortened(splice, with)
    });
    splices.collect()
}

/// A splice with its secrets masked; its length is a field of its own where it is no longer visible.
fn shortened(splice: &Splice, with: Vec<u8>) -> SpliceRecord {
    let is_shorter = with.len() != splice.with.len();
    SpliceRecord {
        start: splice.span.start,
        end: splice.span.end,
        with: BodyRecord(with.into()),
        bytes: is_shorter.then_some(splice.with.len() as u64),
    }
}

/// `document` is the message as received.
fn record(
    applied: &RuleEffect,
    document: Option<&Document>,
    paths: &SecretPaths,
    secrets: &Redactor,
    splices: Vec<SpliceRecord>,
) -> RuleEffectRecord {
    let changes = applied.changes.iter();
    RuleEffectRecord {
        rule: applied.rule.as_str().into(),
        changes: changes
            .map(|change| detail(change, paths.touch(&change.path), secrets))
            .collect(),
        names: names(applied, document, secrets),
        splices,
    }
}

fn names(
    applied: &RuleEffect,
    document: Option<&Document>,
    secrets: &Redactor,
) -> BTreeMap<String, String> {
    let names = applied.changes.iter().filter_map(|change| {
        let name = place_name::of(&change.path, document)?;
        Some((change.path.clone(), secrets.scrub(&name).into_owned()))
    });
    names.collect()
}

fn detail(change: &EffectDetail, touch: Touch, secrets: &Redactor) -> EffectDetail {
    let EffectDetail {
        path,
        step,
        kind,
        before,
        after,
    } = change;
    // Their values are names and words of dmtap.
    let is_element = matches!(
        kind,
        EffectKind::Added
            | EffectKind::Removed
            | EffectKind::Copied
            | EffectKind::Moved
            | EffectKind::Refused
    );
    let show = |text: &str| match (kind, text.split_once(": ")) {
        (EffectKind::Header, Some((name, value))) => {
            let value = secrets.header(name, value);
            secrets.scrub(&format!("{name}: {value}")).into_owned()
        }
        _ if touch == Touch::Holds => secrets.scrub(&secrets.partly(text)).into_owned(),
        _ => secrets.scrub(text).into_owned(),
    };
    let hide = |text: &str| match (kind, text.split_once(' ')) {
        _ if text.is_empty() => String::new(),
        (_, Some((name, _))) if is_element => format!("{name} {MASK}"),
        (_, None) if is_element => text.to_owned(),
        _ => MASK.to_owned(),
    };
    let is_secret = touch == Touch::Secret && change.is_done();
    EffectDetail {
        path: path.clone(),
        step: step.clone(),
        kind: *kind,
        before: match is_secret {
            true => hide(before),
            false => show(before),
        },
        after: match (touch, kind) {
            // What is put there may have the secret in it.
            (Touch::Around | Touch::Holds, EffectKind::Inserted | EffectKind::Replaced)
                if !after.is_empty() =>
            {
                MASK.into()
            }
            _ if is_element => show(after),
            _ if is_secret => hide(after),
            _ => show(after),
        },
    }
}
