//! The application of the built-in rule `stay`: on a request before the user's rules, which see the server's addresses;
//! on a response after the user's rules and the reconciler. What the user's rules wrote stays unchanged.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};

use super::MessageInput;
use super::rewrite::{Rewritten, patched};
use crate::dm::Dialect;
use crate::flow::origin::{NamedHost, Origin, Reach, Turned};
use crate::flow::{EffectDetail, EffectKind, Note, Side, media};
use crate::markup::{self, Document};
use crate::patch::Patch;
use crate::rules::{HeadEdit, SyntheticResponse, Verdict};
use crate::stay::{self, Extent, StayContext, StayInput, StayOutcome};

impl StayContext {
    /// Rewrites a request before the rules see it. Returns the rewritten request and notes.
    pub(super) fn request(
        &self,
        message: &MessageInput<'_>,
        unrenewable_field: Option<&'static str>,
    ) -> (Option<Rewritten>, Vec<Note>) {
        let Some(document) = message.document else {
            return (None, Vec::new());
        };
        let stayed = self.stay(message, document, None, unrenewable_field);
        let effect = stayed.effect;
        let rewritten = effect.and_then(|effect| Rewritten::by(effect, document, message));
        (rewritten, stayed.notes)
    }

    /// Rewrites a response after the rules. Returns notes, and the hosts that get a path.
    pub(super) fn response(
        &self,
        message: &MessageInput<'_>,
        verdict: &mut Verdict,
        unrenewable_field: Option<&'static str>,
    ) -> (Vec<Note>, Vec<NamedHost>) {
        if let Some(answer) = &mut verdict.answer {
            self.answer(message, answer);
            return (Vec::new(), Vec::new());
        }
        let mut stayed = match verdict.leaving(message.document).cloned() {
            Some(document) => {
                let received = message.document.map(|document| &**document);
                let received = received.filter(|_| verdict.body.is_some());
                let stayed = self.stay(message, &document, received, unrenewable_field);
                if let Some(effect) = &stayed.effect
                    && let Some((body, document)) =
                        patched(&document, &effect.patch, message.headers(), message.limits)
                {
                    verdict.body = Some(body);
                    verdict.document = Some(document);
                }
                stayed
            }
            None => StayOutcome {
                notes: self.undecoded(message),
                ..StayOutcome::default()
            },
        };
        let body = verdict.body.clone().or_else(|| message.body.cloned());
        let page = self.page(message, body.as_ref());
        if let (Some(effect), Some(body)) = (&page.effect, &body) {
            // If the page is XML, too, its other places are rewritten already.
            let leaving = verdict.leaving(message.document);
            let reread = leaving
                .and_then(|it| patched(it, &effect.patch, message.headers(), message.limits));
            let (body, document) = match reread {
                Some((body, document)) => (body, Some(document)),
                None => (effect.patch.apply(body), None),
            };
            (verdict.body, verdict.document) = (Some(body), document);
            verdict.applied.extend(stayed.effect.take());
            stayed.effect = page.effect;
        }
        stayed.notes.extend(page.notes);
        self.fields(message, verdict, &mut stayed);
        verdict.applied.extend(stayed.effect);
        (stayed.notes, stayed.learned)
    }

    /// Gives the device its own addresses in an answer that dmtap wrote. The answer repeats the addresses of the
    /// message, which are the server's.
    pub(super) fn answer(&self, message: &MessageInput<'_>, answer: &mut SyntheticResponse) {
        let hint = media::hint(&answer.headers);
        let document = match self.extent {
            Extent::Full => markup::decode(answer.body.clone(), hint, message.limits).ok(),
            Extent::Followed => None,
        };
        let input = StayInput {
            received: message.document.map(|document| &**document),
            ..self.input(message, Side::Device)
        };
        let effect = document.and_then(|document| stay::stay(&document, &input).effect);
        if let Some(effect) = effect {
            answer.body = effect.patch.apply(&answer.body);
        }
    }

