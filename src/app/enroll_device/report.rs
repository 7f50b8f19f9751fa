//! Reports about a device, for people and for programs.

use serde_json::json;

use super::ManagementSession;
use crate::peer::Encoding;
use crate::peer::enroll::Enrollment;
use crate::printable;

/// A line for people, and the same as a JSON object.
pub struct Report {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: String,
}

impl Report {
    fn new(text: String, json: serde_json::Value) -> Self {
        let json = format!("{json}\n");
        Self { text, json }
    }
}

/// Returns the report about an enrollment.
pub fn enrolled(enrollment: &Enrollment) -> Report {
    let Enrollment {
        provider_id,
        subject,
        thumbprint,
        store,
        address,
        encoding,
        ..
    } = enrollment;
    Report::new(
        format!(
            "enrolled at {provider_id}: certificate {subject} ({thumbprint}) in {store}, management at {address}\n"
        ),
        json!({
            "v": 1, "enrolled": provider_id, "subject": subject, "thumbprint": thumbprint, "store": store,
            "address": address, "encoding": name(*encoding),
        }),
    )
}

/// Returns the report about a renewed certificate.
pub fn renewed(enrollment: &Enrollment) -> Report {
    let (subject, thumbprint) = (&enrollment.subject, &enrollment.thumbprint);
    Report::new(
        format!("renewed: certificate {subject} ({thumbprint})\n"),
        json!({
            "v": 1, "renewed": enrollment.provider_id, "subject": subject, "thumbprint": thumbprint,
        }),
    )
}

/// Returns the report about a management session.
pub fn session(session: &ManagementSession) -> Report {
    let errors = session.done.iter().filter(|(_, code)| !code.is_success());
    let errors = errors.map(|(what, code)| format!("{} {}", code.0, printable::line(what)));
    let errors: Vec<String> = errors.collect();
    let answers = match errors.is_empty() {
        true => String::new(),
        false => format!(", the device answered {}", errors.join(", ")),
    };
    let (encoding, url) = (name(session.encoding), session.url.to_string());
    let done = session.done.iter();
    let done = done.map(|(what, code)| json!({"command": what, "status": code.0}));
    let commands: Vec<_> = done.collect();
    Report::new(
        format!(
            "session in {encoding} at {url}: {}{answers}\n",
            printable::counted(commands.len(), "command")
        ),
        json!({"v": 1, "session": url, "encoding": encoding, "commands": commands}),
    )
}

/// Returns the report about the hosts of the device's connections; the text is empty without hosts.
pub fn contacted(hosts: &[String]) -> Report {
    let text = match hosts.is_empty() {
        true => String::new(),
        false => format!("the device connected to {}\n", hosts.join(", ")),
    };
    Report::new(text, json!({"v": 1, "connected": hosts}))
}

/// Returns the name of an encoding.
pub fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    }
}
