//! Results of Windows (HRESULT): the table, and rules for numbers that are not in it.

use std::borrow::Cow;

use super::{Fact, FactKind, alert, all, status};

/// The number that Intune adds to the code of a Status: 404 becomes 0x87D10194.
pub const RESULT_OF_STATUS: u32 = 0x87D1_0000;

const WIN32: u32 = 0x8007_0000;
const HTTP: u32 = 0x8019_0000;
const ENROLLMENT: u32 = 0x8018_0000;

/// Returns the fact about a result of Windows; for one that stands for a Status, the fact about the Status.
pub fn result(code: u32) -> Option<Fact> {
    listed(code).or_else(|| calculated(code))
}

/// Returns the fact about a result that a peer wrote, such as `0x80070005` in `msft:originalerror`.
pub fn result_in_text(text: &str) -> Option<Fact> {
    result(u32::try_from(number(text.trim())?).ok()?)
}

/// Parses a number: `404`, `0x80070005`, `-2147024891`, `80070005`. Of a negative or sign-extended number, the lower 32
/// bits are the result.
pub fn number(text: &str) -> Option<u64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match hex {
        Some(hex) => i128::from(u64::from_str_radix(unsigned(hex)?, 16).ok()?),
        None => match unsigned(digits)?.parse::<u64>() {
            // Eight digits that begin like a failure are hexadecimal without the 0x.
            Ok(_) if digits.len() == 8 && digits.starts_with('8') => result_digits(digits)?,
            Ok(number) => i128::from(number),
            Err(_) if digits.len() == 8 => result_digits(digits)?,
            Err(_) => return None,
        },
    };
    let value = sign * value;
    // The lower half of a number whose upper half is only its sign.
    let is_extended = value < 0 || value >> 32 == i128::from(u32::MAX);
    match is_extended {
        true => Some((value & i128::from(u32::MAX)) as u64),
        false => u64::try_from(value).ok(),
    }
}

/// Returns the digits if they have no second sign, which Rust's parsers would accept.
fn unsigned(digits: &str) -> Option<&str> {
    (!digits.starts_with(['+', '-'])).then_some(digits)
}

fn result_digits(digits: &str) -> Option<i128> {
    let first = digits.starts_with(['8', 'c', 'C']);
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| first)?;
    Some(value.into())
}

/// Returns the possible facts about a number, the most likely first.
pub(super) fn of_number(number: u64) -> Vec<Fact> {
    let Ok(code) = u32::try_from(number) else {
        return Vec::new();
    };
    let Ok(small) = u16::try_from(code) else {
        return result(code).into_iter().collect();
    };
    let mut found: Vec<Fact> = Vec::new();
    found.extend(status(small).cloned());
    found.extend(alert(small).cloned());
    found.extend(listed(WIN32 | code).filter(|_| code > 0));
    // Intune also shows only the lower half: 65000 is 0x87D1FDE8.
    found.extend(listed(RESULT_OF_STATUS | code));
    found.extend(listed(code));
    if found.is_empty() && (400..600).contains(&small) {
        found.extend(result(HTTP | code));
    }
    found
}

/// Describes the parts of a number that is not in the tables.
pub fn parts(number: u64) -> String {
    let Ok(code) = u32::try_from(number) else {
        return match with_a_digit_less(number) {
            Some(near) => format!(
                "results of Windows have 32 bits, 8 hexadecimal digits; one digit less gives 0x{near:08X}, {}",
                listed(near).map(|fact| fact.words()).unwrap_or_default()
            ),
            None => "results of Windows have 32 bits, 8 hexadecimal digits".into(),
        };
    };
    if code <= u32::from(u16::MAX) {
        return "Statuses are 101 to 517, Alerts 1100 to 1299; of Win32 errors `net helpmsg` on Windows prints the text"
            .into();
    }
    let (facility, low) = (code >> 16 & 0x7FF, code & 0xFFFF);
    let how = match code >> 28 {
        0x8 | 0xA => "a failure",
        0xC | 0xE => {
            return format!(
                "as a result of Windows it is an NTSTATUS: error 0x{code:08X}, of ntstatus.h"
            );
        }
        0x0..=0x3 => "a success",
        _ => return "it is not a result of Windows (HRESULT)".into(),
    };
    format!(
        "as a result of Windows (HRESULT) it is {how} of the facility {facility} (0x{facility:03X}), with the code {low} \
         (0x{low:04X})"
    )
}

/// Returns the known result that a number of 9 hexadecimal digits becomes without one of them.
fn with_a_digit_less(number: u64) -> Option<u32> {
    let digits = format!("{number:X}");
    let without =
        |at: usize| u32::from_str_radix(&format!("{}{}", &digits[..at], &digits[at + 1..]), 16);
    let mut shorter = (0..digits.len()).filter_map(|at| without(at).ok());
    let is_nine = digits.len() == 9;
    shorter.find(|code| is_nine && listed(*code).is_some())
}

fn listed(code: u32) -> Option<Fact> {
    let is_it =
        |fact: &&Fact| fact.kind == FactKind::Result && number(&fact.key) == Some(code.into());
    all().iter().find(is_it).cloned()
}

