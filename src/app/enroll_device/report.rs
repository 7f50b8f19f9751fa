//! What a device did, for people and for programs.

use serde_json::json;

use super::ManagementSession;
use crate::peer::Encoding;
use crate::peer::enroll::Enrollment;
use crate::printable;

/// One line for people: what was granted.
pub fn enrolled_text(enrollment: &Enrollment) -> String {
    let Enrollment {
        provider_id,
        subject,
        thumbprint,
        store,
        address,
        ..
    } = enrollment;
    format!(
        "enrolled at {provider_id}: certificate {subject} ({thumbprint}) in {store}, management at {address}\n"
    )
}

/// The same as a JSON object.
pub fn enrolled_json(enrollment: &Enrollment) -> String {
    let line = json!({
        "v": 1,
        "enrolled": enrollment.provider_id,
        "subject": enrollment.subject,
        "thumbprint": enrollment.thumbprint,
        "store": enrollment.store,
        "address": enrollment.address,
        "encoding": name(enrollment.encoding),
    });
    format!("{line}\n")
}

/// One line for people: a new certificate in place of the old one.
pub fn renewed_text(enrollment: &Enrollment) -> String {
    let Enrollment {
        subject,
        thumbprint,
        ..
    } = enrollment;
    format!("renewed: certificate {subject} ({thumbprint})\n")
}

/// The same as a JSON object.
pub fn renewed_json(enrollment: &Enrollment) -> String {
    let line = json!({
        "v": 1,
        "renewed": enrollment.provider_id,
        "subject": enrollment.subject,
        "thumbprint": enrollment.thumbprint,
    });
    format!("{line}\n")
}

/// One line for people: a management session.
pub fn session_text(session: &ManagementSession) -> String {
    let errors = session.done.iter().filter(|(_, code)| !code.is_success());
    let errors = errors.map(|(what, code)| format!("{} {}", code.0, printable::line(what)));
    let errors: Vec<String> = errors.collect();
    let answers = match errors.is_empty() {
        true => String::new(),
        false => format!(", the device answered {}", errors.join(", ")),
    };
    format!(
        "session in {} at {}: {} commands{answers}\n",
        name(session.encoding),
        session.url,
        session.done.len()
    )
}

/// The same as a JSON object.
pub fn session_json(session: &ManagementSession) -> String {
    let done = session.done.iter();
    let done = done.map(|(what, code)| json!({"command": what, "status": code.0}));
    let line = json!({
        "v": 1,
        "session": session.url.to_string(),
        "encoding": name(session.encoding),
        "commands": done.collect::<Vec<_>>(),
    });
    format!("{line}\n")
}

/// The hosts that the device connected to, for people; nothing where there is none.
pub fn contacted_text(hosts: &[String]) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    format!("the device connected to {}\n", hosts.join(", "))
}

/// The same as a JSON object.
pub fn contacted_json(hosts: &[String]) -> String {
    format!("{}\n", json!({"v": 1, "connected": hosts}))
}

/// What messages are written in.
pub fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    }
}
