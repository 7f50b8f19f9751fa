//! The decision of the rules on how to receive a connection.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::{IncomingConnection, NotServed, TLS_HANDSHAKE, within};
use crate::error_text;
use crate::flow::event::Event;
use crate::flow::{ConnectionAction, ConnectionDecision, TlsAlert};
use crate::proxy::clock::now;
use crate::proxy::destination::Destination;
use crate::proxy::interruptible_sleep;
use crate::proxy::live_rules::RuleSnapshot;
use crate::proxy::state::ProxyState;
use crate::proxy::tunnel;
use crate::proxy::wire::Wire;
use crate::rules::{ConnectionInput, ReceivedUnit, Stage};

/// Whether a connection with this first byte is served.
pub(super) fn serves(decision: &ConnectionDecision, first: u8) -> bool {
    match decision.action {
        ConnectionAction::Serve => true,
        ConnectionAction::Refuse | ConnectionAction::Tunnel => false,
        // The other actions need a TLS handshake.
        _ => first != TLS_HANDSHAKE,
    }
}

impl IncomingConnection {
    /// Whether the connection is reset before anything is read from it.
    pub(super) fn is_refused(&self) -> bool {
        let action = self.decision.as_ref().map(|decision| decision.action);
        action == Some(ConnectionAction::Refuse)
    }

    /// Resets the connection.
    pub(super) fn refuse(&self, wire: Wire) -> Result<(), NotServed> {
        wire.handle().reset();
        let why = self.decision.as_ref().map_or_else(String::new, reason);
        Err(NotServed::Intended(why))
    }

    /// Asks the rules if addresses are enough for them. Returns `None` if they need more, or no rule may refuse
    /// connections.
    pub(super) fn decide_early(&self, proxy: &ProxyState) -> Option<ConnectionDecision> {
        let snapshot = proxy.rules.current();
        // All other actions can wait until it is known whether the device speaks TLS, and which name it asks for.
        if !snapshot.rules.may_refuse() || !snapshot.rules.decides_by_address() {
            return None;
        }
        snapshot.count_arrival(Stage::Connection);
        Some(self.ask(proxy, &snapshot, &self.input(None)))
    }

    /// Asks the rules that read the ClientHello. `first` is its first byte.
    ///
    /// # Errors
    /// The reason, as text, if the ClientHello does not come.
    pub(super) async fn decide(
        &self,
        proxy: &ProxyState,
        wire: &mut Wire,
        first: u8,
        server: &Destination,
    ) -> Result<ConnectionDecision, String> {
        let snapshot = proxy.rules.current();
        if !snapshot.rules.decides_connections() {
            return Ok(ConnectionDecision::default());
        }
        let sni = match first == TLS_HANDSHAKE {
            true => within(proxy, wire.server_name())
                .await?
                .map_err(|error| no_hello(&error))?,
            false => None,
        };
        snapshot.count_arrival(Stage::Connection);
        let input = ConnectionInput {
            sni: sni.as_deref(),
            tls: Some(first == TLS_HANDSHAKE),
            ..self.input(Some(&server.origin().host))
        };
        Ok(self.ask(proxy, &snapshot, &input))
    }

    /// Asks the rules about a request that itself names its server, `host`. Such a request is in clear text: for a TLS
    /// server behind a proxy, a device sends CONNECT.
    pub(super) fn decide_request(&self, proxy: &ProxyState, host: &str) -> ConnectionDecision {
        let snapshot = proxy.rules.current();
        if !snapshot.rules.decides_connections() {
            return ConnectionDecision::default();
        }
        let input = ConnectionInput {
            tls: Some(false),
            arrival: ReceivedUnit::Request,
            ..self.input(Some(host))
        };
        self.ask(proxy, &snapshot, &input)
    }

    fn input<'a>(&self, host: Option<&'a str>) -> ConnectionInput<'a> {
        ConnectionInput {
            peer: self.device,
            listener: self.listener,
            host,
            sni: None,
            tls: None,
            arrival: ReceivedUnit::Connection,
        }
    }

    /// Asks the rules, and reports those that acted.
    fn ask(
        &self,
        proxy: &ProxyState,
        snapshot: &RuleSnapshot,
        input: &ConnectionInput<'_>,
    ) -> ConnectionDecision {
        let rules = &snapshot.rules;
        let decision = rules.decide_connection(input, &mut snapshot.tally());
        if !decision.applied.is_empty() {
            proxy.emit(Event::ConnectionDecided {
                connection: self.id,
                at: now(),
                applied: decision.applied.clone(),
            });
        }
        decision
    }

    /// Receives a connection in another way than serving it.
    ///
    /// # Errors
    /// Always, with a text that names the rule, except for a tunnel that ended.
    pub(super) async fn receive(
        &self,
        proxy: &Arc<ProxyState>,
        mut wire: Wire,
        server: &Destination,
        decision: &ConnectionDecision,
    ) -> Result<(), NotServed> {
        let done = match decision.action {
            ConnectionAction::Serve | ConnectionAction::HangUp => Ok(()),
            ConnectionAction::Refuse => {
                wire.handle().reset();
                Ok(())
            }
            ConnectionAction::Tunnel => return Ok(tunnel::run(self, proxy, wire, server).await?),
            ConnectionAction::Alert(alert) => within(proxy, send_alert(&mut wire, alert)).await?,
            ConnectionAction::Stall(time) => {
                // The device may give up first, or dmtap may stop first.
                let stop = wire.handle().stop();
                tokio::select! {
                    () = interruptible_sleep::wait(&stop, time) => Ok(()),
                    left = wire.end() => left,
                }
            }
        };
        if let Err(error) = done {
            tracing::debug!("{}: {error}", self.id);
        }
        Err(NotServed::Intended(reason(decision)))
    }
}

fn no_hello(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the device hung up in the middle of its ClientHello".into()
        }
        io::ErrorKind::InvalidData => "what the device sent is not a ClientHello of TLS".into(),
        _ => format!(
            "the device sent no whole ClientHello: {}",
            error_text::io(error)
        ),
    }
}

/// Says why a connection is not served.
pub(super) fn reason(decision: &ConnectionDecision) -> String {
    let last = decision.applied.last();
    let rule = last.map_or("?", |applied| &applied.rule);
    let changes = last.into_iter().flat_map(|applied| &applied.changes);
    let done: Vec<String> = changes.map(|change| change.text("")).collect();
    format!("rule `{rule}`: {}", done.join(", "))
}

/// Sends a TLS record with a fatal alert (RFC 8446 §5.1, §6), and ends the connection.
async fn send_alert(wire: &mut Wire, alert: TlsAlert) -> io::Result<()> {
    let record = [21, 3, 3, 0, 2, 2, alert.0];
    wire.write_all(&record).await?;
    wire.shutdown().await?;
    // Unread bytes would turn the close into a reset, which may overtake the alert.
    let _ = tokio::time::timeout(super::CLOSE_TIMEOUT, wire.end()).await;
    Ok(())
}
