//! Views on SOAP, enrollment and provisioning.

use dmtap::dm::enrollment::RequestType;
use dmtap::dm::soap::{SoapVersion, action_name};
use dmtap::dm::token::TokenKind;
use dmtap::dm::{CertificateRequest, Dialect, EnrollmentMessage, Envelope, Hresult, Provisioning};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};

use super::document;

fn envelope(document: &Document) -> Envelope<'_> {
    assert_eq!(Dialect::of(document), Dialect::Soap);
    Envelope::of(document).unwrap()
}

fn message(document: &Document) -> EnrollmentMessage<'_> {
    EnrollmentMessage::of(envelope(document)).unwrap()
}

macro_rules! view {
    ($name:literal, $kind:ident, $document:ident) => {{
        $document = document($name);
        let EnrollmentMessage::$kind(view) = message(&$document) else {
            panic!("{} is another message", $name);
        };
        view
    }};
}

#[test]
fn a_header_says_which_message_it_is_and_for_whom() {
    let document = document("request-issue.xml");
    let envelope = envelope(&document);
    assert_eq!(envelope.version(), Some(SoapVersion::V1_2));
    assert_eq!(action_name(&envelope.action().unwrap()), "RST/wstep");
    assert_eq!(
        envelope.to().as_deref(),
        Some("https://mdm.contoso.example/wstep")
    );
    let id = "urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749";
    assert_eq!(envelope.message_id().as_deref(), Some(id));
    let security = envelope.security().unwrap();
    assert_eq!(security.authentication(), Some("UsernameToken"));
    assert_eq!(security.username().as_deref(), Some("anna@contoso.example"));
    assert!(envelope.fault().is_none());
}

#[test]
fn an_answer_may_be_soap_1_1() {
    let document = document("response.xml");
    let envelope = envelope(&document);
    assert_eq!(envelope.version(), Some(SoapVersion::V1_1));
    assert!(envelope.security().is_none());
    let id = "urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749";
    assert_eq!(envelope.relates_to().as_deref(), Some(id));
}

#[test]
fn the_kind_of_authentication_is_that_of_the_token() {
    let check = |name: &str, expected: Option<&str>| {
        let document = document(name);
        let security = envelope(&document).security();
        let found = security.and_then(|security| security.authentication());
        assert_eq!(found, expected, "{name}");
    };
    check("request-entra.xml", Some("JWT"));
    check("request-renew.xml", None);
    check("policies.xml", Some("UsernameToken"));
}

#[test]
fn discovery_is_read() {
    let document;
    let discover = view!("discover.xml", Discover, document);
    assert_eq!(
        discover.field("EmailAddress").as_deref(),
        Some("anna@contoso.example")
    );
    assert_eq!(discover.field("RequestVersion").as_deref(), Some("5.0"));
    assert_eq!(
        discover.field("DeviceType").as_deref(),
        Some("CIMClient_Windows")
    );
    assert_eq!(
        discover.field("ApplicationVersion").as_deref(),
        Some("10.0.22631.1")
    );
    assert_eq!(discover.field("OSEdition").as_deref(), Some("48"));
    let policies: Vec<_> = discover.auth_policies().collect();
    assert_eq!(policies, ["OnPremise", "Federated"]);
}

#[test]
fn addresses_of_discovery_are_found_without_those_that_are_nil() {
    let document;
    let response = view!("discover-response.xml", DiscoverResponse, document);
    assert_eq!(response.auth_policy().as_deref(), Some("OnPremise"));
    assert_eq!(response.enrollment_version().as_deref(), Some("5.0"));
    let urls = response
        .urls()
        .map(|url| (url.local(), url.text().trim().to_owned()));
    let expected = [
        (
            "EnrollmentPolicyServiceUrl",
            "https://mdm.contoso.example/xcep?hwid=1",
        ),
        ("EnrollmentServiceUrl", "https://mdm.contoso.example/wstep"),
        ("GatewayService", "https://gw.contoso.example/gateway"),
    ];
    let expected = expected.map(|(name, url)| (name, url.to_owned()));
    assert_eq!(urls.collect::<Vec<_>>(), expected);
}

#[test]
fn policies_are_read() {
    let document;
    let response = view!("policies-response.xml", GetPoliciesResponse, document);
    assert_eq!(response.policy_schema().as_deref(), Some("3"));
    assert_eq!(response.minimal_key_length().as_deref(), Some("2048"));
    assert_eq!(response.crypto_providers().count(), 2);
    assert_eq!(response.period("validityPeriodSeconds"), Some(31_536_000));
    assert_eq!(response.period("renewalPeriodSeconds"), Some(3_628_800));
    let sha256 = "2.16.840.1.101.3.4.2.1";
    assert_eq!(response.hash_algorithm().as_deref(), Some(sha256));
    let urls: Vec<_> = response.urls().map(|url| url.text()).collect();
    assert_eq!(urls, ["https://mdm.contoso.example/pki/ca.pem"]);
}

