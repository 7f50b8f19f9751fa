//! The actions of enrollment (MS-MDE2 §3.1.4, MS-XCEP §3.1.4.1, MS-WSTEP §3.1.4.1).

use super::Envelope;
use crate::dm::enrollment::EnrollmentMessage;

/// The action of the discovery request.
pub const DISCOVER: &str =
    "http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover";
/// The action of the discovery response.
pub const DISCOVER_RESPONSE: &str = "http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/DiscoverResponse";
/// The action of the request for the policies.
pub const GET_POLICIES: &str =
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies";
/// The action of the response with the policies.
pub const GET_POLICIES_RESPONSE: &str =
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPoliciesResponse";
/// The action of a RequestSecurityToken.
pub const RST: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep";
/// The action of its response, a RequestSecurityTokenResponseCollection.
pub const RSTRC: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep";

/// The actions of requests, in the order of [`RESPONSES`].
pub const REQUESTS: [&str; 3] = [DISCOVER, GET_POLICIES, RST];
/// The actions of responses, which faults also have.
pub const RESPONSES: [&str; 3] = [DISCOVER_RESPONSE, GET_POLICIES_RESPONSE, RSTRC];

/// Returns the action for the answer to this request, or for a replacement of this response. The answer to an unknown
/// message gets the action for a RequestSecurityToken.
pub fn of_response(envelope: Envelope<'_>) -> &'static str {
    match EnrollmentMessage::of(envelope) {
        Some(EnrollmentMessage::Discover(_) | EnrollmentMessage::DiscoverResponse(_)) => {
            DISCOVER_RESPONSE
        }
        Some(EnrollmentMessage::GetPolicies | EnrollmentMessage::GetPoliciesResponse(_)) => {
            GET_POLICIES_RESPONSE
        }
        Some(EnrollmentMessage::Request(_) | EnrollmentMessage::Response(_)) => RSTRC,
        None => {
            let action = envelope.action().unwrap_or_default();
            let named = REQUESTS.into_iter().zip(RESPONSES);
            let mut named =
                named.filter(|(request, response)| [request, response].contains(&&&*action));
            named.next().map_or(RSTRC, |(_, response)| response)
        }
    }
}
