//! The account is settled in a message on its way out, after the rules: what was promised about it is done.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

mod speak;

use super::gaps::Counted;
use super::{Account, Owed, Promise, Promised, Swallow};
use crate::dm::{Command, CommandKind, Message, Refs};
use crate::flow::own::{self, FreshIds, OwnStatus};
use crate::flow::{Applied, Change, Side};
use crate::markup::edit::{self, Edit, Place};
use crate::markup::{self, Document, Element, Hint, Limits, NodeId, tag};

/// What a message is settled in.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Who speaks.
    pub speaker: Side,
    /// What bounds the decoding of what was changed.
    pub limits: &'a Limits,
    /// What the transport says of the body.
    pub hint: Hint<'a>,
}

/// What settling came to. The default changes nothing.
#[derive(Debug, Default)]
pub struct Settled {
    /// What was done, each under the rule that promised it.
    pub applied: Vec<Applied>,
    /// The body to send instead.
    pub body: Option<Bytes>,
    /// That body decoded.
    pub document: Option<Arc<Document>>,
    /// The device gets this in place of what the server would answer, which is not asked.
    pub reply: Option<Bytes>,
}

impl Account {
    /// Does in a message what is owed about it. `document` is the message as the rules left it.
    pub fn settle(&mut self, document: &Arc<Document>, setting: Setting<'_>) -> Settled {
        if self.is_empty() || Message::of(document).is_none() {
            return Settled::default();
        }
        let mut settling = Settling {
            document: document.clone(),
            setting,
            settled: Settled::default(),
        };
        if setting.speaker == Side::Device
            && let Some(reply) = self.release(document, setting)
        {
            return reply;
        }
        settling.credentials(self);
        settling.own_session(self);
        settling.renumber(self);
        let mut rules: Vec<Arc<str>> = Vec::new();
        for promised in self.promises.iter() {
            if !rules.contains(&promised.rule) {
                rules.push(promised.rule.clone());
            }
        }
        for rule in rules {
            settling.keep(self, &rule);
        }
        settling.occupy(self);
        settling.close(self, document);
        settling.settled
    }
}

/// A message being settled.
struct Settling<'a> {
    /// As it is by now.
    document: Arc<Document>,
    setting: Setting<'a>,
    settled: Settled,
}

/// Edits under way, with what is told of them.
#[derive(Default)]
struct Entry {
    edits: Vec<Edit>,
    changes: Vec<Change>,
}

impl Entry {
    fn tell(&mut self, at: Element<'_>, step: &'static str, before: String, after: String) {
        // A path takes time linear in the siblings; the rest of many is done and not told.
        if self.changes.len() < MOST_TOLD {
            self.changes.push(Change {
                path: at.path().to_string(),
                step,
                before,
                after,
            });
        }
    }

    fn set(&mut self, at: Element<'_>, text: String) {
        let before = at.text().into_owned();
        if before.trim_ascii() == text {
            return;
        }
        self.tell(at, "renumber", before, text.clone());
        self.edits.push(Edit::SetText {
            element: at.id(),
            text,
        });
    }

    fn remove(&mut self, command: Command<'_>) {
        let element = command.element();
        self.tell(element, "swallow", summary(command), String::new());
        self.edits.push(Edit::Remove { node: element.id() });
    }
}

