//! Sessions of the simulators and messages of enrollment, mutated, in random heads and framings.

use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use dmtap::peer::device::{Next, demo_tree};
use dmtap::peer::{Device, Plan, Profile, Server};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::super::peer_programs;

/// SplitMix64: the same numbers for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether it is one of so many.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// One exchange: what the device sends, and what the server answers.
pub struct Exchange {
    pub request: Half,
    pub response: Half,
    pub status: StatusCode,
}

/// A message on its way.
pub struct Half {
    pub headers: HeaderMap,
    /// As sent, with its content coding.
    pub body: Bytes,
    /// Without it; `None` where the head names one that it does not have, which may be undone all the same.
    pub plain: Option<Bytes>,
    /// The bytes of each frame; empty: one frame of a known length.
    pub frames: Vec<usize>,
    pub trailers: Option<HeaderMap>,
}

/// The exchanges of sessions until there are `count` of them.
pub fn exchanges(random: &mut Random, count: usize) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    while exchanges.len() < count {
        // The first are those of the peers: rules find more in them than in single messages.
        let session = match random.one_in(2) {
            true => random.pick(&SESSIONS[..3]),
            false => random.pick(&SESSIONS),
        };
        let is_wbxml = random.one_in(2);
        let id = format!("FUZZ-{:016X}", random.next());
        for (request, response) in session {
            let mut half = |text: &[u8]| {
                let message = String::from_utf8_lossy(text).replace(DEVICE, &id);
                half(random, form(message.as_bytes(), is_wbxml))
            };
            let (request, response) = (half(request), half(response));
            let status = *random.pick(&[200, 200, 200, 200, 200, 202, 400, 401, 404, 500, 503]);
            exchanges.push(Exchange {
                request,
                response,
                status: StatusCode::from_u16(status).unwrap(),
            });
        }
    }
    exchanges
}

/// The same message in WBXML, where it can be written so.
fn form(xml: &[u8], is_wbxml: bool) -> Vec<u8> {
    let document = read(xml).filter(|_| is_wbxml);
    let written = document.and_then(|document| encode(&document, &WbxmlOptions::default()).ok());
    written.unwrap_or_else(|| xml.to_vec())
}

fn half(random: &mut Random, mut message: Vec<u8>) -> Half {
    if random.one_in(2) {
        for _ in 0..=random.below(3) {
            mutate(random, &mut message);
        }
    }
    let is_wbxml = message.first() == Some(&2) || message.first() == Some(&3);
    let media_type = match random.below(8) {
        0 => *random.pick(&MEDIA_TYPES),
        _ if is_wbxml => "application/vnd.syncml.dm+wbxml",
        _ if message.starts_with(b"<s:Env") => "application/soap+xml; charset=utf-8",
        _ => "application/vnd.syncml.dm+xml",
    };
    let (plain, coding, body) = coded(random, message);
    Half {
        headers: head(random, media_type, coding),
        frames: frames(random, body.len()),
        trailers: trailers(random),
        plain: plain.map(Bytes::from),
        body: body.into(),
    }
}

/// What a body is without its coding, what the head says of it, and what is sent.
fn coded(random: &mut Random, plain: Vec<u8>) -> (Option<Vec<u8>>, Option<&'static str>, Vec<u8>) {
    match random.below(20) {
        0 => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&plain).unwrap();
            (Some(plain), Some("gzip"), gzip.finish().unwrap())
        }
        1 => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&plain).unwrap();
            (Some(plain), Some("deflate"), zlib.finish().unwrap())
        }
        // What the head says is not true.
        2 => {
            let coding = *random.pick(&["gzip", "br", "zstd", "deflate", "x", "gzip, gzip", ""]);
            (None, Some(coding), plain)
        }
        _ => (Some(plain.clone()), None, plain),
    }
}

fn head(random: &mut Random, media_type: &str, coding: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !random.one_in(20) {
        headers.insert("content-type", HeaderValue::from_str(media_type).unwrap());
    }
    if let Some(coding) = coding {
        headers.insert("content-encoding", HeaderValue::from_static(coding));
    }
    for _ in 0..random.below(6) {
        let name = match random.below(3) {
            0 => HeaderName::from_static(random.pick::<&'static str>(&NAMES)),
            _ => format!("x-f{}", random.below(9)).parse().unwrap(),
        };
        headers.append(name, value(random));
    }
    headers
}

/// The value of a header field: any bytes that may stand there, none of them at its ends blank.
fn value(random: &mut Random) -> HeaderValue {
    let length = match random.below(20) {
        0 => random.below(4000),
        _ => random.below(40),
    };
    let byte = |_| match random.below(10) {
        0 => 0x80 + random.below(0x80) as u8,
        _ => b'!' + random.below(usize::from(b'~' - b'!')) as u8,
    };
    let bytes: Vec<u8> = (0..length).map(byte).collect();
    HeaderValue::from_bytes(&bytes).unwrap()
}

fn frames(random: &mut Random, mut length: usize) -> Vec<usize> {
    if random.one_in(2) || length == 0 {
        return Vec::new();
    }
    let longest = 1 + random.below(length);
    let mut frames = Vec::new();
    while length > 0 {
        // A body of single bytes would take long.
        let frame = match frames.len() {
            40 => length,
            _ => (1 + random.below(longest)).min(length),
        };
        frames.push(frame);
        length -= frame;
    }
    frames
}

fn trailers(random: &mut Random) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", HeaderValue::from_static("at the end"));
    random.one_in(8).then_some(trailers)
}

