//! Status and alert codes with their names. Unassigned numbers are kept and printed as numbers.

use std::fmt;

/// A response code: the Data of a Status (SyncML Representation Protocol 1.2.2 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// Returns the name, if the standard assigns one.
    pub fn name(self) -> Option<&'static str> {
        name_in(&STATUS, self.0)
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

    /// Returns every assigned code with its name.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        STATUS.iter().map(|(code, name)| (Self(*code), *name))
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
        name_in(&ALERT, self.0)
    }
}

impl fmt::Display for AlertCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_name(f, self.0, self.name())
    }
}

fn name_in(table: &[(u16, &'static str)], code: u16) -> Option<&'static str> {
    table
        .binary_search_by_key(&code, |(code, _)| *code)
        .ok()
        .map(|at| table[at].1)
}

fn with_name(f: &mut fmt::Formatter<'_>, code: u16, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{code} {name}"),
        None => write!(f, "{code}"),
    }
}

/// Sorted by code. 515 is not assigned.
const STATUS: [(u16, &str); 70] = [
    (101, "In progress"),
    (200, "OK"),
    (201, "Item added"),
    (202, "Accepted for processing"),
    (203, "Non-authoritative response"),
    (204, "No content"),
    (205, "Reset content"),
    (206, "Partial content"),
    (207, "Conflict resolved with merge"),
    (208, "Conflict resolved, client wins"),
    (209, "Conflict resolved with duplicate"),
    (210, "Delete without archive"),
    (211, "Item not deleted"),
    (212, "Authentication accepted"),
    (213, "Chunked item accepted and buffered"),
    (214, "Operation cancelled"),
    (215, "Not executed"),
    (216, "Atomic roll back OK"),
    (300, "Multiple choices"),
    (301, "Moved permanently"),
    (302, "Found"),
    (303, "See other"),
    (304, "Not modified"),
    (305, "Use proxy"),
    (400, "Bad request"),
    (401, "Invalid credentials"),
    (402, "Payment needed"),
    (403, "Forbidden"),
    (404, "Not found"),
    (405, "Command not allowed"),
    (406, "Optional feature not supported"),
    (407, "Missing credentials"),
    (408, "Request timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Size required"),
    (412, "Incomplete command"),
    (413, "Request entity too large"),
    (414, "URI too long"),
    (415, "Unsupported media type or format"),
    (416, "Requested size too big"),
    (417, "Retry later"),
    (418, "Already exists"),
    (419, "Conflict resolved with server data"),
    (420, "Device full"),
    (421, "Unknown search grammar"),
    (422, "Bad CGI script"),
    (423, "Soft-delete conflict"),
    (424, "Size mismatch"),
    (425, "Permission denied"),
    (426, "Partial item not accepted"),
    (427, "Item not empty"),
    (428, "Move failed"),
    (500, "Command failed"),
    (501, "Command not implemented"),
    (502, "Bad gateway"),
    (503, "Service unavailable"),
    (504, "Gateway timeout"),
    (505, "DTD version not supported"),
    (506, "Processing error"),
    (507, "Atomic failed"),
    (508, "Refresh required"),
    (509, "Reserved"),
    (510, "Data store failure"),
    (511, "Server failure"),
    (512, "Synchronization failed"),
    (513, "Protocol version not supported"),
    (514, "Operation cancelled"),
    (516, "Atomic roll back failed"),
    (517, "Atomic response too large to fit"),
];

/// Sorted by code.
const ALERT: [(u16, &str); 12] = [
    (1100, "Display"),
    (1101, "Confirm or reject"),
    (1102, "Text input"),
    (1103, "Single choice"),
    (1104, "Multiple choice"),
    (1200, "Server-initiated session"),
    (1201, "Client-initiated session"),
    (1222, "Next message"),
    (1223, "Session abort"),
    (1224, "Client event"),
    (1225, "No end of data"),
    (1226, "Generic alert"),
];

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
    fn the_tables_are_in_order_for_the_search() {
        assert!(STATUS.is_sorted_by_key(|(code, _)| *code));
        assert!(ALERT.is_sorted_by_key(|(code, _)| *code));
    }
}
