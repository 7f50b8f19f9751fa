//! A request of enrollment, and what to conclude from its refusal.

use smol_str::{SmolStr, format_smolstr};

use crate::dm::Hresult;
use crate::flow::effect::SWAP;
use crate::flow::{SessionEnd, Side};
use crate::record::EventRecord;
use crate::record::analysis::exchanged::Exchanged;
use crate::record::analysis::refusal::{self, MissedCertificate};
use crate::record::analysis::{AnalysedSession, no_answer, why};
use crate::record::model::{FaultRecord, ParsedBodyRecord, SessionFinding, SessionSummary};
use crate::record::transcript::announces_soap;

/// What a device asked for.
pub(super) struct Request {
    asks: SmolStr,
    is_renewal: bool,
    device: SmolStr,
    user: Option<SmolStr>,
    rules: Vec<SmolStr>,
    at_us: u64,
    /// Why the server gave no answer: dmtap answers then.
    pub(super) failed: Option<SmolStr>,
    /// Whether dmtap put a request in its place whose subject strict servers refuse.
    has_illegal_strings: bool,
    /// Its values that servers name where they refuse it.
    facts: Vec<(SmolStr, SmolStr)>,
}

impl Request {
    pub(super) fn of(record: &EventRecord) -> Option<Self> {
        let is_empty = matches!(record.reading, Some(ParsedBodyRecord::Empty));
        if is_empty && announces_soap(record) {
            return Some(Self {
                asks: SmolStr::new_static(WITHOUT_BODY),
                rules: Exchanged::of(record).rules(),
                ..Self::unknown(record)
            });
        }
        let enrollment = record.enrollment.as_ref()?;
        let fact = |name| enrollment.facts.get(name).map(SmolStr::new);
        let device = fact("DeviceName")
            .or_else(|| fact("DeviceID"))
            .or_else(|| fact("HWDevID"));
        let asks = enrollment.message.clone().unwrap_or_default();
        let mut applied = record.applied.iter();
        let is_swapped = applied.any(|it| it.rule == SWAP);
        Some(Self {
            is_renewal: fact("RequestType").is_some_and(|it| it.contains("Renew")),
            asks,
            device: device.unwrap_or_default(),
            user: enrollment.user.clone(),
            rules: Exchanged::of(record).rules(),
            at_us: record.at_us,
            failed: None,
            has_illegal_strings: is_swapped && enrollment.csr.get("strings").is_some(),
            facts: FACTS
                .iter()
                .filter_map(|name| Some((SmolStr::new_static(name), fact(name)?)))
                .collect(),
        })
    }

    /// One that is no message of enrollment.
    pub(super) fn unknown(record: &EventRecord) -> Self {
        Self {
            asks: match record.head {
                Some(_) => SmolStr::new_static("no readable request"),
                None => SmolStr::default(),
            },
            is_renewal: false,
            device: SmolStr::default(),
            user: None,
            rules: Vec::new(),
            at_us: record.at_us,
            failed: None,
            has_illegal_strings: false,
            facts: Vec::new(),
        }
    }

    /// What became of it, if it was refused.
    pub(super) fn refused(self, record: &EventRecord) -> Option<AnalysedSession> {
        let message = Exchanged::of(record);
        let head = record.head.as_ref();
        let status = head.and_then(|head| head.status).unwrap_or(200);
        let fault = record.enrollment.as_ref().and_then(|it| it.fault.clone());
        let fault = fault.or_else(|| record.sent_enrollment()?.fault);
        let is_empty =
            matches!(record.reading, Some(ParsedBodyRecord::Empty)) && record.sent.is_none();
        if fault.is_none() && status < 400 && !is_empty {
            return None;
        }
        let exchange = message.exchange;
        let mut rules = message.rules();
        if record.own {
            // A server that gives no answer does so by itself, whatever dmtap's own rules changed in the request.
            let is_own = |it: &SmolStr| self.failed.is_some() && [SWAP, "stay"].contains(&&**it);
            let more = self
                .rules
                .iter()
                .filter(|it| !rules.contains(it) && !is_own(it));
            rules.extend(more.cloned().collect::<Vec<_>>());
        }
        let by_rule = record.own || record.sent.is_some() || !rules.is_empty();
        let mut finding = SessionFinding {
            id: "WHY-13".into(),
            pending: true,
            rules,
            by: (!by_rule).then_some(Side::Server),
            // A log has no heads.
            code: head.map(|_| status),
            exchanges: vec![exchange],
            ..SessionFinding::default()
        };
        let words = refusal::own_words(record);
        self.words(&mut finding, fault.as_ref(), status, words.as_deref());
        // At a first enrollment there is no certificate yet.
        let may_miss = self.is_renewal && !by_rule && fault.is_none();
        let missed = MissedCertificate::of(record).filter(|_| may_miss);
        if let Some(missed) = missed {
            finding.why.extend(missed.why);
            finding.next = missed.next.into();
            finding.by = None;
        }
        let summary = SessionSummary {
            device: self.device.clone(),
            server: record.connection.server.clone(),
            first_exchange: exchange,
            last_exchange: exchange,
            began_us: self.at_us,
            ended_us: record.at_us,
            messages: 2,
            end: SessionEnd::Refused { status },
            findings: vec![finding],
            ..SessionSummary::default()
        };
        Some(AnalysedSession {
            summary,
            transactions: Vec::new(),
        })
    }

