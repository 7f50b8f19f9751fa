//! The notification that triggers a session of a device: package 0 (OMA-TS-DM_Notification-V1_2_1 §6).

use super::auth::AccountKey;

/// A notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification<'n> {
    bytes: &'n [u8],
    server_length: usize,
}

impl<'n> Notification<'n> {
    /// Parses a notification; `None` for other bytes. The version must be 1.1 or 1.2 and the reserved bits zero, since
    /// nothing else distinguishes a notification.
    pub fn of(bytes: &'n [u8]) -> Option<Self> {
        let server_length = usize::from(*bytes.get(SERVER - 1)?);
        let notification = Self {
            bytes,
            server_length,
        };
        let is_whole = server_length > 0 && bytes.len() >= SERVER + server_length;
        let is_known = matches!(notification.version(), 11 | 12) && notification.reserved() == 0;
        (is_whole && is_known).then_some(notification)
    }

    fn header(&self) -> u64 {
        let mut header = [0; 8];
        header.copy_from_slice(&self.bytes[DIGEST..SERVER]);
        u64::from_be_bytes(header)
    }

    /// Returns the version of the protocol, times ten.
    pub fn version(&self) -> u16 {
        (self.header() >> 54) as u16
    }

    /// Returns the user interaction mode in words.
    pub fn user_mode(&self) -> &'static str {
        match self.header() >> 52 & 3 {
            0 => "not specified",
            1 => "background",
            2 => "informative",
            _ => "user interaction",
        }
    }

    /// Whether the server starts the session itself; otherwise it does so on behalf of a user.
    pub fn is_by_server(&self) -> bool {
        self.header() >> 51 & 1 == 1
    }

    fn reserved(&self) -> u64 {
        self.header() >> 24 & ((1 << 27) - 1)
    }

    /// Returns the SessionID of the new session, as its messages write it: hex without leading zeros (§6.2.10).
    pub fn session_id(&self) -> String {
        format!("{:X}", self.header() >> 8 & 0xffff)
    }

    /// Returns the identifier of the server.
    pub fn server(&self) -> String {
        String::from_utf8_lossy(&self.bytes[SERVER..SERVER + self.server_length]).into_owned()
    }

    /// Returns the vendor-specific bytes after the server identifier.
    pub fn vendor_specific(&self) -> &'n [u8] {
        &self.bytes[SERVER + self.server_length..]
    }

    /// Returns the digest.
    pub fn digest(&self) -> &'n [u8] {
        &self.bytes[..DIGEST]
    }

    /// Whether the digest fits the server's password and a nonce (§6.2.2).
    pub fn fits(&self, password: &str, nonce: &[u8]) -> bool {
        let key = AccountKey::of(&self.server(), password);
        key.notification(nonce, &self.bytes[DIGEST..]) == self.digest()
    }
}

/// The length of the digest in octets.
const DIGEST: usize = 16;
/// The offset of the server identifier.
const SERVER: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// Server `contoso`, password `secret`, nonce of four zero octets.
    const SAMPLE: [u8; 31] = *b"\x43\x68\x15\xbe\x86\xf0\xb6\x99\xc7\x18\x55\x35\xc3\xb0\xe9\x7a\
        \x02\xd8\x00\x00\x00\x1a\x2b\x07contoso";

    #[test]
    fn a_notification_is_read() {
        let notification = Notification::of(&SAMPLE).unwrap();
        assert_eq!(notification.version(), 11);
        assert_eq!(notification.user_mode(), "background");
        assert!(notification.is_by_server());
        assert_eq!(notification.session_id(), "1A2B");
        assert_eq!(notification.server(), "contoso");
        assert!(notification.vendor_specific().is_empty());
    }

    #[test]
    fn the_digest_is_checked() {
        let notification = Notification::of(&SAMPLE).unwrap();
        assert!(notification.fits("secret", &[0; 4]));
        assert!(!notification.fits("secret", b"other"));
        assert!(!notification.fits("wrong", &[0; 4]));
    }

    #[test]
    fn other_bytes_are_none() {
        for length in 0..SAMPLE.len() {
            assert_eq!(Notification::of(&SAMPLE[..length]), None);
        }
        assert_eq!(Notification::of(&[0x41; 64]), None);
    }
}
