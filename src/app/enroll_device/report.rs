//! What a device did, for people and for programs.

use serde_json::json;

use super::ManagementSession;
use crate::peer::Encoding;
use crate::peer::enroll::Enrollment;

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

/// One line for people: a management session.
pub fn session_text(session: &ManagementSession) -> String {
    let failed = session.done.iter().filter(|(_, code)| !code.is_success());
    let (failed, commands) = (failed.count(), session.done.len());
    format!(
        "session in {} at {}: {commands} commands, {failed} of them answered with an error\n",
        name(session.encoding),
        session.url
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

/// The hosts that the device connected to, for people.
pub fn contacted_text(hosts: &[String]) -> String {
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
