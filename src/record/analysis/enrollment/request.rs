//! A request of enrollment, and the finding if it is refused.

use smol_str::{SmolStr, format_smolstr};

use super::answer::{granted, has_own_certificate};
use super::attempt::{STEPS, device_name, is_renewal};
use crate::dm::Hresult;
use crate::flow::effect::SWAP;
use crate::flow::{SessionEnd, Side};
use crate::record::EventRecord;
use crate::record::analysis::exchanged::{Exchanged, of_user};
use crate::record::analysis::no_answer::NoAnswer;
use crate::record::analysis::refusal::{self, MissedCertificate, Refusal};
use crate::record::analysis::{AnalysedSession, why};
use crate::record::model::{FaultRecord, ParsedBodyRecord, SessionFinding, SessionSummary};

/// A request of a device that waits for its answer.
pub(super) struct Request {
    exchange: u64,
    server: Option<SmolStr>,
    asks: SmolStr,
    is_renewal: bool,
    device: SmolStr,
    user: Option<SmolStr>,
    rules: Vec<SmolStr>,
    at_us: u64,
    /// The reason why the server gave no answer, so that dmtap answered.
    pub(super) failed: Option<NoAnswer>,
    /// Whether dmtap put a request for its own key in its place.
    is_swapped: bool,
    /// Whether dmtap replaced it with a request whose subject strict servers refuse.
    has_illegal_strings: bool,
    /// The values of the request that servers name in refusals.
    facts: Vec<(SmolStr, SmolStr)>,
}

impl Request {
    pub(super) fn of(record: &EventRecord) -> Option<Self> {
        let rules = Exchanged::of(record).rules();
        let is_empty = matches!(record.reading, Some(ParsedBodyRecord::Empty));
        let method = record.head.as_ref().and_then(|head| head.method.as_deref());
        let has_body = !matches!(method, Some("GET" | "HEAD"));
        let without_message = match is_empty && record.announces_soap() && has_body {
            true => Some(WITHOUT_BODY),
            false => is_discovery(record).then_some(DISCOVERY),
        };
        if let Some(asks) = without_message {
            return Some(Self {
                asks: SmolStr::new_static(asks),
                rules,
                ..Self::unknown(record)
            });
        }
        let enrollment = record.enrollment.as_ref()?;
        let fact = |name| enrollment.facts.get(name).map(SmolStr::new);
        let is_swapped = is_swapped(record);
        Some(Self {
            is_swapped,
            is_renewal: is_renewal(enrollment),
            asks: enrollment.message.clone().unwrap_or_default(),
            device: device_name(enrollment).unwrap_or_default(),
            user: enrollment.user.clone(),
            rules,
            has_illegal_strings: is_swapped && enrollment.csr.get("strings").is_some(),
            facts: FACTS
                .iter()
                .filter_map(|name| Some((SmolStr::new_static(name), fact(name)?)))
                .collect(),
            ..Self::unknown(record)
        })
    }

    /// Returns a request of which only the exchange is known.
    pub(super) fn unknown(record: &EventRecord) -> Self {
        Self {
            exchange: record.exchange.unwrap_or_default(),
            server: record.connection.server.clone(),
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
            is_swapped: false,
            has_illegal_strings: false,
            facts: Vec::new(),
        }
    }