#[test]
fn a_request_has_its_type_its_token_and_an_open_list_of_items() {
    let document;
    let request = view!("request-issue.xml", Request, document);
    assert_eq!(request.request_type(), Some(RequestType::Issue));
    let token = request.token().unwrap();
    assert_eq!(token.kind(), TokenKind::Pkcs10);
    assert!(CertificateRequest::read(&token.octets().unwrap()).is_some());
    assert_eq!(request.context_items().count(), 15);
    let addresses = request.context_items().filter(|item| {
        item.name()
            .is_some_and(|name| name.eq_ignore_ascii_case("mac"))
    });
    assert_eq!(addresses.count(), 2);
    assert_eq!(request.context("EnrollmentType").as_deref(), Some("Full"));
    assert_eq!(request.context("Nothing"), None);
}

#[test]
fn a_renewal_and_a_recovery_are_known_by_the_last_segment() {
    let document;
    let request = view!("request-renew.xml", Request, document);
    assert_eq!(request.request_type(), Some(RequestType::Renew));
    assert_eq!(request.token().unwrap().kind(), TokenKind::Pkcs7);
    let source = String::from_utf8(super::data("request-renew.xml")).unwrap();
    let source = source.replace("200512/Renew", "200512/Recovery");
    let document = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
    let EnrollmentMessage::Request(request) = message(&document) else {
        panic!("it is no request");
    };
    assert_eq!(request.request_type(), Some(RequestType::Recovery));
}

#[test]
fn the_provisioning_document_of_a_response_is_read_from_its_base64() {
    let document;
    let response = view!("response.xml", Response, document);
    assert_eq!(response.token().unwrap().kind(), TokenKind::ProvisionDoc);
    assert_eq!(response.request_id().as_deref(), Some("0"));
    let embedded = response.provisioning(&Limits::default()).unwrap();
    check_provisioning(Provisioning::of(embedded.document()).unwrap());
}

#[test]
fn a_provisioning_document_is_read_in_xml_and_in_wbxml() {
    let xml = document("provisioning.xml");
    assert_eq!(Dialect::of(&xml), Dialect::Provisioning);
    check_provisioning(Provisioning::of(&xml).unwrap());
    let wbxml = encode(&xml, &WbxmlOptions::default()).unwrap();
    let wbxml = decode(wbxml.into(), Hint::default(), &Limits::default()).unwrap();
    assert!(wbxml.is_wbxml());
    check_provisioning(Provisioning::of(&wbxml).unwrap());
}

fn check_provisioning(document: Provisioning<'_>) {
    // Two characteristics of one type at the top are read as one.
    let stores: Vec<_> = document.certificates().collect();
    assert_eq!(stores.len(), 2);
    assert_eq!((stores[0].store(), stores[0].scope()), ("Root", "System"));
    assert_eq!((stores[1].store(), stores[1].scope()), ("My", "User"));
    assert!(stores[1].is_own());
    for stored in &stores {
        let certificate = stored.certificate().unwrap();
        assert_eq!(
            stored.thumbprint().as_deref(),
            Some(&*certificate.thumbprint)
        );
    }
    let renewal = document.renewal().unwrap();
    assert_eq!(renewal.value("RenewPeriod").as_deref(), Some("42"));
    assert_eq!(renewal.value("RetryInterval").as_deref(), Some("7"));
    let url = "https://mdm.contoso.example/wstep";
    assert_eq!(renewal.value("ServerURL").as_deref(), Some(url));

    let accounts: Vec<_> = document.accounts().collect();
    assert_eq!(accounts.len(), 1);
    let account = accounts[0];
    assert_eq!(account.provider_id().as_deref(), Some("Contoso MDM"));
    let address = "https://mdm.contoso.example:443/dm?id=7&mode=a";
    assert_eq!(account.address().as_deref(), Some(address));
    let criteria = "Subject=CN%3Ddevice-0001%2COU%3DContoso%20MDM&Stores=My%5CUser";
    assert_eq!(account.search_criteria().as_deref(), Some(criteria));
    assert_eq!(account.value("CRLCheck").as_deref(), Some("0"));
    let marker = document.at(&["APPLICATION"])[0].parm("BACKCOMPATRETRYDISABLED");
    assert_eq!(marker.unwrap().value(), None);
    let auths = account.auths().map(|auth| {
        let level = auth.value("AAUTHLEVEL").unwrap().into_owned();
        let secret = auth.value("AAUTHSECRET").unwrap().into_owned();
        (level, secret, auth.value("AAUTHDATA").is_some())
    });
    let expected = [
        ("CLIENT".into(), "server-secret-51".into(), true),
        ("APPSRV".into(), "client-secret-52".into(), true),
    ];
    assert_eq!(auths.collect::<Vec<_>>(), expected);

    let provider = document.providers().next().unwrap();
    assert_eq!(provider.type_name(), account.provider_id());
    assert_eq!(
        provider.value("UPN").as_deref(),
        Some("anna@contoso.example")
    );
}

