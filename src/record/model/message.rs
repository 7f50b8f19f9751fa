//! What is known of a message besides its commands, as plain data: connection, head, how the body was read, session and
//! SyncML header.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_with::skip_serializing_none;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use crate::dm::Message;
use crate::flow::{
    CapturedMessage, CertificateTrust, ClientCertificate, Connection, ConnectionId, Head,
    NotParsed, ParsedBody, SessionTag, Side,
};
use crate::record::redact::{Redactor, SecretSpans};

/// The connection of a device.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionRecord {
    /// The number of the connection.
    pub id: u64,
    /// The device's address.
    #[serde(default, deserialize_with = "address")]
    pub device: Option<SocketAddr>,
    /// The address of the listener that accepted the connection.
    #[serde(default, deserialize_with = "address")]
    pub listener: Option<SocketAddr>,
    /// The server that the device connects to: `host:port`.
    pub server: Option<SmolStr>,
    /// The TLS session with the device; absent for clear text, and without values if a rule tunnels the connection.
    pub tls: Option<TlsRecord>,
}

/// The result of a TLS handshake.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TlsRecord {
    /// The server name that the device requested.
    pub sni: Option<SmolStr>,
    /// The protocol negotiated by ALPN.
    pub alpn: Option<SmolStr>,
    /// The version.
    pub version: Option<SmolStr>,
    /// The client certificate that the device presented.
    pub client_certificate: Option<ClientCertificateRecord>,
}

/// The client certificate of a device.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientCertificateRecord {
    /// The subject, in the order of the certificate.
    pub subject: SmolStr,
    /// The issuer.
    pub issuer: SmolStr,
    /// The serial number in hexadecimal.
    pub serial: SmolStr,
    /// The SHA-1 in hexadecimal.
    pub sha1: SmolStr,
    /// The SHA-256 in hexadecimal.
    pub sha256: SmolStr,
    /// The trust in the certificate: `dmtap-ca`, `client-ca` or `untrusted`.
    pub verdict: SmolStr,
    /// The reason why the certificate is not trusted.
    pub why: Option<SmolStr>,
}

impl ClientCertificateRecord {
    fn of(presented: &ClientCertificate) -> Self {
        Self {
            subject: SmolStr::new(&presented.subject),
            issuer: SmolStr::new(&presented.issuer),
            serial: SmolStr::new(&presented.serial),
            sha1: SmolStr::new(&presented.sha1),
            sha256: SmolStr::new(&presented.sha256),
            verdict: SmolStr::new_static(presented.trust.name()),
            why: match &presented.trust {
                CertificateTrust::Untrusted(why) => Some(SmolStr::new(why)),
                _ => None,
            },
        }
    }
}

/// The head of a message.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadRecord {
    /// For a request: the method.
    pub method: Option<SmolStr>,
    /// For a request: the URL that the device asked for.
    pub uri: Option<SmolStr>,
    /// For a response: the status.
    pub status: Option<u16>,
    /// The version, such as `HTTP/2.0`.
    pub version: SmolStr,
    /// Names and values in order; repeated names are repeated.
    pub headers: Vec<(SmolStr, SmolStr)>,
}

/// The result of reading a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum ParsedBodyRecord {
    /// No body.
    Empty,
    /// The body was not read.
    Unread {
        /// The cause, if the remedy depends on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<UnreadCause>,
        /// The reason, for people.
        why: SmolStr,
        /// Whether the body is recorded without its content coding.
        #[serde(default, rename = "decoded", skip_serializing_if = "super::is_false")]
        without_coding: bool,
    },
    /// A body other than XML or WBXML, by its media type: HTML, JSON, plain text, an image.
    #[serde(rename = "undecoded")]
    OtherType {
        /// The media type.
        media_type: SmolStr,
        /// Whether the body is recorded without its content coding.
        #[serde(default, rename = "decoded", skip_serializing_if = "super::is_false")]
        without_coding: bool,
    },
    /// Broken XML or WBXML.
    #[serde(rename = "opaque")]
    Broken {
        /// The offset of the first part that could not be read.
        at: u32,
        /// The error there.
        why: SmolStr,
        /// Whether the body is recorded without its content coding.
        #[serde(default, rename = "decoded", skip_serializing_if = "super::is_false")]
        without_coding: bool,
    },
    /// A document in XML or WBXML.
    Document {
        /// `xml` or `wbxml`.
        encoding: SmolStr,
        /// `syncml`, `soap`, `provisioning` or `other`.
        dialect: SmolStr,
        /// The name of the root element.
        root: SmolStr,
        /// Whether the body is recorded without its content coding.
        #[serde(default, rename = "decoded", skip_serializing_if = "super::is_false")]
        without_coding: bool,
    },
}

