//! An exchange: a request of the device and the response to it, each as received and as sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AnswerLink, ClientAuth, Connection, Delivery, Note, RuleEffect, SessionTag, Timestamp,
};
use crate::dm::Dialect;
use crate::markup::{DecodeError, Document};

/// Counts exchanges from 1 in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

/// One of the two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The DM client.
    Device,
    /// The DM server.
    Server,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Device => Self::Server,
            Self::Server => Self::Device,
        }
    }

    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Server => "server",
        }
    }
}

/// What stands in front of a body.
#[derive(Clone, Debug)]
pub enum Head {
    /// Of a request; the exchange needs it until its end.
    Request(Arc<RequestHead>),
    /// Of a response.
    Response(ResponseHead),
}

impl Head {
    /// Its header fields.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::Request(head) => &head.headers,
            Self::Response(head) => &head.headers,
        }
    }
}

/// Method, target and header fields as received.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method; DM knows only POST.
    pub method: Method,
    /// The full address that the device asked for: the host is `:authority`, or `Host`, as the device sent it.
    pub uri: Uri,
    /// The version spoken by the device.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
}

/// Status and header fields as received.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: StatusCode,
    /// The version spoken by the server.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
}

/// One way through the proxy: a request to the server, or a response to the device.
#[derive(Clone, Debug)]
pub struct CapturedMessage {
    /// The exchange it is half of.
    pub exchange: ExchangeId,
    /// The device's connection.
    pub connection: Arc<Connection>,
    /// Who speaks: the device in a request, the server in a response.
    pub from: Side,
    /// Whether dmtap itself wrote it, in place of `from` (an `answer` step, a 502).
    pub synthesized: bool,
    /// When it was received whole.
    pub at: Timestamp,
    /// How long after the request was received whole; zero for the request.
    pub took: Duration,
    /// The head as received.
    pub head: Head,
    /// The body.
    pub body: CapturedBody,
    /// Client authentication towards the server, of a response that came over TLS.
    pub client_auth: Option<ClientAuth>,
    /// The DM session it belongs to.
    pub session: Option<SessionTag>,
    /// For each Status and Results in it, the command it answers.
    pub links: Vec<AnswerLink>,
    /// What is remarkable about it.
    pub notes: Vec<Note>,
    /// The rules that acted on it, in order.
    pub applied: Vec<RuleEffect>,
    /// How it left.
    pub delivery: Delivery,
}

/// A body: as received and as sent.
#[derive(Clone, Debug)]
pub struct CapturedBody {
    /// The bytes as received, with any content coding. Empty where [`ParsedBody::Unread`] says so.
    pub received: Bytes,
    /// The bytes as received without content coding: what rules change. `None` where there was none, or it could
    /// not be undone, or the document's source has them.
    pub plain: Option<Bytes>,
    /// The bytes as sent: the very same ones where no rule changed them.
    pub sent: Bytes,
    /// What dmtap read in `received`.
    pub parsed: ParsedBody,
    /// What was sent, decoded, where a rule changed it and it still decodes.
    pub sent_document: Option<Arc<Document>>,
}

/// What a body was found to be.
#[derive(Clone, Debug)]
pub enum ParsedBody {
    /// No body.
    Empty,
    /// Nobody looked.
    Unread(NotParsed),
    /// It is no XML or WBXML, or broken, and passes all the same.
    Undecodable(DecodeError),
    /// Decoded; its source is the body with content codings undone.
    Document(Arc<Document>, Dialect),
}

impl ParsedBody {
    /// The document, if it was decoded.
    pub fn document(&self) -> Option<&Arc<Document>> {
        match self {
            Self::Document(document, _) => Some(document),
            _ => None,
        }
    }
}

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotParsed {
    /// Nothing was asked that needs it; this many bytes passed.
    NotAsked {
        /// Bytes that passed.
        bytes: u64,
    },
    /// It is larger than the limit and streamed through.
    TooLarge {
        /// The limit (`--max-body`), in bytes.
        limit: u64,
    },
    /// The bodies that are being read hold all the memory that is set aside for them; it streamed through.
    NoRoom {
        /// The limit over all connections, in bytes.
        limit: u64,
    },
    /// It came so slowly that the memory for it went to others; it streamed through.
    TooSlow {
        /// The limit, in seconds.
        seconds: u64,
    },
    /// The saved traffic that it comes from has not got it.
    NotRecorded {
        /// Bytes that it had, where that is known.
        bytes: Option<u64>,
    },
    /// Its media type announces nothing that dmtap reads.
    MediaType(String),
    /// Its content coding is not known or does not decode, in words.
    Coding(String),
}
