//! Patterns, places and templates in rules.

use dmtap::dm::locuri;
use dmtap::rules::glob::{Glob, UriGlob};
use dmtap::rules::place::{BadPlace, ElementPath, ElementPlace};
use dmtap::rules::template::{BadTemplate, Escape, Name, Template};

#[test]
fn a_star_stands_for_any_run_of_characters_whatever_their_case() {
    let check = |pattern: &str, text: &str, expected: bool| {
        assert_eq!(
            Glob::new(pattern).matches(text),
            expected,
            "{pattern} {text}"
        );
    };
    check("mdm.example", "MDM.example", true);
    check("mdm.example", "mdm.example.org", false);
    check("*", "", true);
    check("*.Example", "mdm.example", true);
    check("urn:*:1", "urn:uuid:1", true);
    check("urn:*:1", "urn:1", false);
    check("*b*b*", "abab", true);
    check("*b*b*", "ab", false);
    check("a*a", "a", false);
}

#[test]
fn loc_uri_globs_match_every_spelling_of_a_node() {
    let check = |pattern: &str, uri: &str, expected: bool| {
        let glob = UriGlob::new(pattern).unwrap();
        let found = glob.matches(&locuri::canonical(uri));
        assert_eq!(found, expected, "{pattern} {uri}");
    };
    check(
        "./Device/Vendor/MSFT/BitLocker/**",
        "./Vendor/msft/BITLOCKER/Status?prop=Type",
        true,
    );
    check(
        "./Vendor/MSFT/BitLocker/**",
        "./Device/Vendor/MSFT/BitLocker",
        true,
    );
    check(
        "./Vendor/MSFT/BitLocker/**",
        "./Vendor/MSFT/BitLockerX",
        false,
    );
    check(
        "./Vendor/MSFT/BitLocker/**",
        "./User/Vendor/MSFT/BitLocker/A",
        false,
    );
    check("./User/Vendor/**", "./user/Vendor/MSFT/A", true);
    check("./User/Vendor/**", "./Vendor/MSFT/A", false);
    check("./Device/**", "./User/Vendor/MSFT", false);
    check("./Device/**", "./Vendor/MSFT/Policy", true);
    check("./Device/**", "./DevInfo/Lang", true);
    check("./**", "./User/Vendor/MSFT", true);
    check("**/Status", "./User/Vendor/MSFT/X/Status", true);
    check("./DevInfo/*", "./DevInfo/Lang", true);
    check("./DevInfo/*", "./DevInfo/Ext/A", false);
    check("./DevInfo/L*g", "./DevInfo/Lang", true);
    check("./Vendor/**/Status", "./Vendor/Status", true);
    check("./Vendor/{a,b}/[c]", "./Vendor/{A,B}/[C]", true);
    check("./Vendor/{a,b}", "./Vendor/a", false);
    check("./Vendor/", "./Vendor", true);
    check("./**/a/**/**/b", "./x/a/b", true);
    check("./**/a/**/b", "./a/a/x/y/b/b", true);
    check("./**/a/**/b", "./b/a", false);
}

#[test]
fn percent_encoding_is_a_spelling_beside_a_star_and_beside_what_stays_encoded() {
    let check = |pattern: &str, uri: &str, expected: bool| {
        let glob = UriGlob::new(pattern).unwrap();
        let found = glob.matches(&locuri::canonical(uri));
        assert_eq!(found, expected, "{pattern} {uri}");
    };
    for pattern in [
        "./A/{b c}/D",
        "./A/%7Bb%20c%7D/D",
        "./A/{b*}/D",
        "./A/%7bb*%7D/D",
        "./A/%7B*/%44",
    ] {
        check(pattern, "./A/{b c}/D", true);
        check(pattern, "./A/%7bb c%7D/D", true);
        check(pattern, "./A/%7Bb%20c%7D/%44", true);
        check(pattern, "./A/(b c)/D", false);
    }
    check("./A/%7Bb%2Fc%7D", "./A/{b%2fc}", true);
    check("./A/%C3%84*", "./A/Äb", true);
    check("./A/b%2Fc", "./A/b/c", false);
    check("./A/b%2A", "./A/bc", false);
    check("./A/*%25*", "./A/100%25", true);
}

