//! Values of nodes that report how work ended: what a CSP or an OMA object tells inside a value, beside the Status.

use super::{Fact, result};

/// Work on a node that goes on behind the answer to its command, and how a value says that it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportedValue {
    /// It failed, with what the value means.
    Failed(String),
    /// It goes on.
    Pending(String),
    /// It is done, or nothing went wrong so far.
    Fine,
}

/// What a value of a node, whose address is canonical, says of the work behind it; `None` where it says nothing of any.
pub fn reported_value(node: &str, value: &str) -> Option<ReportedValue> {
    let leaf = node.rsplit('/').next()?;
    let is_certificate = node.contains("/scep/") && matches!(leaf, "errorcode" | "status");
    let Some(number) = number(value.trim()) else {
        // Asked for, and masked or no number.
        return is_certificate.then_some(ReportedValue::Fine);
    };
    let words = |meaning: &str| format!("{number} {meaning}");
    let state = |table: &[(i64, bool, &str)]| {
        let (_, failed, meaning) = table.iter().find(|(known, ..)| *known == number)?;
        Some(match failed {
            true => ReportedValue::Failed(words(meaning)),
            false => ReportedValue::Pending(words(meaning)),
        })
    };
    let is_installer = node.contains("/enterprisedesktopappmanagement/");
    match leaf {
        "errorcode" | "lasterror" if number == 0 => Some(ReportedValue::Fine),
        "errorcode" if is_certificate => Some(ReportedValue::Failed(code_words(number))),
        "lasterror" if is_installer => Some(ReportedValue::Failed(code_words(number))),
        "status" if is_certificate => Some(state(&SCEP).unwrap_or(ReportedValue::Fine)),
        "status" if is_installer => Some(state(&INSTALLER).unwrap_or(ReportedValue::Fine)),
        _ => None,
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A result with its name, however it is written: `-2146885613 (0x80092013) CRYPT_E_REVOCATION_OFFLINE, …`.
pub fn code_words(number: i64) -> String {
    let Some(fact) = result_of(number) else {
        return number.to_string();
    };
    let is_signed = !(0..=0xFFFF).contains(&number);
    match is_signed {
        true => format!("{number} ({}) {}", fact.key, fact.words()),
        false => format!("{number} {}", fact.words()),
    }
}

/// A small number is one of Win32 or Windows Installer.
fn result_of(number: i64) -> Option<Fact> {
    let code = u32::try_from(number & 0xFFFF_FFFF).ok()?;
    match u16::try_from(number) {
        Ok(small) => result(0x8007_0000 | u32::from(small)),
        Err(_) => result(code),
    }
}

/// The state of a declared-configuration document, or of a part of one, where it is a failure (WinDC).
pub fn declared_configuration_failure(state: u16) -> Option<&'static str> {
    Some(match state {
        61 => "ConfigCompletedError: a setting was not set",
        62 => "ConfigInfraError: Windows could not process the document",
        71 => "DeleteCompletedError: a setting was not taken away",
        72 => "DeleteInfraError: Windows could not take the document away",
        81 => "GetCompletedError: a setting could not be read",
        82 => "GetInfraError: Windows could not read the document's settings",
        90..=99 => "the document was not downloaded, or is not well-formed",
        102 => "ConstructURIStorageError: the document could not be stored",
        _ => return None,
    })
}

/// The result of a firmware update (FUMO 1.0); of a software component (SCOMO) the family alone.
pub fn update_result(code: u16) -> Option<&'static str> {
    Some(match code {
        200 => "the update succeeded",
        250..=299 => "succeeded, in a way of the vendor's own",
        400 => "the client met an error",
        401 => "the user declined",
        402 => "the package is corrupt (its checksum is wrong)",
        403 => "the package is for another device",
        404 => "the package's signature is not valid",
        405 => "the device does not accept the package",
        406 => "the download server did not accept the credentials",
        407 => "the download server did not answer in time",
        408 => "the device does not implement this",
        409 => "an error that nobody defined",
        410 => "the update failed",
        411 => "the URL of the package is not valid",
        412 => "the download server cannot be reached",
        450..=499 => "failed, in a way of the vendor's own",
        500 => "the download server met an error",
        501 => "no memory left to download",
        502 => "no memory left to update",
        503 => "the network failed during the download",
        550..=599 => "failed on the network, in a way of the vendor's own",
        1200..=1299 => "the operation succeeded (SCOMO)",
        1400..=1499 => "the operation failed on the device (SCOMO)",
        1500..=1599 => "the download failed (SCOMO)",
        _ => return None,
    })
}

/// ClientCertificateInstall and CertificateStore, `SCEP/{id}/Status`: the value, whether it is a failure, what it means.
const SCEP: [(i64, bool, &str); 2] = [
    (2, false, "pending: the SCEP server has not decided yet"),
    (16, true, "the action failed"),
];

/// EnterpriseDesktopAppManagement, `MSI/{id}/Status`.
const INSTALLER: [(i64, bool, &str); 8] = [
    (20, false, "the download goes on"),
    (25, false, "the download is to be tried again"),
    (30, true, "the download failed"),
    (40, false, "downloaded, not installed yet"),
    (48, false, "waits for the user's session"),
    (50, false, "the installation goes on"),
    (55, false, "the installation is to be tried again"),
    (60, true, "the installation failed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_how_the_work_behind_its_node_ended() {
        let check = |node: &str, value: &str, expected: Option<ReportedValue>| {
            assert_eq!(reported_value(node, value), expected, "{node} {value}");
        };
        let failed = |words: &str| Some(ReportedValue::Failed(words.to_owned()));
        let scep = |leaf: &str| format!("vendor/msft/clientcertificateinstall/scep/a/{leaf}");
        check(&scep("errorcode"), "0", Some(ReportedValue::Fine));
        check(
            &scep("errorcode"),
            "-2146885613",
            failed(
                "-2146885613 (0x80092013) CRYPT_E_REVOCATION_OFFLINE, the server with the revocation list could not be reached",
            ),
        );
        check(&scep("status"), "1", Some(ReportedValue::Fine));
        check(&scep("status"), "16", failed("16 the action failed"));
        // Unknown: no failure by itself.
        check(&scep("status"), "32", Some(ReportedValue::Fine));
        let msi = "vendor/msft/enterprisedesktopappmanagement/msi/{a}/";
        check(
            &format!("{msi}status"),
            "60",
            failed("60 the installation failed"),
        );
        check(&format!("{msi}status"), "70", Some(ReportedValue::Fine));
        check("vendor/msft/accounts/status", "16", None);
        check(&scep("errorcode"), "********", Some(ReportedValue::Fine));
        check(&format!("{msi}status"), "none", None);
    }
}
