use std::cell::Cell;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::{Cut, LARGE, Meter, SMALL, fit, relay};

#[derive(Default)]
struct Counts {
    forth: Cell<usize>,
    back: Cell<usize>,
}

impl Meter for Counts {
    fn forth(&self, bytes: usize) {
        self.forth.set(self.forth.get() + bytes);
    }

    fn back(&self, bytes: usize) {
        self.back.set(self.back.get() + bytes);
    }
}

#[tokio::test]
async fn one_way_may_end_while_the_other_goes_on() {
    let (mut client, mut near) = duplex(64);
    let (mut far, mut server) = duplex(64);
    let counts = Counts::default();
    let relayed = relay(&mut near, &mut far, &counts);
    let talk = async {
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.unwrap();
        assert_eq!(question, b"question");
        server.write_all(b"an answer, late").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"an answer, late");
    };
    let (ended, ()) = tokio::join!(relayed, talk);
    ended.unwrap();
    assert_eq!((counts.forth.get(), counts.back.get()), (8, 15));
}

#[tokio::test]
async fn a_client_that_is_gone_is_not_the_servers_fault() {
    let (client, mut near) = duplex(64);
    let (mut far, mut server) = duplex(64);
    drop(client);
    server.write_all(b"an answer").await.unwrap();
    let ended = relay(&mut near, &mut far, &Counts::default()).await;
    assert!(matches!(ended, Err(Cut::Client(_))), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_not_the_clients_fault() {
    let (mut client, mut near) = duplex(64);
    let (mut far, server) = duplex(64);
    drop(server);
    client.write_all(b"question").await.unwrap();
    let ended = relay(&mut near, &mut far, &Counts::default()).await;
    assert!(matches!(ended, Err(Cut::Server(_))), "{ended:?}");
}

#[test]
fn a_buffer_grows_for_who_sends_much_and_is_given_back_by_who_sends_little() {
    let mut buffer = vec![0; SMALL];
    for (read, holds) in [
        (SMALL - 1, SMALL),
        (SMALL, LARGE),
        (LARGE, LARGE),
        // As much as a record of TLS holds: there is more to come.
        (SMALL, LARGE),
        (10, SMALL),
        (10, SMALL),
    ] {
        fit(&mut buffer, read);
        assert_eq!(buffer.len(), holds, "after {read}");
    }
    assert!(buffer.capacity() < LARGE);
}
