use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::*;

/// Two ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn what_is_read_in_pieces_is_what_was_sent_and_nothing_of_it_is_kept() {
    let (near, mut far) = connected().await;
    let mut near = Prefixed::new(near).in_pieces();
    let sent: Vec<u8> = (0..400_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let sending = async {
        far.write_all(&sent).await.unwrap();
        far
    };
    let reading = async {
        let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
        let mut most_ahead = 0;
        while heard.len() < 400_000 {
            let read = near.read(&mut piece).await.unwrap();
            heard.extend_from_slice(&piece[..read]);
            most_ahead = most_ahead.max(near.ahead().len());
        }
        (heard, most_ahead)
    };
    let (mut far, (heard, most_ahead)) = tokio::join!(sending, reading);
    assert!(heard == sent);
    assert!(most_ahead > 4096, "{most_ahead}");
    // A word that comes later finds no room kept for it, and leaves none.
    far.write_all(b"later").await.unwrap();
    let mut word = [0; 4096];
    assert_eq!(near.read(&mut word).await.unwrap(), 5);
    assert_eq!(near.prefix.capacity(), 0);
    drop(far);
    assert_eq!(near.read(&mut word).await.unwrap(), 0);
}

#[tokio::test]
async fn an_end_behind_what_was_read_ahead_is_heard_after_it() {
    let (near, mut far) = connected().await;
    let mut near = Prefixed::new(near).in_pieces();
    far.write_all(&[7; 10_000]).await.unwrap();
    drop(far);
    let mut heard = Vec::new();
    let mut piece = [0; 100];
    loop {
        match near.read(&mut piece).await.unwrap() {
            0 => break,
            read => heard.extend_from_slice(&piece[..read]),
        }
    }
    assert_eq!(heard, [7; 10_000]);
}