impl Settling<'_> {
    /// Carries edits out, told as what `rule` did.
    fn enter(&mut self, rule: &str, entry: Entry) {
        if entry.edits.is_empty() {
            return;
        }
        let mut applied = Applied {
            rule: rule.to_owned(),
            changes: entry.changes,
            patch: crate::patch::Patch::default(),
        };
        let patched = edit::plan(&self.document, &entry.edits).map_err(|e| e.to_string());
        let patched = patched.and_then(|patch| {
            let body = patch.apply(self.document.source());
            let decoded = markup::decode(body.clone(), self.setting.hint, self.setting.limits);
            Ok((patch, body, decoded.map_err(|error| error.to_string())?))
        });
        match patched {
            Ok((patch, body, document)) => {
                self.document = Arc::new(document);
                self.settled.body = Some(body);
                self.settled.document = Some(self.document.clone());
                applied.patch = patch;
            }
            Err(why) => {
                applied.changes = vec![Change {
                    path: String::new(),
                    step: Change::NOT_APPLIED,
                    before: String::new(),
                    after: format!("what it promised: {why}"),
                }];
            }
        }
        self.settled.applied.push(applied);
    }

    /// Translates MsgID and MsgRefs where the peers count differently.
    fn renumber(&mut self, account: &mut Account) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let speaker = self.setting.speaker;
        let mut entry = Entry::default();
        let aliases = account.aliases(speaker, message);
        let rule = account
            .gaps
            .rule()
            .or(aliases.first().map(|alias| &alias.rule));
        let Some(rule) = rule.cloned() else {
            return;
        };
        let hearer = speaker.other();
        let header = message.header().map(|header| header.element());
        if let Some(id) = header.and_then(|h| h.child(tag::MSG_ID)) {
            let own = Counted::said_by(speaker);
            let there = number(id).and_then(|n| account.gaps.to(hearer, own, n));
            if let Some(there) = there {
                entry.set(id, there.to_string());
            }
        }
        for answer in answers(message) {
            let Some(msg_ref) = answer.element().child(tag::MSG_REF) else {
                continue;
            };
            let said = msg_ref.text();
            let alias = aliases
                .iter()
                .rev()
                .find(|alias| *alias.said == *said.trim_ascii());
            if let Some(alias) = alias {
                entry.set(msg_ref, alias.meant.to_string());
                continue;
            }
            let other = Counted::said_by(hearer);
            match number(msg_ref).map(|n| account.gaps.to(hearer, other, n)) {
                Some(Some(number)) => entry.set(msg_ref, number.to_string()),
                // It answers what dmtap said in the other's place.
                Some(None) => entry.remove(answer),
                None => {}
            }
        }
        self.enter(&rule, entry);
    }

    /// Keeps the promises of one rule, as far as they are about this message.
    fn keep(&mut self, account: &mut Account, rule: &Arc<str>) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let speaker = self.setting.speaker;
        let mut entry = Entry::default();
        let swallows = account.swallows(speaker, rule);
        let swallows: HashSet<_> = swallows.map(|s| (&*s.msg_ref, &*s.cmd_ref)).collect();
        for answer in answers(message).filter(|_| !swallows.is_empty()) {
            let (msg_ref, cmd_ref) = refs(answer);
            if swallows.contains(&(&*msg_ref, &*cmd_ref)) {
                entry.remove(answer);
            }
        }
        let mut ids = FreshIds::of(message);
        let msg_id = message.header().and_then(|h| h.msg_id());
        let mut line: Option<Line> = None;
        for owed in account.owed(speaker.other(), rule) {
            let said_before = |given: &str| msg_id.as_deref() == Some(given);
            if !owed.given_in.as_deref().is_none_or(said_before) {
                continue;
            }
            let line = match line.take() {
                Some(known) if Arc::ptr_eq(&known.order, &owed.order) => line.insert(known),
                _ => line.insert(Line::of(owed, message)),
            };
            if give(owed, line, message, &mut ids, &mut entry) {
                owed.given_in = msg_id.as_deref().map(Into::into);
            }
        }
        self.enter(rule, entry);
    }

    /// A device that has nothing to answer ends the session, and the server would wait for ever for what it
    /// is owed: the device gets something harmless to do.
    fn occupy(&mut self, account: &mut Account) {
        let document = self.document.clone();
        let Some(message) = Message::of(&document) else {
            return;
        };
        let owed = |promised: &&Promised| match &promised.promise {
            Promise::Answer(owed) => owed.to == Side::Server && owed.given_in.is_none(),
            _ => false,
        };
        let owing = account.promises.iter().find(owed);
        let (Side::Server, Some(owing)) = (self.setting.speaker, owing) else {
            return;
        };
        if message.commands().any(is_work) || message.commands().any(is_challenge) {
            return;
        }
        let rule = owing.rule.clone();
        let (Some(body), Some(msg_id)) = (
            message.body(),
            message.header().and_then(|header| header.msg_id()),
        ) else {
            return;
        };
        let id = FreshIds::of(message).give();
        let item = "<Item><Target><LocURI>./DevInfo/DevId</LocURI></Target></Item>";
        let get = format!("<Get>{}{item}</Get>", own::leaf("CmdID", &id));
        let Some(fragment) = own::fragment(&document, &get) else {
            return;
        };
        // The device refers to the message by the number it was told.
        let promise = Promise::Swallow(Swallow {
            from: Side::Device,
            msg_ref: account.as_server_says(&msg_id).into(),
            cmd_ref: id.into(),
        });
        let mut entry = Entry::default();
        entry.tell(
            body.element(),
            "occupy",
            String::new(),
            "Get ./DevInfo/DevId".into(),
        );
        let place = last_place(body.element());
        entry.edits.push(Edit::Insert { place, fragment });
        let promised = Promised {
            rule: rule.clone(),
            promise,
        };
        if account.promise(&[promised]).is_ok() {
            self.enter(&rule, entry);
        }
    }
}