fn calculated(code: u32) -> Option<Fact> {
    let (family, low) = (code & 0xFFFF_0000, code & 0xFFFF);
    // `low` fits into 16 bits.
    let small = low as u16;
    let made = |name: Cow<'static, str>, meaning: String, reference: &'static str| Fact {
        kind: FactKind::Result,
        key: format!("0x{code:08X}").into(),
        name,
        meaning: meaning.into(),
        more: Cow::Borrowed(""),
        reference,
    };
    let unnamed = |meaning: String, reference| Some(made(Cow::Borrowed(""), meaning, reference));
    match family {
        RESULT_OF_STATUS => status(small).cloned(),
        // WinINet errors with the facility of HTTP.
        HTTP if (0x2EE0..=0x2FFF).contains(&low) => {
            let same = listed(WIN32 | low)?;
            Some(made(same.name, same.meaning.into_owned(), same.reference))
        }
        HTTP if (400..600).contains(&low) => {
            unnamed(format!("the server answered HTTP {low}"), "winerror.h")
        }
        HTTP if (1..=0x0E).contains(&low) => {
            let same = listed(ENROLLMENT | low)?;
            let meaning = format!("as Windows 8.1 writes {}: {}", same.key, same.words());
            unnamed(meaning, same.reference)
        }
        WIN32 => unnamed(
            format!("Win32 error {low}: `net helpmsg {low}` on Windows prints its text"),
            "winerror.h",
        ),
        0x8600_0000 => unnamed(
            "an error of the DM client's configuration manager that has no public name".into(),
            "CSP interface header",
        ),
        // HTTP and WinINet errors with facilities of the sign-in to Entra ID.
        0xCAA3_0000 if (400..600).contains(&low) => unnamed(
            format!("sign-in to Entra ID: the server answered HTTP {low}"),
            WAM,
        ),
        0xCAA8_0000 if (0x2EE0..=0x2FFF).contains(&low) => {
            let same = listed(WIN32 | low)?;
            unnamed(format!("sign-in to Entra ID: {}", same.meaning), WAM)
        }
        0xCAA0_0000..=0xCAAF_0000 => unnamed(
            "an error of the sign-in to Entra ID (Web Account Manager), which dmtap has no text for".into(),
            WAM,
        ),
        ENROLLMENT => unnamed(
            "an error of enrollment that has no public name".into(),
            "MDMRegistration.h",
        ),
        _ => {
            let (_, component) = COMPONENTS.iter().find(|(known, _)| *known == family)?;
            unnamed(
                format!("an error of {component}, which dmtap has no text for"),
                "winerror.h",
            )
        }
    }
}

/// The source that lists the errors of the Web Account Manager.
const WAM: &str = "MicrosoftDocs WAM error codes";

/// The component that reports the results of a family. The tables do not have their texts.
const COMPONENTS: [(u32, &str); 18] = [
    (0x8009_0000, "certificates, keys or TLS"),
    (0x800F_0000, "Windows setup"),
    (0x8010_0000, "smart cards"),
    (0x801C_0000, "device registration (Entra join)"),
    (0x8020_0000, "BITS, which downloads in the background"),
    (0x8024_0000, "Windows Update"),
    (0x8028_0000, "the TPM"),
    (0x8029_0000, "the TPM"),
    (0x8031_0000, "BitLocker"),
    (0x8103_0000, "Autopilot or its enrollment status page"),
    (0xC103_0000, "Autopilot or its enrollment status page"),
    (0x82AA_0000, "the DM client's configuration manager"),
    (0x82AC_0000, "the DM client"),
    (0x82B0_0000, "declared configuration (WinDC)"),
    (0x82D0_0000, "declared configuration (WinDC)"),
    (0x87D0_0000, "the Configuration Manager client"),
    (0x8A15_0000, "WinGet"),
    (0xC00C_0000, "the XML reader (XmlLite, MSXML)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_from_the_table_or_from_a_formula() {
        let check = |text: &str, expected: &str| {
            let words = result_in_text(text).map(|fact| fact.words());
            assert_eq!(words.as_deref().unwrap_or("nothing"), expected, "{text}");
        };
        check("0x86000002", "CFGMGR_E_NODENOTFOUND, there is no such node");
        check(
            " -2046820350 ",
            "CFGMGR_E_NODENOTFOUND, there is no such node",
        );
        check("0x87D10194", "Not found, Target does not exist.");
        check("0x801901AD", "the server answered HTTP 429");
        check(
            "0x80192EE7",
            "ERROR_WINHTTP_NAME_NOT_RESOLVED, the server's name has no address: DNS, or no network",
        );
        check(
            "0x80071234",
            "Win32 error 4660: `net helpmsg 4660` on Windows prints its text",
        );
        check(
            "0x80190002",
            "as Windows 8.1 writes 0x80180002: MENROLL_E_DEVICE_AUTHENTICATION_ERROR, \
             the server did not accept the user's proof",
        );
        check(
            "0x803100b3",
            "an error of BitLocker, which dmtap has no text for",
        );
        check(
            "0xCAA82EE2",
            "sign-in to Entra ID: the server did not answer in time",
        );
        check(
            "0xCAA301F7",
            "sign-in to Entra ID: the server answered HTTP 503",
        );
        check(
            "0xCAA9002C",
            "an error of the sign-in to Entra ID (Web Account Manager), which dmtap has no text for",
        );
        check(
            "0xC00CEE3D",
            "an error of the XML reader (XmlLite, MSXML), which dmtap has no text for",
        );
        check("0x80180002b", "nothing");
        check("0x87D10001", "nothing");
        check("0xC0000022", "nothing");
        check("", "nothing");
        check("0x", "nothing");
        check("--5", "nothing");
    }

    #[test]
    fn nine_digits_are_no_result_and_the_slip_is_named() {
        let words = |text| parts(number(text).unwrap());
        assert!(words("0x80180002b").contains("gives 0x8018002B, automatic enrollment failed"));
        assert!(words("0x123456789").ends_with("8 hexadecimal digits"));
        assert!(of_number(number("0x80180002b").unwrap()).is_empty());
        assert_eq!(number("0xFFFFFFFF80070005"), Some(0x8007_0005));
    }

    #[test]
    fn the_lower_half_of_a_result_of_intune_is_that_result() {
        let found = of_number(65000);
        assert_eq!(found[0].key, "0x87D1FDE8");
    }
}
