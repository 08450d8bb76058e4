//! Claims about TCP without HTTP.

use testkit::{client::greeting::Greeted, smtp::Mailed, tcp::Timed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::Process;

#[tokio::test]
async fn an_echo_brings_back_every_byte() {
    let (_server, address) = Process::serving(&["tcp-echo", "--port", "0"]).await;
    let address = address.to_string();
    let mut client =
        Process::start(&["tcp-client", "--address", &address, "--bytes", "2MiB", "--count", "2"]);
    for _ in 0..2 {
        let timed: Timed = client.next().await;
        assert_eq!((timed.bytes, timed.banner), (2 << 20, None));
    }
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_before_anything_is_said() {
    let (_server, address) =
        Process::serving(&["tcp-server-first", "--port", "0", "--banner", "welcome"]).await;
    let address = address.to_string();
    let mut client = Process::start(&["tcp-client", "--address", &address, "--server-first"]);
    let timed: Timed = client.next().await;
    assert_eq!((timed.banner.as_deref(), timed.bytes), (Some("welcome"), 4096));
    assert!(timed.banner_us.is_some());
    assert_eq!(client.exit_code().await, 0);
}

#[tokio::test]
async fn a_mail_server_greets_its_clients_and_takes_their_letters() {
    let (_server, address) = Process::serving(&["smtp-server", "--port", "0"]).await;
    let address = address.to_string();
    let mut client = Process::start(&["smtp-client", "--address", &address, "--count", "2"]);
    assert_eq!(client.next::<Mailed>().await.letters, 2);
    assert_eq!(client.exit_code().await, 0);
    let mut listener = Process::start(&["greeting-client", "--address", &address, "--count", "3"]);
    let greeted: Greeted = listener.next().await;
    assert_eq!(greeted.count, 3);
    assert!(greeted.median_us <= greeted.worst_us);
    assert_eq!(listener.exit_code().await, 0);
}

#[tokio::test]
async fn an_echo_that_says_goodbye_does_so_behind_a_whole_line() {
    let args = ["tcp-echo", "--port", "0", "--say-goodbye"];
    let (server, address) = Process::serving(&args).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"one\nha").await.unwrap();
    let mut back = [0; 6];
    stream.read_exact(&mut back).await.unwrap();
    server.stop_listening(address).await;
    stream.write_all(b"lf\n").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!((&back, rest.as_str()), (b"one\nha", "lf\n"));
    drop(stream);
    assert_eq!(server.exit_code().await, 0);
}

#[tokio::test]
async fn a_stopping_echo_waits_for_its_clients() {
    let (server, address) = Process::serving(&["tcp-echo", "--port", "0"]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    server.stop_listening(address).await;
    stream.write_all(b"still here").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "still here");
    assert_eq!(server.exit_code().await, 0);
}
