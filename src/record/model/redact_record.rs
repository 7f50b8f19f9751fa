//! Removes the secrets found in a body from the rest of its record.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::{
    AnswerTargetRecord, CommandRecord, EventRecord, ItemRecord, MessageRecord, ParsedBodyRecord,
    SessionRecord, StatusRecord,
};
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
            let SessionRecord {
                number: _,
                device,
                id,
                msg: _,
                exchange: _,
                package: _,
                user,
            } = session;
            [device, id].into_iter().chain(user).for_each(&mut mask);
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

// The fields are listed, so that a new one cannot be forgotten.

fn in_message(message: &mut MessageRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    let MessageRecord {
        proto,
        session,
        msg,
        source,
        target,
        resp_uri,
        cred,
        max_msg_size: _,
        max_obj_size: _,
        is_final: _,
    } = message;
    let texts = [proto, session, msg, source, target, resp_uri, cred];
    texts.into_iter().flatten().for_each(mask);
}

fn in_command(command: &mut CommandRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    let CommandRecord {
        kind,
        id,
        depth: _,
        path,
        span: _,
        loc_uri,
        answers,
        status,
        // Its name is dmtap's.
        alert: _,
        correlator,
        items,
    } = command;
    mask(kind);
    mask(path);
    let texts = [id, loc_uri, correlator];
    texts.into_iter().flatten().for_each(&mut *mask);
    if let Some(answers) = answers {
        in_answers(answers, mask);
    }
    if let Some(status) = status {
        in_status(status, mask);
    }
    for item in items {
        let ItemRecord {
            target,
            source,
            format,
            media_type,
            mark,
            size: _,
            data,
            more: _,
        } = item;
        let texts = [target, source, format, media_type, mark];
        texts.into_iter().flatten().for_each(&mut *mask);
        if let Some(data) = data {
            mask(&mut data.text);
        }
    }
}

fn in_answers(answers: &mut AnswerTargetRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    let AnswerTargetRecord {
        msg,
        id,
        cmd,
        loc_uri,
        loc_uris,
        more: _,
        found: _,
    } = answers;
    let texts = [msg, id].into_iter().chain(cmd).chain(loc_uri);
    texts.chain(loc_uris).for_each(mask);
}

fn in_status(status: &mut StatusRecord, mask: &mut impl FnMut(&mut SmolStr)) {
    let StatusRecord {
        code: _,
        data,
        // It is dmtap's.
        name: _,
        original_error,
        original_error_means,
        chal,
    } = status;
    data.iter_mut().for_each(&mut *mask);
    if let Some(error) = original_error {
        let before = error.clone();
        mask(error);
        // The meaning of a secret error would reveal the secret.
        original_error_means.take_if(|_| *error != before);
    }
    let chal = chal.iter_mut();
    chal.flat_map(|chal| &mut chal.scheme).for_each(mask);
}
