//! As much of HTTP/2's framing (RFC 9113, section 4.1) as a load generator and an upstream need
//! that must cost less than what they measure. Heads are bytes made beforehand; what comes is told
//! apart, counted, and not decoded.

/// A frame as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// One of the kinds below, or another.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Which stream it belongs to; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The first frame of `bytes` and how long it is, if all of it is there.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *head;
    let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
    let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
    let payload = rest.get(..length)?;
    Some((Frame { kind, flags, stream, payload }, HEAD + length))
}

/// Writes a frame.
pub fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes().into_iter().skip(1));
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// What one side of a connection begins with: room for all that may come, so that windows need no
/// care.
#[must_use]
pub fn opening() -> Vec<u8> {
    let mut out = Vec::new();
    let mut settings = Vec::new();
    for (id, value) in [(INITIAL_WINDOW_SIZE, WINDOW), (MAX_CONCURRENT_STREAMS, 1_000)] {
        settings.extend(u16::to_be_bytes(id));
        settings.extend(u32::to_be_bytes(value));
    }
    put(&mut out, SETTINGS, 0, 0, &settings);
    widen(&mut out);
    out
}

/// Gives the connection room for [`WINDOW`] more bytes.
pub fn widen(out: &mut Vec<u8>) {
    put(out, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
}

/// A header that enters no table (RFC 7541, section 6.2.2): its name by index of the static table.
pub fn put_header(block: &mut Vec<u8>, index: u8, value: &str) {
    match index.checked_sub(15) {
        None => block.push(index),
        Some(rest) => block.extend([15, rest]),
    }
    put_text(block, value);
}

/// A header that enters no table and whose name is no table's either.
pub fn put_named_header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    put_text(block, name);
    put_text(block, value);
}

fn put_text(block: &mut Vec<u8>, text: &str) {
    // All our texts are shorter than what one octet of length can say.
    block.push(u8::try_from(text.len()).unwrap_or(0).min(126));
    block.extend_from_slice(text.as_bytes());
}

/// A message of gRPC of `length` bytes, not compressed.
#[must_use]
pub fn grpc_message(length: usize) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.resize(message.len() + length, b'x');
    message
}

/// Whether a response's head begins with `:status: 200`, which must be an index of the static table
/// (RFC 7541, appendix A) after what changes the size of the dynamic one.
#[must_use]
pub fn is_ok(block: &[u8]) -> bool {
    let mut rest = block;
    while let Some((first, after)) = rest.split_first()
        && first & 0xe0 == 0x20
    {
        let long = first & 0x1f == 0x1f;
        let continued = after.iter().take_while(|octet| **octet & 0x80 != 0).count();
        rest = if long { after.get(continued + 1..).unwrap_or_default() } else { after };
    }
    rest.first() == Some(&STATUS_200)
}

/// How a client of HTTP/2 begins.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The kinds of frames that matter here.
pub const DATA: u8 = 0;
/// Heads and trailers.
pub const HEADERS: u8 = 1;
/// A stream ends here and now.
pub const RST_STREAM: u8 = 3;
/// What one side wants of the other.
pub const SETTINGS: u8 = 4;
/// Asks for an answer.
pub const PING: u8 = 6;
/// No more streams.
pub const GOAWAY: u8 = 7;
/// More room.
pub const WINDOW_UPDATE: u8 = 8;
/// The stream's last frame this way.
pub const END_STREAM: u8 = 1;
/// An answer to SETTINGS or PING.
pub const ACK: u8 = 1;
/// The head is complete.
pub const END_HEADERS: u8 = 4;
/// Flags of HEADERS and DATA that move the payload.
pub const PADDED: u8 = 8;
/// The head begins with a priority.
pub const PRIORITY: u8 = 0x20;
/// `:status: 200` in the static table.
pub const STATUS_200: u8 = 0x88;
/// How much room is given at a time.
pub const WINDOW: u32 = 1 << 30;

const HEAD: usize = 9;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        put(&mut bytes, DATA, END_STREAM, 7, b"hello");
        let (frame, length) = first(&bytes).unwrap();
        assert_eq!(frame, Frame { kind: DATA, flags: END_STREAM, stream: 7, payload: b"hello" });
        assert_eq!(length, bytes.len());
        assert_eq!(first(&bytes[..length - 1]), None);
    }

    #[test]
    fn only_200_is_good() {
        assert!(is_ok(&[STATUS_200, 0x00]));
        assert!(is_ok(&[0x3f, 0xe1, 0x1f, STATUS_200]));
        assert!(is_ok(&[0x20, STATUS_200]));
        assert!(!is_ok(&[0x8d]));
        assert!(!is_ok(&[]));
    }

    #[test]
    fn indices_above_fourteen_take_two_octets() {
        let mut block = Vec::new();
        put_header(&mut block, 4, "/");
        put_header(&mut block, 31, "a");
        assert_eq!(block, [4, 1, b'/', 15, 16, 1, b'a']);
    }
}
