use std::time::Duration;

use super::{Habit, Next, Port, Seen, Speaks, Stage, Word};
use crate::detect::{Spoken, client_hello::ClientHello};

const SPEAKS: [Speaks; 3] = [Speaks::Anything, Speaks::Requests, Speaks::Bytes];
const HABITS: [Habit; 2] = [Habit::Unknown, Habit::ServerFirst];
const STAGES: [Stage; 4] = [Stage::Listening, Stage::Dialling, Stage::Open, Stage::Alone];
const WORDS: [Word; 4] = [Word::Greeting, Word::Http1, Word::Http2, Word::End];

fn ports() -> impl Iterator<Item = Port> {
    SPEAKS.into_iter().flat_map(|speaks| HABITS.map(|habit| Port { speaks, habit }))
}

fn spoken() -> [Spoken; 4] {
    let hello = ClientHello { server_name: None, protocols: Vec::new() };
    [Spoken::Http1, Spoken::Http2, Spoken::Tls(hello), Spoken::Opaque]
}

fn anything() -> impl Iterator<Item = Seen> {
    let words = WORDS.map(Seen::Server);
    let client = [Seen::Unended, Seen::NoClient, Seen::ClientCut, Seen::PatienceOver];
    let server = [Seen::Connected, Seen::Unreachable, Seen::ServerCut];
    spoken().map(Seen::Client).into_iter().chain(words).chain(client).chain(server)
}

const fn port(speaks: Speaks, habit: Habit) -> Port {
    Port { speaks, habit }
}

#[test]
fn what_a_client_says_first_means_the_same_whatever_was_learned() {
    for port in ports() {
        for (stage, spoken) in STAGES.into_iter().flat_map(|stage| spoken().map(|it| (stage, it))) {
            let next = port.next(stage, &Seen::Client(spoken.clone()));
            assert_eq!(next, Next::Heed(spoken), "{port:?} {stage:?}");
        }
    }
}

#[test]
fn a_request_that_does_not_end_its_first_line_is_never_bytes_where_requests_are_expected() {
    for port in ports() {
        let spoken = match port.speaks {
            Speaks::Requests => Spoken::Http1,
            Speaks::Anything | Speaks::Bytes => Spoken::Opaque,
        };
        for stage in STAGES {
            assert_eq!(port.next(stage, &Seen::Unended), Next::Heed(spoken.clone()), "{port:?}");
        }
    }
}

#[test]
fn learning_changes_nothing_but_where_a_conversation_begins() {
    for speaks in SPEAKS {
        for (stage, seen) in
            STAGES.into_iter().flat_map(|stage| anything().map(move |it| (stage, it)))
        {
            let [fresh, taught] = HABITS.map(|habit| port(speaks, habit).next(stage, &seen));
            assert_eq!(fresh, taught, "{speaks:?} {stage:?} {seen:?}");
        }
    }
}

#[test]
fn a_server_that_spoke_first_before_is_asked_at_once() {
    for speaks in [Speaks::Anything, Speaks::Bytes] {
        assert_eq!(port(speaks, Habit::ServerFirst).begin(), Stage::Dialling);
        assert_eq!(port(speaks, Habit::Unknown).begin(), Stage::Listening);
    }
}

#[test]
fn a_port_for_requests_learns_nothing_and_is_not_changed_by_what_was_learned() {
    for habit in HABITS {
        let port = port(Speaks::Requests, habit);
        assert_eq!(port.begin(), Stage::Listening);
        assert!(anything().all(|seen| port.lesson(&seen).is_none()));
    }
}

#[test]
fn only_a_greeting_that_is_not_http_teaches_that_the_server_speaks_first() {
    for speaks in [Speaks::Anything, Speaks::Bytes] {
        for seen in anything() {
            let expected = (seen == Seen::Server(Word::Greeting)).then_some(Habit::ServerFirst);
            assert_eq!(port(speaks, Habit::Unknown).lesson(&seen), expected, "{seen:?}");
        }
    }
}

#[test]
fn a_request_that_comes_first_unteaches_it() {
    let port = port(Speaks::Anything, Habit::ServerFirst);
    for spoken in [Spoken::Http1, Spoken::Http2] {
        assert_eq!(port.lesson(&Seen::Client(spoken)), Some(Habit::Unknown));
    }
    assert_eq!(port.lesson(&Seen::Client(Spoken::Opaque)), None);
}

#[test]
fn a_client_that_waits_for_the_server_hears_it_on_every_port() {
    for port in ports() {
        let mut stage = port.begin();
        for seen in [Seen::PatienceOver, Seen::Connected] {
            if let Next::Wait(next) = port.next(stage, &seen) {
                stage = next;
            }
        }
        assert_eq!(stage, Stage::Open, "{port:?}");
        assert_eq!(port.next(stage, &Seen::Server(Word::Greeting)), Next::Carry, "{port:?}");
        assert_eq!(port.next(stage, &Seen::Server(Word::Http1)), Next::Carry, "{port:?}");
    }
}

#[test]
fn a_server_that_begins_with_http2_is_not_taken_for_bytes() {
    for speaks in [Speaks::Anything, Speaks::Requests] {
        let next = port(speaks, Habit::Unknown).next(Stage::Open, &Seen::Server(Word::Http2));
        assert_eq!(next, Next::Heed(Spoken::Http2));
    }
}

#[test]
fn a_client_of_requests_outlives_a_server_that_is_not_there_or_ends() {
    let port = port(Speaks::Requests, Habit::Unknown);
    let alone = Next::Wait(Stage::Alone);
    assert_eq!(port.next(Stage::Dialling, &Seen::Unreachable), alone);
    assert_eq!(port.next(Stage::Open, &Seen::Server(Word::End)), alone);
}

#[test]
fn first_words_are_told_apart() {
    let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3];
    // A greeting of MariaDB begins with a length and a sequence number.
    let mariadb = [0x6e, 0, 0, 0, 10, b'5', b'.', b'5', b'.'];
    for (bytes, word) in [
        (&b""[..], Word::End),
        (b"220 ready\r\n", Word::Greeting),
        (b"HTTP/1.1 408 Request Timeout\r\n", Word::Http1),
        (&settings, Word::Http2),
        (&mariadb, Word::Greeting),
    ] {
        assert_eq!(Word::of(bytes), word, "{bytes:?}");
    }
}

#[test]
fn a_client_has_milliseconds_before_the_server_is_asked() {
    for speaks in [Speaks::Anything, Speaks::Bytes] {
        assert!(port(speaks, Habit::Unknown).patience() <= Duration::from_millis(5));
    }
}
