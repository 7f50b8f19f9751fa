//! The reason for a refusal by HTTP, as far as the server's answer and the TLS handshake show it.

mod page;

use smol_str::{SmolStr, format_smolstr};

use crate::dm::Hresult;
use crate::markup::{Element, Limits};
use crate::record::model::ParsedBodyRecord;
use crate::record::{EventRecord, html};

/// A client certificate that the server seems to have missed or refused.
#[derive(Clone, Debug)]
pub(super) struct MissedCertificate {
    /// The evidence, in words.
    pub(super) why: Vec<String>,
    pub(super) next: &'static str,
    /// Whether the server's words name a client certificate.
    pub(super) is_named: bool,
    /// Whether dmtap showed one.
    pub(super) is_shown: bool,
}

impl MissedCertificate {
    /// Returns the certificate that the server missed when it gave this response.
    pub(super) fn of(record: &EventRecord) -> Option<Self> {
        let status = record.http_status()?;
        let auth = record.client_auth.as_ref();
        let is_asked = auth.is_some_and(|auth| auth.asked);
        // The 5xx of a gateway is about the certificate of its own server.
        let is_refused = (400..500).contains(&status);
        let is_named = matches!(status, 495 | 496) || is_refused && names_certificate(record);
        let wants_credentials = record.header("www-authenticate").is_some();
        let is_refusal = is_asked && !wants_credentials && matches!(status, 401 | 403);
        if record.own || !(is_named || is_refusal) {
            return None;
        }
        let mut why = Vec::new();
        let shown = auth.and_then(|auth| auth.shown.as_ref());
        match (shown, is_asked) {
            (Some(shown), _) => {
                let identity = match &shown.identity {
                    Some(id) => format!("the identity {id}"),
                    None => "given with --client-certs".to_owned(),
                };
                why.push(format!(
                    "The server asked for a client certificate, and dmtap showed {}, SHA-1 {} ({identity}): the server \
                     seems not to accept it for this device.",
                    shown.subject, shown.sha1
                ));
            }
            (None, true) => why.push(
                "The server asked for a client certificate in the TLS handshake; dmtap had none to show.".to_owned(),
            ),
            (None, false) if auth.is_some() => why.push(
                "The server speaks of a client certificate, and asked for none in the TLS handshake: it may ask after \
                 the request (renegotiation), or want the one that its own proxy forwards."
                    .to_owned(),
            ),
            (None, false) => why.push("The server speaks of a client certificate.".to_owned()),
        }
        let tls = record.connection.tls.as_ref();
        let presented = tls.and_then(|tls| tls.client_certificate.as_ref());
        if let (None, Some(presented)) = (shown, presented) {
            let (subject, sha1) = (&presented.subject, &presented.sha1);
            why.push(match &*presented.verdict {
                "dmtap-ca" => format!(
                    "The device presented {subject}, SHA-1 {sha1}, of dmtap's CA: no identity for it and this server is \
                     stored here (dmtap identity list)."
                ),
                _ => format!(
                    "The device presented {subject}, SHA-1 {sha1}, to dmtap, which cannot show it to the server: the \
                     key stays in the device."
                ),
            });
        }
        if wants_credentials {
            why.push("It also asks for credentials (WWW-Authenticate).".to_owned());
        }
        let is_swapped = presented.is_some_and(|it| it.verdict == "dmtap-ca");
        let next = match shown.map(|shown| shown.identity.is_some()) {
            None if is_swapped => {
                "look for this device with dmtap identity list: if it is missing, enroll the device again with \
                 --swap-client-identity; if it is there, its certificate goes only to the server that issued it and to \
                 hosts that this server named to the device"
            }
            None => {
                "enroll the device through dmtap with --swap-client-identity, or give its certificate and key with \
                 --client-certs"
            }
            Some(true) => {
                "look whether the server still knows the certificate with this SHA-1; if not, enroll the device again \
                 with --swap-client-identity"
            }
            Some(false) => {
                "give the certificate that the server issued to this device with --client-certs, or enroll the device \
                 through dmtap with --swap-client-identity"
            }
        };
        let is_shown = shown.is_some();
        Some(Self {
            why,
            next,
            is_named,
            is_shown,
        })
    }
}

/// Whether the text of an error names the client certificate, as those of nginx, IIS and others do.
fn names_certificate(record: &EventRecord) -> bool {
    let text = match text(record) {
        Some(text) => text[..text.floor_char_boundary(MOST_READ)].to_ascii_lowercase(),
        None => return false,
    };
    NAMES.iter().any(|name| text.contains(name))
}

/// The refusal of a request of enrollment: an error, or something else in place of an answer.
pub(super) struct Refusal {
    /// The refusal in words.
    pub(super) how: String,
    /// The error that Windows shows.
    pub(super) hresult: Option<SmolStr>,
    /// The advice, if `hresult` does not decide it.
    pub(super) next: Option<&'static str>,
}