/// The cause of a body that was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadCause {
    /// The body is larger than `--max-body`.
    TooLarge,
    /// The file of saved traffic does not contain the body.
    NotRecorded,
    /// A cause that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

/// The place of a message in its session.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRecord {
    /// The session's number in its run, from 1.
    pub number: u64,
    /// The device's LocURI.
    pub device: SmolStr,
    /// The SessionID.
    pub id: SmolStr,
    /// The MsgID, if it is a number.
    pub msg: Option<u32>,
    /// The number of this exchange within the session, from 1.
    pub exchange: u32,
    /// The number of the package that the message belongs to, from 1.
    pub package: Option<u8>,
    /// The user that the device names in the session: LocName of the Source, or of the credentials.
    pub user: Option<SmolStr>,
}

/// The header of a SyncML message.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageRecord {
    /// `VerProto`.
    pub proto: Option<SmolStr>,
    /// `SessionID`.
    pub session: Option<SmolStr>,
    /// `MsgID`.
    pub msg: Option<SmolStr>,
    /// `Source/LocURI`.
    pub source: Option<SmolStr>,
    /// `Target/LocURI`.
    pub target: Option<SmolStr>,
    /// `RespURI`.
    pub resp_uri: Option<SmolStr>,
    /// The scheme of the credentials; empty if they name none. The credentials are not recorded.
    pub cred: Option<SmolStr>,
    /// `MaxMsgSize` in bytes.
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize` in bytes.
    pub max_obj_size: Option<u64>,
    /// Whether the message closes its package.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// Reads an address; text that is not an address counts as absent.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = Option::<SmolStr>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl From<&Connection> for ConnectionRecord {
    fn from(connection: &Connection) -> Self {
        let tls = connection.tls.as_ref();
        let record = |text: &Option<String>| text.as_deref().map(SmolStr::from);
        Self {
            id: connection.id.0,
            device: Some(connection.device),
            listener: Some(connection.listener),
            server: Some(SmolStr::new(&connection.server)),
            tls: tls.map(|tls| TlsRecord {
                sni: record(&tls.sni),
                alpn: record(&tls.alpn),
                version: record(&tls.version),
                client_certificate: tls.client.as_deref().map(ClientCertificateRecord::of),
            }),
        }
    }
}

impl From<ConnectionId> for ConnectionRecord {
    fn from(id: ConnectionId) -> Self {
        Self {
            id: id.0,
            ..Self::default()
        }
    }
}

impl HeadRecord {
    pub(super) fn of(head: &Head, secrets: &Redactor) -> Self {
        let headers = head.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = secrets.header(name.as_str(), &value).into();
            (SmolStr::new(name.as_str()), value)
        });
        let (method, uri, status, version) = match head {
            Head::Request(head) => {
                let uri = head.uri.to_smolstr();
                let uri = secrets.target(&uri).into();
                (
                    Some(head.method.as_str().into()),
                    Some(uri),
                    None,
                    head.version,
                )
            }
            Head::Response(head) => (None, None, Some(head.status.as_u16()), head.version),
        };
        Self {
            method,
            uri,
            status,
            version: format_smolstr!("{version:?}"),
            headers: headers.collect(),
        }
    }

    /// Returns the value of the first field of this name. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, value)| &**value)
    }
}

impl ParsedBodyRecord {
    /// Returns whether the body is recorded without its content coding.
    pub fn is_without_coding(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Unread { without_coding, .. }
            | Self::OtherType { without_coding, .. }
            | Self::Broken { without_coding, .. }
            | Self::Document { without_coding, .. } => *without_coding,
        }
    }

    pub(super) fn of(captured: &CapturedMessage) -> Self {
        let is_plain = captured.body.plain.is_some();
        match &captured.body.parsed {
            ParsedBody::Empty => Self::Empty,
            ParsedBody::Unread(NotParsed::MediaType(media_type)) => Self::OtherType {
                media_type: SmolStr::new(media_type),
                without_coding: is_plain,
            },
            ParsedBody::Unread(unread) => Self::Unread {
                cause: match unread {
                    NotParsed::TooLarge { .. } => Some(UnreadCause::TooLarge),
                    NotParsed::NotRecorded { .. } => Some(UnreadCause::NotRecorded),
                    _ => None,
                },
                why: why(unread),
                without_coding: is_plain,
            },
            ParsedBody::Broken(error) => Self::Broken {
                at: error.at,
                why: error.kind.to_smolstr(),
                without_coding: is_plain,
            },
            ParsedBody::Document(document, dialect) => Self::Document {
                encoding: SmolStr::new_static(if document.is_wbxml() { "wbxml" } else { "xml" }),
                dialect: SmolStr::new_static(dialect.name()),
                root: document.root().local().into(),
                without_coding: *document.source() != captured.body.received,
            },
        }
    }
}

fn why(unread: &NotParsed) -> SmolStr {
    match unread {
        NotParsed::NotAsked { bytes: 0 } => SmolStr::new_static("no byte of it came"),
        NotParsed::NotAsked { bytes } => format_smolstr!("not looked at: {bytes} bytes passed"),
        NotParsed::TooLarge { limit } => format_smolstr!("larger than the limit of {limit} bytes"),
        NotParsed::NoRoom { limit } => {
            format_smolstr!("other bodies hold all of the {limit} bytes set aside for reading")
        }
        NotParsed::TooSlow { seconds } => {
            format_smolstr!("the body was not complete after {seconds} seconds")
        }
        NotParsed::NotRecorded { bytes: Some(bytes) } => {
            format_smolstr!("not in the file, which says that it had {bytes} bytes")
        }
        NotParsed::NotRecorded { bytes: None } => {
            SmolStr::new_static("not in the file, which does not say how long it was")
        }
        NotParsed::MediaType(media_type) => format_smolstr!("{media_type} is not decoded"),
        NotParsed::Coding(why) => format_smolstr!("content coding: {why}"),
    }
}

impl SessionRecord {
    pub(super) fn of(tag: &SessionTag, from: Side) -> Self {
        Self {
            number: tag.number,
            device: SmolStr::new(&tag.key.device),
            id: SmolStr::new(&tag.key.id),
            msg: tag.message,
            exchange: tag.exchange,
            package: Some(match from {
                Side::Device => tag.package,
                Side::Server => tag.package.saturating_add(1),
            }),
            user: tag.user.as_deref().map(SmolStr::new),
        }
    }
}

impl MessageRecord {
    pub(super) fn of(message: Message<'_>, secret_spans: &SecretSpans) -> Self {
        let is_final = message.is_final();
        let Some(header) = message.header() else {
            return Self {
                is_final,
                ..Self::default()
            };
        };
        let meta = header.meta();
        let address = |uri| SmolStr::from(secret_spans.address(uri));
        Self {
            proto: header.ver_proto().map(SmolStr::from),
            session: header.session_id().map(SmolStr::from),
            msg: header.msg_id().map(SmolStr::from),
            source: header.source().map(address),
            target: header.target().map(address),
            resp_uri: header.resp_uri().map(address),
            cred: header
                .cred()
                .map(|cred| cred.scheme().unwrap_or_default().into()),
            max_msg_size: meta.and_then(|meta| meta.max_msg_size()),
            max_obj_size: meta.and_then(|meta| meta.max_obj_size()),
            is_final,
        }
    }
}
