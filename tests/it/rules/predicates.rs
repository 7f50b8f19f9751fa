//! Elements selected by their attributes, and SOAP messages by their Action and their fault.

use dmtap::dm::Provisioning;
use dmtap::markup::{Document, Limits};
use dmtap::rules::{Stage, Verdict};

use super::support::{Talk, book, decode, drawn, wbxml};

const PROVISIONING: &str = include_str!("../../data/enrollment/provisioning.xml");
const DISCOVER: &str = include_str!("../../data/enrollment/discover.xml");
const DISCOVERED: &str = include_str!("../../data/enrollment/discover-response.xml");
const POLICIES: &str = include_str!("../../data/enrollment/policies.xml");
const ISSUE: &str = include_str!("../../data/enrollment/request-issue.xml");
const GRANTED: &str = include_str!("../../data/enrollment/response.xml");
const CAP: &str = include_str!("../../data/enrollment/fault-device-cap.xml");
const LOWER_CASE: &str = include_str!("../../data/enrollment/fault-lower-case.xml");
const OLD_FAULT: &str = include_str!("../../data/enrollment/fault-soap-1.1.xml");

fn decide(stage: Stage, matcher: &str, step: &str, document: &Document) -> Verdict {
    let (stage_name, rules) = (stage.name(), "[[rule]]\nname = \"r\"\n");
    let rules = format!("{rules}stage = \"{stage_name}\"\n{matcher}\nstep = {step}\n");
    Talk::new(1, "urn:device").decide(&book(&rules), stage, document)
}

fn acts(stage: Stage, matcher: &str, text: &str) -> bool {
    let matcher = format!("match = {{ {matcher} }}");
    let verdict = decide(stage, &matcher, "{ answer = 503 }", &decode(text));
    verdict.answer.is_some()
}

/// The step makes `after` of `before` in the provisioning document, and nothing else; in WBXML too.
fn edits(step: &str, before: &str, after: &str) {
    assert_eq!(PROVISIONING.matches(before).count(), 1, "{before}");
    let document = decode(PROVISIONING);
    let verdict = decide(Stage::Response, "", step, &document);
    let sent = verdict
        .body
        .unwrap_or_else(|| panic!("{step}: {:?}", verdict.applied));
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    assert_eq!(sent, PROVISIONING.replace(before, after), "{step}");
    let verdict = decide(Stage::Response, "", step, &wbxml(&document));
    let sent = verdict.document.expect(step);
    assert!(sent.is_wbxml());
    let values = |document: &Document| {
        let values = document.elements().filter_map(|e| {
            let name = e.attribute("name")?.value().into_owned();
            Some((name, e.attribute("value").map(|v| v.value().into_owned())))
        });
        values.collect::<Vec<_>>()
    };
    let expected = decode(&PROVISIONING.replace(before, after));
    assert_eq!(values(&sent), values(&expected), "{step}");
}

#[test]
fn steps_act_on_the_elements_with_an_attribute() {
    let account = "/wap-provisioningdoc/characteristic[@type='APPLICATION']";
    for quoted in ["\"…/parm[@name='ADDR']\"", "'…/parm[@name=\"ADDR\"]'"] {
        let at = quoted.replace("…", account);
        let at = match at.starts_with('\'') {
            true => at.replace("'APPLICATION'", "\"APPLICATION\""),
            false => at,
        };
        edits(
            &format!("{{ set-attribute = 'value', value = 'https://a.example/', at = {at} }}"),
            "https://mdm.contoso.example:443/dm?id=7&amp;mode=a",
            "https://a.example/",
        );
    }
    edits(
        &format!("{{ remove = true, at = \"{account}/parm[@name='CRLCheck']\" }}"),
        "<parm name=\"CRLCheck\" value=\"0\"/>",
        "",
    );
    edits(
        &format!(
            "{{ set-attribute = 'value', value = 'n', at = \"{account}/characteristic[@type='APPAUTH'][2]/parm[@name='AAUTHSECRET']\" }}"
        ),
        "client-secret-52",
        "n",
    );
    edits(
        &format!(
            "{{ set-attribute = 'value', value = 'x', at = \"{account}/parm[3][@name='NAME']\" }}"
        ),
        "name=\"NAME\" value=\"Contoso\"",
        "name=\"NAME\" value=\"x\"",
    );
    // The second parm is another one, and the value has a case.
    for nowhere in [
        "parm[2][@name='NAME']",
        "parm[@name='addr']",
        "parm[@name]/x",
    ] {
        let step =
            format!("{{ set-attribute = 'value', value = 'x', at = \"{account}/{nowhere}\" }}");
        let verdict = decide(Stage::Response, "", &step, &decode(PROVISIONING));
        assert!(verdict.body.is_none(), "{nowhere}");
        assert_eq!(
            verdict.applied[0].changes[0].step, "not applied",
            "{nowhere}"
        );
    }
}

