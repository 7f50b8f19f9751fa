//! Connection, head, header and session as plain data.

use std::borrow::Cow;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::dm::Message;
use crate::flow::{
    CapturedMessage, Connection, ConnectionId, Head, NotParsed, ParsedBody, SessionTag,
};
use crate::record::redact::{Redactor, SecretSpans};

/// The connection of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord<'a> {
    /// Its number.
    pub id: u64,
    /// The device's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Cow<'a, str>>,
    /// The address it was accepted at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Cow<'a, str>>,
    /// The server it is for: `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Cow<'a, str>>,
    /// TLS as agreed with the device; absent for clear text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRecord<'a>>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsRecord<'a> {
    /// The name the device asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<Cow<'a, str>>,
    /// The protocol agreed by ALPN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Cow<'a, str>>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
}

/// A head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadRecord<'a> {
    /// The method, of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// The address at the server, of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<Cow<'a, str>>,
    /// The status, of a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The version, such as `HTTP/2.0`.
    pub version: Cow<'a, str>,
    /// Names and values in order; repeated names are repeated.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// What was read in a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum ParsedBodyRecord<'a> {
    /// No body.
    Empty,
    /// Nobody looked, and why.
    Unread {
        /// For people.
        why: Cow<'a, str>,
        /// Whether the body is recorded with its content coding undone.
        #[serde(default, skip_serializing_if = "super::is_false")]
        decoded: bool,
    },
    /// Something else than XML or WBXML, by its media type: HTML, JSON, plain text, an image.
    Undecoded {
        /// The media type.
        media_type: Cow<'a, str>,
        /// Whether the body is recorded with its content coding undone.
        #[serde(default, skip_serializing_if = "super::is_false")]
        decoded: bool,
    },
    /// Broken XML or WBXML.
    Opaque {
        /// Offset of what could not be read.
        at: u32,
        /// What is wrong there.
        why: Cow<'a, str>,
        /// Whether the body is recorded with its content coding undone.
        #[serde(default, skip_serializing_if = "super::is_false")]
        decoded: bool,
    },
    /// Markup.
    Document {
        /// `xml` or `wbxml`.
        encoding: Cow<'a, str>,
        /// `syncml`, `soap`, `provisioning` or `other`.
        dialect: Cow<'a, str>,
        /// The name of its root element.
        root: Cow<'a, str>,
        /// Whether the body is recorded with its content coding undone.
        #[serde(default, skip_serializing_if = "super::is_false")]
        decoded: bool,
    },
}

/// The place of a message in its session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord<'a> {
    /// The session's number in its run, from 1.
    pub number: u64,
    /// The device's LocURI.
    pub device: Cow<'a, str>,
    /// The SessionID.
    pub id: Cow<'a, str>,
    /// The MsgID, where it is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<u32>,
    /// Which exchange of the session this is, from 1.
    pub exchange: u32,
}

/// The header of a SyncML message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageRecord<'a> {
    /// `VerProto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proto: Option<Cow<'a, str>>,
    /// `SessionID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// `MsgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<Cow<'a, str>>,
    /// `Source/LocURI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Cow<'a, str>>,
    /// `Target/LocURI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'a, str>>,
    /// `RespURI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resp_uri: Option<Cow<'a, str>>,
    /// The scheme of its credentials; empty where they name none. The credentials are not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cred: Option<Cow<'a, str>>,
    /// `MaxMsgSize` in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize` in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_obj_size: Option<u64>,
    /// Whether it closes its package.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl<'a> ConnectionRecord<'a> {
    pub(super) fn of(connection: &'a Connection) -> Self {
        let tls = connection.tls.as_ref();
        let record = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        Self {
            id: connection.id.0,
            device: Some(connection.device.to_string().into()),
            listener: Some(connection.listener.to_string().into()),
            server: Some(Cow::Borrowed(&connection.server)),
            tls: tls.map(|tls| TlsRecord {
                sni: record(&tls.sni),
                alpn: record(&tls.alpn),
                version: record(&tls.version),
            }),
        }
    }

    pub(super) fn from(id: ConnectionId, device: SocketAddr) -> Self {
        Self {
            device: Some(device.to_string().into()),
            ..Self::numbered(id)
        }
    }

    pub(super) fn numbered(id: ConnectionId) -> Self {
        Self {
            id: id.0,
            device: None,
            listener: None,
            server: None,
            tls: None,
        }
    }
}

