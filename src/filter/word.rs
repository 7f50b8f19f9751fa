//! The words of filters.

use super::value::Form;

/// The subject of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A command with its answers.
    Transaction,
    /// One message, or an event of a connection.
    Message,
    /// The session that a message belongs to, once it is over.
    Session,
}

/// A word of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "WORDS says what each means")]
pub enum Word {
    Loc,
    Csp,
    Cmd,
    Status,
    Hr,
    Data,
    Fmt,
    Type,
    Alert,
    Scope,
    Open,
    Sid,
    Msg,
    Pkg,
    Dev,
    User,
    Enc,
    Dialect,
    Rule,
    Changed,
    Own,
    Lint,
    Why,
    Sess,
    X,
    Took,
    Size,
    At,
    Url,
    Domain,
    Method,
    Code,
    Header,
    Request,
    Response,
    Error,
}

/// Every word: its spelling, its subject, the form of its value, its meaning.
#[rustfmt::skip]
pub(super) const WORDS: [(Word, &str, About, Form); 36] = {
    use About::{Message, Session, Transaction};
    [
        (Word::Loc, "loc", Transaction, Form::Node), // the node: part of a LocURI, or a whole one with * and **
        (Word::Csp, "csp", Transaction, Form::Text), // the CSP that the node belongs to: BitLocker
        (Word::Cmd, "cmd", Transaction, Form::Command), // the command: Replace; SyncHdr for the Status of a header
        (Word::Status, "status", Transaction, Form::Codes), // the code of its Status
        (Word::Hr, "hr", Transaction, Form::Result), // Windows' native error, or the HRESULT of a fault
        (Word::Data, "data", Transaction, Form::Pattern), // the first 120 bytes of a value, sent or returned
        (Word::Fmt, "fmt", Transaction, Form::Text), // Meta/Format: chr, int, xml
        (Word::Type, "type", Transaction, Form::Pattern), // Meta/Type
        (Word::Alert, "alert", Transaction, Form::Codes), // the code of an Alert
        (Word::Scope, "scope", Transaction, Form::OneOf(&["user", "device"])), // whose node it is
        (Word::Open, "open", Transaction, Form::Nothing), // not answered for good: no Status, or 101 or 202
        (Word::Sid, "sid", Message, Form::Text), // the SessionID
        (Word::Msg, "msg", Message, Form::Numbers), // the MsgID
        (Word::Pkg, "pkg", Message, Form::Package), // the package: 1 to 4
        (Word::Dev, "dev", Message, Form::Pattern), // the device: its LocURI, or its address
        (Word::User, "user", Message, Form::Text), // the user that the device names: LocName, or that of its credentials
        (Word::Enc, "enc", Message, Form::OneOf(&["xml", "wbxml"])), // the encoding
        (Word::Dialect, "dialect", Message, Form::OneOf(&["syncml", "soap", "provisioning", "other"])), // what the body speaks
        (Word::Rule, "rule", Message, Form::Pattern), // a rule that acted on it
        (Word::Changed, "changed", Message, Form::Nothing), // a rule acted on it
        (Word::Own, "own", Message, Form::Nothing), // dmtap wrote it
        (Word::Lint, "lint", Message, Form::Note), // a note: its id, the beginning of one, or a severity
        (Word::Why, "why", Session, Form::Finding), // a finding of its session that is about it: WHY-06
        (Word::Sess, "sess", Message, Form::Numbers), // the session's number
        (Word::X, "x", Message, Form::Numbers), // the exchange's number
        (Word::Took, "took", Message, Form::Time), // how long the answer took: 5s means at least that, <200ms less
        (Word::Size, "size", Message, Form::Bytes), // bytes of the body: 10k means at least that, <10k less
        (Word::At, "at", Message, Form::Moment), // when, in UTC: 10:00..11:30, 2026-03-04T05
        (Word::Url, "u", Message, Form::Pattern), // the URL; a bare word means this
        (Word::Domain, "d", Message, Form::Pattern), // the host of the URL
        (Word::Method, "m", Message, Form::Pattern), // the HTTP method
        (Word::Code, "c", Message, Form::HttpStatus), // the HTTP status
        (Word::Header, "h", Message, Form::Pattern), // a header field: NAME: VALUE
        (Word::Request, "q", Message, Form::Nothing), // a request
        (Word::Response, "s", Message, Form::Nothing), // a response
        (Word::Error, "e", Message, Form::Nothing), // an exchange or connection that failed
    ]
};

impl Word {
    /// Returns the word with this name.
    pub fn named(name: &str) -> Option<Self> {
        let row = WORDS.iter().find(|(_, known, ..)| *known == name);
        row.map(|(word, ..)| *word)
    }

    /// Returns the spelling, without `~`.
    pub fn name(self) -> &'static str {
        WORDS[self as usize].1
    }

    /// Returns the subject of the word.
    pub fn about(self) -> About {
        WORDS[self as usize].2
    }

    /// Iterates over all words.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.iter().map(|(word, ..)| *word)
    }

    /// Returns the form of the value.
    pub(super) fn form(self) -> Form {
        WORDS[self as usize].3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_in_their_order() {
        for (at, (word, name, ..)) in WORDS.iter().enumerate() {
            assert_eq!(*word as usize, at, "{name}");
            assert_eq!(Word::named(name), Some(*word));
        }
    }
}
