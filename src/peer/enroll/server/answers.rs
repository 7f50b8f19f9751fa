//! The server's messages, made from templates: other programs depend on the exact bytes of enrollment messages.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::soap::{
    ADDRESSING, BASE64_BINARY, DISCOVERY, ENVELOPE_11, ENVELOPE_12, POLICY, PROVISION_DOC,
    TOKEN_TYPE, WSSE, WST, WSTEP, WSU, action, escape,
};
use super::{ENROLLMENT_PATH, POLICY_PATH};
use crate::dm::Envelope;
use crate::dm::soap::SoapVersion;

/// A refusal of the server.
#[derive(Debug)]
pub(super) struct Fault {
    code: &'static str,
    subcode: &'static str,
    reason: String,
}

impl Fault {
    /// Makes a fault of MS-MDE2 §2.2.9: the server cannot fulfil the request.
    pub(super) fn of(subcode: &'static str, reason: String) -> Self {
        Self {
            code: "s:Receiver",
            subcode,
            reason,
        }
    }

    /// Makes a fault of the sender, as in WCF.
    pub(super) fn sender(subcode: &'static str, reason: String) -> Self {
        Self {
            code: "s:Sender",
            ..Self::of(subcode, reason)
        }
    }
}

/// Makes a DiscoverResponse.
pub(super) fn discovered(
    asked: Envelope<'_>,
    origin: &str,
    is_federated: bool,
    version: &str,
) -> String {
    let origin = escape(origin);
    let policy = if is_federated {
        "Federated"
    } else {
        "OnPremise"
    };
    let sign_in = match is_federated {
        true => format!(
            "<AuthenticationServiceUrl>{origin}/EnrollmentServer/SignIn.aspx</AuthenticationServiceUrl>"
        ),
        false => "<AuthenticationServiceUrl i:nil=\"true\" \
                  xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"/>"
            .into(),
    };
    let body = format!(
        "<DiscoverResponse xmlns=\"{DISCOVERY}\"><DiscoverResult><AuthPolicy>{policy}</AuthPolicy>\
         <EnrollmentVersion>{version}</EnrollmentVersion>\
         <EnrollmentPolicyServiceUrl>{origin}{POLICY_PATH}</EnrollmentPolicyServiceUrl>\
         <EnrollmentServiceUrl>{origin}{ENROLLMENT_PATH}</EnrollmentServiceUrl>{sign_in}\
         </DiscoverResult></DiscoverResponse>"
    );
    envelope(asked, action::DISCOVER_RESPONSE, "", &body)
}

/// Makes a GetPoliciesResponse: RSA with 2048 bits, and SHA-256.
pub(super) fn policies(asked: Envelope<'_>, origin: &str) -> String {
    let origin = escape(origin);
    let body = format!(
        "<GetPoliciesResponse xmlns=\"{POLICY}\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><response>\
         <policyID/><policyFriendlyName i:nil=\"true\"/><nextUpdateHours i:nil=\"true\"/>\
         <policiesNotChanged i:nil=\"true\"/><policies><policy><policyOIDReference>0</policyOIDReference>\
         <cAs i:nil=\"true\"/><attributes><commonName>CEPUnitTest</commonName><policySchema>3</policySchema>\
         <certificateValidity><validityPeriodSeconds>31536000</validityPeriodSeconds>\
         <renewalPeriodSeconds>3628800</renewalPeriodSeconds></certificateValidity>\
         <permission><enroll>true</enroll><autoEnroll>false</autoEnroll></permission>\
         <privateKeyAttributes><minimalKeyLength>2048</minimalKeyLength><keySpec i:nil=\"true\"/>\
         <keyUsageProperty i:nil=\"true\"/><permissions i:nil=\"true\"/><algorithmOIDReference i:nil=\"true\"/>\
         <cryptoProviders i:nil=\"true\"/></privateKeyAttributes>\
         <revision><majorRevision>101</majorRevision><minorRevision>0</minorRevision></revision>\
         <supersededPolicies i:nil=\"true\"/><privateKeyFlags i:nil=\"true\"/><subjectNameFlags i:nil=\"true\"/>\
         <enrollmentFlags i:nil=\"true\"/><generalFlags i:nil=\"true\"/>\
         <hashAlgorithmOIDReference>0</hashAlgorithmOIDReference><rARequirements i:nil=\"true\"/>\
         <keyArchivalAttributes i:nil=\"true\"/><extensions i:nil=\"true\"/></attributes></policy></policies>\
         </response><cAs><cA><uris><cAURI><clientAuthentication>2</clientAuthentication>\
         <uri>{origin}{ENROLLMENT_PATH}</uri><priority>1</priority><renewalOnly>false</renewalOnly></cAURI></uris>\
         <enrollPermission>true</enrollPermission><cAReferenceID>0</cAReferenceID></cA></cAs>\
         <oIDs><oID><value>2.16.840.1.101.3.4.2.1</value><group>1</group><oIDReferenceID>0</oIDReferenceID>\
         <defaultName>szOID_NIST_sha256</defaultName></oID></oIDs></GetPoliciesResponse>"
    );
    envelope(asked, action::GET_POLICIES_RESPONSE, "", &body)
}

/// Makes a RequestSecurityTokenResponseCollection with the provisioning document.
pub(super) fn granted(asked: Envelope<'_>, document: &str, now: Duration) -> String {
    let time = |at: Duration| {
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_string()
    };
    let (created, expires) = (time(now), time(now + TIMESTAMP_VALID));
    let security = format!(
        "<o:Security s:mustUnderstand=\"1\" xmlns:o=\"{WSSE}\"><u:Timestamp xmlns:u=\"{WSU}\" u:Id=\"_0\">\
         <u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp></o:Security>"
    );
    let token = STANDARD.encode(document);
    let body = format!(
        "<RequestSecurityTokenResponseCollection xmlns=\"{WST}\"><RequestSecurityTokenResponse>\
         <TokenType>{TOKEN_TYPE}</TokenType><DispositionMessage xmlns=\"{WSTEP}\"/><RequestedSecurityToken>\
         <BinarySecurityToken ValueType=\"{PROVISION_DOC}\" EncodingType=\"{BASE64_BINARY}\" xmlns=\"{WSSE}\">\
         {token}</BinarySecurityToken></RequestedSecurityToken><RequestID xmlns=\"{WSTEP}\">0</RequestID>\
         </RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
    );
    envelope(asked, action::RSTRC, &security, &body)
}

/// Makes a fault, with the action that Windows expects.
pub(super) fn fault(asked: Envelope<'_>, fault: &Fault) -> String {
    let Fault {
        code,
        subcode,
        reason,
    } = fault;
    let reason = escape(reason);
    let body = format!(
        "<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-us\">{reason}</s:Text></s:Reason></s:Fault>"
    );
    envelope(asked, action::RSTRC, "", &body)
}

fn envelope(asked: Envelope<'_>, action: &str, header: &str, body: &str) -> String {
    let namespace = match asked.version() {
        Some(SoapVersion::V1_1) => ENVELOPE_11,
        _ => ENVELOPE_12,
    };
    let relates = escape(asked.message_id().unwrap_or_default());
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\" xmlns:a=\"{ADDRESSING}\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{action}</a:Action><a:RelatesTo>{relates}</a:RelatesTo>{header}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The validity of an answer's timestamp.
const TIMESTAMP_VALID: Duration = Duration::from_secs(5 * 60);
