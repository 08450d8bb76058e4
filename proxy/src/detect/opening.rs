//! How a conversation begins: by the client's word or by the server's, and what follows from it.
//! Pure: listening and connecting are the caller's.
//!
//! What was learned of a port decides only when its server is asked, never what the first bytes of
//! a client mean: requests are requests wherever they come first.

use std::time::Duration;

use super::Spoken;

/// What is known of a port before anybody has spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Port {
    /// What may be spoken there.
    pub speaks: Speaks,
    /// Who was heard first there.
    pub habit: Habit,
}

/// What may be spoken at a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaks {
    /// Nobody said.
    Anything,
    /// Requests: its owner says so, or there are routes for them. What was learned has no say.
    Requests,
    /// Bytes: its owner says so. Only a peer of the mesh may have more to say.
    Bytes,
}

/// Who was heard first at a port.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Habit {
    /// The client, or nobody was heard there yet.
    #[default]
    Unknown,
    /// The server.
    ServerFirst,
}

/// How far a conversation has come in which nobody has spoken yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The client is given the first word, for as long as [`Port::patience`] says.
    Listening,
    /// The server is asked for a connection; the client may still speak.
    Dialling,
    /// Whoever speaks first decides.
    Open,
    /// There is no server to be heard; the client may still speak.
    Alone,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// The client has said enough.
    Client(Spoken),
    /// The client began a request of HTTP/1, and did not end its first line (in time).
    Unended,
    /// The client will say nothing, or has said nothing for too long.
    NoClient,
    /// The client's connection was cut.
    ClientCut,
    /// The client's time for the first word is over.
    PatienceOver,
    /// The server took the connection.
    Connected,
    /// Nobody takes the connection.
    Unreachable,
    /// The server said something, or ended.
    Server(Word),
    /// The server's connection was cut.
    ServerCut,
}

/// The first that was heard of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// A greeting, of whatever protocol.
    Greeting,
    /// A response of HTTP/1 to no request: most likely that it waited for one too long.
    Http1,
    /// The settings with which a server of HTTP/2 may begin (RFC 9113, section 3.4).
    Http2,
    /// The end.
    End,
}

/// What follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Nothing yet.
    Wait(Stage),
    /// What the client speaks decides.
    Heed(Spoken),
    /// Bytes are carried, what the server said already first.
    Carry,
    /// There is nothing to carry.
    Close,
    /// There is nobody to carry anything to.
    Refuse,
}

impl Port {
    /// Where a conversation begins.
    #[must_use]
    pub const fn begin(self) -> Stage {
        match (self.speaks, self.habit) {
            (Speaks::Requests, _) | (_, Habit::Unknown) => Stage::Listening,
            (Speaks::Anything | Speaks::Bytes, Habit::ServerFirst) => Stage::Dialling,
        }
    }

    /// How long a client may take for its first word before the server is asked, too.
    #[must_use]
    pub const fn patience(self) -> Duration {
        match self.speaks {
            Speaks::Requests => FIRST_REQUEST,
            Speaks::Anything | Speaks::Bytes => FIRST_WORD,
        }
    }

    /// What follows when `seen` happens at `stage`.
    #[must_use]
    pub fn next(self, stage: Stage, seen: &Seen) -> Next {
        match (stage, seen) {
            (_, Seen::Client(spoken)) => Next::Heed(spoken.clone()),
            (_, Seen::Unended) => Next::Heed(self.unended()),
            (_, Seen::NoClient) => self.without_client(),
            (_, Seen::ClientCut) => Next::Close,
            (Stage::Listening, Seen::PatienceOver) => Next::Wait(Stage::Dialling),
            (Stage::Dialling, Seen::Connected) => Next::Wait(Stage::Open),
            (Stage::Dialling, Seen::Unreachable) | (Stage::Open, Seen::ServerCut) => {
                self.without_server()
            }
            (Stage::Open, Seen::Server(word)) => self.hear(*word),
            // Nothing of the kind can happen at that stage.
            (
                _,
                Seen::PatienceOver
                | Seen::Connected
                | Seen::Unreachable
                | Seen::Server(_)
                | Seen::ServerCut,
            ) => Next::Wait(stage),
        }
    }

    /// What is to be remembered of the port after `seen`, if that is new.
    #[must_use]
    pub const fn lesson(self, seen: &Seen) -> Option<Habit> {
        match (self.speaks, self.habit, seen) {
            (Speaks::Requests, _, _) => None,
            (_, Habit::Unknown, Seen::Server(Word::Greeting)) => Some(Habit::ServerFirst),
            // To ask the server at once was in vain.
            (_, Habit::ServerFirst, Seen::Client(Spoken::Http1 | Spoken::Http2)) => {
                Some(Habit::Unknown)
            }
            (_, Habit::Unknown | Habit::ServerFirst, _) => None,
        }
    }

    const fn unended(self) -> Spoken {
        match self.speaks {
            // Whoever reads requests says that it was too late.
            Speaks::Requests => Spoken::Http1,
            Speaks::Anything | Speaks::Bytes => Spoken::Opaque,
        }
    }

    const fn without_client(self) -> Next {
        match self.speaks {
            Speaks::Requests => Next::Close,
            // A client that has ended its own way may still want to hear.
            Speaks::Anything | Speaks::Bytes => Next::Carry,
        }
    }

    const fn without_server(self) -> Next {
        match self.speaks {
            // A request would get a proper answer, and another endpoint.
            Speaks::Requests => Next::Wait(Stage::Alone),
            Speaks::Anything | Speaks::Bytes => Next::Refuse,
        }
    }

    const fn hear(self, word: Word) -> Next {
        match (self.speaks, word) {
            (Speaks::Anything | Speaks::Requests, Word::Http2) => Next::Heed(Spoken::Http2),
            (Speaks::Requests, Word::End) => self.without_server(),
            (_, Word::Greeting | Word::Http1 | Word::Http2 | Word::End) => Next::Carry,
        }
    }
}

impl Word {
    /// What the first bytes of a server are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::End,
            [b'H', b'T', b'T', b'P', b'/', ..] => Self::Http1,
            // Length, type, flags and stream of a frame of settings (RFC 9113, section 6.5).
            [0, _, _, SETTINGS, 0, 0, 0, 0, 0, ..] => Self::Http2,
            _ => Self::Greeting,
        }
    }
}

/// Long enough for a client that speaks first to be heard over the pod's own loopback, short enough
/// not to be felt.
const FIRST_WORD: Duration = Duration::from_millis(5);
/// Where requests are expected few clients wait for the server, and many open connections ahead of
/// need.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
const SETTINGS: u8 = 4;

#[cfg(test)]
mod tests;