    fn stay(
        &self,
        message: &MessageInput<'_>,
        document: &Document,
        received: Option<&Document>,
        unrenewable_field: Option<&'static str>,
    ) -> StayOutcome {
        let to = message.speaker().other();
        if !is_read_as(document, message)
            || !stay::may_contain_urls(document.source(), to, self.extent)
        {
            return StayOutcome::default();
        }
        let input = StayInput {
            received,
            unrenewable_field,
            ..self.input(message, to)
        };
        stay::stay(document, &input)
    }

    fn input<'i>(&'i self, message: &MessageInput<'i>, to: Side) -> StayInput<'i> {
        StayInput {
            context: self,
            to,
            received: None,
            unrenewable_field: None,
            limits: message.limits,
        }
    }

    /// Returns notes on a response that is JSON, that could not be read, or that does not decode.
    fn undecoded(&self, message: &MessageInput<'_>) -> Vec<Note> {
        let is_message = media::is_message(message.headers());
        let may_change = is_message && !self.map.changes_nothing();
        if let Some(why) = message.why_unread.filter(|_| may_change) {
            let text = format!("dmtap could not read this message, so its URLs stay: {why}");
            return vec![Note::new("STAY-01", text)];
        }
        match message.body {
            Some(body) if media::mentions(message.headers(), "json") => {
                stay::note_linked_enrollment_urls(body, &self.map)
            }
            Some(body) if is_message => stay::note_undecoded(body, &self.map),
            _ => Vec::new(),
        }
    }

    /// Rewrites a response that is an HTML page.
    fn page(&self, message: &MessageInput<'_>, body: Option<&Bytes>) -> StayOutcome {
        match (body, message.body) {
            (Some(body), Some(received)) if media::is_page(message.headers()) => {
                stay::rewrite_page(body, received, &self.map)
            }
            (Some(body), Some(_)) if !message.headers().contains_key(header::CONTENT_TYPE) => {
                stay::note_untyped_page(body, &self.map)
            }
            _ => StayOutcome::default(),
        }
    }

    /// Gives the server its own addresses in the header fields with which a browser says where a request comes from.
    pub(super) fn request_fields(&self, message: &MessageInput<'_>, verdict: &mut Verdict) {
        if verdict.answer.is_some() {
            return;
        }
        let mut changes = Vec::new();
        for name in [header::ORIGIN, header::REFERER] {
            let turn = |value: &str| self.map.to_server(value).apply(value);
            changes.extend(edit_field(message, verdict, &name, turn));
        }
        if changes.is_empty() {
            return;
        }
        let mut applied = verdict.applied.iter_mut();
        match applied.find(|effect| effect.rule == stay::NAME) {
            Some(effect) => effect.changes.extend(changes),
            None => verdict
                .applied
                .insert(0, stay::effect(changes, Patch::default())),
        }
    }

    /// Rewrites the header fields of a response that have a URL, and those by which a browser keeps to a server.
    fn fields(&self, message: &MessageInput<'_>, verdict: &mut Verdict, stayed: &mut StayOutcome) {
        let mut names = message.headers().keys();
        // Most responses have none of them.
        if !names.any(|name| LOCATIONS.contains(name) || SOURCES.contains(name)) {
            return;
        }
        let reach = reach(message);
        let mut changes = Vec::new();
        for name in &LOCATIONS {
            let turn = |value: &str| {
                let at = match *name == header::REFRESH {
                    true => stay::url_of_refresh(value.as_bytes()).unwrap_or(value.len()),
                    false => 0,
                };
                let turned = stay::rewrite_location(
                    &value[at..],
                    &self.path,
                    &self.map,
                    reach,
                    &self.learned,
                );
                if let Turned::Away(origin) = &turned {
                    stayed.notes.push(note_away(reach, origin, name));
                }
                if let Some(origin) = stay::with_user(&value[at..], &self.map) {
                    let text = stay::user_text(&origin, name.as_str());
                    stayed.notes.push(Note::new("STAY-01", text));
                }
                let after = turned.apply(&value[at..])?;
                if let Turned::To { learned, .. } = turned {
                    let named = learned.filter(|named| !self.learned.has(named));
                    stayed.learned.extend(named);
                }
                Some(format!("{}{after}", &value[..at]))
            };
            changes.extend(edit_field(message, verdict, name, turn));
        }
        for name in &SOURCES {
            let turn = |value: &str| match *name {
                header::SET_COOKIE => stay::rewrite_cookie(value, &self.map),
                _ => stay::rewrite_sources(value, &self.map),
            };
            changes.extend(edit_field(message, verdict, name, turn));
        }
        match &mut stayed.effect {
            _ if changes.is_empty() => {}
            Some(effect) => effect.changes.extend(changes),
            None => stayed.effect = Some(stay::effect(changes, Patch::default())),
        }
    }
}