impl Account {
    /// What the speaker of a message was told instead of the MsgIDs it answers.
    fn aliases(&mut self, speaker: Side, message: Message<'_>) -> Vec<Alias> {
        let msg_id = message.header().and_then(|header| header.msg_id());
        let is_of = |promised: &Promised| matches!(&promised.promise, Promise::Alias { from, .. } if *from == speaker);
        if !self.promises.iter().any(is_of) {
            return Vec::new();
        }
        let promises = Arc::make_mut(&mut self.promises);
        let known = promises.iter_mut().filter_map(|promised| {
            let Promise::Alias {
                from,
                said,
                meant,
                heard_in,
            } = &mut promised.promise
            else {
                return None;
            };
            if *from != speaker {
                return None;
            }
            *heard_in = msg_id.as_deref().map(Into::into);
            Some(Alias {
                rule: promised.rule.clone(),
                said: said.clone(),
                meant: meant.clone(),
            })
        });
        known.collect()
    }

    fn swallows(&self, from: Side, rule: &Arc<str>) -> impl Iterator<Item = &Swallow> {
        let of_rule = self.promises.iter().filter(move |p| p.rule == *rule);
        of_rule.filter_map(move |promised| match &promised.promise {
            Promise::Swallow(swallow) if swallow.from == from => Some(swallow),
            _ => None,
        })
    }

    fn owed(&mut self, to: Side, rule: &Arc<str>) -> impl Iterator<Item = &mut Owed> {
        let promises = Arc::make_mut(&mut self.promises);
        let of_rule = promises.iter_mut().filter(move |p| p.rule == *rule);
        of_rule.filter_map(move |promised| match &mut promised.promise {
            Promise::Answer(owed) if owed.to == to => Some(owed),
            _ => None,
        })
    }

    /// The server's own number of a message that the device knows as `told`.
    fn as_server_says(&self, told: &str) -> String {
        let number = told.parse().ok();
        let own = number.and_then(|n| self.gaps.to(Side::Server, Counted::Responses, n));
        own.map_or_else(|| told.to_owned(), |n| n.to_string())
    }
}

/// A MsgID that one peer was told instead of another.
struct Alias {
    rule: Arc<str>,
    said: Box<str>,
    meant: Box<str>,
}

/// Where the answers to one message stand in another.
struct Line {
    order: Arc<[Box<str>]>,
    /// For each command, the last answer that belongs in front of its own.
    in_front: Vec<Option<NodeId>>,
}

