//! Secrets in places that are easily overlooked: none is in any of the three forms.

use dmtap::record::Masking;

use crate::record::masking::{SECRET, check, in_body, in_syncml};
use crate::record::stage::Stage;
use crate::support::cpu_time::cpu_time;

fn unread(what: &str, body: &str) {
    // Broken as XML, so that it is known by its looks.
    in_body(what, &format!("{body}<p>not</q>"));
}

#[test]
fn forms_and_fields_of_bodies_that_do_not_decode() {
    for body in [
        "<html><input type=hidden name=\"wresult\" value=\"SECRET\">",
        "<html><INPUT VALUE='SECRET' NAME='WResult'>",
        "grant_type=password&password=SECRET&a=b",
        "a=b&ACCESS_TOKEN=SECRET",
        "{\"token_type\":\"Bearer\",\"access_token\":\"SECRET\"}",
        "{\"Password\": \"SECRET\"}",
        "{\"client_secret\": \"a\\\"SECRET\"}",
        "see https://joe:SECRET@mdm.example.com/ there",
        "<SyncML><Cred><Data><![CDATA[SECRET]]></Data></Cred>",
        "<x><Data>&lt;parm name=&quot;AAuthSecret&quot; value=&quot;SECRET&quot;/&gt;</Data>",
    ] {
        unread(body, body);
    }
}

#[test]
fn pages_and_texts_of_documents_that_decode() {
    for body in [
        "<html><body><form><input type=\"hidden\" name=\"wresult\" value=\"SECRET\"/></form></body></html>",
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"><INPUT value=\"a&lt;b&gt;SECRET\" ID=\"wresult\"/></html>",
        "<a><!-- password=SECRET --><b/></a>",
        "<a><?php $password = \"SECRET\" ?><b/></a>",
        "<a><b>{\"access_token\":\"SECRET\"}</b></a>",
        "<a b=\"https://joe:SECRET@h/\"/>",
        "<wap-provisioningdoc><characteristic type=\"APPAUTH\"><parm name=\"AuthSecret\" value=\"SECRET\"/>\
         </characteristic></wap-provisioningdoc>",
        "<wap-provisioningdoc><characteristic type=\"a\"><parm value=\"SECRET\" name=\"PASSWORD\"/>\
         <parm name=\"SharedKey\" value=\"other\"/></characteristic></wap-provisioningdoc>",
        "<e xmlns:t=\"urn:wst\"><t:BinarySecret>SECRET</t:BinarySecret></e>",
        "<e xmlns:s=\"urn:saml\"><s:Assertion ID=\"SECRET\"><s:Subject>SECRET</s:Subject></s:Assertion></e>",
        "<SyncML xmlns=\"urn:foreign\"><SyncHdr><Cred><Data>SECRET</Data></Cred></SyncHdr></SyncML>",
    ] {
        in_body(body, body);
    }
}

#[test]
fn nodes_named_in_other_ways() {
    let add = |places: &str| {
        in_syncml(
            places,
            &format!("<Add><CmdID>1</CmdID><Item>{places}<Data>SECRET</Data></Item></Add>"),
        );
    };
    add(
        "<Target><LocURI>Profile/Lab/a</LocURI></Target><TargetParent><LocURI>./WiFi</LocURI></TargetParent>",
    );
    add("<Target><LocURI>./a/AAuth%53ecret</LocURI></Target>");
    add("<Target><LocURI>./Vendor/MSFT/%57iFi/a</LocURI></Target>");
    add("<Target><LocURI>./SyncML/DMAcc/1/AuthSecret</LocURI></Target>");
    let add = |places: &str| {
        in_syncml(
            places,
            &format!("<Add><CmdID>1</CmdID><Item>{places}<Data>x</Data></Item></Add>"),
        );
    };
    add("<Target><LocURI>https://joe:SECRET@mdm.example.com/a</LocURI></Target>");
    add("<Source><LocURI>https://mdm.example.com/a#access_token=SECRET</LocURI></Source>");
}