/// The header fields of a response that lead to an address.
static LOCATIONS: [HeaderName; 3] = [header::LOCATION, header::CONTENT_LOCATION, header::REFRESH];
/// The header fields of a response by which a browser keeps to a server.
static SOURCES: [HeaderName; 4] = [
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::SET_COOKIE,
];

/// Changes the header fields of a name, unless a rule of the user did. Returns the changes for records.
fn edit_field(
    message: &MessageInput<'_>,
    verdict: &mut Verdict,
    name: &HeaderName,
    mut turn: impl FnMut(&str) -> Option<String>,
) -> Vec<EffectDetail> {
    let is_users = |edit: &HeadEdit| matches!(edit, HeadEdit::Set(n, _) | HeadEdit::Add(n, _) | HeadEdit::Remove(n) if n == name);
    if verdict.head.iter().any(is_users) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    let fields = message.headers().get_all(name).iter().map(|value| {
        let turned = std::str::from_utf8(value.as_bytes()).ok().and_then(|text| {
            let after = turn(text)?;
            let set = HeaderValue::from_bytes(after.as_bytes()).ok()?;
            changes.push(EffectDetail::of_message(
                EffectKind::Header,
                "rewrite",
                format!("{name}: {text}"),
                format!("{name}: {after}"),
            ));
            Some(set)
        });
        turned.unwrap_or_else(|| value.clone())
    });
    let fields: Vec<HeaderValue> = fields.collect();
    if changes.is_empty() {
        return changes;
    }
    // The first field replaces all of the name.
    let edits = fields
        .into_iter()
        .enumerate()
        .map(|(number, value)| match number {
            0 => HeadEdit::Set(name.clone(), value),
            _ => HeadEdit::Add(name.clone(), value),
        });
    verdict.head.extend(edits);
    changes
}

/// Whether the media type lets the receiver read the document as what it is: an enrollment response that is announced
/// as SyncML enrolls nobody.
fn is_read_as(document: &Document, message: &MessageInput<'_>) -> bool {
    let is_syncml = media::mentions(message.headers(), "syncml");
    !is_syncml || Dialect::of(document) == Dialect::SyncMl
}

/// Returns which hosts of a redirect are mapped. Redirects of sign-in pages stay unless their host is in a pair.
fn reach(message: &MessageInput<'_>) -> Reach {
    let request = message.request;
    let says = |name: HeaderName, word: &str| {
        let value = request.headers.get(name);
        let value = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        value.to_ascii_lowercase().contains(word)
    };
    let path = request.uri.path().to_ascii_lowercase();
    // The clients are `ENROLLClient` and `Windows Phone 8 Enrollment Client`.
    let enrolls = path.ends_with("discovery.svc") || says(header::USER_AGENT, "enroll");
    let is_message = ["soap", "syncml"]
        .iter()
        .any(|kind| says(header::CONTENT_TYPE, kind));
    match enrolls || is_message {
        true => Reach::Learned,
        false => Reach::Mapped,
    }
}

fn note_away(reach: Reach, origin: &Origin, name: &HeaderName) -> Note {
    match reach {
        Reach::Learned => Note::new("STAY-01", stay::leads_away_text(origin, name.as_str())),
        Reach::Mapped => Note::new("STAY-04", stay::sign_in_text(origin, name.as_str())),
    }
}