#[test]
fn a_bootstrap_keeps_its_address_in_appaddr() {
    let source = "<wap-provisioningdoc version=\"1.1\"><characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w7\"/>\
        <characteristic type=\"APPADDR\"><parm name=\"ADDR\" value=\"https://dm.example/x\"/><parm name=\"ADDRTYPE\" value=\"URI\"/>\
        <characteristic type=\"PORT\"><parm name=\"PORTNBR\" value=\"8443\"/></characteristic></characteristic></characteristic>\
        <characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w4\"/></characteristic></wap-provisioningdoc>";
    let xml = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
    let wbxml = encode(&xml, &WbxmlOptions::default()).unwrap();
    let wbxml = decode(wbxml.into(), Hint::default(), &Limits::default()).unwrap();
    for document in [&xml, &wbxml] {
        let provisioning = Provisioning::of(document).unwrap();
        let accounts: Vec<_> = provisioning.accounts().collect();
        assert_eq!(accounts.len(), 1);
        let address = accounts[0].address();
        assert_eq!(address.as_deref(), Some("https://dm.example/x"));
        assert_eq!(accounts[0].port().as_deref(), Some("8443"));
    }
}

#[test]
fn a_fault_has_code_subcode_reason_and_detail() {
    let document = document("fault-device-cap.xml");
    let fault = envelope(&document).fault().unwrap();
    assert_eq!(fault.code().as_deref(), Some("s:Receiver"));
    assert_eq!(fault.subcode().as_deref(), Some("s:Authorization"));
    assert_eq!(fault.reason().as_deref(), Some("too many devices"));
    assert_eq!(fault.error_type().as_deref(), Some("DeviceCapReached"));
    assert_eq!(fault.trace_id().as_deref(), Some("trace-0815"));
    let message = fault.detail_message();
    assert_eq!(message.as_deref(), Some("the user has 15 devices"));
    // The ErrorType says more than the subcode.
    assert_eq!(Hresult::of_fault(fault), Some(Hresult(0x8018_0013)));
}

#[test]
fn a_fault_in_lower_case_or_in_soap_1_1_is_one_too() {
    let lower = document("fault-lower-case.xml");
    let fault = envelope(&lower).fault().unwrap();
    assert_eq!(fault.subcode().as_deref(), Some("s:enrollmentserver"));
    let reason = "the request is not valid: EnrollmentType <nil>";
    assert_eq!(fault.reason().as_deref(), Some(reason));
    assert_eq!(Hresult::of_fault(fault), Some(Hresult(0x8018_0005)));

    let old = document("fault-soap-1.1.xml");
    let fault = envelope(&old).fault().unwrap();
    assert_eq!(fault.code().as_deref(), Some("soap:InvalidSecurity"));
    assert_eq!(fault.reason().as_deref(), Some("the header cannot be read"));
    assert_eq!(Hresult::of_fault(fault), Some(Hresult(0x8018_0007)));
}

#[test]
fn everything_may_be_missing() {
    let envelope = "<Envelope><Body>X</Body></Envelope>";
    for (inside, name) in [
        ("<Discover/>", "Discover"),
        ("<DiscoverResponse/>", "DiscoverResponse"),
        ("<GetPolicies/>", "GetPolicies"),
        ("<GetPoliciesResponse/>", "GetPoliciesResponse"),
        ("<RequestSecurityToken/>", "RequestSecurityToken"),
        (
            "<RequestSecurityTokenResponse/>",
            "RequestSecurityTokenResponseCollection",
        ),
    ] {
        let source = envelope.replace('X', inside);
        let document = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
        let message = message(&document);
        assert_eq!(message.name(), name);
        match message {
            EnrollmentMessage::Request(request) => {
                assert!(request.token().is_none() && request.request_type().is_none());
            }
            EnrollmentMessage::Response(response) => {
                assert!(response.provisioning(&Limits::default()).is_none());
            }
            EnrollmentMessage::GetPoliciesResponse(response) => {
                assert!(response.hash_algorithm().is_none() && response.urls().next().is_none());
            }
            _ => {}
        }
    }
    let empty = decode("<Envelope/>".into(), Hint::default(), &Limits::default()).unwrap();
    let envelope = Envelope::of(&empty).unwrap();
    assert!(envelope.content().is_none() && envelope.fault().is_none());
}