    /// Returns the finding if this response refuses the request.
    pub(super) fn refused(self, record: &EventRecord) -> Option<AnalysedSession> {
        let message = Exchanged::of(record);
        if !message.arrives {
            let how = NoAnswer::of_cut(record);
            return Some(self.broken_off(&how, message.rules(), record.at_us));
        }
        let head = record.head.as_ref();
        let status = head.and_then(|head| head.status).unwrap_or(200);
        let fault = record.enrollment.as_ref().and_then(|it| it.fault.clone());
        let fault = fault.or_else(|| record.sent_enrollment()?.fault);
        // The answer to the GET of discovery has no body (MS-MDE2 3.1.4.1.1).
        let is_empty = matches!(record.reading, Some(ParsedBodyRecord::Empty));
        let is_known =
            STEPS.iter().any(|(asks, _)| *asks == self.asks) || is_empty && self.asks != DISCOVERY;
        let is_judged = fault.is_none() && status < 400 && is_known;
        let refusal = Refusal::of(record).filter(|_| is_judged);
        if fault.is_none() && status < 400 && refusal.is_none() {
            return self.useless(record);
        }
        let mut rules = message.rules();
        if record.own {
            // The changes that dmtap makes by itself cause no refusal.
            let more = of_user(&self.rules).into_iter();
            rules.extend(more.filter(|it| !rules.contains(it)).collect::<Vec<_>>());
        }
        let by_rule = record.own || record.sent.is_some() || !rules.is_empty();
        let mut finding = SessionFinding {
            rules,
            by: (!by_rule).then_some(Side::Server),
            // A log has no heads.
            code: head.map(|_| status),
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-13")
        };
        let location = record.header("location");
        let location = location.map(|location| format_smolstr!("Location: {location}"));
        let words = location.or_else(|| refusal::own_words(record));
        let refusal = refusal.unwrap_or_else(|| refused_how(fault.as_ref(), status));
        self.words(&mut finding, fault.as_ref(), refusal, words.as_deref());
        let may_miss = !by_rule && fault.is_none();
        let missed = MissedCertificate::of(record).filter(|_| may_miss);
        // Before the first enrollment the device has no certificate, so only the server's words show that one is missing.
        let missed = missed.filter(|it| self.is_renewal || it.is_named);
        if let Some(missed) = missed {
            finding.why.extend(missed.why);
            finding.next = match self.is_renewal || missed.is_shown {
                true => missed.next.into(),
                false => WITHOUT_CERTIFICATE.into(),
            };
            finding.by = None;
        }
        Some(self.over(SessionEnd::Refused { status }, finding, record.at_us))
    }

    /// Concludes from a certificate that the swap left as it is: the server saw the key of dmtap alone.
    fn useless(self, record: &EventRecord) -> Option<AnalysedSession> {
        let granted = granted(record).filter(has_own_certificate);
        if !self.is_swapped || is_swapped(record) || granted.is_none() {
            return None;
        }
        let mut finding = SessionFinding {
            what: format!(
                "{}: the device has no key for the certificate that it got",
                self.what()
            ),
            rules: Exchanged::of(record).rules(),
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-13")
        };
        finding.by_rules("acted on that answer.");
        finding.why.push(format!(
            "asked in x{} for a key of dmtap's own (--swap-client-identity), and granted there",
            self.exchange
        ));
        let mut notes = record.notes.iter();
        let note = notes.find(|note| note.id == "SWAP-02");
        finding.why.extend(note.map(|note| note.text.to_string()));
        finding.advise("mend what the note SWAP-02 names, or run dmtap without --swap-client-identity, and enroll the device again", "");
        let end = SessionEnd::Refused { status: 200 };
        Some(self.over(end, finding, record.at_us))
    }

    /// Returns the finding at the end of a record, if no answer came in place of the one that failed.
    pub(super) fn unanswered(self) -> Option<AnalysedSession> {
        let how = self.failed.clone()?;
        let (rules, at_us) = (of_user(&self.rules), self.at_us);
        Some(self.broken_off(&how, rules, at_us))
    }

    /// WHY-03 of a request whose answer did not arrive.
    fn broken_off(self, how: &NoAnswer, rules: Vec<SmolStr>, at_us: u64) -> AnalysedSession {
        let mut finding = SessionFinding {
            what: format!("{}: the answer did not arrive", self.what()),
            rules,
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-03")
        };
        let words = match how.is_of_answer || !finding.rules.is_empty() {
            true => format!("the answer was {}", how.how),
            false => how.how.to_string(),
        };
        match finding.rules.is_empty() {
            true => finding.why.push(words),
            false => finding.by_rules(&format!("did this: {words}.")),
        }
        finding.why.push(format!("asked in x{}", self.exchange));
        finding.advise(how.next(at_us), "");
        let end = SessionEnd::BrokenOff {
            by: None,
            during: Side::Server,
        };
        self.over(end, finding, at_us)
    }

