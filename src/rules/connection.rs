//! The rules of the stage `connection`, which decide how dmtap receives a connection.

use super::engine::RuleSet;
use super::input::{ConnectionInput, HeldBack, ReceivedUnit, RuleState, Stage};
use super::step::{ConnectionStep, Step};
use super::value::Time;
use super::{Per, Rule};
use crate::flow::{ConnectionAction, ConnectionDecision, EffectDetail, EffectKind, RuleEffect};

impl RuleSet {
    /// Whether the set has rules for connections.
    pub fn decides_connections(&self) -> bool {
        self.of_connections().next().is_some()
    }

    /// Whether the rules for connections need only addresses, so that they can be evaluated as soon as a device
    /// connects.
    pub fn decides_by_address(&self) -> bool {
        self.of_connections()
            .all(|(_, rule)| rule.connection.asks_addresses_only())
    }

    /// Whether a rule may reset connections, which is possible as soon as a device connects.
    pub fn may_refuse(&self) -> bool {
        let refuses =
            |step: &Step| matches!(step, Step::Connection(ConnectionStep::RefuseConnection));
        self.of_connections()
            .any(|(_, rule)| rule.steps.iter().any(refuses))
    }

    /// Decides how dmtap receives a connection. Rules act in file order, until one leaves nothing to decide.
    pub fn decide_connection(
        &self,
        input: &ConnectionInput<'_>,
        rule_state: &mut dyn RuleState,
    ) -> ConnectionDecision {
        let mut decision = ConnectionDecision::default();
        for (position, rule) in self.of_connections() {
            if !rule.connection.holds(input) {
                continue;
            }
            if let Some(limit) = rule.limit {
                let key = match limit.per {
                    Per::Address => format!("p{}", input.peer.ip()),
                    _ => String::new(),
                };
                if !limit.allows_match(rule_state.count(position, &key)) {
                    rule_state.held_back(position, HeldBack::Limit);
                    continue;
                }
            }
            let applied = receive(rule, input, &mut decision);
            let has_acted = applied.changes.iter().any(EffectDetail::is_done);
            rule_state.acted(position, usize::from(has_acted), applied.is_complete());
            decision.applied.push(applied);
            if has_acted && rule.steps.iter().any(Step::ends) {
                break;
            }
        }
        decision
    }

    fn of_connections(&self) -> impl Iterator<Item = (usize, &Rule)> {
        let placed = self.rules().iter().map(|rule| &**rule).enumerate();
        placed.filter(|(_, rule)| rule.stage == Stage::Connection)
    }
}

/// Runs the steps of a rule.
fn receive(
    rule: &Rule,
    input: &ConnectionInput<'_>,
    decision: &mut ConnectionDecision,
) -> RuleEffect {
    let mut changes = Vec::new();
    for step in &rule.steps {
        let Step::Connection(step) = step else {
            continue;
        };
        let why = match step {
            _ if step.needs_tls() && input.tls == Some(false) => "the device does not speak TLS",
            ConnectionStep::Tunnel if input.arrival == ReceivedUnit::Request => {
                "a tunnel begins with CONNECT"
            }
            _ => "",
        };
        if !why.is_empty() {
            changes.push(EffectDetail::declined(step.name(), why));
            continue;
        }
        let (kind, after) = carry_out(step, decision);
        changes.push(EffectDetail::of_message(kind, step.name(), "", after));
    }
    RuleEffect::new(rule.name(), changes)
}

/// Carries out a step; returns the kind of its effect, and the value that it set.
fn carry_out(step: &ConnectionStep, decision: &mut ConnectionDecision) -> (EffectKind, String) {
    let (tls, action) = (&mut decision.tls, &mut decision.action);
    match step {
        ConnectionStep::RefuseConnection => {
            *action = ConnectionAction::Refuse;
            (EffectKind::Reset, String::new())
        }
        ConnectionStep::Tunnel => {
            *action = ConnectionAction::Tunnel;
            (EffectKind::Tunnelled, String::new())
        }
        ConnectionStep::HandshakeClose => {
            *action = ConnectionAction::HangUp;
            (EffectKind::Closed, "after the ClientHello".into())
        }
        ConnectionStep::HandshakeAlert(alert) => {
            *action = ConnectionAction::Alert(*alert);
            (EffectKind::TlsAlert, alert.name().into())
        }
        ConnectionStep::HandshakeStall(Time(time)) => {
            *action = ConnectionAction::Stall(*time);
            (EffectKind::ClosedAfter, format!("{time:?}"))
        }
        ConnectionStep::Certificate(defect) => {
            tls.defect = Some(*defect);
            (EffectKind::Certificate, defect.name().into())
        }
        ConnectionStep::TlsMin(version) => {
            tls.min = Some(*version);
            (EffectKind::TlsMin, version.name().into())
        }
        ConnectionStep::TlsMax(version) => {
            tls.max = Some(*version);
            (EffectKind::TlsMax, version.name().into())
        }
    }
}