#[test]
fn documents_inside_data() {
    let data = |data: &str| {
        in_syncml(
            data,
            &format!(
                "<Add><CmdID>1</CmdID><Item><Target><LocURI>./a</LocURI></Target><Data>{data}</Data></Item></Add>"
            ),
        );
    };
    let tree = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName><Node>\
        <NodeName>Password</NodeName><RTProperties><Format><chr/></Format></RTProperties><Value>SECRET</Value>\
        </Node></Node></MgmtTree>";
    data(tree);
    data(&format!("<![CDATA[{tree}]]>"));
    data(&tree.replace("Password", "b").replace(">a<", ">WiFi<"));
    data(&format!("\n <![CDATA[\n{tree}]]>\n"));
    data(&escaped(tree));
    let provisioning = "<wap-provisioningdoc><characteristic type=\"APPAUTH\">\
        <parm name=\"AAuthSecret\" value=\"SECRET\"/></characteristic></wap-provisioningdoc>";
    data(&escaped(provisioning));
    data(&format!("<![CDATA[{provisioning}]]>"));
    data(&escaped(&format!(
        "<a><b>{}</b></a>",
        escaped(provisioning)
    )));
    // No document of its own.
    data(&escaped(&provisioning.replace("</characteristic>", "")));
    data("{&quot;password&quot;: &quot;SECRET&quot;}");
    data("a=b&amp;access_token=SECRET");
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn repeats_and_what_stands_inside() {
    let nonce = |text: &str, data: &str| {
        format!(
            "<Status><CmdID>1</CmdID><Chal><Meta><NextNonce xmlns=\"syncml:metinf\">{text}</NextNonce></Meta></Chal>\
             <Data>401</Data></Status><Alert><CmdID>2</CmdID><Data>1226</Data><Item><Data>{data}</Data></Item></Alert>"
        )
    };
    in_syncml("comment", &nonce("abcd<!-- SECRET -->", "x"));
    in_syncml("instruction", &nonce("abcd<?a SECRET?>", "x"));
    in_syncml("as text", &nonce("SECRET", "a SECRET b"));
    // An ampersand in front of the secret, written in three ways.
    for (first, second) in [("&amp;", "&#38;"), ("&#38;", "&amp;"), ("&#x26;", "&amp;")] {
        let text = |amp: &str| format!("{amp}SECRET");
        in_syncml("reference", &nonce(&text(first), &text(second)));
    }
    // A value longer than what is shown of a Data.
    let long = format!("SECRET{}", "x".repeat(200));
    in_syncml("long", &nonce(&long, &long));
    let uri =
        "<Get><CmdID>3</CmdID><Item><Target><LocURI>./a/SECRET</LocURI></Target></Item></Get>";
    in_syncml("in a LocURI", &format!("{}{uri}", nonce("SECRET", "x")));
    let exec = "<Exec><CmdID>3</CmdID><Correlator>SECRET</Correlator><Item><Target><LocURI>./a</LocURI></Target></Item></Exec>";
    in_syncml(
        "as a Correlator",
        &format!("{}{exec}", nonce("SECRET", "x")),
    );
}

/// The Results name no node: what was asked for does.
#[test]
fn results_without_a_node() {
    let message = |id: u32, body: &str| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><SessionID>5</SessionID>\
             <MsgID>{id}</MsgID></SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>"
        )
    };
    check("Results", |stage: &mut Stage| {
        stage.request(&[], message(1, ""));
        let get =
            "<Get><CmdID>7</CmdID><Item><Target><LocURI>./WiFi/a</LocURI></Target></Item></Get>";
        stage.response(&[], message(1, get));
        let results = format!(
            "<Results><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>7</CmdRef><Item><Data>{SECRET}</Data></Item></Results>"
        );
        stage.request(&[], message(2, &results));
        // Bodies are compared with the first one.
        stage.events.drain(1..3);
    });
}

/// Takes minutes where anything is done again for each of so many.
#[test]
fn recording_takes_linear_time() {
    let begun = cpu_time();
    let nonce = "<Status><CmdID>1</CmdID><Chal><Meta><NextNonce xmlns=\"syncml:metinf\">SECRET</NextNonce></Meta></Chal>\
        <Data>401</Data></Status>";
    let many = |n: usize, piece: &dyn Fn(usize) -> String| (0..n).map(piece).collect::<String>();
    let items = many(40_000, &|n| format!("<Item><Data>{n}SECRET</Data></Item>"));
    in_syncml(
        "many",
        &format!("{nonce}<Replace><CmdID>2</CmdID>{items}</Replace>"),
    );
    let one_item = many(40_000, &|n| format!("<Data>{n}</Data>"));
    in_syncml(
        "many",
        &format!("{nonce}<Add><CmdID>2</CmdID><Item>{one_item}</Item></Add>"),
    );
    let secrets = many(8_000, &|n| {
        format!("<Item><Target><LocURI>./WiFi/{n}</LocURI></Target><Data>{n}SECRET</Data></Item>")
    });
    in_syncml("many", &format!("<Add><CmdID>2</CmdID>{secrets}</Add>"));
    let names = many(10_000, &|n| format!("<x{n}/>"));
    in_syncml("many", &format!("{nonce}{names}"));
    let statuses = many(8_000, &|n| {
        format!(
            "<Status><CmdID>{n}</CmdID><MsgRef>1</MsgRef><CmdRef>{n}</CmdRef><Data>200</Data></Status>"
        )
    });
    in_syncml("many", &format!("{nonce}{statuses}"));
    let comments = many(10_000, &|n| format!("<!--{n} SECRET-->"));
    in_syncml("many", &format!("{nonce}{comments}"));
    assert!(cpu_time() - begun < std::time::Duration::from_secs(90));
}