    fn over(self, end: SessionEnd, finding: SessionFinding, ended_us: u64) -> AnalysedSession {
        let summary = SessionSummary {
            device: self.device,
            is_renewal: self.is_renewal,
            server: self.server,
            first_exchange: self.exchange,
            last_exchange: self.exchange,
            began_us: self.at_us,
            ended_us,
            messages: 2,
            end,
            findings: vec![finding],
            ..SessionSummary::default()
        };
        summary.into()
    }

    /// `Enrollment (Discover)`
    fn what(&self) -> String {
        match (self.is_renewal, &*self.asks) {
            (true, _) => "Renewal".to_owned(),
            (false, "") => "Enrollment".to_owned(),
            (false, asks) => format!("Enrollment ({asks})"),
        }
    }

    /// Writes the texts of a finding about a refusal.
    fn words(
        &self,
        finding: &mut SessionFinding,
        fault: Option<&FaultRecord>,
        Refusal { how, hresult, next }: Refusal,
        words: Option<&str>,
    ) {
        let what = self.what();
        let by_rules = !finding.rules.is_empty();
        finding.what = match &self.failed {
            Some(_) => format!("{what} got no answer of the server: dmtap answered with {how}"),
            None => format!("{what} refused: {how}"),
        };
        let why = &mut finding.why;
        why.extend(self.failed.iter().map(|failed| failed.how.to_string()));
        let texts = fault.map(|fault| [&fault.reason, &fault.message]);
        let mut texts = texts.into_iter().flatten().flatten();
        let written = texts.find(|text| !text.trim().is_empty());
        if by_rules {
            finding.by_rules("did this: the server did not refuse it.");
            let line = written.map(|text| format!("the text of the answer: {text}"));
            finding.why.extend(line);
        }
        // The server's log has nothing about a fault that a rule wrote.
        let fault = fault.filter(|_| !by_rules && self.failed.is_none());
        let text = match fault {
            Some(_) => written.map(|text| one_line(text)),
            None if by_rules || self.failed.is_some() => None,
            None => words.map(str::to_owned),
        };
        let why = &mut finding.why;
        why.extend(
            text.iter()
                .map(|text| format!("the server's own words: {text}")),
        );
        let named = self.named_in(text.as_deref().unwrap_or_default());
        if !named.is_empty() {
            why.push(format!("the request has {named}"));
        }
        why.push(self.asked(finding.code, named.is_empty()));
        let is_empty = self.asks == WITHOUT_BODY && !by_rules;
        if is_empty {
            finding.by = None;
            why.push("The request had no body, though an envelope is expected.".into());
        }
        let shown = hresult.as_deref().map(why::hresult_words);
        why.extend(shown.map(|shown| format!("Windows shows {shown}")));
        let trace = fault.and_then(|fault| fault.trace_id.as_ref());
        why.extend(trace.map(|trace| format!("the server's log has it as {trace}")));
        let is_of_strings = self.has_illegal_strings
            && (self.failed.is_some() || refusal::may_be_of_strings(hresult.as_deref()));
        if is_of_strings && !is_empty && !by_rules {
            why.push(
                "The subject of the request has characters that its PrintableString does not allow: strict servers \
                 refuse that."
                    .into(),
            );
        }
        let text = text.as_deref();
        let is_method = finding.code == Some(405) && !by_rules && self.failed.is_none();
        let known = next
            .or_else(|| is_method.then(|| self.other_method()))
            .or_else(|| refusal::next_of_words(text.unwrap_or_default()))
            .or_else(|| refusal::next(hresult.as_deref().unwrap_or_default()));
        let next = match (&self.failed, known) {
            (Some(failed), _) if !self.has_illegal_strings => failed.next(self.at_us),
            _ if is_empty => {
                "see whether the device sent one: something between may take the body away".into()
            }
            _ if is_of_strings => {
                "run dmtap with --csr-strict, which writes the subject as a UTF8String, if it does not run so yet".into()
            }
            (_, Some(known)) => known.into(),
            _ if !named.is_empty() => {
                format!("let the server take {named}, or see in its log why it does not")
            }
            _ if hresult.as_deref() == Some(MALFORMED) => {
                "compare the device's request with the server's own words: there is something in it that the server does \
                 not take"
                    .into()
            }
            _ if text.is_some() => {
                "do what the server's own words ask for; its log for this exchange may say more".into()
            }
            _ => "look at the server's log for this exchange".into(),
        };
        finding.advise(next, "");
        finding.hresult = hresult;
    }

