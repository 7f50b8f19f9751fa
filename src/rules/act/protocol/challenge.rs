//! `challenge` and `busy`: a server that will not do as it is asked, for now.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode as HttpStatus, header};

use super::refuse::RefusedCommands;
use super::{Scene, is_work, msg_id};
use crate::dm::{Message, Status, StatusCode};
use crate::flow::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::flow::{EffectKind, Obligation};
use crate::markup::edit::{Edit, Place};
use crate::markup::tag;
use crate::rules::act::Planned;
use crate::rules::chance::{BASIS, absorb, mix};
use crate::rules::step::{Busy, Challenge, Nonce, Scheme};
use crate::rules::{Stage, SyntheticResponse};

impl Planned {
    pub(super) fn challenge(
        &mut self,
        challenge: &Challenge,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let message = scene.message().ok_or("this is no SyncML message")?;
        let chal = self.chal(challenge, scene, message);
        match scene.facts.stage {
            Stage::Response => self.turn_down(challenge.code, &chal, "challenge", scene),
            _ => {
                let credentials = Obligation::Credentials(cred(message).into());
                self.promise(scene, vec![credentials])?;
                self.answer_each(challenge.code, &chal, "challenge", scene)
            }
        }
    }

    pub(super) fn busy(&mut self, busy: &Busy, scene: &Scene<'_>) -> Result<(), String> {
        if busy.is_syncml() {
            let code = StatusCode(busy.code);
            return match scene.facts.stage {
                Stage::Response => self.turn_down(code, "", "busy", scene),
                _ => self.answer_each(code, "", "busy", scene),
            };
        }
        let mut answer = SyntheticResponse {
            status: HttpStatus::from_u16(busy.code)
                .map_err(|_| format!("{} is no HTTP status", busy.code))?,
            ..SyntheticResponse::default()
        };
        if let Some(value) = &busy.retry_after {
            let value = HeaderValue::from_str(value)
                .map_err(|_| "a header field cannot hold this value")?;
            answer.headers.insert(header::RETRY_AFTER, value);
        }
        self.push_detail("busy", scene, answer.status.to_string());
        self.answer = Some(answer);
        Ok(())
    }

    /// The device is answered with this code for the header and for every command; the server sees nothing.
    fn answer_each(
        &mut self,
        code: StatusCode,
        chal: &str,
        verb: &'static str,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let message = scene.message().ok_or("this is no SyncML message")?;
        let response = scene.account()?.next_msg_id();
        let msg_ref = msg_id(message)?;
        let request = msg_ref.parse().map_err(|_| "the MsgID is no number")?;
        let mut ids = CmdIdAllocator::none_taken();
        let status = |cmd_ref: &str, cmd: &str, chal: &str, id: &str| {
            let status = StatusBuilder {
                msg_ref: &msg_ref,
                cmd_ref,
                cmd,
                items: &[],
                chal,
                code,
            };
            status.xml(id)
        };
        let mut body = status("0", "SyncHdr", chal, &ids.give());
        for command in message.all_commands().filter(|c| is_work(*c)) {
            let cmd_id = command.cmd_id().unwrap_or_default();
            body += &status(&cmd_id, command.element().local(), "", &ids.give());
        }
        let bytes = compose::message(scene.document, response, &(body + "<Final/>"));
        let bytes = bytes.ok_or("no answer can be written to this message")?;
        let spoke = Obligation::Spoke { request, response };
        self.promise(scene, vec![spoke])?;
        self.push_detail(verb, scene, code.to_string());
        self.answer = Some(syncml(scene, bytes));
        Ok(())
    }

    /// The server's answers become this code, and its commands are kept from the device.
    fn turn_down(
        &mut self,
        code: StatusCode,
        chal: &str,
        verb: &'static str,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let message = scene.message().ok_or("this is no SyncML message")?;
        let mut taken = RefusedCommands::default();
        let mut header_seen = false;
        for command in message.commands() {
            let Some(status) = command.as_status() else {
                taken.take(command, code);
                continue;
            };
            let Some(data) = status.data() else { continue };
            self.put(verb, data, code.0.to_string());
            if status.cmd_ref().as_deref() == Some("0") && !header_seen {
                header_seen = true;
                self.set_chal(status, chal, scene)?;
            }
        }
        if !header_seen {
            return Err("the message has no Status for the header".into());
        }
        match taken.is_empty() {
            true => Ok(()),
            false => self.take_out(scene, taken),
        }
    }