impl<'a> HeadRecord<'a> {
    pub(super) fn of(head: &'a Head, secrets: &Redactor) -> Self {
        let headers = head.headers().iter().map(|(name, value)| {
            let record = match value.to_str() {
                Ok(value) => secrets.header(name.as_str(), value),
                Err(_) => {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    Cow::Owned(secrets.header(name.as_str(), &value).into_owned())
                }
            };
            (Cow::Borrowed(name.as_str()), record)
        });
        let headers = headers.collect();
        match head {
            Head::Request(head) => Self {
                method: Some(head.method.as_str().into()),
                uri: Some(secrets.target(&head.uri.to_string()).into_owned().into()),
                status: None,
                version: version(head.version),
                headers,
            },
            Head::Response(head) => Self {
                method: None,
                uri: None,
                status: Some(head.status.as_u16()),
                version: version(head.version),
                headers,
            },
        }
    }

    /// The value of the first field of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, value)| &**value)
    }
}

fn version(version: http::Version) -> Cow<'static, str> {
    Cow::Borrowed(match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_11 => "HTTP/1.1",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/3.0",
    })
}

impl ParsedBodyRecord<'_> {
    /// Whether the body is recorded with its content coding undone.
    pub fn is_decoded(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Unread { decoded, .. }
            | Self::Undecoded { decoded, .. }
            | Self::Opaque { decoded, .. }
            | Self::Document { decoded, .. } => *decoded,
        }
    }
}

impl<'a> ParsedBodyRecord<'a> {
    pub(super) fn of(passage: &'a CapturedMessage) -> Self {
        let is_plain = passage.payload.plain.is_some();
        match &passage.payload.reading {
            ParsedBody::Empty => Self::Empty,
            ParsedBody::Unread(NotParsed::MediaType(media_type)) => Self::Undecoded {
                media_type: Cow::Borrowed(media_type),
                decoded: is_plain,
            },
            ParsedBody::Unread(unread) => Self::Unread {
                why: why(unread),
                decoded: is_plain,
            },
            ParsedBody::Opaque(error) => Self::Opaque {
                at: error.at,
                why: error.kind.to_string().into(),
                decoded: is_plain,
            },
            ParsedBody::Document(document, dialect) => Self::Document {
                encoding: Cow::Borrowed(if document.is_wbxml() { "wbxml" } else { "xml" }),
                dialect: Cow::Borrowed(dialect.name()),
                root: document.root().local().into(),
                decoded: *document.source() != passage.payload.received,
            },
        }
    }
}

fn why(unread: &NotParsed) -> Cow<'_, str> {
    Cow::Owned(match unread {
        NotParsed::NotAsked { bytes } => format!("not looked at: {bytes} bytes passed"),
        NotParsed::TooLarge { limit } => format!("larger than the limit of {limit} bytes"),
        NotParsed::NoRoom { limit } => {
            format!("other bodies hold all of the {limit} bytes set aside for reading")
        }
        NotParsed::TooSlow { seconds } => format!("not here after {seconds} seconds"),
        NotParsed::MediaType(media_type) => format!("{media_type} is not decoded"),
        NotParsed::Coding(why) => format!("content coding: {why}"),
    })
}

impl<'a> SessionRecord<'a> {
    pub(super) fn of(tag: &'a SessionTag) -> Self {
        Self {
            number: tag.number,
            device: Cow::Borrowed(&tag.key.device),
            id: Cow::Borrowed(&tag.key.id),
            msg: tag.message,
            exchange: tag.exchange,
        }
    }
}

impl<'a> MessageRecord<'a> {
    pub(super) fn of(message: Message<'a>, spots: &SecretSpans) -> Self {
        let is_final = message.is_final();
        let Some(header) = message.header() else {
            return Self {
                is_final,
                ..Self::default()
            };
        };
        let meta = header.meta();
        Self {
            proto: header.ver_proto(),
            session: header.session_id(),
            msg: header.msg_id(),
            source: header.source().map(|uri| spots.address(uri)),
            target: header.target().map(|uri| spots.address(uri)),
            resp_uri: header.resp_uri().map(|uri| spots.address(uri)),
            cred: header.cred().map(|cred| cred.scheme().unwrap_or_default()),
            max_msg_size: meta.and_then(|meta| meta.max_msg_size()),
            max_obj_size: meta.and_then(|meta| meta.max_obj_size()),
            is_final,
        }
    }
}