    fn words(
        &self,
        finding: &mut SessionFinding,
        fault: Option<&FaultRecord>,
        status: u16,
        words: Option<&str>,
    ) {
        let what = match (self.is_renewal, &*self.asks) {
            (true, _) => "Renewal".to_owned(),
            (false, "") => "Enrollment".to_owned(),
            (false, asks) => format!("Enrollment ({asks})"),
        };
        let exchange = finding.exchanges.first().copied().unwrap_or_default();
        let (how, hresult) = match fault {
            Some(fault) => {
                let parts = [
                    fault.subcode.as_deref().or(fault.code.as_deref()),
                    fault.error_type.as_deref(),
                ];
                let parts: Vec<&str> = parts.into_iter().flatten().collect();
                (parts.join("/"), fault.hresult.clone())
            }
            None if status >= 400 => (
                format!("HTTP {status}"),
                Some(format_smolstr!("{}", Hresult::of_http(status))),
            ),
            None => (
                "an empty answer".to_owned(),
                Some(format_smolstr!("{}", Hresult::EMPTY_MESSAGE)),
            ),
        };
        finding.what = match &self.failed {
            Some(_) => format!("{what} got no answer of the server: dmtap answered with {how}"),
            None => format!("{what} refused: {how}"),
        };
        finding
            .why
            .extend(self.failed.iter().map(SmolStr::to_string));
        if !finding.rules.is_empty() {
            let how = "did this: the server did not refuse it.";
            let line = why::by_rules(&finding.rules, how);
            finding.why.push(line);
        }
        // The server's log has nothing of what a rule wrote.
        let is_servers = finding.rules.is_empty() && self.failed.is_none();
        let written = fault
            .filter(|_| !finding.rules.is_empty())
            .and_then(|fault| {
                let mut texts = [&fault.reason, &fault.message].into_iter().flatten();
                texts.find(|text| !text.is_empty())
            });
        finding
            .why
            .extend(written.map(|text| format!("the text of the answer: {text}")));
        let fault = fault.filter(|_| is_servers);
        let texts = fault
            .into_iter()
            .flat_map(|fault| [&fault.reason, &fault.message]);
        let mut texts = texts.flatten().map(SmolStr::as_str);
        let text = texts.find(|text| !text.is_empty());
        let text = text.or(words.filter(|_| is_servers && fault.is_none()));
        finding
            .why
            .extend(text.map(|text| format!("the server's own words: {text}")));
        let named = self.named_in(text.unwrap_or_default());
        if !named.is_empty() {
            finding.why.push(format!("the request has {named}"));
        }
        let user = self
            .user
            .as_ref()
            .map(|user| format!(" for {user}"))
            .unwrap_or_default();
        let is_discovery = self.asks == "Discover" && named.is_empty();
        let mut facts = self.facts.iter();
        let version = facts.find(|(name, _)| is_discovery && name == "RequestVersion");
        let version = version.map_or(String::new(), |(name, value)| {
            format!(" with {name} {value}")
        });
        finding.why.push(match finding.code {
            Some(_) => {
                format!("asked in x{exchange}{user}{version}, answered there with HTTP {status}")
            }
            None if self.asks.is_empty() => {
                format!("the answer stands in x{exchange}; the request is not in the log")
            }
            None => format!("asked in x{exchange}{user}{version}, and answered there"),
        });
        let is_empty = self.asks == WITHOUT_BODY && finding.rules.is_empty();
        if is_empty {
            finding.by = None;
            finding
                .why
                .push("The request had no body, though an envelope is expected.".into());
        }
        if let Some(hresult) = &hresult {
            finding
                .why
                .push(format!("Windows shows {}", why::hresult_words(hresult)));
        }
        if let Some(trace) = fault.and_then(|fault| fault.trace_id.as_ref()) {
            finding
                .why
                .push(format!("the server's log has it as {trace}"));
        }
        finding.next = match finding.rules.is_empty() {
            true if self.failed.is_some() && !self.has_illegal_strings => {
                let how = self.failed.as_deref().unwrap_or_default();
                no_answer::next(how, self.at_us)
            }
            true if is_empty => {
                "see whether the device sent one: something between may take the body away"
                    .to_owned()
            }
            true if self.has_illegal_strings
                && (self.failed.is_some() || refusal::may_be_of_strings(hresult.as_deref())) =>
            {
                finding.why.push(
                    "The subject of the request has characters that its PrintableString does not allow: strict servers \
                     refuse that."
                        .into(),
                );
                "run dmtap with --csr-strict, which writes the subject as a UTF8String, if it does not run so yet".to_owned()
            }
            true => match refusal::next(hresult.as_deref().unwrap_or_default()) {
                Some(known) => known.to_owned(),
                None if !named.is_empty() => {
                    format!("let the server take {named}, or see in its log why it does not")
                }
                None if hresult.as_deref() == Some(MALFORMED) => {
                    "compare the device's request with the server's own words: there is something in it that the server does \
                     not take"
                        .to_owned()
                }
                None if text.is_some() => {
                    "do what the server's own words ask for; its log for this exchange may say more"
                        .to_owned()
                }
                None => "look at the server's log for this exchange".to_owned(),
            },
            false => "take the rule out".to_owned(),
        };
        finding.hresult = hresult;
    }
    /// The values of the request that a text of the server names: `RequestVersion 9.0`.
    fn named_in(&self, text: &str) -> String {
        let named = self.facts.iter();
        let named = named.filter(|(name, _)| text.contains(name.as_str()));
        let named: Vec<String> = named
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        named.join(", ")
    }
}

/// What Windows shows where the server rejects the request as malformed (s:MessageFormat).
const MALFORMED: &str = "0x80180001";

/// What stands for the message of a request that has none.
const WITHOUT_BODY: &str = "a request without a body";

/// Values of requests that servers name where they refuse them.
const FACTS: [&str; 8] = [
    "RequestVersion",
    "DeviceType",
    "ApplicationVersion",
    "OSEdition",
    "OSVersion",
    "EnrollmentType",
    "TokenType",
    "RequestType",
];
