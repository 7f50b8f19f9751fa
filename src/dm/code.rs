//! Status and alert codes with their names in `facts/`. Unassigned numbers are kept and printed as numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::facts::{self, FactKind};

/// A response code: the Data of a Status (SyncML Representation Protocol 1.2.2 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// Returns the name, if the standard assigns one.
    pub fn name(self) -> Option<&'static str> {
        STATUS.get(&self.0).copied()
    }

    /// Whether the code reports success: 200 to 299.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }

    /// Whether the code reports that a command was carried out. 215 means it was not, 216 that it was rolled back.
    pub fn is_done(self) -> bool {
        self.is_success() && !matches!(self.0, 215 | 216)
    }

    /// Whether the code asks for credentials: 401 or 407.
    pub fn is_challenge(self) -> bool {
        matches!(self.0, 401 | 407)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_name(f, self.0, self.name())
    }
}

/// An alert code: the Data of an Alert (OMA-TS-DM_RepPro-V1_2_1 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertCode(pub u16);

impl AlertCode {
    /// 1222: a request to the receiver to send the next message of its package.
    pub const NEXT_MESSAGE: Self = Self(1222);
    /// 1223: the sender ends the session.
    pub const SESSION_ABORT: Self = Self(1223);

    /// Returns the name, if OMA DM assigns one.
    pub fn name(self) -> Option<&'static str> {
        ALERT.get(&self.0).copied()
    }
}

impl fmt::Display for AlertCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_name(f, self.0, self.name())
    }
}

fn with_name(f: &mut fmt::Formatter<'_>, code: u16, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{code} {name}"),
        None => write!(f, "{code}"),
    }
}

static STATUS: LazyLock<BTreeMap<u16, &str>> = LazyLock::new(|| assigned(FactKind::Status));
static ALERT: LazyLock<BTreeMap<u16, &str>> = LazyLock::new(|| assigned(FactKind::Alert));

/// Returns the names of the codes that OMA DM assigns; the table of alerts has the names of others in lower case.
fn assigned(kind: FactKind) -> BTreeMap<u16, &'static str> {
    let codes = facts::all().iter().filter(|fact| fact.kind == kind);
    let codes = codes.filter(|fact| fact.name.starts_with(char::is_uppercase));
    codes
        .filter_map(|fact| Some((fact.key.parse().ok()?, &*fact.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_print_with_their_names_and_unknown_ones_as_numbers() {
        assert_eq!(StatusCode(404).to_string(), "404 Not found");
        assert_eq!(
            StatusCode(517).to_string(),
            "517 Atomic response too large to fit"
        );
        assert_eq!(StatusCode(600).to_string(), "600");
        assert_eq!(AlertCode(1201).to_string(), "1201 Client-initiated session");
    }

    #[test]
    fn codes_that_oma_dm_assigns_have_names() {
        let statuses: Vec<u16> = (0..=999)
            .filter(|code| StatusCode(*code).name().is_some())
            .collect();
        let expected = [
            101..=101,
            200..=216,
            300..=305,
            400..=428,
            500..=514,
            516..=517,
        ];
        assert_eq!(
            statuses,
            expected.into_iter().flatten().collect::<Vec<u16>>()
        );
        let alerts: Vec<u16> = (0..=1999)
            .filter(|code| AlertCode(*code).name().is_some())
            .collect();
        let expected = [1100..=1104, 1200..=1201, 1222..=1226];
        assert_eq!(alerts, expected.into_iter().flatten().collect::<Vec<u16>>());
    }
}
