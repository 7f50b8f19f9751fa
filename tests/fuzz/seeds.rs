//! Writes the seeds: `seeds FOLDER`. They are made here: the documents of the tests, and random ones.

#[path = "../it/codec_wbxml/classes.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod classes;
#[path = "../it/codec_wbxml/model.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod model;
#[path = "../it/codec_wbxml/support.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod support;

use std::path::Path;

// The coverage counters, which are built in here too, are libFuzzer's to count.
use libfuzzer_sys as _;

use dmtap::markup::wbxml::{PublicIdForm, Version, WbxmlOptions, encode};
use dmtap::markup::{self, Hint, Limits};
use model::{Family, Tape};

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder to write to");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (number, seed) in seeds().into_iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}")), &seed)?;
    }
    Ok(())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = classes::ALL
        .iter()
        .map(|(written, _)| support::bytes(written))
        .collect();
    seeds.extend(XML.map(|xml| xml.as_bytes().to_vec()));
    for xml in XML {
        let source = bytes::Bytes::from_static(xml.as_bytes());
        let Ok(document) = markup::decode(source, Hint::default(), &Limits::default()) else {
            continue;
        };
        for public_id in [PublicIdForm::Numeric, PublicIdForm::Text] {
            let options = WbxmlOptions {
                version: Version::V1_3,
                public_id,
            };
            seeds.extend(encode(&document, &options).ok());
        }
    }
    for family in [Family::SyncMl, Family::Prov] {
        seeds.extend((0..RANDOM).map(|number| random(family, number)));
    }
    seeds
}

/// A random document with a tape of edits behind it.
fn random(family: Family, number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let tape: Vec<u8> = (0..200).map(|_| next()).collect();
    let mut tape = Tape::new(&tape);
    let tree = model::document(family, &mut tape);
    let mut seed = model::write(family, &tree, &mut tape);
    seed.extend([0xFF; 2]);
    seed.extend((0..16).map(|_| next()));
    seed
}

const RANDOM: u64 = 40;

/// A text for each thing the codec knows.
const XML: [&str; 10] = [
    "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
     <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>https://a/</LocURI></Target>\
     <Source><LocURI>IMEI:1</LocURI><LocName>u</LocName></Source>\
     <Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type></Meta>\
     <Data>AAAA</Data></Cred><Meta><MaxMsgSize xmlns='syncml:metinf'>9</MaxMsgSize></Meta></SyncHdr>\
     <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>",
    "<SyncML xmlns=\"SYNCML:SYNCML1.2\" xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"><SyncBody>\
     <Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Get</Cmd><TargetRef>./DevInfo</TargetRef>\
     <Chal><Meta><Type xmlns='syncml:metinf'>syncml:auth-md5</Type><NextNonce xmlns='syncml:metinf'>bm8=</NextNonce>\
     </Meta></Chal><Data msft:originalerror=\"0x86000002\">404</Data></Status></SyncBody></SyncML>",
    "<SyncML>\n  <SyncBody>\n    <Atomic><CmdID>1</CmdID><Replace><CmdID>2</CmdID><Item>\n\
     <Target><LocURI>./Vendor/MSFT</LocURI></Target><Meta><Format>chr</Format><Size>4</Size></Meta>\n\
     <Data> <![CDATA[<a b='c'>]]]]><![CDATA[></a>\r\n]]> &amp; &#233;é€</Data><MoreData/></Item></Replace></Atomic>\n\
     </SyncBody>\n</SyncML>\n",
    "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody><Put><CmdID>1</CmdID><Meta>\
     <Type xmlns='syncml:metinf'>application/vnd.syncml-devinf+wbxml</Type></Meta><Item><Data>\
     <DevInf xmlns='syncml:devinf'><VerDTD>1.2</VerDTD><Man>m</Man></DevInf></Data></Item></Put></SyncBody></SyncML>",
    "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Node><NodeName>n</NodeName><DFProperties>\
     <AccessType><Get/></AccessType></DFProperties></Node></MgmtTree>",
    "<wap-provisioningdoc version='1.1'><characteristic type='APPLICATION'><parm name='APPID' value='w7'/>\
     <parm name='ADDR' value='https://a/?b=1&amp;c'/><characteristic type='APPAUTH'><parm name='AAUTHTYPE' value='BASIC'/>\
     </characteristic></characteristic></wap-provisioningdoc>",
    "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Header/><s:Body>x</s:Body></s:Envelope>",
    "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!DOCTYPE SyncML PUBLIC '-//x' 'y.dtd'><!-- c --><?p i?>\
     <p:Data xmlns:p='SYNCML:SYNCML1.2' a = 'b'  c=\"'\" ><p:Item />&nbsp;&lt;</p:Data >",
    "\u{FEFF}<?xml version='1.0' encoding='utf-8'?>\n<Item xmlns:y=\"y\"><y:A>]]></y:A><B xmlns='urn:b'><C/></B></Item>",
    "<SyncML><SyncBody><Add><Item><Data><SyncML><SyncBody><Final/></SyncBody></SyncML></Data><lit k='v'>x<unknown_07_0A/>\
     </lit></Item></Add></SyncBody></SyncML>",
];
