//! `challenge` and `busy`: a server that refuses for now.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode as HttpStatus, header};

use super::msg_id;
use super::refuse::RefusedCommands;
use crate::dm::compose::{self, CmdIdAllocator, StatusBuilder};
use crate::dm::{Message, Status, StatusCode};
use crate::flow::reconciler::{MOST_BYTES, ObligationsFull};
use crate::flow::{EffectKind, SessionChange, Side};
use crate::markup::edit::{Edit, Place};
use crate::markup::tag;
use crate::rules::SyntheticResponse;
use crate::rules::act::Planning;
use crate::rules::chance::{BASIS, absorb, mix};
use crate::rules::step::{Busy, Challenge, Nonce, Scheme};

impl Planning<'_, '_> {
    pub(super) fn challenge(&mut self, challenge: &Challenge) -> Result<(), String> {
        let message = self.message()?;
        let chal = self.chal(challenge, message);
        let code = StatusCode(challenge.code.0);
        if self.input.speaker == Side::Server {
            return self.turn_down(code, &chal);
        }
        let credentials = cred(message);
        if credentials.len() > MOST_BYTES {
            return Err(ObligationsFull.to_string());
        }
        self.answer_each(code, &chal)?;
        self.change_session(SessionChange::Credentials(credentials.into()));
        Ok(())
    }

    pub(super) fn busy(&mut self, busy: &Busy) -> Result<(), String> {
        if busy.is_syncml() {
            let code = StatusCode(busy.code.0);
            return match self.input.speaker {
                Side::Device => self.answer_each(code, ""),
                Side::Server => self.turn_down(code, ""),
            };
        }
        let mut answer = SyntheticResponse {
            status: HttpStatus::from_u16(busy.code.0)
                .map_err(|_| format!("{} is not an HTTP status", busy.code.0))?,
            ..SyntheticResponse::default()
        };
        if let Some(value) = &busy.retry_after {
            let value = HeaderValue::from_str(&value.0)
                .map_err(|_| "a header field cannot hold this value")?;
            answer.headers.insert(header::RETRY_AFTER, value);
        }
        self.note_answer(&answer.status.to_string());
        self.planned.answer = Some(answer);
        Ok(())
    }

    /// Answers the device with this code for the header and for every command; the server gets nothing.
    fn answer_each(&mut self, code: StatusCode, chal: &str) -> Result<(), String> {
        let message = self.message()?;
        let response = self.reconciler()?.next_msg_id();
        let msg_ref = msg_id(message)?;
        let request = msg_ref.parse().map_err(|_| "the MsgID is not a number")?;
        let mut ids = CmdIdAllocator::after(0);
        let header = StatusBuilder {
            chal,
            ..StatusBuilder::of_header(&msg_ref, code)
        };
        let mut body = header.xml(&ids.give());
        for command in message.all_commands().filter(|c| c.expects_status()) {
            body += &StatusBuilder::of(&msg_ref, command, code).xml(&ids.give());
        }
        let bytes = compose::message(self.document, response, &(body + "<Final/>"));
        let bytes = bytes.ok_or("no answer can be written to this message")?;
        self.change_session(SessionChange::Answered { request, response });
        self.note_answer(&code.to_string());
        self.answer(bytes);
        Ok(())
    }

    /// Changes the server's Statuses to this code, and removes its commands.
    fn turn_down(&mut self, code: StatusCode, chal: &str) -> Result<(), String> {
        let mut taken = RefusedCommands::default();
        let mut header_seen = false;
        for command in self.message()?.commands() {
            let Some(status) = command.as_status() else {
                taken.take(command, code);
                continue;
            };
            let Some(data) = status.data() else { continue };
            self.put(EffectKind::Status, data, code.0.to_string());
            if status.is_for_header() && !header_seen {
                header_seen = true;
                self.set_chal(status, chal)?;
            }
        }
        if !header_seen {
            return Err("the message has no Status for the header".into());
        }
        match taken.is_empty() {
            true => Ok(()),
            false => self.take_out(taken),
        }
    }

    fn set_chal(&mut self, status: Status<'_>, chal: &str) -> Result<(), String> {
        if let Some(old) = status.element().child(tag::CHAL) {
            self.push(Vec::new(), Edit::Remove { node: old.id() });
        }
        if !chal.is_empty() {
            let data = status.data();
            let data = data.ok_or("the Status for the header has no Data")?;
            let (place, fragment) = (Place::Before(data.id()), self.xml(chal)?);
            self.push(Vec::new(), Edit::Insert { place, fragment });
        }
        Ok(())
    }

    /// Returns the Chal as XML (DM_RepPro 6.1.2).
    fn chal(&self, challenge: &Challenge, message: Message<'_>) -> String {
        let nonce = match (&challenge.nonce, challenge.scheme) {
            (_, Scheme::Basic) => None,
            (Nonce::Given(nonce), _) => Some(nonce.clone()),
            (Nonce::Fresh, _) => Some(self.nonce(message)),
            (Nonce::Used, _) => {
                let used = self.input.reconciler.and_then(|known| known.nonce());
                Some(used.map_or_else(|| self.nonce(message), str::to_owned))
            }
        };
        let nonce = nonce.map_or(String::new(), |nonce| compose::meta("NextNonce", &nonce));
        let kind = compose::meta("Type", challenge.scheme.uri());
        let format = compose::meta("Format", "b64");
        format!("<Chal><Meta>{kind}{format}{nonce}</Meta></Chal>")
    }

    /// Returns a nonce of 16 octets, in base64. It differs between messages, and is the same in every run.
    fn nonce(&self, message: Message<'_>) -> String {
        let tag = self.input.session;
        let session = tag.map_or("", |tag| &tag.key.id);
        let device = tag.map_or("", |tag| &tag.key.device);
        let number = msg_id(message).unwrap_or_default();
        let parts = [&*self.rule, device, session, &*number];
        // This hash keeps no secret; it only gives different numbers for different texts.
        let hash = |half: u8| {
            let parts = parts.iter();
            parts.fold(absorb(BASIS, &[half]), |hash, part| {
                absorb(hash, part.as_bytes())
            })
        };
        let halves = [0u8, 1].map(|half| mix(hash(half)).to_be_bytes());
        STANDARD.encode(halves.concat())
    }

    fn note_answer(&mut self, what: &str) {
        let response = self.input.response;
        let before = response.map_or_else(String::new, |head| head.status.to_string());
        self.note_of_message(EffectKind::Answered, &before, what);
    }

    /// Answers the device with a SyncML message, in the encoding of its request.
    pub(super) fn answer(&mut self, body: Bytes) {
        let content_type = self.input.request.headers.get(header::CONTENT_TYPE);
        let answer = SyntheticResponse::syncml(body, self.document, content_type);
        self.planned.answer = Some(answer);
    }
}

/// Returns the credentials of a message as XML; empty if it has none.
fn cred(message: Message<'_>) -> String {
    let Some(cred) = message.header().and_then(|header| header.cred()) else {
        return String::new();
    };
    let format = cred.meta().and_then(|meta| meta.format());
    let data = cred.data().unwrap_or_default();
    compose::cred(format.as_deref(), cred.scheme().as_deref(), &data)
}
