//! An exchange: a request of the device and the response to it, each as received and as sent.

use std::fmt;
use std::ops::{Index, IndexMut};
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

/// The number of an exchange, counted from 1 in one run.
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
    /// Returns the other peer.
    pub fn other(self) -> Self {
        match self {
            Self::Device => Self::Server,
            Self::Server => Self::Device,
        }
    }

    /// Returns the name of the peer in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Server => "server",
        }
    }
}

/// A value for each peer.
#[derive(Clone, Debug, Default)]
pub struct BySide<T> {
    /// The value of the device.
    pub device: T,
    /// The value of the server.
    pub server: T,
}

impl<T> Index<Side> for BySide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Device => &self.device,
            Side::Server => &self.server,
        }
    }
}

impl<T> IndexMut<Side> for BySide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Device => &mut self.device,
            Side::Server => &mut self.server,
        }
    }
}

/// The head of an HTTP message.
#[derive(Clone, Debug)]
pub enum Head {
    /// The head of a request. It is shared: the exchange needs it until its end.
    Request(Arc<RequestHead>),
    /// The head of a response.
    Response(ResponseHead),
}

impl Head {
    /// Returns the header fields.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::Request(head) => &head.headers,
            Self::Response(head) => &head.headers,
        }
    }
}

/// The method, target and header fields of a request as received.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method; DM uses only POST.
    pub method: Method,
    /// The full URL that the device asked for. Its host is `:authority` or `Host` as the device sent it.
    pub uri: Uri,
    /// The HTTP version that the device used.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
}

/// The status and header fields of a response as received.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: StatusCode,
    /// The HTTP version that the server used.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
}

/// One half of an exchange: a request to the server, or a response to the device.
#[derive(Clone, Debug)]
pub struct CapturedMessage {
    /// The exchange that the message is half of.
    pub exchange: ExchangeId,
    /// The device's connection.
    pub connection: Arc<Connection>,
    /// The sender: the device for a request, the server for a response.
    pub from: Side,
    /// Whether dmtap wrote the message in place of `from` (an `answer` step, a 502).
    pub synthesized: bool,
    /// The time at which the message was received completely.
    pub at: Timestamp,
    /// The time since the request was received completely; zero for the request.
    pub took: Duration,
    /// The head as received.
    pub head: Head,
    /// The body.
    pub body: CapturedBody,
    /// The client authentication towards the server. Only responses that came over TLS have it.
    pub client_auth: Option<ClientAuth>,
    /// The DM session that the message belongs to.
    pub session: Option<SessionTag>,
    /// The command that each Status and Results in the message answers.
    pub links: Vec<AnswerLink>,
    /// The notes on the message.
    pub notes: Vec<Note>,
    /// The rules that acted on the message, in order.
    pub applied: Vec<RuleEffect>,
    /// How the message was sent.
    pub delivery: Delivery,
}

/// A body as received and as sent.
#[derive(Clone, Debug)]
pub struct CapturedBody {
    /// The bytes as received, with any content coding. Empty if `parsed` is [`ParsedBody::Unread`] and the bytes were
    /// not kept.
    pub received: Bytes,
    /// The bytes as received with the content coding undone, which rules change. `None` if there was no content coding,
    /// if it could not be undone, or if the document has the bytes as its source.
    pub plain: Option<Bytes>,
    /// The bytes as sent; the same bytes as received if no rule changed them.
    pub sent: Bytes,
    /// The result of reading `received`.
    pub parsed: ParsedBody,
    /// The decoded body as sent, if a rule changed it and it still decodes.
    pub sent_document: Option<Arc<Document>>,
}

/// The result of reading a body.
#[derive(Clone, Debug)]
pub enum ParsedBody {
    /// The message has no body.
    Empty,
    /// The body was not read.
    Unread(NotParsed),
    /// The body is broken, or is neither XML nor WBXML. It passes unchanged.
    Broken(DecodeError),
    /// The decoded document. Its source is the body with content codings undone.
    Document(Arc<Document>, Dialect),
}

impl ParsedBody {
    /// Returns the document if the body was decoded.
    pub fn document(&self) -> Option<&Arc<Document>> {
        match self {
            Self::Document(document, _) => Some(document),
            _ => None,
        }
    }
}

/// The reason why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotParsed {
    /// No rule and no record needed the body.
    NotAsked {
        /// The number of bytes that passed.
        bytes: u64,
    },
    /// The body is larger than the limit and was streamed through.
    TooLarge {
        /// The limit (`--max-body`), in bytes.
        limit: u64,
    },
    /// Bodies in progress use all the memory that is set aside for them, so this one was streamed through.
    NoRoom {
        /// The limit over all connections, in bytes.
        limit: u64,
    },
    /// The body came so slowly that its memory was given to other bodies. It was streamed through.
    TooSlow {
        /// The limit, in seconds.
        seconds: u64,
    },
    /// The saved traffic that the message comes from does not have the body.
    NotRecorded {
        /// The length of the body in bytes, if it is known.
        bytes: Option<u64>,
    },
    /// The media type is not one that dmtap decodes.
    MediaType(String),
    /// The content coding is unknown or does not decode. The text says why.
    Coding(String),
}