    /// Returns the advice about a server that does not take the method of the request.
    fn other_method(&self) -> &'static str {
        match &*self.asks {
            DISCOVERY => {
                "let the server answer a GET at this address with 200: the device looks so whether it is there"
            }
            _ => {
                "let the server take POST at this address: each message of enrollment is sent with it"
            }
        }
    }

    /// Returns what the server may have got twice, if dmtap sent the request again.
    pub(super) fn sent_twice(&self) -> SmolStr {
        let made = match self.asks == STEPS[STEPS.len() - 1].0 {
            true => " and issued two certificates",
            false => "",
        };
        format_smolstr!(
            "the server may have got {} twice{made} (HTTP-08)",
            self.asks
        )
    }

    /// `asked in x3 for anna@contoso.example, answered there with HTTP 500`
    fn asked(&self, status: Option<u16>, with_version: bool) -> String {
        let exchange = self.exchange;
        let user = self.user.as_ref();
        let user = user.map_or(String::new(), |user| format!(" for {user}"));
        let mut facts = self.facts.iter();
        let version = facts.find(|(name, _)| name == "RequestVersion");
        let version = version.filter(|_| self.asks == "Discover" && with_version);
        let version = version.map_or(String::new(), |(name, value)| {
            format!(" with {name} {value}")
        });
        match status {
            Some(status) => {
                format!("asked in x{exchange}{user}{version}, answered there with HTTP {status}")
            }
            None if self.asks.is_empty() => {
                format!("the answer stands in x{exchange}; the request is not in the log")
            }
            None => format!("asked in x{exchange}{user}{version}, and answered there"),
        }
    }

    /// Returns the values of the request that a text of the server names: `RequestVersion 9.0`.
    fn named_in(&self, text: &str) -> String {
        let named = self.facts.iter();
        let named = named.filter(|(name, _)| text.contains(name.as_str()));
        let named: Vec<String> = named
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        named.join(", ")
    }
}

/// Whether the swap changed a message.
fn is_swapped(record: &EventRecord) -> bool {
    record.applied.iter().any(|it| it.rule == SWAP)
}

/// Returns the text of a fault without the line breaks of a formatted document.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the refusal in a fault or in an HTTP status.
fn refused_how(fault: Option<&FaultRecord>, status: u16) -> Refusal {
    let how = |how: String, hresult| Refusal {
        how,
        hresult,
        next: None,
    };
    let Some(fault) = fault else {
        let hresult = format_smolstr!("{}", Hresult::of_http(status));
        return how(format!("HTTP {status}"), Some(hresult));
    };
    let parts = [
        fault.subcode.as_deref().or(fault.code.as_deref()),
        fault.error_type.as_deref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    how(parts.join("/"), fault.hresult.clone())
}

/// The error of Windows if the server rejects the request as malformed (s:MessageFormat).
const MALFORMED: &str = "0x80180001";

/// Whether a request is the GET with which a device looks for the discovery service (MS-MDE2 3.1.4.1.1).
fn is_discovery(record: &EventRecord) -> bool {
    let head = record.head.as_ref();
    let is_get = head.and_then(|head| head.method.as_deref()) == Some("GET");
    let uri = head
        .and_then(|head| head.uri.as_deref())
        .unwrap_or_default();
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    is_get
        && path
            .to_ascii_lowercase()
            .ends_with("/enrollmentserver/discovery.svc")
}

/// The advice if a server asks for a client certificate at enrollment.
const WITHOUT_CERTIFICATE: &str = "let the server take enrollment without a client certificate (nginx: ssl_verify_client \
     optional): before it the device has none";

/// The name of the GET of discovery, which has no message.
const DISCOVERY: &str = "the GET of discovery";

/// The name of a request without a message.
const WITHOUT_BODY: &str = "a request without a body";

/// The values of requests that servers name in refusals.
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
