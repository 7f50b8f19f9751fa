//! pcapng: the traffic as an annotated file for Wireshark.
//!
//! The decrypted HTTP messages, HTTP/2 included, are written as HTTP/1.1 text over TCP over Ethernet. All packets are
//! made up. Addresses and ports of devices are real. A server with a name gets an address reserved for tests or
//! documentation, with its name in a name resolution block. Servers have port 80, so that every tool reads the text as
//! HTTP. Each message is written as its receiver got it. The comment of its packet is the text of the transcript, which
//! shows what a rule changed.

mod message;
mod stream;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::name_resolution::{
    Ipv4Record, Ipv6Record, NameResolutionBlock, Record,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};

use super::model::{ConnectionRecord, DeliveryStepRecord, EventKind};
use super::{EventRecord, Sink, transcript};
use stream::{Frame, Stream};

/// A sink that writes a pcapng file.
pub struct Pcapng<W: Write> {
    out: PcapNgWriter<W>,
    /// The streams of each connection, by its number: one stream for each exchange that runs at the same time.
    connections: BTreeMap<u64, Vec<Stream>>,
    servers: HashMap<String, u16>,
    ports: u16,
    /// The number of streams begun so far.
    begun: u32,
}

/// The most connections remembered. Beyond, the oldest connection counts as closed.
const MOST_CONNECTIONS: usize = 10_000;

/// The most servers with an address of their own; further servers share the last address.
const MOST_SERVERS: u16 = 60_000;

/// The distance between the first sequence numbers of two streams. It is odd, so that no number repeats within 2^32
/// streams, and large, so that no stream runs into the numbers of the next.
const APART: u32 = 0x9E37_79B1;

/// The most bytes of a comment; pcapng allows 65,535.
const MOST_COMMENT: usize = 60_000;

const SECTION: &str = "Written by dmtap, a proxy inside TLS. Every packet is made up around the HTTP messages \
    that passed; HTTP/2 is written as HTTP/1.1 text, bodies without content coding, servers at port 80. A packet \
    comment is dmtap's annotation of the message.";

