//! A strict reader of HTTP/1 streams, written from RFC 9112 for tests: whatever leaves one
//! choice to the reader is broken here, even where the RFC forgives it.

use std::fmt;

/// What a stream of bytes holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// All messages that are whole.
    pub messages: Vec<Message>,
    /// What comes after them.
    pub ended: Ended,
    /// How many bytes the messages take.
    pub consumed: usize,
}

/// A whole message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Method and target, or the status.
    pub start: String,
    /// Its body, without chunks.
    pub body: Vec<u8>,
    /// Whether nothing but the end of the connection ended it.
    pub to_the_end: bool,
}

/// How a stream ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// With its last message.
    Whole,
    /// In the middle of one.
    Partial,
    /// It is HTTP no more.
    Tunnel,
    /// With what is no message.
    Broken(String),
}

impl fmt::Display for Reading {
    /// As the other judge writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Message { start, body, .. } in &self.messages {
            write!(f, "{}:{} ", start.replace(' ', ","), hex::encode(body))?;
        }
        match &self.ended {
            Ended::Whole => f.write_str("whole"),
            Ended::Partial => f.write_str("partial"),
            Ended::Tunnel => f.write_str("tunnel"),
            Ended::Broken(why) => write!(f, "broken:{}", why.replace(' ', "_")),
        }
    }
}

/// Why nothing can be read.
enum Stop {
    /// There may be more to come.
    Short,
    Broken(String),
}

type Read<T> = Result<T, Stop>;

fn broken<T>(why: impl Into<String>) -> Read<T> {
    Err(Stop::Broken(why.into()))
}

/// The requests that a stream holds.
#[must_use]
pub fn requests(bytes: &[u8]) -> Reading {
    read_all(bytes, |cursor, _| request(cursor).map(Some))
}

/// The responses that a stream holds, to requests of these methods; GET for those beyond.
#[must_use]
pub fn responses(bytes: &[u8], methods: &[&str]) -> Reading {
    read_all(bytes, |cursor, before| response(cursor, methods.get(before).unwrap_or(&"GET")))
}

fn read_all(
    bytes: &[u8],
    mut read: impl FnMut(&mut Cursor<'_>, usize) -> Read<Option<Message>>,
) -> Reading {
    let (mut cursor, mut messages) = (Cursor(bytes), Vec::new());
    let mut consumed;
    let ended = loop {
        consumed = bytes.len() - cursor.0.len();
        if cursor.0.is_empty() {
            break Ended::Whole;
        }
        match read(&mut cursor, messages.len()) {
            Ok(Some(message)) if message.start == "101" => {
                messages.push(message);
                break Ended::Tunnel;
            }
            Ok(message) => messages.extend(message),
            Err(Stop::Short) => break Ended::Partial,
            Err(Stop::Broken(why)) => break Ended::Broken(why),
        }
    };
    Reading { messages, ended, consumed }
}

fn request(cursor: &mut Cursor<'_>) -> Read<Message> {
    let line = cursor.line()?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else { return broken("request line: words") };
    if !is_token(method)
        || target.is_empty()
        || target.bytes().any(|byte| byte == b' ' || byte.is_ascii_control())
    {
        return broken("request line");
    }
    let is_10 = is_version_10(version)?;
    let fields = cursor.fields()?;
    let hosts = fields.iter().filter(|(name, _)| name == "host").count();
    if hosts > 1 || hosts == 0 && !is_10 {
        return broken(format!("{hosts} hosts"));
    }
    let body = match framing(&fields, is_10)? {
        Framing::Chunked => cursor.chunks()?,
        Framing::Length(length) => cursor.take(length)?.to_vec(),
        Framing::None => Vec::new(),
    };
    Ok(Message { start: format!("{method} {target}"), body, to_the_end: false })
}

/// Nothing for an interim response.
fn response(cursor: &mut Cursor<'_>, method: &str) -> Read<Option<Message>> {
    let line = cursor.line()?;
    let mut words = line.splitn(3, ' ');
    let is_10 = is_version_10(words.next().unwrap_or_default())?;
    let status = words.next().unwrap_or_default();
    if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
        return broken("status");
    }
    if words.next().is_none() {
        return broken("no space after the status");
    }
    let fields = cursor.fields()?;
    let framing = framing(&fields, is_10)?;
    let bodyless = status == "204" || status.starts_with('1');
    if bodyless && framing != Framing::None {
        return broken("a length where there is never a body");
    }
    let mut message = Message { start: status.to_owned(), body: Vec::new(), to_the_end: false };
    if status == "101" {
        return Ok(Some(message));
    }
    if status.starts_with('1') {
        return Ok(None);
    }
    if bodyless || status == "304" || method == "HEAD" {
        return Ok(Some(message));
    }
    message.body = match framing {
        Framing::Chunked => cursor.chunks()?,
        Framing::Length(length) => cursor.take(length)?.to_vec(),
        Framing::None => {
            message.to_the_end = true;
            std::mem::take(&mut cursor.0).to_vec()
        }
    };
    Ok(Some(message))
}

