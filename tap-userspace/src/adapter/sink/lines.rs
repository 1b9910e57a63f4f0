//! One line a frame, as tcpdump prints the basics, with the direction from the
//! pod's point of view. Times are UTC; addresses and ports are numbers.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    net::IpAddr,
};

use etherparse::{LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpSlice, TransportSlice};
use tap_common::Direction;

use super::{Delivery, Sink, SinkError};
use crate::model::Frame;

/// Prints frames as lines.
#[derive(Debug)]
pub struct Lines<W: Write> {
    out: io::BufWriter<W>,
    /// Where a frame's two parts are put together.
    frame: Vec<u8>,
    line: String,
}

impl<W: Write> Lines<W> {
    /// Prints to `out`, which [`SinkError`] calls standard output.
    pub fn new(out: W) -> Self {
        Self {
            out: io::BufWriter::new(out),
            frame: Vec::new(),
            line: String::new(),
        }
    }
}

impl<W: Write + Send + fmt::Debug> Sink for Lines<W> {
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<Delivery, SinkError> {
        self.frame.clear();
        self.frame.extend_from_slice(frame.bytes.head);
        self.frame.extend_from_slice(frame.bytes.payload);
        self.line.clear();
        // Writing to a string does not fail.
        let _ = line(&mut self.line, frame, &self.frame);
        self.out
            .write_all(self.line.as_bytes())
            .map_err(write_error)?;
        Ok(Delivery::Delivered)
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        self.out.flush().map_err(write_error)
    }
}

fn write_error(source: io::Error) -> SinkError {
    SinkError::Write {
        path: "standard output".into(),
        source,
    }
}

fn line(out: &mut String, frame: &Frame<'_>, bytes: &[u8]) -> fmt::Result {
    time_of_day(out, frame.timestamp_ns)?;
    out.push_str(match frame.direction {
        Direction::In => " In  ",
        Direction::Out => " Out ",
    });
    match LaxSlicedPacket::from_ethernet(bytes) {
        Ok(packet) => describe(out, &packet, bytes.len())?,
        Err(_) => write!(out, "no Ethernet header, length {}", bytes.len())?,
    }
    out.push('\n');
    Ok(())
}

fn time_of_day(out: &mut String, timestamp_ns: u64) -> fmt::Result {
    const NS_PER_SECOND: u64 = 1_000_000_000;
    let seconds = timestamp_ns / NS_PER_SECOND;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    let microseconds = timestamp_ns % NS_PER_SECOND / 1000;
    write!(
        out,
        "{hours:02}:{minutes:02}:{:02}.{microseconds:06}",
        seconds % 60
    )
}

fn describe(out: &mut String, packet: &LaxSlicedPacket<'_>, length: usize) -> fmt::Result {
    for id in packet.vlan_ids() {
        write!(out, "vlan {}, ", id.value())?;
    }
    match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            let fragment = ip.payload().fragmented;
            let protocol = ip.payload().ip_number.0;
            let ends = (source.into(), destination.into());
            describe_ip(out, "IP", ends, packet, protocol, fragment)
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            let fragment = ip.payload().fragmented;
            let protocol = ip.payload().ip_number.0;
            let ends = (source.into(), destination.into());
            describe_ip(out, "IP6", ends, packet, protocol, fragment)
        }
        Some(LaxNetSlice::Arp(arp)) => {
            write!(out, "ARP, operation {}, length {length}", arp.operation().0)
        }
        None => {
            if let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link {
                write!(out, "ethertype 0x{:04x}, ", ethernet.ether_type().0)?;
            }
            write!(out, "length {length}")
        }
    }
}

fn describe_ip(
    out: &mut String,
    name: &str,
    (source, destination): (IpAddr, IpAddr),
    packet: &LaxSlicedPacket<'_>,
    protocol: u8,
    fragment: bool,
) -> fmt::Result {
    let ports = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => Some((tcp.source_port(), tcp.destination_port())),
        Some(TransportSlice::Udp(udp)) => Some((udp.source_port(), udp.destination_port())),
        _ => None,
    };
    match ports {
        Some((from, to)) => write!(out, "{name} {source}.{from} > {destination}.{to}: ")?,
        None => write!(out, "{name} {source} > {destination}: ")?,
    }
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => describe_tcp(out, tcp),
        Some(TransportSlice::Udp(udp)) => write!(out, "UDP, length {}", udp.payload().len()),
        Some(TransportSlice::Icmpv4(icmp)) => {
            write!(
                out,
                "ICMP type {}, length {}",
                icmp.type_u8(),
                icmp.slice().len()
            )
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            write!(
                out,
                "ICMP6 type {}, length {}",
                icmp.type_u8(),
                icmp.slice().len()
            )
        }
        _ if fragment => write!(out, "fragment, ip-proto-{protocol}"),
        _ => write!(out, "ip-proto-{protocol}"),
    }
}

fn describe_tcp(out: &mut String, tcp: &TcpSlice<'_>) -> fmt::Result {
    out.push_str("Flags [");
    let flags = [
        (tcp.fin(), 'F'),
        (tcp.syn(), 'S'),
        (tcp.rst(), 'R'),
        (tcp.psh(), 'P'),
        (tcp.ack(), '.'),
        (tcp.urg(), 'U'),
        (tcp.ece(), 'E'),
        (tcp.cwr(), 'W'),
    ];
    out.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag));
    out.push(']');
    let length = tcp.payload().len();
    let sequence = tcp.sequence_number();
    let end = u32::try_from(length).map_or(sequence, |length| sequence.wrapping_add(length));
    if length > 0 {
        write!(out, ", seq {sequence}:{end}")?;
    } else if tcp.syn() || tcp.fin() || tcp.rst() {
        write!(out, ", seq {sequence}")?;
    }
    if tcp.ack() {
        write!(out, ", ack {}", tcp.acknowledgment_number())?;
    }
    write!(out, ", win {}, length {length}", tcp.window_size())
}
