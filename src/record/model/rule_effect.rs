//! The effects of rules as plain data.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{BodyRecord, RuleEffectRecord, SpliceRecord, place_name};
use crate::flow::{CapturedMessage, EffectDetail, EffectKind, RuleEffect};
use crate::markup::{self, Document, Hint, Limits, Path};
use crate::patch::{Patch, Splice};
use crate::record::redact::{MASK, Masking, Redactor, SecretPaths, SecretSpans, Touch};

/// Records the effects of rules on a connection.
pub(super) fn of_connection(applied: &[RuleEffect], masking: Masking) -> Vec<RuleEffectRecord> {
    let secrets = Redactor::new(masking);
    let paths = SecretPaths::default();
    let records = applied
        .iter()
        .map(|applied| record(applied, None, &paths, &secrets, Vec::new()));
    records.collect()
}

/// Records the effects of rules on a message. `received` and `sent` are the secrets of the message before and after.
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
            _ if secrets.masking() == Masking::Raw => {
                let splices = patch.splices().iter();
                splices.map(|it| spliced(it, it.with.to_vec())).collect()
            }
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

/// Finds the secrets of an intermediate body, which only the next rule received.
fn secrets_of(body: &Bytes) -> Option<SecretSpans> {
    let document = markup::decode(body.clone(), Hint::default(), &Limits::default()).ok()?;
    Some(Redactor::new(Masking::Masked).find(&document, &[]))
}

/// Records each splice with a mask in place of the secrets in its new bytes. `spans` are the secrets of the body after
/// the patch.
fn masked(patch: &Patch, spans: &SecretSpans, secrets: &Redactor) -> Vec<SpliceRecord> {
    // The number of bytes inserted and removed in front of a splice.
    let (mut added, mut removed) = (0, 0);
    let splices = patch.splices().iter().map(|splice| {
        let start = splice.span.start as usize + added - removed;
        added += splice.with.len();
        removed += splice.span.len();
        let shown = spans.shorten(&splice.with, start);
        let with = secrets.mask_known_shortly(&shown).into_owned();
        spliced(splice, with)
    });
    splices.collect()
}

/// Records the splices of a patch whose result is not a document, so that its secrets are not known.
fn unread(applied: &RuleEffect, paths: &SecretPaths, secrets: &Redactor) -> Vec<SpliceRecord> {
    // A change inside base64 rewrites the whole document, with all its secrets.
    let touches = |change: &EffectDetail| {
        change.path.contains(Path::INTO) || paths.touch(&change.path) != Touch::None
    };
    let is_secret = applied.changes.iter().any(touches);
    let splices = applied.patch.splices().iter().map(|splice| {
        let with = match is_secret && !splice.with.is_empty() {
            true => MASK.as_bytes().to_vec(),
            false => {
                let masked = secrets.mask_known_shortly(&splice.with);
                secrets.mask_lookalikes(&masked).into_owned()
            }
        };
        spliced(splice, with)
    });
    splices.collect()
}

/// Records a splice with these bytes, and the original length if masking changed it.
fn spliced(splice: &Splice, with: Vec<u8>) -> SpliceRecord {
    let is_shorter = with.len() != splice.with.len();
    SpliceRecord {
        start: splice.span.start,
        end: splice.span.end,
        with: BodyRecord(with.into()),
        bytes: is_shorter.then_some(splice.with.len() as u64),
    }
}

/// Records the effects of one rule. `document` is the message as received.
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
        Some((change.path.clone(), secrets.mask_known(&name).into_owned()))
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
    // Values of these kinds are element names and words of dmtap.
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
            secrets.mask_known(&format!("{name}: {value}")).into_owned()
        }
        _ if touch == Touch::Holds => secrets
            .mask_known(&secrets.mask_lookalikes_in_text(text))
            .into_owned(),
        _ => secrets.mask_known(text).into_owned(),
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
            // The new value may contain the secret.
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
