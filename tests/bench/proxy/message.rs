//! Messages of 4 KB: a device's message in the middle of a session, and the server's answer.

use std::fmt::Write;

use bytes::Bytes;
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{Hint, Limits, decode};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Xml,
    Wbxml,
}

impl Form {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }

    /// A device's message of one session: a Status and a Results for each node that was asked for.
    pub(crate) fn request(self, session: usize) -> Bytes {
        self.request_of(session, 1, 1)
    }

    /// The same with this MsgID, in answer to the server's message of that one.
    pub(crate) fn request_of(self, session: usize, msg_id: usize, msg_ref: usize) -> Bytes {
        self.filled(session, msg_id, |xml, n| {
            let (status, results) = (n * 2, n * 2 + 1);
            write!(
                xml,
                "<Status><CmdID>{status}</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{n}</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>\
                 <Results><CmdID>{results}</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{n}</CmdRef><Item><Source><LocURI>{}</LocURI></Source>\
                 <Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta><Data>value number {n}</Data></Item></Results>",
                uri(n)
            )
            .unwrap();
        })
    }

    /// A server's message: a Get for each node.
    pub(crate) fn response(self) -> Bytes {
        self.response_of(1, 1)
    }

    /// The same with this MsgID.
    pub(crate) fn response_of(self, session: usize, msg_id: usize) -> Bytes {
        self.filled(session, msg_id, |xml, n| {
            write!(
                xml,
                "<Get><CmdID>{n}</CmdID><Item><Target><LocURI>{}</LocURI></Target></Item></Get>",
                uri(n)
            )
            .unwrap();
        })
    }

    /// A message that has grown to 4 KB in its own form.
    fn filled(self, session: usize, msg_id: usize, command: impl Fn(&mut String, usize)) -> Bytes {
        let mut body = String::new();
        for n in 1.. {
            command(&mut body, n);
            let message = self.written(&message(session, msg_id, &body));
            if message.len() >= SIZE {
                return message;
            }
        }
        unreachable!("commands have bytes")
    }

    fn written(self, xml: &str) -> Bytes {
        let xml = Bytes::copy_from_slice(xml.as_bytes());
        if self == Self::Xml {
            return xml;
        }
        let document = decode(xml, Hint::default(), &Limits::default()).unwrap();
        encode(&document, &WbxmlOptions::default()).unwrap().into()
    }
}

fn message(session: usize, msg_id: usize, commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>{msg_id}</MsgID><Target><LocURI>https://localhost/omadm</LocURI></Target>\
         <Source><LocURI>urn:uuid:{session:08}</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn uri(n: usize) -> String {
    format!("./Vendor/MSFT/Policy/Result/DeviceLock/Setting{n}")
}

const SIZE: usize = 4096;
