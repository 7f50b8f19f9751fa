//! Values of nodes that report how an operation ended: CSPs and OMA objects report that inside a value, not only in the
//! Status.

use std::sync::LazyLock;

use super::{Fact, result};

/// The state of an operation according to the value of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportedValue {
    /// It failed; with the meaning of the value.
    Failed(String),
    /// It is still in progress; with the meaning of the value.
    Pending(String),
    /// It is done. Error codes in neighbouring nodes are from an earlier attempt.
    Done,
    /// There is no failure so far, or the value is unknown.
    Fine,
}

/// Interprets the value of a node with the canonical address `node`; `None` if such a node reports no operation.
pub fn reported_value(node: &str, value: &str) -> Option<ReportedValue> {
    let rows = rows().iter().filter(|row| ends_with(node, row.node));
    let mut rows = rows.peekable();
    rows.peek()?;
    // The node reports an operation, but the value is masked or not a number.
    let Some(number) = number(value.trim()) else {
        return Some(ReportedValue::Fine);
    };
    let bits = number & 0xFFFF_FFFF;
    let mut failed_bits = Vec::new();
    for row in rows {
        let words = || match row.meaning {
            "" => code_words(number),
            meaning => format!("{number} {meaning}"),
        };
        match row.value {
            RowValue::Bit(bit) => {
                let is_set = bits >> bit & 1 == 1;
                failed_bits.extend(is_set.then(|| format!("bit {bit}: {}", row.meaning)));
            }
            RowValue::Number(known) if known != bits => {}
            RowValue::Error if number == 0 => {}
            RowValue::Number(_) | RowValue::Error => {
                return Some(match row.outcome {
                    "failed" => ReportedValue::Failed(words()),
                    "pending" => ReportedValue::Pending(words()),
                    "done" => ReportedValue::Done,
                    _ => ReportedValue::Fine,
                });
            }
        }
    }
    Some(match failed_bits.is_empty() {
        true => ReportedValue::Fine,
        false => ReportedValue::Failed(format!("{number} ({})", failed_bits.join("; "))),
    })
}

/// A row of `facts/value.tsv`.
struct Row {
    node: &'static str,
    value: RowValue,
    outcome: &'static str,
    meaning: &'static str,
}

/// The values that a row applies to.
enum RowValue {
    Number(i64),
    Bit(u8),
    /// Every number except 0.
    Error,
}

fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.filter_map(row).collect()
    });
    &ROWS
}

/// Parses a row. Skips incomplete ones; a test ensures that there are none.
fn row(line: &'static str) -> Option<Row> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let [node, value, outcome, meaning, _] = cells[..] else {
        return None;
    };
    let value = match (value, value.strip_prefix("bit ")) {
        ("error", _) => RowValue::Error,
        (_, Some(bit)) => RowValue::Bit(bit.parse().ok()?),
        (number, None) => RowValue::Number(number.parse().ok()?),
    };
    Some(Row {
        node,
        value,
        outcome,
        meaning,
    })
}

/// Whether the last segments of a node match a pattern, in which `*` stands for any segment.
fn ends_with(node: &str, pattern: &str) -> bool {
    let mut segments = node.rsplit('/');
    let mut wanted = pattern.rsplit('/');
    wanted.all(|name| segments.next().is_some_and(|it| name == "*" || name == it))
}

const TABLE: &str = include_str!("../../facts/value.tsv");

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Returns a result with its name, whatever its form: `-2146885613 (0x80092013) CRYPT_E_REVOCATION_OFFLINE, …`.
pub fn code_words(number: i64) -> String {
    let is_signed = !(0..=0xFFFF).contains(&number);
    let Some(fact) = result_of(number) else {
        return match u32::try_from(number & 0xFFFF_FFFF) {
            Ok(code) if is_signed => format!("{number} (0x{code:08X})"),
            _ => number.to_string(),
        };
    };
    match is_signed {
        true => format!("{number} ({}) {}", fact.key, fact.words()),
        false => format!("{number} {}", fact.words()),
    }
}

/// Finds the fact about a result. A small number is an error of Win32 or Windows Installer.
fn result_of(number: i64) -> Option<Fact> {
    let code = u32::try_from(number & 0xFFFF_FFFF).ok()?;
    match u16::try_from(number) {
        Ok(small) => result(0x8007_0000 | u32::from(small)),
        Err(_) => result(code),
    }
}

