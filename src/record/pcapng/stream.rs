//! A made-up TCP connection: frames with valid sequence numbers and checksums.

use std::net::{IpAddr, SocketAddr};

use etherparse::{Ethernet2Header, PacketBuilder, PacketBuilderStep, TcpHeader};

/// An Ethernet frame.
pub(super) struct Frame(pub(super) Vec<u8>);

/// One connection: its two ends, and the next sequence number of each.
pub(super) struct Stream {
    device: SocketAddr,
    server: SocketAddr,
    from_device: u32,
    from_server: u32,
    /// The exchange that waits for its response.
    pub(super) exchange: Option<u64>,
}

/// The most bytes in one segment: most messages fit into one packet, and IP allows 65,535.
const SEGMENT: usize = 60_000;

/// The server port: on it Wireshark dissects HTTP.
const HTTP: u16 = 80;

const WINDOW: u16 = 65_535;
const HOPS: u8 = 64;

/// Locally administered MAC addresses, which belong to no manufacturer.
const DEVICE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

type Link = PacketBuilderStep<Ethernet2Header>;
type Segment = PacketBuilderStep<TcpHeader>;

impl Stream {
    /// Creates a connection whose ends both count from `first`. Wireshark takes a SYN for a new connection only if its
    /// sequence number differs from that of the last connection between the same addresses and ports.
    pub(super) fn new(device: SocketAddr, server: IpAddr, first: u32) -> Self {
        Self {
            device,
            server: SocketAddr::new(server, HTTP),
            from_device: first,
            from_server: first,
            exchange: None,
        }
    }

    /// Returns SYN, SYN with ACK, and ACK.
    pub(super) fn handshake(&mut self) -> [Frame; 3] {
        let syn = frame(self.of_device().syn(), &[]);
        self.from_device = self.from_device.wrapping_add(1);
        let syn_ack = frame(self.of_server().syn().ack(self.from_device), &[]);
        self.from_server = self.from_server.wrapping_add(1);
        let ack = frame(self.of_device().ack(self.from_server), &[]);
        [syn, syn_ack, ack]
    }

    /// Returns the frames of a message, in as many segments as it needs.
    pub(super) fn send(&mut self, to_server: bool, message: &[u8]) -> Vec<Frame> {
        let count = message.len().div_ceil(SEGMENT);
        let mut frames = Vec::with_capacity(count);
        for (number, part) in message.chunks(SEGMENT).enumerate() {
            let segment = match to_server {
                true => self.of_device().ack(self.from_server),
                false => self.of_server().ack(self.from_device),
            };
            let last = number + 1 == count;
            frames.push(frame(if last { segment.psh() } else { segment }, part));
            let next = match to_server {
                true => &mut self.from_device,
                false => &mut self.from_server,
            };
            *next = next.wrapping_add(part.len() as u32);
        }
        frames
    }

    /// Returns an ACK of the server's side without data.
    pub(super) fn acknowledge(&mut self) -> Frame {
        frame(self.of_server().ack(self.from_device), &[])
    }

    /// Returns the reset that the device sees.
    pub(super) fn reset(&mut self) -> Frame {
        frame(self.of_server().rst().ack(self.from_device), &[])
    }

    /// Returns the FIN of each end and the last ACK.
    pub(super) fn farewell(&mut self) -> [Frame; 3] {
        let fin = frame(self.of_device().fin().ack(self.from_server), &[]);
        self.from_device = self.from_device.wrapping_add(1);
        let answer = frame(self.of_server().fin().ack(self.from_device), &[]);
        self.from_server = self.from_server.wrapping_add(1);
        let last = frame(self.of_device().ack(self.from_server), &[]);
        [fin, answer, last]
    }

    fn of_device(&self) -> Segment {
        let link = PacketBuilder::ethernet2(DEVICE_MAC, SERVER_MAC);
        segment(link, self.device, self.server, self.from_device)
    }

    fn of_server(&self) -> Segment {
        let link = PacketBuilder::ethernet2(SERVER_MAC, DEVICE_MAC);
        segment(link, self.server, self.device, self.from_server)
    }
}

fn segment(link: Link, from: SocketAddr, to: SocketAddr, number: u32) -> Segment {
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), HOPS),
        (from, to) => link.ipv6(octets(from), octets(to), HOPS),
    };
    ip.tcp(from.port(), to.port(), number, WINDOW)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn frame(segment: Segment, payload: &[u8]) -> Frame {
    let mut bytes = Vec::with_capacity(segment.size(payload.len()));
    segment
        .write(&mut bytes, payload)
        .expect("a segment fits into a packet, and memory takes it");
    Frame(bytes)
}