#[derive(Eq, PartialEq)]
enum Framing {
    Chunked,
    Length(usize),
    None,
}

/// The one framing that the fields give.
fn framing(fields: &[(String, String)], is_10: bool) -> Read<Framing> {
    let all = |wanted: &str| -> Vec<&str> {
        let values = fields.iter().filter(|(name, _)| name == wanted);
        values.map(|(_, value)| value.as_str()).collect()
    };
    for hop in ["keep-alive", "proxy-connection", "http2-settings"] {
        if !all(hop).is_empty() {
            return broken(format!("{hop} was passed on"));
        }
    }
    match (&all("transfer-encoding")[..], &all("content-length")[..]) {
        ([], []) => Ok(Framing::None),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") && !is_10 => Ok(Framing::Chunked),
        ([], [length]) if is_number(length, 10) => match length.parse() {
            Ok(length) => Ok(Framing::Length(length)),
            Err(_) => broken("length too large"),
        },
        (codings, lengths) => broken(format!("framing {codings:?} {lengths:?}")),
    }
}

fn is_version_10(version: &str) -> Read<bool> {
    match version {
        "HTTP/1.1" => Ok(false),
        "HTTP/1.0" => Ok(true),
        _ => broken("version"),
    }
}

fn is_number(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Stop::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A line up to CRLF, in which there is no other control character than tabs.
    fn line(&mut self) -> Read<String> {
        let Some(end) = self.0.windows(2).position(|two| two == b"\r\n") else {
            // A line that can end well no more is broken already.
            let so_far = self.0.strip_suffix(b"\r").unwrap_or(self.0);
            return check_line(so_far).and(Err(Stop::Short));
        };
        let line = self.take(end)?;
        self.take(2)?;
        check_line(line)?;
        Ok(line.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Names in lower case, and values.
    fn fields(&mut self) -> Read<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let Some((name, value)) = line.split_once(':') else { return broken("field") };
            if !is_token(name) {
                return broken(format!("field name {name:?}"));
            }
            let value = value.trim_matches([' ', '\t']).to_owned();
            fields.push((name.to_ascii_lowercase(), value));
        }
    }

    fn chunks(&mut self) -> Read<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            if !is_number(&line, 16) || line.len() > 15 {
                return broken(format!("chunk size {line:?}"));
            }
            let Ok(size) = usize::from_str_radix(&line, 16) else { return broken("chunk size") };
            if size == 0 {
                break;
            }
            body.extend_from_slice(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return broken("chunk end");
            }
        }
        for (name, _) in self.fields()? {
            if NEVER_IN_TRAILERS.contains(&name.as_str()) {
                return broken(format!("{name} in trailers"));
            }
        }
        Ok(body)
    }
}

fn check_line(line: &[u8]) -> Read<()> {
    match line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
        Some(byte) => broken(format!("control character {byte}")),
        None => Ok(()),
    }
}

/// What says how a message is framed, who is asked, or who asks (RFC 9110, section 6.5.1).
const NEVER_IN_TRAILERS: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "trailer",
    "x-forwarded-client-cert",
    "x-serin-client-version",
    "x-serin-not-processed",
    "x-serin-elsewhere",
];