/// Describes the state of a declared-configuration document, or of a part of one, if it is a failure (WinDC).
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

/// Describes the result of a firmware update (FUMO 1.0) or, only by family, of a software component (SCOMO) or a lock
/// (LAWMO).
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
        1200..=1299 => "the operation succeeded (SCOMO, LAWMO)",
        1400..=1499 => "the operation failed on the device (SCOMO, LAWMO)",
        1500..=1599 => "the download failed (SCOMO)",
        _ => return None,
    })
}

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
        check(&scep("status"), "1", Some(ReportedValue::Done));
        check(&scep("status"), "16", failed("16 the action failed"));
        // An unknown value is not a failure.
        check(&scep("status"), "32", Some(ReportedValue::Fine));
        let msi = "user/vendor/msft/enterprisedesktopappmanagement/msi/{a}/";
        check(
            &format!("{msi}status"),
            "60",
            failed("60 the installation failed"),
        );
        check(&format!("{msi}status"), "70", Some(ReportedValue::Done));
        check(
            &format!("{msi}lasterror"),
            "3010",
            Some(ReportedValue::Fine),
        );
        check("vendor/msft/accounts/status", "16", None);
        check("status", "16", None);
        check(&scep("errorcode"), "********", Some(ReportedValue::Fine));
        check(&format!("{msi}status"), "none", Some(ReportedValue::Fine));
        let app = "vendor/msft/enterprisemodernappmanagement/appinstallation/a_b/lasterror";
        for same in ["0x80073CF3", "2147958003"] {
            let Some(ReportedValue::Failed(words)) = reported_value(app, same) else {
                panic!("{same}");
            };
            assert!(words.contains("0x80073CF3"), "{words}");
        }
        let office = "vendor/msft/office/installation/a/status";
        let fail =
            "(0x80004005) E_FAIL, the Office Deployment Tool cannot install a volume license";
        for same in ["-2147467259", "2147500037"] {
            check(office, same, failed(&format!("{same} {fail}")));
        }
        check(
            "vendor/msft/bitlocker/status/deviceencryptionstatus",
            "6",
            failed(
                "6 (bit 1: the encryption method of the OS volume is not the policy's; bit 2: the OS volume is not protected)",
            ),
        );
    }

    #[test]
    fn nodes_below_every_csp_that_reports_the_end_of_work_are_known() {
        let failures = [
            ("certificatestore/my/wstep/renew/status", "3"),
            ("certificatestore/my/wstep/renew/errorcode", "-2145910778"),
            (
                "applicationcontrol/policies/{a}/policyinfo/status",
                "-1073739516",
            ),
            ("applicationcontrol/tokens/a/tokeninfo/status", "5"),
            ("printerprovisioning/upprinterinstalls/a/status", "4"),
            ("windowslicensing/status", "0"),
            ("euiccs/a/actions/status", "-2147024891"),
            ("personalization/lockscreenimagestatus", "6"),
            ("dmclient/provider/a/recovery/recoverystatus", "8"),
            ("devicepreparation/pageerrorcode", "-2147024891"),
        ];
        for (node, value) in failures {
            let reported = reported_value(&format!("vendor/msft/{node}"), value);
            assert!(
                matches!(reported, Some(ReportedValue::Failed(_))),
                "{node} {value}"
            );
        }
        let is_done = |node: &str, value: &str| {
            reported_value(&format!("vendor/msft/{node}"), value) == Some(ReportedValue::Done)
        };
        assert!(is_done("windowslicensing/smode/status", "0"));
        assert!(is_done("euiccs/a/actions/status", "0"));
    }

    #[test]
    fn every_row_of_values_is_complete_and_its_words_are_known() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        let mut before = "";
        for line in lines {
            let row = row(line).unwrap_or_else(|| panic!("{line}"));
            let (_, reference) = line.rsplit_once('\t').unwrap();
            assert!(!reference.is_empty() || row.node == before, "{line}");
            assert_eq!(row.node, row.node.to_ascii_lowercase());
            let is_known = ["failed", "pending", "done", "fine"].contains(&row.outcome);
            let needs_words = !matches!(row.value, RowValue::Error);
            assert!(is_known && needs_words != row.meaning.is_empty(), "{line}");
            before = row.node;
        }
    }
}