impl Line {
    fn of(owed: &Owed, message: Message<'_>) -> Self {
        let ids = owed.order.iter().enumerate();
        let ranks: HashMap<&str, usize> = ids.map(|(rank, id)| (&**id, rank)).collect();
        let mut in_front = vec![None; owed.order.len() + 1];
        for answer in answers(message) {
            let (msg_ref, cmd_ref) = refs(answer);
            let rank = ranks.get(&*cmd_ref).filter(|_| msg_ref == *owed.msg_ref);
            let behind = match (&*cmd_ref, rank) {
                ("0", _) => 0,
                (_, Some(rank)) => rank + 1,
                _ => continue,
            };
            in_front[behind] = Some(answer.element().id());
        }
        for place in 1..in_front.len() {
            // Numbers of nodes grow in document order.
            in_front[place] = in_front[place].max(in_front[place - 1]);
        }
        Self {
            order: owed.order.clone(),
            in_front,
        }
    }
}

/// Puts a Status where it belongs among the others. Says whether it found a place.
fn give(
    owed: &Owed,
    line: &Line,
    message: Message<'_>,
    ids: &mut FreshIds,
    entry: &mut Entry,
) -> bool {
    let Some(body) = message.body() else {
        return false;
    };
    let status = OwnStatus {
        msg_ref: &owed.msg_ref,
        cmd_ref: owed.cmd_ref(),
        cmd: &owed.cmd,
        target_refs: &owed.target_refs,
        chal: "",
        code: owed.code,
    };
    let document = message.element().document();
    let Some(fragment) = own::fragment(document, &status.xml(&ids.give())) else {
        return false;
    };
    // What is said of single Items comes behind what is said of the command.
    let behind = owed.place + usize::from(!owed.target_refs.is_empty());
    let in_front = line.in_front.get(behind).copied().flatten();
    let place = in_front.map_or(Place::FirstIn(body.element().id()), Place::After);
    let after = format!("{} {} {}", owed.cmd, owed.cmd_ref(), owed.code);
    entry.tell(body.element(), "answer", String::new(), after);
    entry.edits.push(Edit::Insert { place, fragment });
    true
}

/// Status and Results of a message.
fn answers(message: Message<'_>) -> impl Iterator<Item = Command<'_>> {
    let is_answer = |kind| matches!(kind, CommandKind::Status | CommandKind::Results);
    message.commands().filter(move |c| is_answer(c.kind()))
}

/// MsgRef and CmdRef of an answer; empty where there is none.
fn refs(answer: Command<'_>) -> (Cow<'_, str>, Cow<'_, str>) {
    Refs::of(answer).map(Refs::or_empty).unwrap_or_default()
}

/// Whether its receiver has to answer it.
fn is_work(command: Command<'_>) -> bool {
    !matches!(command.kind(), CommandKind::Status | CommandKind::Results)
}

/// Whether it makes the device come back with credentials.
fn is_challenge(command: Command<'_>) -> bool {
    let status = command.as_status();
    status.is_some_and(|s| {
        s.cmd_ref().as_deref() == Some("0") && s.code().is_some_and(|c| matches!(c.0, 401 | 407))
    })
}

/// Behind the last command: in front of Final.
pub(crate) fn last_place(body: Element<'_>) -> Place {
    let last = body.child(tag::FINAL);
    last.map_or(Place::LastIn(body.id()), |last| Place::Before(last.id()))
}

fn number(element: Element<'_>) -> Option<u32> {
    element.text().trim_ascii().parse().ok()
}

fn summary(command: Command<'_>) -> String {
    let (msg_ref, cmd_ref) = refs(command);
    format!("{} of {msg_ref}/{cmd_ref}", command.element().local())
}

/// Changes of one rule in one message that are told one by one.
const MOST_TOLD: usize = 1_000;