/// A Wi-Fi or VPN profile is masked by the names in it; what is none stays masked as a whole.
#[test]
fn profiles_show_what_is_no_secret() {
    let add = |node: &str, data: &str| {
        format!(
            "<Add><CmdID>1</CmdID><Item><Target><LocURI>./Vendor/MSFT/{node}</LocURI></Target>\
             <Data>{data}</Data></Item></Add>"
        )
    };
    let wlan = "<WLANProfile xmlns=\"http://www.microsoft.com/networking/WLAN/profile/v1\"><name>Office</name>\
        <MSM><security><sharedKey><keyType>passPhrase</keyType><keyMaterial>SECRET</keyMaterial></sharedKey>\
        </security></MSM></WLANProfile>";
    let vpn = "<VPNProfile><ServerUrlList>vpn.Office.example</ServerUrlList><PluginProfile>\
        <CustomConfiguration>&lt;a b=\"SECRET\"/&gt;</CustomConfiguration></PluginProfile><NativeProfile>\
        <L2tpPsk>SECRET</L2tpPsk><Eap><ConfigBlob>SECRET</ConfigBlob></Eap></NativeProfile></VPNProfile>";
    let shown = |commands: &str| {
        let body = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><MsgID>1</MsgID></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
        );
        let mut stage = Stage::new();
        stage.request(&[], body.replace("SECRET", SECRET));
        crate::record::transcript::transcript(&stage.events, Masking::Masked)
    };
    for (node, profile) in [
        ("WiFi/Profile/Office/WlanXml", wlan),
        ("VPNv2/Office/ProfileXML", vpn),
    ] {
        for data in [escaped(profile), format!("<![CDATA[{profile}]]>")] {
            let add = add(node, &data);
            in_syncml(node, &add);
            assert!(shown(&add).contains(&profile[..10]), "{}", shown(&add));
        }
    }
    // Comments, attributes and names that are not listed, and texts that stand beside elements.
    let wlan_parts = [
        "<!-- old key SECRET -->",
        "<?a SECRET?>",
        "<IHV><leapPass>SECRET</leapPass></IHV>",
        "<Unknown Type=\"SECRET\"/>",
        "<MSM note=\"SECRET\" Type=\"SECRET\"/>",
        "<MSM>SECRET<security/></MSM>",
        "<MSM xmlns:a=\"urn:SECRET\"/>",
        "<name>&lt;a>SECRET&lt;/a></name>",
        "<name><a>SECRET</a></name>",
        "<MSM><OneX><EAPConfig><EapHostConfig><EapMethod><Type>25</Type></EapMethod><Config><Key>SECRET</Key>\
         <pass>SECRET</pass></Config></EapHostConfig></EAPConfig></OneX></MSM>",
    ];
    for part in wlan_parts {
        let profile = wlan.replace("<MSM>", &format!("{part}<MSM>"));
        in_syncml(
            part,
            &add("WiFi/Profile/Office/WlanXml", &escaped(&profile)),
        );
        let profile = format!("<VPNProfile>{part}<AlwaysOn>true</AlwaysOn></VPNProfile>");
        in_syncml(part, &add("VPNv2/Office/ProfileXML", &escaped(&profile)));
    }
    for declaration in [
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding='UTF-8'?>",
    ] {
        let add = add(
            "WiFi/Profile/Office/WlanXml",
            &escaped(&format!("{declaration}{wlan}")),
        );
        in_syncml(declaration, &add);
        assert!(shown(&add).contains("<?xml version"), "{}", shown(&add));
    }
    // The same in a node that holds no profile.
    let elsewhere = add(
        "Other/Password",
        &escaped("<WLANProfile><name>SECRET</name></WLANProfile>"),
    );
    in_syncml("elsewhere", &elsewhere);
    // Markup, text in front, several roots, a tree that is broken, and a profile in another one's place.
    let other = |data: &str| {
        let add = add("WiFi/Profile/Office/WlanXml", data);
        in_syncml(data, &add);
        assert!(!shown(&add).contains("Lab"), "{}", shown(&add));
    };
    other("<WLANProfile><name>Lab</name><a>SECRET</a></WLANProfile>");
    other(&escaped("Lab <WLANProfile><a>SECRET</a></WLANProfile>"));
    other(&escaped("<WLANProfile>Lab</WLANProfile><a>SECRET</a>"));
    other(&escaped("<WLANProfile><name>Lab</name><a>SECRET</a>"));
    other(&escaped("<Profile><name>Lab</name><a>SECRET</a></Profile>"));
}
