//! Removes the secrets found in a body from the rest of its record.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::{CommandRecord, EventRecord, MessageRecord, ParsedBodyRecord};
use crate::record::redact::Redactor;

impl EventRecord {
    /// Masks the secret values in all other texts of the record. Bodies, notes and changes are already masked.
    pub(super) fn mask_known(&mut self, secrets: &Redactor) {
        if secrets.is_empty() {
            return;
        }
        let mut mask = |text: &mut SmolStr| {
            if let Cow::Owned(masked) = secrets.mask_known(text) {
                *text = masked.into();
            }
        };
        if let Some(head) = &mut self.head {
            head.uri.iter_mut().for_each(&mut mask);
            let values = head.headers.iter_mut().map(|(_, value)| value);
            values.for_each(&mut mask);
        }
        match &mut self.reading {
            Some(ParsedBodyRecord::Document { root, .. }) => mask(root),
            Some(ParsedBodyRecord::OtherType { media_type, .. }) => mask(media_type),
            // The error may quote the body.
            Some(ParsedBodyRecord::Broken { why, .. } | ParsedBodyRecord::Unread { why, .. }) => {
                mask(why);
            }
            Some(ParsedBodyRecord::Empty) | None => {}
        }
        if let Some(session) = &mut self.session {
            mask(&mut session.device);
            mask(&mut session.id);
            session.user.iter_mut().for_each(&mut mask);
        }
        if let Some(message) = &mut self.message {
            in_message(message, &mut mask);
        }
        if let Some(enrollment) = &mut self.enrollment {
            enrollment.texts(&mut mask);
        }
        for command in &mut self.commands {
            in_command(command, &mut mask);
        }
    }
}

fn in_message(message: &mut MessageRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    let texts = [
        &mut message.proto,
        &mut message.session,
        &mut message.msg,
        &mut message.source,
        &mut message.target,
        &mut message.resp_uri,
        &mut message.cred,
    ];
    texts.into_iter().flatten().for_each(mask);
}

fn in_command(command: &mut CommandRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    mask(&mut command.kind);
    mask(&mut command.path);
    let own = [&mut command.id, &mut command.loc_uri];
    own.into_iter().flatten().for_each(&mut *mask);
    if let Some(answers) = &mut command.answers {
        mask(&mut answers.msg);
        mask(&mut answers.id);
        let texts = [&mut answers.cmd, &mut answers.loc_uri];
        let texts = texts.into_iter().flatten();
        texts.chain(&mut answers.loc_uris).for_each(&mut *mask);
    }
    if let Some(status) = &mut command.status {
        status.data.iter_mut().for_each(&mut *mask);
        if let Some(error) = &mut status.original_error {
            let before = error.clone();
            mask(error);
            // The meaning of a secret error would reveal the secret.
            status.original_error_means.take_if(|_| *error != before);
        }
        let chal = status.chal.iter_mut();
        chal.flat_map(|chal| &mut chal.scheme).for_each(&mut *mask);
    }
    for item in &mut command.items {
        let texts = [
            &mut item.target,
            &mut item.source,
            &mut item.format,
            &mut item.media_type,
            &mut item.mark,
        ];
        texts.into_iter().flatten().for_each(&mut *mask);
        if let Some(data) = &mut item.data {
            mask(&mut data.text);
        }
    }
}