#[test]
fn the_account_inside_the_response_of_enrollment_is_changed_by_name() {
    let token = "Body/RequestSecurityTokenResponseCollection/RequestSecurityTokenResponse/RequestedSecurityToken/\
                 BinarySecurityToken!/wap-provisioningdoc/characteristic[@type='APPLICATION']/parm[@name='ADDR']";
    let matcher = format!(
        "match = {{ where = {{ at = \"{token}/@value\", contains = 'mdm.contoso.example' }} }}"
    );
    let step = format!(
        "{{ set-attribute = 'value', value = 'https://a.example/dm', at = \"/Envelope/{token}\" }}"
    );
    let verdict = decide(Stage::Response, &matcher, &step, &decode(GRANTED));
    let sent = verdict.document.expect("it is changed");
    let holder = sent
        .elements()
        .find(|e| e.local() == "BinarySecurityToken")
        .unwrap();
    let inside = holder.embedded(&Limits::default()).unwrap();
    let provisioning = Provisioning::of(inside.document()).unwrap();
    let account = provisioning.accounts().next().unwrap();
    assert_eq!(account.address().as_deref(), Some("https://a.example/dm"));
    // Another value is none of it.
    let other = matcher.replace("mdm.contoso.example", "elsewhere");
    let verdict = decide(Stage::Response, &other, &step, &decode(GRANTED));
    assert!(verdict.body.is_none());
}

#[test]
fn an_attribute_is_found_with_its_prefix_and_without() {
    let place = |name: &str| {
        format!("has = \"Header/Security/UsernameToken/Password[@{name}]\", method = 'POST'")
    };
    let bare = ISSUE.replace("wsse:Type=", "Type=");
    for (name, prefixed, without) in [
        ("Type", true, true),
        ("wsse:Type", true, false),
        ("type", false, false),
    ] {
        assert_eq!(
            acts(Stage::Request, &place(name), ISSUE),
            prefixed,
            "{name}"
        );
        assert_eq!(acts(Stage::Request, &place(name), &bare), without, "{name}");
    }
}

#[test]
fn a_soap_message_is_found_by_its_action() {
    let check = |stage: Stage, pattern: &str, expected: &[&str]| {
        let messages = match stage {
            Stage::Request => [
                ("discover", DISCOVER),
                ("policies", POLICIES),
                ("issue", ISSUE),
            ],
            _ => [
                ("discover", DISCOVERED),
                ("granted", GRANTED),
                ("fault", CAP),
            ],
        };
        let found = messages
            .into_iter()
            .filter(|(_, text)| acts(stage, &format!("soap-action = \"{pattern}\""), text));
        let found: Vec<_> = found.map(|(name, _)| name).collect();
        assert_eq!(found, expected, "{pattern}");
    };
    check(Stage::Request, "Discover", &["discover"]);
    check(
        Stage::Request,
        "*/IDiscoveryService/Discover",
        &["discover"],
    );
    check(Stage::Request, "GetPolicies", &["policies"]);
    check(Stage::Request, "rst/wstep", &["issue"]);
    check(Stage::Request, "*RST/wstep", &["issue"]);
    check(
        Stage::Request,
        "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep",
        &["issue"],
    );
    check(Stage::Request, "*", &["discover", "policies", "issue"]);
    check(Stage::Request, "wstep", &[]);
    check(Stage::Response, "DiscoverResponse", &["discover"]);
    check(Stage::Response, "Discover", &[]);
    check(Stage::Response, "RSTRC/*", &["granted", "fault"]);
    assert!(!acts(Stage::Request, "soap-action = '*'", PROVISIONING));
    assert!(acts(
        Stage::Request,
        "not = { soap-action = '*' }",
        PROVISIONING
    ));
}