/// One change somewhere.
fn mutate(random: &mut Random, message: &mut Vec<u8>) {
    let at = random.below(message.len());
    let rest = message.len() - at;
    match random.below(9) {
        0 => message.truncate(at),
        1 if rest > 0 => message[at] ^= 1 << random.below(8),
        2 if rest > 0 => message[at] = random.next() as u8,
        3 => drop(message.drain(at..at + random.below(rest.min(64)))),
        4 => {
            let piece = message[at..at + random.below(rest.min(256))].to_vec();
            let to = random.below(message.len());
            message.splice(to..to, piece);
        }
        5 => {
            let piece = *random.pick(&PIECES);
            message.splice(at..at, piece.iter().copied());
        }
        6 => {
            let session = random.pick(&SESSIONS);
            let (_, other) = random.pick(session);
            let from = random.below(other.len());
            message.truncate(at);
            message.extend_from_slice(&other[from..]);
        }
        _ => swap(random, message),
    }
}

/// An element's text gives way to another one's, so that the message decodes and says something else.
fn swap(random: &mut Random, message: &mut Vec<u8>) {
    let Some(document) = read(message).filter(|_| message.first() == Some(&b'<')) else {
        return;
    };
    let texts = document.elements().flat_map(|element| element.texts());
    let spans: Vec<_> = texts.map(|text| text.span()).collect();
    if spans.is_empty() {
        return;
    }
    let (to, from) = (*random.pick(&spans), *random.pick(&spans));
    let text = from.of(message).to_vec();
    message.splice(to.start as usize..to.end as usize, text);
}

fn read(message: &[u8]) -> Option<Document> {
    let source = Bytes::copy_from_slice(message);
    decode(source, Hint::default(), &Limits::default()).ok()
}

type Session = Vec<(Vec<u8>, Vec<u8>)>;

/// What peers say to each other; and where they are at hand, real messages.
static SESSIONS: LazyLock<Vec<Session>> = LazyLock::new(|| {
    let mut sessions = vec![played(Plan::demo()), played(Plan::large())];
    let soap = |text: &str| text.as_bytes().to_vec();
    sessions.push(vec![
        (soap(DISCOVER), soap(DISCOVERED)),
        (soap(TOKEN), soap(FAULT)),
    ]);
    let real: Vec<_> = peer_programs::corpus()
        .map(|folder| peer_programs::messages(&folder))
        .into_iter()
        .flatten()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    sessions.extend(real.chunks_exact(2).map(|pair| {
        let [request, response] = [&pair[0], &pair[1]];
        vec![(request.clone(), response.clone())]
    }));
    sessions
});

/// A session of the device and the reference server.
fn played(plan: Plan) -> Session {
    let profile = Profile {
        id: DEVICE.into(),
        ..Profile::default()
    };
    let mut device = Device::new(profile, demo_tree());
    let mut server = Server::new(plan);
    let mut session = Vec::new();
    let mut message = device.begin("https://localhost/dm", "1");
    while session.len() < 20 {
        let reply = server.answer(&read(message.as_bytes()).unwrap()).unwrap();
        session.push((message.into_bytes(), reply.clone().into_bytes()));
        let Next::Send(next) = device.answer(&read(reply.as_bytes()).unwrap()) else {
            return session;
        };
        message = next;
    }
    panic!("they do not come to an end");
}

const DEVICE: &str = "FUZZ-0000000000000000";

/// What mutations put in.
const PIECES: [&[u8]; 14] = [
    b"<",
    b">",
    b"&amp;",
    b"&#0;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"</SyncML>",
    b"<Final/>",
    b"<Item><Data>x</Data></Item>",
    b"\0\x01",
    b"\xC3\x05",
    b"\x03",
    b"\r\n0\r\n\r\n",
];

const MEDIA_TYPES: [&str; 9] = [
    "application/vnd.syncml.dm+xml",
    "application/vnd.syncml.dm+wbxml",
    "application/vnd.syncml.dm+xml; charset=\"iso-8859-1\"",
    "text/xml; charset='utf-16'",
    "application/soap+xml",
    "application/octet-stream",
    "text/html",
    "application/vnd.ms-sync.wbxml",
    "*",
];

const NAMES: [&str; 10] = [
    "cookie",
    "authorization",
    "etag",
    "digest",
    "ms-signature",
    "x-syncml-hmac",
    "user-agent",
    "retry-after",
    "cache-control",
    "www-authenticate",
];

const DISCOVER: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header><a:Action s:mustUnderstand=\"1\">\
    http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover</a:Action>\
    <a:MessageID>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:MessageID></s:Header><s:Body>\
    <Discover xmlns=\"http://schemas.microsoft.com/windows/management/2012/01/enrollment\"><request>\
    <EmailAddress>a@example.com</EmailAddress><RequestVersion>4.0</RequestVersion></request></Discover></s:Body>\
    </s:Envelope>";
const DISCOVERED: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body>\
    <DiscoverResponse xmlns=\"http://schemas.microsoft.com/windows/management/2012/01/enrollment\"><DiscoverResult>\
    <AuthPolicy>OnPremise</AuthPolicy><EnrollmentPolicyServiceUrl>https://localhost/policy\
    </EnrollmentPolicyServiceUrl></DiscoverResult></DiscoverResponse></s:Body></s:Envelope>";
const TOKEN: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>\
    <wsse:Security xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
    <wsse:UsernameToken><wsse:Username>u</wsse:Username><wsse:Password>p</wsse:Password></wsse:UsernameToken>\
    </wsse:Security></s:Header><s:Body><wst:RequestSecurityToken \
    xmlns:wst=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"/></s:Body></s:Envelope>";
const FAULT: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault><s:Code>\
    <s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang=\"en\">no</s:Text></s:Reason></s:Fault></s:Body>\
    </s:Envelope>";
