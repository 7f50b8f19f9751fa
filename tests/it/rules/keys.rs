//! Rules are looked up by keys: the result is the same as without keys.

use dmtap::flow::Side;
use dmtap::rules::Stage;

use super::support::{Talk, book, message, on};

/// Commands of a device's message, ordinary ones and odd ones.
const SAID: [&str; 22] = [
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><TargetRef>./Vendor/A</TargetRef>\
     <Data>212</Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><Data> 404 </Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Replace</Cmd><TargetRef>./Vendor/A</TargetRef>\
     <Data>404</Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Replace</Cmd><TargetRef><LocURI>./Vendor/B\
     </LocURI></TargetRef><SourceRef>x</SourceRef><Data>&#50;00</Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><Data>500</Data><Item><TargetRef>\
     <LocURI>./Other</LocURI></TargetRef><Target><LocURI>./Vendor/A</LocURI></Target></Item></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>99</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>",
    "<Status><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>6</CmdRef><Cmd>Status</Cmd><Data>200</Data></Status>",
    "<Results><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Item><Source><LocURI>./Vendor/A</LocURI></Source>\
     <Data>one</Data></Item></Results>",
    "<Results><CmdID>N</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><TargetRef><LocURI>./Other</LocURI></TargetRef>\
     <Item><Data>two</Data></Item></Results>",
    "<Results><CmdID>N</CmdID><CmdRef>1</CmdRef><Item><SourceParent><LocURI>./Other</LocURI></SourceParent>\
     <Data>one</Data></Item></Results>",
    "<Alert><CmdID>N</CmdID><Data>200</Data></Alert>",
    "<Alert><CmdID>N</CmdID><Data>1226</Data><Item><Source><LocURI>./Vendor/A/B</LocURI></Source><Data>one</Data>\
     </Item></Alert>",
    "<Replace><CmdID>N</CmdID><Item><Source><LocURI>./Device/Device/X</LocURI></Source><Data>two</Data></Item>\
     <Item><Target><LocURI>./device/vendor/a</LocURI></Target></Item></Replace>",
    "<Replace><CmdID>N</CmdID><Item><Target><LocName>n</LocName></Target><Source><LocURI>././Vendor/A</LocURI>\
     </Source></Item></Replace>",
    "<Atomic><CmdID>N</CmdID><Item><Target><LocURI>./Vendor/A</LocURI></Target></Item><Add><CmdID>90</CmdID><Item>\
     <Target><LocURI>./Vendor/B?list=Struct</LocURI></Target></Item></Add></Atomic>",
    "<Sequence><CmdID>N</CmdID><Atomic><CmdID>91</CmdID><Exec><CmdID>92</CmdID><Item><Target><LocURI>\
     <![CDATA[./Vendor/A]]></LocURI></Target></Item></Exec></Atomic></Sequence>",
    "<Sync><CmdID>N</CmdID><Target><LocURI>./Vendor/A</LocURI></Target><Delete><CmdID>93</CmdID><Item><Target>\
     <LocURI>./Vendor/<!-- -->B</LocURI></Target></Item></Delete></Sync>",
    "<Get><CmdID>N</CmdID><Item><Target><LocURI>./User/Vendor/A</LocURI></Target></Item></Get>",
    "<Get><CmdID>N</CmdID><Item><Target><LocURI>./Vendor/A/</LocURI></Target></Item></Get>",
    "<Get><CmdID>N</CmdID><Item><Target><LocURI> ./V&#101;ndor/B </LocURI></Target></Item></Get>",
    "<Unknown><CmdID>N</CmdID><Item><Target><LocURI>./Vendor/B</LocURI></Target></Item></Unknown>",
];

/// Matchers with keys or a gate.
const MATCHERS: [&str; 14] = [
    "loc-uri = './Vendor/A'",
    "loc-uri = './Vendor/B'",
    "loc-uri = ['./Vendor/**', './Other']",
    "loc-uri = './Device/*/A'",
    "command = 'Status', loc-uri = './Vendor/A'",
    "command = 'Results', loc-uri = './Vendor/B'",
    "command = 'Sync', loc-uri = './Vendor/**'",
    "answers = { command = 'Get', loc-uri = './Vendor/B' }",
    "answers = { loc-uri = './Vendor/*' }",
    "status = 200",
    "status = '4xx'",
    "alert = { code = 200, force = true }",
    "data = ['one', '404']",
    "cmd-id = ['3', '92']",
];

#[test]
fn a_rule_finds_the_same_by_its_keys_and_without() {
    let asked: String = [
        on("Get", 1, "./Vendor/A"),
        on("Get", 2, "./Device/Vendor/B"),
        on("Replace", 3, "./Vendor/C"),
        "<Status><CmdID>6</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Get</Cmd><Data>200</Data><Item><Target>\
         <LocURI>./Vendor/A</LocURI></Target></Item></Status>"
            .into(),
    ]
    .concat();
    let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, &asked));
    let rule = |matcher: &str| {
        book(&format!(
            "[[rule]]\nname = 'a'\nstage = 'request'\nmatch = {{ {matcher} }}\n\
             step = {{ set-text = 'x', at = 'CmdID' }}\n"
        ))
    };
    let mut found = 0;
    for matcher in MATCHERS {
        // A place that no message has is no key, and a rule with an alternative without a key stands under none.
        let keyless = format!("any = [{{ {matcher} }}, {{ has = 'Nowhere/At/All' }}]");
        let (keyed, keyless) = (rule(matcher), rule(&keyless));
        for seed in 0..150_usize {
            let pieces = (0..1 + seed % 6).map(|n| {
                let piece = SAID[(seed * 7 + n * (1 + seed / 22)) % SAID.len()];
                piece.replace("<CmdID>N<", &format!("<CmdID>{}<", n + 1))
            });
            let body = message(2, &pieces.collect::<String>());
            let by_key = talk.decide(&keyed, Stage::Request, &body);
            let one_by_one = talk.decide(&keyless, Stage::Request, &body);
            let source = String::from_utf8_lossy(body.source());
            assert_eq!(by_key.body, one_by_one.body, "{matcher} in {source}");
            found += usize::from(by_key.body.is_some());
        }
    }
    assert!(found > 300, "{found}");
}