#[test]
fn a_fault_is_found_by_each_of_its_codes() {
    let check = |pattern: &str, expected: [bool; 4]| {
        let found = [CAP, LOWER_CASE, OLD_FAULT, GRANTED].map(|text| {
            acts(
                Stage::Response,
                &format!("soap-fault = \"{pattern}\""),
                text,
            )
        });
        assert_eq!(found, expected, "{pattern}");
    };
    check("*", [true, true, true, false]);
    check("DeviceCapReached", [true, false, false, false]);
    check("Authorization", [true, false, false, false]);
    check("s:Authorization", [true, false, false, false]);
    check("any:Receiver", [true, true, false, false]);
    check("reached", [false; 4]);
}

#[test]
fn what_can_never_match_is_a_warning() {
    let check = |stage: &str, matcher: &str, expected: &str| {
        let file = format!(
            "[[rule]]\nname = \"r\"\nstage = \"{stage}\"\nmatch = {{ {matcher} }}\nstep = {{ answer = 503 }}\n"
        );
        let rules = dmtap::rules::load::parse("test.toml", &file);
        let rules = rules.unwrap_or_else(|_| panic!("{}", drawn(&file)));
        let warnings = rules[0].warnings.iter();
        let warnings: Vec<_> = warnings
            .map(|warning| format!("{}, {}", warning.title(), warning.helps().concat()))
            .collect();
        match expected {
            "" => assert_eq!(warnings, [""; 0], "{matcher}"),
            _ => assert!(
                warnings.concat().contains(expected),
                "{matcher}: {warnings:?}"
            ),
        }
    };
    check("request", "command = ['Get', 'Status']", "");
    check("response", "command = 'Get'", "");
    check("request", "not = { command = 'Get' }", "");
    check(
        "request",
        "command = 'Exec'",
        "write command = \"Status\", answers = \"Exec\" for the answer to it",
    );
    check("request", "command = ['Add', 'Delete']", "only the server");
    check("response", "command = 'Results'", "only the device sends");
    check("request", "soap-action = 'Discover'", "");
    check("request", "soap-action = ['*/GetPolicies', 'RST/*']", "");
    check(
        "request",
        "soap-action = 'DiscoverResponse'",
        "no request of enrollment has the Action `DiscoverResponse`",
    );
    check(
        "response",
        "soap-action = 'RST/wstep'",
        "write `DiscoverResponse`, `GetPoliciesResponse`, `RSTRC/wstep`",
    );
    check("response", "soap-fault = 'DeviceCapReached'", "");
    check("response", "soap-fault = 's:Receiver'", "");
    check(
        "response",
        "soap-fault = 'DeviceCapReach'",
        "did you mean `DeviceCapReached`?",
    );
    check(
        "response",
        "soap-fault = 'Teapot'",
        "no fault of enrollment has the code `Teapot`",
    );
    check(
        "response",
        "has = \"characteristic/parm[@nme='ADDR']\"",
        "no `parm` has an attribute `nme`",
    );
    check(
        "response",
        "has = \"characteristic[@type='x']/parm[@name='ADDR']\"",
        "",
    );
    check(
        "response",
        "command = 'Replace', where = { at = \"Item[@x]/Data\", equals = '1' }",
        "no `Item` has an attribute `x`",
    );
    let file = "[[rule]]\nname = \"r\"\nstage = \"response\"\n\
                step = { remove = true, at = \"characteristic/parm[@nam='ADDR']\" }\n";
    let rules = dmtap::rules::load::parse("test.toml", file).unwrap();
    assert_eq!(rules[0].warnings.len(), 1);
}
