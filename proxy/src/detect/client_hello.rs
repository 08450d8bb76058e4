//! The two things that matter in a TLS ClientHello before anyone answers it: whom the client
//! expects, and what it wants to speak (RFC 8446, section 4.1.2). Everything else is the TLS
//! library's.

/// What a ClientHello says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientHello {
    /// The server name (RFC 6066, section 3), if there is one and it is ASCII.
    pub server_name: Option<String>,
    /// The protocols offered (RFC 7301), in the client's order.
    pub protocols: Vec<Vec<u8>>,
}

/// How far the bytes got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// A whole ClientHello.
    Hello(ClientHello),
    /// The beginning of one.
    Partial,
    /// Not one.
    Other,
}

/// Reads a ClientHello from the beginning of a connection.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut message = Vec::new();
    let mut rest = bytes;
    // A ClientHello may be spread over several records (RFC 8446, section 5.1).
    loop {
        let Some((header, after)) = rest.split_at_checked(RECORD_HEADER) else {
            return if is_record_start(rest) { Parsed::Partial } else { Parsed::Other };
        };
        if !is_record_start(header) {
            return Parsed::Other;
        }
        let length = header.get(3..5).map_or(0, be16);
        if length == 0 || length > LONGEST_RECORD {
            return Parsed::Other;
        }
        let (body, next) = after.split_at(length.min(after.len()));
        message.extend_from_slice(body);
        match handshake_body(&message) {
            Whole::Body(body) => return read_hello(body).map_or(Parsed::Other, Parsed::Hello),
            Whole::Other => return Parsed::Other,
            Whole::Partial if body.len() < length => return Parsed::Partial,
            Whole::Partial => rest = next,
        }
    }
}

enum Whole<'a> {
    Body(&'a [u8]),
    Partial,
    Other,
}

fn is_record_start(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| *kind == HANDSHAKE)
        && bytes.get(1).is_none_or(|major| *major == 3)
}

fn handshake_body(message: &[u8]) -> Whole<'_> {
    match message.first() {
        None => return Whole::Partial,
        Some(&CLIENT_HELLO) => {}
        Some(_) => return Whole::Other,
    }
    let Some(length) = message.get(1..4).map(|l| l.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    else {
        return Whole::Partial;
    };
    if length > super::LONGEST {
        return Whole::Other;
    }
    message.get(4..4 + length).map_or(Whole::Partial, Whole::Body)
}

fn read_hello(body: &[u8]) -> Option<ClientHello> {
    let mut body = Reader(body);
    body.take(VERSION_AND_RANDOM)?;
    body.take_prefixed8()?; // session id
    body.take_prefixed16()?; // cipher suites
    body.take_prefixed8()?; // compression methods
    let mut hello = ClientHello::default();
    let Some(extensions) = body.take_prefixed16() else {
        return Some(hello);
    };
    let mut extensions = Reader(extensions);
    while let Some(kind) = extensions.take(2) {
        let mut content = Reader(extensions.take_prefixed16()?);
        match be16(kind) {
            SERVER_NAME => hello.server_name = read_server_name(&mut content),
            APPLICATION_LAYER_PROTOCOLS => hello.protocols = read_protocols(&mut content)?,
            _ => {}
        }
    }
    Some(hello)
}

fn read_server_name(content: &mut Reader<'_>) -> Option<String> {
    let mut names = Reader(content.take_prefixed16()?);
    let kind = names.take(1)?;
    let name = names.take_prefixed16()?;
    let text = std::str::from_utf8(name).ok()?;
    (kind == [0] && text.is_ascii()).then(|| text.to_ascii_lowercase())
}

fn read_protocols(content: &mut Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = Reader(content.take_prefixed16()?);
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        protocols.push(list.take_prefixed8()?.to_vec());
    }
    Some(protocols)
}

/// Takes pieces off the front, and nothing past the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_prefixed8(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length)
    }

    fn take_prefixed16(&mut self) -> Option<&'a [u8]> {
        let length = be16(self.take(2)?);
        self.take(length)
    }
}

fn be16(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The content type that a TLS connection begins with.
pub const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const LONGEST_RECORD: usize = 1 << 14;
const VERSION_AND_RANDOM: usize = 2 + 32;
const SERVER_NAME: usize = 0;
const APPLICATION_LAYER_PROTOCOLS: usize = 16;

#[cfg(test)]
mod tests;