    fn set_chal(
        &mut self,
        status: Status<'_>,
        chal: &str,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let old = status.element().child(tag::CHAL);
        if let Some(old) = old {
            self.own.push(Edit::Remove { node: old.id() });
        }
        if chal.is_empty() {
            return Ok(());
        }
        let data = status
            .data()
            .ok_or("the Status for the header has no Data")?;
        let fragment =
            compose::fragment(scene.document, chal).ok_or("the Chal cannot be written")?;
        let place = Place::Before(data.id());
        self.own.push(Edit::Insert { place, fragment });
        Ok(())
    }

    /// The Chal as XML (DM_RepPro 6.1.2).
    fn chal(&self, challenge: &Challenge, scene: &Scene<'_>, message: Message<'_>) -> String {
        let nonce = match (&challenge.nonce, challenge.scheme) {
            (_, Scheme::Basic) => None,
            (Nonce::Given(nonce), _) => Some(nonce.clone()),
            (Nonce::Fresh, _) => Some(self.nonce(scene, message)),
            (Nonce::Used, _) => {
                let used = scene.facts.reconciler.and_then(|account| account.nonce());
                Some(used.map_or_else(|| self.nonce(scene, message), str::to_owned))
            }
        };
        let nonce = nonce.map_or(String::new(), |nonce| compose::meta("NextNonce", &nonce));
        let (kind, format) = (
            compose::meta("Type", challenge.scheme.uri()),
            compose::meta("Format", "b64"),
        );
        format!("<Chal><Meta>{kind}{format}{nonce}</Meta></Chal>")
    }

    /// A nonce of 16 octets that is another one for each message, and the same in every run.
    fn nonce(&self, scene: &Scene<'_>, message: Message<'_>) -> String {
        let tag = scene.facts.session;
        let session = tag.map_or("", |tag| &tag.key.id);
        let device = tag.map_or("", |tag| &tag.key.device);
        let number = msg_id(message).unwrap_or_default();
        let parts = [&*self.rule, device, session, &*number];
        // No secret: only another number for other texts.
        let hash = |half: u8| {
            let parts = parts.iter();
            parts.fold(absorb(BASIS, &[half]), |hash, part| {
                absorb(hash, part.as_bytes())
            })
        };
        let halves = [0u8, 1].map(|half| mix(hash(half)).to_be_bytes());
        STANDARD.encode(halves.concat())
    }

    fn push_detail(&mut self, verb: &'static str, scene: &Scene<'_>, what: String) {
        self.changes.push(crate::flow::EffectDetail {
            path: String::new(),
            kind: EffectKind::other(verb),
            before: scene
                .facts
                .response
                .map_or_else(String::new, |head| head.status.to_string()),
            after: what,
        });
    }
}

/// An answer that is a SyncML message, in the device's encoding.
pub(super) fn syncml(scene: &Scene<'_>, body: Bytes) -> SyntheticResponse {
    let said = scene.facts.request.headers.get(header::CONTENT_TYPE);
    SyntheticResponse::syncml(body, scene.document, said)
}

/// The credentials of a message as XML; empty for none.
fn cred(message: Message<'_>) -> String {
    let Some(cred) = message.header().and_then(|header| header.cred()) else {
        return String::new();
    };
    let meta = |name: &str, text: Option<std::borrow::Cow<'_, str>>| {
        text.map_or(String::new(), |text| compose::meta(name, &text))
    };
    let inside = [
        meta("Type", cred.scheme()),
        meta("Format", cred.meta().and_then(|meta| meta.format())),
    ];
    let data = compose::leaf("Data", &cred.data().unwrap_or_default());
    format!("<Cred><Meta>{}</Meta>{data}</Cred>", inside.concat())
}
