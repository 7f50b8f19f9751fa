//! The attribute tokens of client provisioning (WAP-PROV, OMA-WAP-ProvCont 1.1): starts and values of pages 0 and 1.
//! Where published tables disagree, these follow most implementations.

use std::sync::LazyLock;

/// An attribute start: a name and, for most tokens, the beginning of the value.
pub(crate) type Start = (&'static str, &'static str);

/// Returns the attribute start of a token below 0x80.
pub(crate) fn start(page: u8, token: u8) -> Option<Start> {
    let starts = &TABLES.starts.get(usize::from(page))?;
    (*starts.get(usize::from(token))?).filter(|(name, _)| !name.is_empty())
}

/// Returns the text of an attribute value token from 0x80 up.
pub(crate) fn value(page: u8, token: u8) -> Option<&'static str> {
    let values = TABLES.values.get(usize::from(page))?;
    *values.get(usize::from(token.checked_sub(0x80)?))?
}

/// Returns the start that covers most of an attribute: page, token and the covered prefix of the value. Among equals,
/// one on the current page wins.
pub(crate) fn find_start(name: &str, text: &str, page: u8) -> Option<(u8, u8, &'static str)> {
    let mut best: Option<(u8, u8, &'static str)> = None;
    for at in [page, 0, 1] {
        for token in 0x05..0x80 {
            let Some((_, prefix)) = emitted(at, token).filter(|(own, _)| *own == name) else {
                continue;
            };
            let longer = best.is_none_or(|(.., known)| prefix.len() > known.len());
            if longer && text.starts_with(prefix) {
                best = Some((at, token, prefix));
            }
        }
    }
    best
}

/// Returns the longest value token of the page with which `text` begins.
pub(crate) fn find_value(text: &str, page: u8) -> Option<(u8, &'static str)> {
    let mut best: Option<(u8, &'static str)> = None;
    for token in 0x85..=u8::MAX {
        let Some(word) = value(page, token).filter(|word| text.starts_with(word)) else {
            continue;
        };
        let unconfirmed = page == 1 && token >= 0xE0 || matches!(token, 0xBB | 0xBC);
        if !unconfirmed && best.is_none_or(|(_, known)| word.len() > known.len()) {
            best = Some((token, word));
        }
    }
    best
}

/// Returns an attribute start that several implementations agree on; the others are read, but never written.
fn emitted(page: u8, token: u8) -> Option<Start> {
    let unconfirmed = matches!((page, token), (0, 0x5C..) | (1, 0x3C..=0x3E | 0x5A..));
    start(page, token).filter(|_| !unconfirmed)
}

struct Tables {
    starts: [[Option<Start>; 128]; 2],
    values: [[Option<&'static str>; 128]; 2],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables {
        starts: [[None; 128]; 2],
        values: [[None; 128]; 2],
    };
    for (page, first, name, words) in STARTS {
        let row = tables.starts[page][first..].iter_mut();
        for (slot, word) in row.zip(words.split_ascii_whitespace()) {
            *slot = match (word, name) {
                ("-", _) => None,
                (_, "") => Some((word, "")),
                _ => Some((name, word)),
            };
        }
    }
    for (page, first, words) in VALUES {
        let row = tables.values[page][first - 0x80..].iter_mut();
        for (slot, word) in row.zip(words.split_ascii_whitespace()) {
            *slot = (word != "-").then_some(word);
        }
    }
    tables
});

/// Page, first token, attribute name (empty: the words are names), words in token order (`-` for none).
const STARTS: [(usize, usize, &str, &str); 17] = [
    (0, 0x05, "", "name value"),
    (
        0,
        0x07,
        "name",
        "NAME NAP-ADDRESS NAP-ADDRTYPE CALLTYPE VALIDUNTIL AUTHTYPE AUTHNAME AUTHSECRET LINGER BEARER \
         NAPID COUNTRY NETWORK INTERNET PROXY-ID PROXY-PROVIDER-ID DOMAIN PROVURL PXAUTH-TYPE PXAUTH-ID \
         PXAUTH-PW STARTPAGE BASAUTH-ID BASAUTH-PW PUSHENABLED PXADDR PXADDRTYPE TO-NAPID PORTNBR SERVICE \
         LINKSPEED DNLINKSPEED LOCAL-ADDR LOCAL-ADDRTYPE CONTEXT-ALLOW TRUST MASTER SID SOC WSP-VERSION \
         PHYSICAL-PROXY-ID CLIENT-ID DELIVERY-ERR-SDU DELIVERY-ORDER TRAFFIC-CLASS MAX-SDU-SIZE \
         MAX-BITRATE-UPLINK MAX-BITRATE-DNLINK RESIDUAL-BER SDU-ERROR-RATIO TRAFFIC-HANDL-PRIO \
         TRANSFER-DELAY GUARANTEED-BITRATE-UPLINK GUARANTEED-BITRATE-DNLINK PXADDR-FQDN PROXY-PW \
         PPGAUTH-TYPE",
    ),
    (0, 0x45, "", "version"),
    (0, 0x46, "version", "1.0"),
    (
        0,
        0x47,
        "name",
        "PULLENABLED DNS-ADDR MAX-NUM-RETRY FIRST-RETRY-TIMEOUT REREG-THRESHOLD T-BIT - AUTH-ENTITY SPI",
    ),
    (0, 0x50, "", "type"),
    (
        0,
        0x51,
        "type",
        "PXLOGICAL PXPHYSICAL PORT VALIDITY NAPDEF BOOTSTRAP VENDORCONFIG CLIENTIDENTITY PXAUTHINFO \
         NAPAUTHINFO ACCESS",
    ),
    (0, 0x5C, "name", "BEARERINFO DNS-ADDRINFO"),
    (1, 0x05, "", "name value"),
    (1, 0x07, "name", "NAME - - - - - - - - - - - - INTERNET"),
    (
        1,
        0x1C,
        "name",
        "STARTPAGE - - - - - TO-NAPID PORTNBR SERVICE",
    ),
    (
        1,
        0x2E,
        "name",
        "AACCEPT AAUTHDATA AAUTHLEVEL AAUTHNAME AAUTHSECRET AAUTHTYPE ADDR ADDRTYPE APPID APROTOCOL \
         PROVIDER-ID TO-PROXY URI RULE",
    ),
    (1, 0x3C, "name", "APPREF TO-APPREF PRI-SSID"),
    (1, 0x50, "", "type"),
    (1, 0x53, "type", "PORT"),
    (
        1,
        0x55,
        "type",
        "APPLICATION APPADDR APPAUTH CLIENTIDENTITY RESOURCE",
    ),
    (1, 0x5A, "type", "WLAN SEC-SSID EAP CERT WEPKEY"),
];

/// Page, first token, values in token order (`-` for none).
const VALUES: [(usize, usize, &str); 7] = [
    (
        0,
        0x85,
        "IPV4 IPV6 E164 ALPHA APN SCODE TETRA-ITSI MAN - - - ANALOG-MODEM V.120 V.110 X.31 \
         BIT-TRANSPARENT DIRECT-ASYNCHRONOUS-DATA-SERVICE - - - - PAP CHAP HTTP-BASIC HTTP-DIGEST WTLS-SS \
         MD5 - - GSM-USSD GSM-SMS ANSI-136-GUTS IS-95-CDMA-SMS IS-95-CDMA-CSD IS-95-CDMA-PACKET \
         ANSI-136-CSD ANSI-136-GPRS GSM-CSD GSM-GPRS AMPS-CDPD PDC-CSD PDC-PACKET IDEN-SMS IDEN-CSD \
         IDEN-PACKET FLEX/REFLEX PHS-SMS PHS-CSD TETRA-SDS TETRA-PACKET ANSI-136-GHOST MOBITEX-MPAK \
         CDMA2000-1X-SIMPLE-IP CDMA2000-1X-MOBILE-IP 3G-GSM WLAN",
    ),
    (0, 0xC5, "AUTOBAUDING"),
    (
        0,
        0xCA,
        "CL-WSP CO-WSP CL-SEC-WSP CO-SEC-WSP CL-SEC-WTA CO-SEC-WTA OTA-HTTP-TO OTA-HTTP-TLS-TO \
         OTA-HTTP-PO OTA-HTTP-TLS-PO",
    ),
    (0, 0xE0, "AAA HA"),
    (1, 0x86, "IPV6 E164 ALPHA"),
    (1, 0x8D, "APPSRV OBEX - , HTTP- BASIC DIGEST"),
    (1, 0xE0, "AAA HA"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_its_text_and_a_written_one_is_found() {
        assert_eq!(start(0, 0x3F), Some(("name", "PPGAUTH-TYPE")));
        assert_eq!(start(0, 0x5B), Some(("type", "ACCESS")));
        assert_eq!(start(1, 0x36), Some(("name", "APPID")));
        assert_eq!(start(0, 0x4D), None);
        assert_eq!(start(2, 0x05), None);
        assert_eq!(value(0, 0xBA), Some("CDMA2000-1X-MOBILE-IP"));
        assert_eq!(value(1, 0x93), Some("DIGEST"));
        assert_eq!(find_start("name", "APPID", 0), Some((1, 0x36, "APPID")));
        assert_eq!(find_start("name", "something", 1), Some((1, 0x05, "")));
        assert_eq!(find_start("type", "PORT", 1), Some((1, 0x53, "PORT")));
        assert_eq!(find_start("name", "PRI-SSID", 1), Some((1, 0x05, "")));
        assert_eq!(find_value("HTTP-BASIC", 0), Some((0x9C, "HTTP-BASIC")));
        assert_eq!(find_value("HTTP-BASIC", 1), Some((0x91, "HTTP-")));
    }

    /// Compares with the published table, if the file exists.
    #[test]
    fn the_tables_agree_with_the_published_ones() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/protocol/wbxml-prov-1.0.tsv"
        );
        let Ok(published) = std::fs::read_to_string(path) else {
            return;
        };
        let rows = published.lines().filter(|line| line.starts_with("0x0B"));
        let mut seen = 0;
        for cells in rows.map(|row| row.split('\t').collect::<Vec<_>>()) {
            let page = cells[4].parse().unwrap();
            let token = u8::from_str_radix(&cells[5][2..], 16).unwrap();
            match cells[3] {
                "attrStart" => {
                    assert_eq!(start(page, token), Some((cells[6], cells[7])), "{cells:?}")
                }
                "attrValue" => assert_eq!(value(page, token), Some(cells[7]), "{cells:?}"),
                _ => continue,
            }
            seen += 1;
        }
        let all = (0..2).flat_map(|page| (0..=u8::MAX).map(move |token| (page, token)));
        let ours = all.filter(|(page, token)| {
            start(*page, *token).is_some() || value(*page, *token).is_some()
        });
        assert_eq!(ours.count(), seen);
    }
}
