//! Frames of HTTP/2 as a hostile peer writes them: without any rule. Header fields are written as
//! literals, neither indexed nor compressed (RFC 7541, section 6.2.2).

/// What every client begins with, and settings that say nothing.
pub(crate) fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of fields whose characters are bytes.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let bytes: Vec<u8> =
                text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
            block.extend(integer(0, 7, bytes.len()));
            block.extend(bytes);
        }
    }
    block
}

/// An integer with a prefix of `bits` (RFC 7541, section 5.1).
pub(crate) fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value).unwrap();
    if value < most {
        return vec![first | byte(value)];
    }
    let (mut bytes, mut rest) = (vec![first | byte(most)], value - most);
    while rest >= 128 {
        bytes.push(byte(rest % 128) | 128);
        rest /= 128;
    }
    bytes.push(byte(rest));
    bytes
}

/// A frame that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

/// The whole frames in `bytes`.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        frames.push(Frame { kind: head[3], flags: head[4], stream, payload });
        bytes = rest;
    }
    frames
}

/// Whether the other side said that it ends the connection because of an error.
pub(crate) fn is_told_off(bytes: &[u8]) -> bool {
    let code = |frame: &Frame<'_>| frame.payload.get(4..8).map(|code| code != [0; 4]);
    read(bytes).iter().any(|frame| frame.kind == GOAWAY && code(frame) == Some(true))
}

/// Whether `stream` has ended, in one way or another.
pub(crate) fn is_over(bytes: &[u8], stream: u32) -> bool {
    let ends = |frame: &Frame<'_>| frame.kind <= HEADERS && frame.flags & END_STREAM != 0;
    let resets = |frame: &Frame<'_>| frame.kind == RST_STREAM;
    read(bytes).iter().any(|frame| frame.stream == stream && (ends(frame) || resets(frame)))
}

/// Whether `stream` was answered with 200 to its end.
pub(crate) fn is_answered(bytes: &[u8], stream: u32) -> bool {
    let frames = read(bytes);
    let mut own = frames.iter().filter(|frame| frame.stream == stream);
    // 200 is the eighth field of the static table.
    let head = own.find(|frame| frame.kind == HEADERS);
    let is_ok = head.is_some_and(|head| head.payload.first() == Some(&0x88));
    let reset = frames.iter().any(|frame| frame.stream == stream && frame.kind == RST_STREAM);
    is_ok && is_over(bytes, stream) && !reset
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITISED: u8 = 0x20;
