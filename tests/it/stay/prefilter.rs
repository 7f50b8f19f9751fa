//! The bodies that are decoded for `stay`.

use bytes::Bytes;
use dmtap::flow::Side;
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::stay::{Extent, may_contain_urls};

use super::frame::frames;
use super::{document, encodings, rows, shown};

#[test]
fn the_prefilter_passes_every_row() {
    for row in rows().into_iter().filter(|row| row.r#in != row.out) {
        for frame in frames(&row.kind) {
            let address = row.address.as_deref().unwrap_or("https://mdm.example.com");
            let extent = match &*row.kind {
                "SyncHdr" => Extent::Full,
                _ => Extent::Followed,
            };
            let check = |text: String, to| {
                for bytes in encodings(&frame, text) {
                    let passes = may_contain_urls(&bytes, to, extent);
                    assert!(passes, "{} {to:?}: {}", row.kind, shown(&bytes));
                }
            };
            if let Some(fill) = &frame.to_device {
                check(fill(&row.r#in, address), Side::Device);
            }
            if let Some(fill) = &frame.to_server {
                check(fill(&row.out, address), Side::Server);
            }
        }
    }
}

#[test]
fn the_prefilter_keeps_ordinary_messages_undecoded() {
    let message = |header: &str, commands: &str| {
        format!(
            "<?xml version=\"1.0\"?><SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr>\
             <Target><LocURI>https://mdm.example.com/omadm</LocURI></Target><Source><LocURI>urn:uuid:1</LocURI></Source>\
             {header}</SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
        )
    };
    let add = |node: &str, value: &str| {
        format!(
            "<Add><CmdID>1</CmdID><Item><Target><LocURI>{node}</LocURI></Target><Data>{value}</Data></Item></Add>"
        )
    };
    let check = |header: &str, commands: &str, expected: bool| {
        let xml = message(header, commands);
        let wbxml = encode(&document(xml.clone()), &WbxmlOptions::default()).unwrap();
        for bytes in [Bytes::from(xml), wbxml.into()] {
            let passes = may_contain_urls(&bytes, Side::Device, Extent::Followed);
            assert_eq!(passes, expected, "{}", shown(&bytes));
            assert!(may_contain_urls(&bytes, Side::Device, Extent::Full));
        }
    };
    check("", &add("./DevDetail/SwV", "1"), false);
    check(
        "",
        &add("./Vendor/MSFT/DMClient/Provider/P/UPN", "u"),
        false,
    );
    let address = "./Device/Vendor/MSFT/dmclient/Provider/P/ManagementServiceAddress";
    check("", &add(address, "HTTPS://mdm.example.com"), true);
    check("", &add(address, "mdm.example.com"), false);
    check("", &add("./syncml/dmacc/a/AppAddr/b/Addr", "mdm"), true);
    check("", &add("./Vendor/MSFT/Any", "ms-app://s-1-15-2"), false);
    for split in ["https:<![CDATA[//x/]]>", "https<!-- -->://x/"] {
        let body = message("", &add(address, split));
        let passes = may_contain_urls(body.as_bytes(), Side::Device, Extent::Followed);
        assert!(passes, "{split}");
    }
    check(
        "",
        &add("./Vendor/MSFT/Any", "https://mdm.example.com/"),
        true,
    );
    check("", &add("./Vendor/MSFT/Any", "PHdhcC1wcm92"), true);
    check("<RespURI>https://mdm.example.com/</RespURI>", "", true);
    let declared = message("", "").replace("<SyncHdr>", "<SyncHdr xmlns:x='http://example.org/x'>");
    assert!(!may_contain_urls(
        declared.as_bytes(),
        Side::Device,
        Extent::Followed
    ));
    let soap = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'/>";
    assert!(may_contain_urls(
        soap.as_bytes(),
        Side::Device,
        Extent::Followed
    ));
}

#[test]
fn the_prefilter_passes_every_way_to_write_a_loc_uri() {
    let ways = [
        "./SyncML/DMAcc/a/AppAddr/b/Addr",
        " ./syncml/dmacc/a/appaddr/b/addr\r\n",
        "<![CDATA[./SyncML/DMAcc/a/AppAddr/b/Addr]]>",
        "<![CDATA[./SyncML/DMAcc/a/AppAddr/b/]]>Addr",
        "./SyncML/DMAcc/a/AppAddr/b/<![CDATA[Addr]]>",
        "./SyncML/DMAcc/a/<!-- any -->AppAddr/b/Addr",
        "./SyncML/DMAcc/a/AppAddr/b/Addr<!-- any -->",
        "./SyncML/DMAcc/a/AppAddr/b/&#65;ddr",
        "./SyncML/DMAcc/a/AppAddr/b/Addr?prop=Value",
        "./SyncML/DMAcc/a/AppAddr/b/Addr/",
        "./SyncML/DMAcc/>/AppAddr/b/Addr",
        "./SyncML/DMAcc/>/AppAddr/b/Ad<!-- any -->dr",
        "./SyncML/DMAcc/a/AppAddr/b/A<![CDATA[dd]]>r",
    ];
    for loc_uri in ways {
        for (open, close) in [
            ("<LocURI>", "</LocURI>"),
            ("<LocURI >", "</LocURI\n>"),
            ("<x:LocURI xmlns:x='SYNCML:SYNCML1.2'>", "</x:LocURI>"),
        ] {
            let body = format!(
                "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody><Replace><Item><Target>{open}{loc_uri}{close}</Target>\
                 <Data>mdm</Data></Item></Replace></SyncBody></SyncML>"
            );
            let passes = may_contain_urls(body.as_bytes(), Side::Server, Extent::Followed);
            assert!(passes, "{body}");
        }
    }
}

#[test]
fn the_prefilter_passes_a_place_anywhere_in_a_long_message() {
    for padding in (0..9000).step_by(7) {
        let padding = "x".repeat(padding);
        let body = format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody><Replace><Item><Target><LocURI>./A</LocURI></Target><Data>{padding}\
             </Data></Item><Item><Target><LocURI>./SyncML/DMAcc/a/AppAddr/b/Addr</LocURI></Target></Item></Replace>\
             </SyncBody></SyncML>"
        );
        let wbxml = encode(&document(body.clone()), &WbxmlOptions::default()).unwrap();
        for bytes in [Bytes::from(body), wbxml.into()] {
            let passes = may_contain_urls(&bytes, Side::Server, Extent::Followed);
            assert!(passes, "{}", shown(&bytes));
        }
    }
}
