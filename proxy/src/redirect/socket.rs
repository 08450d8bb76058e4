//! One question to the kernel over netlink: what is sent at once, and the refusal or confirmation
//! that it gets.

use std::io;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload, NetlinkSerializable};
use netlink_packet_netfilter::NetfilterMessage;
use netlink_sys::{Socket, SocketAddr};

/// What the kernel said.
#[derive(Debug)]
pub(super) enum Answer {
    /// The message that asked for a confirmation got one.
    Confirmed,
    /// The message with this sequence number was refused.
    Refused { sequence: u32, error: io::Error },
    /// Neither.
    Silent,
}

/// Sends `messages` in one datagram. The kernel works them off before the send returns, so its
/// answers are there to be read and nothing waits.
pub(super) fn ask<M: NetlinkSerializable>(
    protocol: isize,
    messages: &[NetlinkMessage<M>],
) -> io::Result<Answer> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_non_blocking(true)?;
    socket.send(&datagram(messages), 0)?;
    let mut answer = Answer::Silent;
    loop {
        match socket.recv_from_full() {
            Ok((replies, _)) => {
                if let Some(found) = first_answer(&replies)? {
                    answer = found;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(answer),
            Err(error) => return Err(error),
        }
        if matches!(answer, Answer::Refused { .. }) {
            return Ok(answer);
        }
    }
}

fn datagram<M: NetlinkSerializable>(messages: &[NetlinkMessage<M>]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for message in messages {
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        // Attributes are padded, so a message's length already is a multiple of NLMSG_ALIGNTO.
        datagram.append(&mut bytes);
    }
    datagram
}

/// The refusal among `replies`, else the confirmation.
fn first_answer(mut replies: &[u8]) -> io::Result<Option<Answer>> {
    let mut answer = None;
    while !replies.is_empty() {
        let reply = NetlinkMessage::<NetfilterMessage>::deserialize(replies)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let NetlinkPayload::Error(error) = reply.payload {
            if error.code.is_some() {
                let sequence = reply.header.sequence_number;
                return Ok(Some(Answer::Refused { sequence, error: error.to_io() }));
            }
            answer = Some(Answer::Confirmed);
        }
        let length = usize::try_from(reply.header.length).unwrap_or(usize::MAX);
        replies = replies.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(answer)
}

/// NLMSG_ALIGNTO.
const ALIGNMENT: usize = 4;