impl<W: Write> Pcapng<W> {
    /// Begins a file on `out`.
    ///
    /// # Errors
    /// Returns errors of the writer.
    pub fn new(out: W) -> io::Result<Self> {
        let mut section = SectionHeaderBlock::default();
        let application = Cow::Borrowed(concat!("dmtap ", env!("CARGO_PKG_VERSION")));
        section.options = vec![
            SectionHeaderOption::Common(CommonOption::Comment(SECTION.into())),
            SectionHeaderOption::UserApplication(application),
        ];
        let mut out = PcapNgWriter::with_section_header(out, section).map_err(io::Error::other)?;
        let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
        interface.options = vec![
            InterfaceDescriptionOption::IfName("dmtap".into()),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::MICRO),
        ];
        write(&mut out, interface)?;
        Ok(Self {
            out,
            connections: BTreeMap::new(),
            servers: HashMap::new(),
            ports: 0,
            begun: 0,
        })
    }

    fn opened(&mut self, record: &EventRecord) -> io::Result<()> {
        let connection = &record.connection;
        let stream = self.stream(connection, device(connection).port())?;
        self.begin(connection.id, stream, record.at_us)
    }

    /// Begins a stream between the device's address, with `port`, and the server's address.
    fn stream(&mut self, connection: &ConnectionRecord, port: u16) -> io::Result<Stream> {
        let device = device(connection).ip().to_canonical();
        let server = connection.server.as_deref().unwrap_or_default();
        let server = self.server(server, device)?;
        self.begun = self.begun.wrapping_add(1);
        Ok(Stream::new(
            SocketAddr::new(device, port),
            server,
            self.begun.wrapping_mul(APART),
        ))
    }

    fn begin(&mut self, connection: u64, mut stream: Stream, at_us: u64) -> io::Result<()> {
        for frame in stream.handshake() {
            self.frame(at_us, frame, None)?;
        }
        self.connections.entry(connection).or_default().push(stream);
        if self.connections.len() > MOST_CONNECTIONS {
            self.connections.pop_first();
        }
        Ok(())
    }

    /// Returns the address of a server. A new name gets an address, and a block with both is written.
    fn server(&mut self, server: &str, device: IpAddr) -> io::Result<IpAddr> {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_ipv4() == device.is_ipv4() => return Ok(ip),
            _ => {}
        }
        let next = self.servers.len() as u16 + 1;
        let known = self.servers.get(host).copied();
        let number = known.unwrap_or(next.min(MOST_SERVERS));
        let [high, low] = number.to_be_bytes();
        // Addresses reserved for benchmarks (RFC 2544) and for documentation (RFC 3849).
        let v4 = Ipv4Addr::new(198, 18, high, low);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number);
        if known.is_none() && next <= MOST_SERVERS {
            self.servers.insert(host.to_owned(), number);
            let names = vec![Cow::Owned(host.to_owned())];
            let v4 = Ipv4Record {
                ip_addr: v4,
                names: names.clone(),
            };
            let v6 = Ipv6Record { ip_addr: v6, names };
            let block = NameResolutionBlock {
                records: vec![Record::Ipv4(v4), Record::Ipv6(v6)],
                options: Vec::new(),
            };
            write(&mut self.out, block)?;
        }
        Ok(match device {
            IpAddr::V4(_) => v4.into(),
            IpAddr::V6(_) => v6.into(),
        })
    }

    fn message(&mut self, record: &EventRecord) -> io::Result<()> {
        let place = self.place(record)?;
        let id = record.connection.id;
        let comment = comment(record);
        let text = message::text(record);
        let Some(stream) = self
            .connections
            .get_mut(&id)
            .and_then(|all| all.get_mut(place))
        else {
            return Ok(());
        };
        let to_server = record.event == EventKind::Request;
        stream.exchange = record.exchange.filter(|_| to_server);
        let is_reset = record.delivery.contains(&DeliveryStepRecord::Reset);
        let frames = match is_reset {
            true => vec![stream.reset()],
            false => stream.send(to_server, &text),
        };
        if is_reset {
            self.forget(id, place);
        }
        // The comment belongs to the packet that completes the message: there Wireshark dissects HTTP.
        let last = frames.len().saturating_sub(1);
        for (number, frame) in frames.into_iter().enumerate() {
            let comment = (number == last).then_some(&*comment);
            self.frame(record.at_us, frame, comment)?;
        }
        Ok(())
    }

    /// Returns the stream for a message: for a response the stream of its request, for a request a stream that waits
    /// for no response.
    fn place(&mut self, record: &EventRecord) -> io::Result<usize> {
        let wanted = match record.event {
            EventKind::Request => None,
            _ => record.exchange,
        };
        let id = record.connection.id;
        let streams = self.connections.get(&id).map_or(&[][..], |all| all);
        if let Some(place) = streams.iter().position(|stream| stream.exchange == wanted) {
            return Ok(place);
        }
        let place = streams.len();
        let port = match place {
            0 => device(&record.connection).port(),
            _ => {
                self.ports = (self.ports + 1) % 16_384;
                49_152 + self.ports
            }
        };
        let stream = self.stream(&record.connection, port)?;
        self.begin(id, stream, record.at_us)?;
        Ok(place)
    }

    fn failed(&mut self, record: &EventRecord) -> io::Result<()> {
        let id = record.connection.id;
        let streams = self.connections.get_mut(&id).map_or(&mut [][..], |all| all);
        let found = streams.iter_mut().enumerate();
        let mut found = found.filter(|(_, stream)| stream.exchange == record.exchange);
        let Some((place, stream)) = found.next() else {
            return Ok(());
        };
        // The device gets dmtap's own answer next.
        let frame = match record.is_answered {
            true => stream.acknowledge(),
            false => stream.reset(),
        };
        if !record.is_answered {
            self.forget(id, place);
        }
        self.frame(record.at_us, frame, Some(&comment(record)))
    }

    fn closed(&mut self, connection: u64, at_us: u64) -> io::Result<()> {
        for mut stream in self.connections.remove(&connection).unwrap_or_default() {
            for frame in stream.farewell() {
                self.frame(at_us, frame, None)?;
            }
        }
        Ok(())
    }

    fn forget(&mut self, connection: u64, at: usize) {
        if let Some(streams) = self.connections.get_mut(&connection) {
            streams.remove(at);
        }
    }

    fn frame(&mut self, at_us: u64, frame: Frame, comment: Option<&str>) -> io::Result<()> {
        let comment = comment.map(|text| CommonOption::Comment(text.into()));
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_micros(at_us),
            original_len: frame.0.len() as u32,
            data: frame.0.into(),
            options: comment
                .map(EnhancedPacketOption::Common)
                .into_iter()
                .collect(),
        };
        write(&mut self.out, packet)
    }
}

impl<W: Write + Send> Sink for Pcapng<W> {
    fn begin(&mut self) -> io::Result<()> {
        // An aborted run leaves a file that Wireshark opens.
        self.flush()
    }

    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        match record.event {
            EventKind::Opened => self.opened(record),
            EventKind::Closed => self.closed(record.connection.id, record.at_us),
            EventKind::Request | EventKind::Response => self.message(record),
            EventKind::Failed => self.failed(record),
            EventKind::Refused
            | EventKind::Malformed
            | EventKind::ConnectionDecided
            | EventKind::Session => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.get_mut().flush()
    }
}

/// Returns the device's address, which the records of messages and of opened connections contain.
fn device(connection: &ConnectionRecord) -> SocketAddr {
    let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    connection.device.unwrap_or(nowhere)
}

fn comment(record: &EventRecord) -> String {
    let mut text = transcript::text(record);
    if text.len() > MOST_COMMENT {
        text.truncate(text.floor_char_boundary(MOST_COMMENT));
        text.push('…');
    }
    text.truncate(text.trim_end().len());
    text
}

fn write<'a, W: Write>(out: &mut PcapNgWriter<W>, block: impl PcapNgBlock<'a>) -> io::Result<()> {
    match out.write_pcapng_block(block) {
        Ok(_) => Ok(()),
        Err(pcap_file::pcapng::PcapNgWriteError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}
