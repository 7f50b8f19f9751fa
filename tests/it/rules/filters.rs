//! `-H` and `-B` with a filter: the filter is evaluated on the current message.

use dmtap::flow::Side;
use dmtap::markup::Document;
use dmtap::rules::load::inline_rule::{modify_body, modify_headers};
use dmtap::rules::{ErrorStyle, RuleSet, Stage};
use http::HeaderValue;

use super::support::{Talk, decode, message, on, status, wbxml};

const COLOUR: &str = "./Device/Vendor/MSFT/DMTap/Colour";

fn rules(argument: &str) -> RuleSet {
    let rules = modify_headers(argument).unwrap_or_else(|errors| {
        panic!("{}", errors.render(ErrorStyle::Plain));
    });
    RuleSet::from_rules(rules).unwrap()
}

/// The server has asked for a Replace of one node and a Get of another, in message 1.
fn talk() -> Talk {
    let commands = on("Replace", 5, COLOUR) + &on("Get", 6, "./DevDetail/SwV");
    let mut talk = Talk::new(3, "urn:uuid:7").said(Side::Server, &message(1, &commands));
    let headers = &mut talk.request.headers;
    headers.insert("user-agent", HeaderValue::from_static("MSFT OMA DM Client"));
    talk
}

/// Two answers of the device: 404 with Windows' error for the Replace, and Results for the Get.
fn answers() -> Document {
    let failed = status(1, 1, 5, "Replace", 404).replace(
        "<Data>",
        "<Data xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\" \
         msft:originalerror=\"0x86000002\">",
    );
    let results = "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>6</CmdRef><Item><Source>\
         <LocURI>./DevDetail/SwV</LocURI></Source><Meta><Type xmlns=\"syncml:metinf\">text/plain</Type>\
         </Meta><Data>10.0.1</Data></Item></Results>";
    message(2, &(failed + &status(2, 1, 6, "Get", 200) + results))
}

/// Whether the filter is true of what the device answers, in XML and in WBXML.
fn check(filter: &str, expected: bool) {
    let rules = rules(&format!("%{filter}%X-Found%yes"));
    for body in [answers(), wbxml(&answers())] {
        let verdict = talk().decide(&rules, Stage::Request, &body);
        let is_wbxml = body.is_wbxml();
        assert_eq!(
            !verdict.head.is_empty(),
            expected,
            "{filter}, WBXML: {is_wbxml}"
        );
    }
}

#[test]
fn words_about_commands_speak_of_one_command_and_its_answer() {
    check("~cmd Replace ~status 404", true);
    check("~cmd Get ~status 404", false);
    check("~cmd Get & ~status 2xx & ~data '10\\.0'", true);
    check("~cmd Replace ~data '10\\.0'", false);
    check("~loc ./Device/Vendor/MSFT/DMTap/* ~status 4xx", true);
    check("~loc SwV ~status 4xx", false);
    check("~csp DMTap", true);
    check("~csp BitLocker", false);
    check("~hr 0x86000002", true);
    check("~hr CFGMGR_E_NODENOTFOUND & ~cmd Get", false);
    check("~type text/plain", true);
    check("~scope device", true);
    check("~scope user", false);
    check("~alert 1226", false);
    check("~cmd SyncHdr", false);
    check("!~status 2xx", true);
    check("~cmd Get !~status 2xx", false);
}

#[test]
fn words_about_messages_are_those_of_the_message_at_hand() {
    check("~q ~m post", true);
    check("~m GET | ~d mdm\\.example$", true);
    check("~d contoso", false);
    check("~u mode=machine", true);
    check("mode=Machine", true);
    check("~h 'user-agent: msft'", true);
    check("~h 'user-agent: curl'", false);
    check("~dev urn:uuid:7", true);
    check("~dev 127\\.0\\.0\\.1", true);
    check("~dev urn:uuid:8", false);
    check("~sid 7", true);
    check("~msg 2", true);
    check("~msg >2", false);
    check("~sess 3", true);
    check("~x 1", true);
    check("~x 2..9", false);
    check("~dialect syncml", true);
    check("~dialect soap", false);
    check("~size >10", true);
    check("~size 1M", false);
    check("~enc xml | ~enc wbxml", true);
    check("(~s | ~m GET) & ~u dm", false);
}

#[test]
fn a_response_is_asked_about_what_is_known_by_then() {
    let check = |filter: &str, expected: bool| {
        let rules = rules(&format!("%{filter}%X-Found%yes"));
        let mut talk = Talk::new(1, "d");
        talk.response.status = http::StatusCode::SERVICE_UNAVAILABLE;
        let verdict = talk.decide(
            &rules,
            Stage::Response,
            &message(1, &on("Replace", 5, COLOUR)),
        );
        assert_eq!(!verdict.head.is_empty(), expected, "{filter}");
    };
    check("~c 5xx", true);
    check("~c 200", false);
    check("!~c 200", true);
    check("~cmd Replace ~csp DMTap ~data old", true);
    // The answer is to come.
    check("~cmd Replace ~status 404", false);
    check("!~status 404", false);
    check("~m POST ~s", true);
}

#[test]
fn a_body_is_changed_where_the_filter_is_true() {
    let check = |argument: &str, expected: Option<&str>| {
        let rules = RuleSet::from_rules(modify_body(argument).unwrap()).unwrap();
        let verdict = talk().decide(&rules, Stage::Request, &answers());
        let body = verdict
            .body
            .map(|body| String::from_utf8(body.to_vec()).unwrap());
        assert_eq!(body.is_some(), expected.is_some(), "{argument}");
        if let (Some(body), Some(expected)) = (body, expected) {
            assert!(body.contains(expected), "{body}");
            assert_eq!(decode(&body).source().len(), body.len());
        }
    };
    check(
        r"/~cmd Get ~status 200/10\.(\d)\.1/11.\1.2",
        Some("<Data>11.0.2</Data>"),
    );
    check(r"/~cmd Get ~status 404/10\.(\d)\.1/11.\1.2", None);
    check(
        r"/~dev urn:uuid:7/10\.(\d)\.1/11.\1.2",
        Some("<Data>11.0.2</Data>"),
    );
    check(r"|~s|10\.0\.1|11", None);
}

#[test]
fn a_filter_reads_bodies_only_where_it_asks_about_them() {
    let check = |filter: &str, requests: bool, responses: bool| {
        let rules = rules(&format!("%~s {filter}%X-Found%yes"));
        assert_eq!(rules.reads_bodies(Side::Device), requests, "{filter}");
        assert_eq!(rules.reads_bodies(Side::Server), responses, "{filter}");
    };
    check("~u dm ~h x ~c 200 ~x 3", false, false);
    check("~dev PHONE", true, false);
    check("~enc wbxml", false, true);
    check("~cmd Replace", true, true);
    let named = rules("%~s%X-Session%{{session-id}}");
    assert!(
        named.reads_bodies(Side::Device),
        "only a body names the session"
    );
}