#[test]
fn a_loc_uri_of_more_segments_than_any_node_has_matches_nothing() {
    for (segments, expected) in [(1_000, true), (1_001, false)] {
        let uri = vec!["vendor"; segments].join("/");
        assert_eq!(UriGlob::new("./Vendor/**").unwrap().matches(&uri), expected);
    }
}

#[test]
fn a_pattern_that_would_mislead_is_refused() {
    for pattern in [
        "",
        "./",
        " ./A",
        "./A//B",
        "./A**",
        "./A/**B",
        "./A?list=Struct",
    ] {
        assert!(UriGlob::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn places_of_elements_print_as_they_are_written() {
    for text in [
        "Item/Data",
        "Item[2]/Meta/Type",
        "Data",
        "parm[@name='ADDR']",
        "parm[@name=\"it's\"]",
        "characteristic[@type='A/B]!/@c'][2]/parm[@datatype]",
        "Data[@msft:originalerror='0x1']",
        "Item[2][@a='']",
    ] {
        assert_eq!(ElementPath::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "/Item",
        "Item//Data",
        "Item[0]",
        "Item[x]",
        "a b",
        "Item[1",
        "Item[1]x",
        "Item]",
        "Item[]",
        "parm[name='ADDR']",
        "parm[@name=ADDR]",
        "parm[@name='ADDR]",
        "parm[@name='A'B']",
        "parm[@='ADDR']",
        "parm[@a:b:c]",
        "parm[@name='ADDR'",
        "[@name='ADDR']",
    ] {
        assert_eq!(ElementPath::parse(text), Err(BadPlace), "{text}");
    }
}

#[test]
fn both_quotes_and_blanks_mean_the_same() {
    let expected = ElementPath::parse("parm[@name='ADDR']");
    for text in ["parm[@name=\"ADDR\"]", "parm[ @name = 'ADDR' ]"] {
        assert_eq!(ElementPath::parse(text), expected, "{text}");
    }
}

#[test]
fn places_print_as_they_are_written() {
    for text in [
        ".",
        "Item[2]/Data",
        "/SyncML",
        "/SyncML/SyncBody/Final",
        "Item/Data!/MgmtTree/Node[3]!/A",
        "Item/Data!/data[2]",
        "Item/Data!/data[@id='Limit'][1]/@value",
        "./@a",
        "/wap-provisioningdoc/characteristic[@type='./a!/b']/parm[@name='ADDR']",
    ] {
        assert_eq!(ElementPlace::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "/",
        "//A",
        "Item/",
        "Data!Node",
        "Data!",
        "/SyncML[2]",
        "./A",
        "!/A",
        "Data/@",
        "Data/@a/@b",
    ] {
        assert_eq!(ElementPlace::parse(text), Err(BadPlace), "{text}");
    }
}

fn filled(text: &str, escape: Escape) -> Result<String, BadTemplate> {
    let template = Template::parse(text)?;
    let value = |name: Name| Ok::<_, ()>(format!("<{}$1]]>", name.text()));
    Ok(template.fill(escape, value).unwrap())
}

#[test]
fn names_give_way_to_values_and_braces_are_written_twice() {
    let check = |text: &str, expected: &str| {
        assert_eq!(filled(text, Escape::Nothing).as_deref(), Ok(expected));
    };
    check("", "");
    check("a{b}c}}", "a{b}c}}");
    check("a {{cmd-id}}{{ path }}!", "a <cmd-id$1]]><path$1]]>!");
    check("{{{{data}}", "{{data}}");
    check("{{{{{{data}}", "{{<data$1]]>");
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    let check = |text: &str, escape, expected: &str| {
        assert_eq!(filled(text, escape).as_deref(), Ok(expected));
    };
    check("{{data}}", Escape::Replacement, "<data$$1]]>");
    check("<a>{{data}}", Escape::Markup, "<a>&lt;data$1]]&gt;");
    check(
        "<![CDATA[{{data}} {{data}}]]>{{data}}",
        Escape::Markup,
        "<![CDATA[<data$1]]]]><![CDATA[> <data$1]]]]><![CDATA[>]]>&lt;data$1]]&gt;",
    );
}

#[test]
fn unknown_names_and_open_braces_are_reported() {
    assert_eq!(
        filled("a {{cmdid}}", Escape::Nothing),
        Err(BadTemplate::Unknown("cmdid".into()))
    );
    assert_eq!(
        filled("{{data}} {{", Escape::Nothing),
        Err(BadTemplate::Open)
    );
}
