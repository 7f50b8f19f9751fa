//! Requests without an answer of a server.

use smol_str::{SmolStr, format_smolstr};

use super::why;
use crate::flow::FailureCause;
use crate::record::EventRecord;
use crate::record::model::DeliveryStepRecord;

/// The reason why a request has no answer of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct NoAnswer {
    /// The reason in words.
    pub(super) how: SmolStr,
    pub(super) cause: Option<FailureCause>,
    /// Whether the words are about an answer that the server gave and the device did not get.
    pub(super) is_of_answer: bool,
    /// The advice in the record.
    help: Option<SmolStr>,
}

impl NoAnswer {
    pub(super) fn of(failed: &EventRecord) -> Self {
        Self {
            how: failed.why.clone().unwrap_or_default(),
            cause: failed.cause,
            help: failed.help.clone(),
            is_of_answer: false,
        }
    }

    /// Returns the reason that the server's answer was cut or replaced.
    pub(super) fn of_answer(how: SmolStr) -> Self {
        Self {
            how,
            is_of_answer: true,
            ..Self::default()
        }
    }

    /// Returns the reason that the server's answer was cut: `cut after 200 of 1528 bytes`.
    pub(super) fn of_cut(answer: &EventRecord) -> Self {
        let all = answer.bytes_sent.or(answer.bytes).unwrap_or_default();
        let sent = answer.delivery.iter().find_map(|op| match op {
            DeliveryStepRecord::SentBytes(sent) => Some(sent),
            _ => None,
        });
        Self::of_answer(match sent {
            Some(sent) => format_smolstr!("cut after {sent} of {all} bytes"),
            None => SmolStr::new_static("cut off"),
        })
    }

    /// Returns the advice: that of the record, else one by the cause. The server's log helps only if the request came there.
    pub(super) fn next(&self, at_us: u64) -> String {
        use FailureCause::{ClientCertificate, NotConnected, NothingListens, Unresolved};
        if let Some(help) = &self.help {
            return help.to_string();
        }
        match self.cause {
            Some(Unresolved) => "check the name of the server, or the network".into(),
            Some(NothingListens) => {
                "start the server, or correct its address and port: nothing listens there".into()
            }
            Some(ClientCertificate) => CERTIFICATE_NEXT.into(),
            Some(NotConnected) => {
                "see whether the server is reachable from here: dmtap doctor --server URL".into()
            }
            _ => format!("look at the server's log {}", why::at(at_us)),
        }
    }

    /// Whether the request came to the server.
    pub(super) fn is_reached(&self) -> bool {
        matches!(
            self.cause,
            None | Some(FailureCause::NotRecorded | FailureCause::Other)
        )
    }
}

/// The advice if the server misses a client certificate.
const CERTIFICATE_NEXT: &str = "enroll the device through dmtap with --swap-client-identity, or give a client certificate that the server accepts with --client-certs";