impl Refusal {
    /// Returns the refusal in a response; `None` for a SOAP envelope, and if the kind of the answer is not known.
    pub(super) fn of(record: &EventRecord) -> Option<Self> {
        let status = record.http_status().unwrap_or(200);
        let is_unchanged = record.sent.is_none() && !record.own;
        // What Windows shows for another 2xx is not known.
        let known = |hresult: Hresult| (status == 200).then(|| format_smolstr!("{hresult}"));
        if (300..400).contains(&status) {
            return Some(Self {
                how: format!("a redirection (HTTP {status})"),
                hresult: None,
                next: Some(IN_FRONT),
            });
        }
        let other = |what: &str| format!("the answer is {what}, not a SOAP envelope");
        let (how, next) = match &record.reading {
            Some(ParsedBodyRecord::Empty) if record.sent.is_none() => {
                return Some(Self {
                    how: "an empty answer".to_owned(),
                    hresult: known(Hresult::EMPTY_MESSAGE),
                    next: Some(SENT_NOTHING),
                });
            }
            Some(ParsedBodyRecord::OtherType { media_type, .. }) => (other(media_type), IN_FRONT),
            Some(ParsedBodyRecord::Document { dialect, root, .. }) if dialect != "soap" => {
                (other(&format!("<{root}>")), IN_FRONT)
            }
            // Without a head the kind of the answer is not known.
            Some(ParsedBodyRecord::Broken { why, .. }) if record.head.is_some() => {
                (format!("the answer cannot be read: {why}"), BROKEN)
            }
            _ => return None,
        };
        is_unchanged.then(|| Self {
            how,
            hresult: known(Hresult::of_http(status)),
            next: Some(next),
        })
    }
}

/// Whether a request is one of device management, by its body or its type.
pub(super) fn is_of_management(record: &EventRecord) -> bool {
    let media_type = record.header("content-type");
    record.message.is_some() || media_type.is_some_and(|it| it.contains("syncml"))
}

/// Returns the beginning of the text of an error: of HTML the words that say most, of a SOAP fault the reason.
pub(super) fn own_words(record: &EventRecord) -> Option<SmolStr> {
    if html::is_html(record) {
        let text = record.body.as_ref()?.text()?;
        let beginning = &text[..text.floor_char_boundary(MOST_READ)];
        return page::words(beginning, record.http_status().unwrap_or(200))
            .map(|words| SmolStr::new(&words[..words.floor_char_boundary(MOST_WORDS)]));
    }
    if matches!(record.reading, Some(ParsedBodyRecord::Document { .. })) {
        return fault_words(record);
    }
    let text = text(record)?.trim();
    let end = text.floor_char_boundary(MOST_WORDS);
    (!text.is_empty()).then(|| SmolStr::new(&text[..end]))
}

/// Returns the reason in a SOAP fault.
fn fault_words(record: &EventRecord) -> Option<SmolStr> {
    let body = record.body.as_ref()?;
    let document = body.document(record.head.as_ref(), &Limits::default())?;
    let is_reason = |it: &Element<'_>| matches!(it.local(), "Text" | "faultstring");
    let has_fault = document.elements().any(|it| it.local() == "Fault");
    let reason = document.elements().find(is_reason).filter(|_| has_fault)?;
    let text = reason.text();
    let text = text.trim();
    (!text.is_empty()).then(|| SmolStr::new(&text[..text.floor_char_boundary(MOST_WORDS)]))
}

fn text(record: &EventRecord) -> Option<&str> {
    let is_text = matches!(&record.reading, Some(ParsedBodyRecord::OtherType { .. }))
        || html::is_html(record);
    record.body.as_ref().filter(|_| is_text)?.text()
}

/// Whether a server may answer with this result because it cannot read the subject of a request.
pub(super) fn may_be_of_strings(hresult: Option<&str>) -> bool {
    match hresult {
        None | Some("0x80180004" | "0x80180006") => true,
        Some(hresult) => matches!(hresult, "0x80190190" | "0x801901F4"),
    }
}

/// Returns the advice about an enrollment that was refused with this result, if the result decides it.
pub(super) fn next(hresult: &str) -> Option<&'static str> {
    Some(match hresult {
        "0x80180002" => "check the user name and password, or the token, that the device sent",
        "0x80180003" => "let this user enroll: the server's enrollment restrictions decide that",
        "0x80180004" => {
            "check the certificate template and the certificate authority of the server"
        }
        "0x80180007" => "check the token in the Security header of the device's request",
        "0x80180013" => "remove a device of this user, or raise the limit of devices",
        "0x80180014" => "allow this platform and version in the server's enrollment restrictions",
        "0x80180015" => "check that the server offers MDM to this device and user",
        "0x80180016" => "compare the clocks, then enroll the device anew",
        "0x80180017" => "try again later: the server is in maintenance",
        "0x80180018" => "give the user a licence that includes MDM",
        "0x80180029" => SENT_NOTHING,
        _ => return None,
    })
}

/// The advice if something else answered in the server's place.
pub(super) const IN_FRONT: &str =
    "look what stands in front of the server: a sign-in page, a proxy, or a server that moved";

/// The advice if the answer is empty.
const SENT_NOTHING: &str = "look at the server's log for this exchange: it sent nothing";

/// The advice if the answer breaks off.
const BROKEN: &str =
    "compare the answer with the server's log: it left something out, or something between cut it";

/// Returns the advice about a text of a server that says more than its result.
pub(super) fn next_of_words(words: &str) -> Option<&'static str> {
    let words = words.to_ascii_lowercase();
    let mut known = WORDS.iter();
    known
        .find(|(text, _)| words.contains(text))
        .map(|(_, next)| *next)
}

/// Texts of servers in small letters, and the advice: a fault of Intune (secureworks/pytune: "Personally owned device
/// restriction"), and the page of Django.
const WORDS: [(&str, &str); 2] = [
    (
        "identifier not preregistered",
        "register the device with the server beforehand (in Intune a corporate identifier, or Autopilot), or allow personal \
         devices in its enrollment restrictions",
    ),
    (
        "csrf",
        "exempt this address from the server's CSRF check: devices send no CSRF token",
    ),
];

/// The words for a client certificate in the errors of nginx, IIS (403.7), Apache and applications.
const NAMES: [&str; 4] = [
    "client certificate",
    "ssl certificate",
    "client cert ",
    "403.7",
];
/// The most bytes of an error's text that are searched.
const MOST_READ: usize = 16 << 10;
/// The most bytes of an error's text that are quoted.
const MOST_WORDS: usize = 200;
