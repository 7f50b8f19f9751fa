//! Security tokens of enrollment: the content of a `wsse:BinarySecurityToken`, by its ValueType (MS-MDE2 §3, §5, §7).

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::local_name::attribute;
use crate::markup::Element;

/// A ValueType. Servers write it with different paths, so only its fragment or last segment counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType<'d>(pub Cow<'d, str>);

/// The content of a token according to its ValueType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A certificate request: `#PKCS10`.
    Pkcs10,
    /// A signed message with a certificate request (renewal): `#PKCS7`.
    Pkcs7,
    /// A provisioning document: `DeviceEnrollmentProvisionDoc`.
    ProvisionDoc,
    /// The token of a user who signed in on a web page: `DeviceEnrollmentUserToken`.
    UserToken,
    /// A JSON Web Token of Entra ID: `urn:ietf:params:oauth:token-type:jwt`.
    Jwt,
    /// A certificate: `#X509v3`.
    X509,
    /// Another type, or none.
    Other,
}

impl ValueType<'_> {
    /// Returns the fragment, or the last segment.
    pub fn last(&self) -> &str {
        let text = self.0.trim_ascii().trim_end_matches(['/', '#']);
        text.rsplit(['#', '/', ':']).next().unwrap_or_default()
    }

    /// Returns the kind of token with this ValueType.
    pub fn kind(&self) -> TokenKind {
        let last = self.last();
        let known = KINDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(last));
        known.map_or(TokenKind::Other, |(_, kind)| *kind)
    }
}

const KINDS: [(&str, TokenKind); 9] = [
    ("PKCS10", TokenKind::Pkcs10),
    ("PKCS7", TokenKind::Pkcs7),
    ("DeviceEnrollmentProvisionDoc", TokenKind::ProvisionDoc),
    ("DeviceEnrollmentUserToken", TokenKind::UserToken),
    ("jwt", TokenKind::Jwt),
    ("X509v3", TokenKind::X509),
    ("X509", TokenKind::X509),
    ("X509v1", TokenKind::X509),
    ("X509PKIPathv1", TokenKind::X509),
];

/// A `BinarySecurityToken`.
#[derive(Clone, Copy, Debug)]
pub struct BinaryToken<'d>(Element<'d>);

impl<'d> BinaryToken<'d> {
    /// Wraps a token element.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// Returns the element of the token.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the `ValueType`.
    pub fn value_type(self) -> Option<ValueType<'d>> {
        attribute(self.0, "ValueType").map(ValueType)
    }

    /// Returns the kind of the token according to its ValueType.
    pub fn kind(self) -> TokenKind {
        self.value_type()
            .map_or(TokenKind::Other, |value_type| value_type.kind())
    }

    /// Returns the octets, if the text is base64.
    pub fn octets(self) -> Option<Vec<u8>> {
        base64_octets(&self.0.octets())
    }

    /// Returns the user in a JSON Web Token. The text is the token, or base64 of it.
    pub fn jwt_user(self) -> Option<String> {
        if self.kind() != TokenKind::Jwt {
            return None;
        }
        let [_, claims] = jwt(&self.0.text())?;
        let names = ["upn", "preferred_username", "unique_name"];
        let mut users = names.iter().filter_map(|name| claims.get(name)?.as_str());
        users.next().map(str::to_owned)
    }
}

/// Returns the header and the claims of a JSON Web Token, which may itself be in base64.
pub fn jwt(text: &str) -> Option<[serde_json::Value; 2]> {
    let text = match text.contains('.') {
        true => Cow::Borrowed(text),
        false => Cow::Owned(String::from_utf8(base64_octets(text.as_bytes())?).ok()?),
    };
    let parts: Vec<&str> = text.trim().split('.').collect();
    let [header, claims, _signature] = parts[..] else {
        return None;
    };
    let decoded = |part: &str| {
        let octets = URL_SAFE_LENIENT.decode(part).ok()?;
        serde_json::from_slice(&octets).ok()
    };
    Some([decoded(header)?, decoded(claims)?])
}

/// Decodes base64, with or without white space and padding.
pub fn base64_octets(text: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if packed.is_empty() {
        return None;
    }
    LENIENT.decode(packed).ok()
}

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
/// Base64 with or without its padding.
pub(crate) const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE_LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_type_is_known_by_its_fragment_or_last_segment() {
        let check = |written: &'static str, expected: TokenKind| {
            assert_eq!(ValueType(written.into()).kind(), expected, "{written}");
        };
        let wstep = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10";
        check(wstep, TokenKind::Pkcs10);
        check("http://docs.oasis-open.org/a/b.xsd#PKCS7", TokenKind::Pkcs7);
        let user = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken";
        check(user, TokenKind::UserToken);
        let document = " http://schemas.microsoft.com/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc ";
        check(document, TokenKind::ProvisionDoc);
        check("urn:ietf:params:oauth:token-type:jwt", TokenKind::Jwt);
        check("http://example.com/other", TokenKind::Other);
        check("", TokenKind::Other);
    }

    #[test]
    fn base64_is_read_with_white_space_and_without_padding() {
        assert_eq!(
            base64_octets(b" aGVs\r\n\tbG8 \n").as_deref(),
            Some(&b"hello"[..])
        );
        assert_eq!(base64_octets(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64_octets(b"a*b*"), None);
        assert_eq!(base64_octets(b" "), None);
    }
}
