use tokio::net::TcpListener;

use super::*;
use crate::ports;

async fn limit_from(source: Option<IpAddr>) -> Option<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = connect(address, source, Duration::from_secs(5)).await.unwrap();
    SockRef::from(&stream).tcp_user_timeout().unwrap()
}

#[test]
fn a_shortage_on_this_side_is_not_the_other_sides_failure() {
    for number in [12, 23, 24, 98, 99, 105] {
        assert!(is_exhaustion(&io::Error::from_raw_os_error(number)), "{number}");
    }
    // Refused, no route, timed out.
    for number in [111, 113, 110] {
        assert!(!is_exhaustion(&io::Error::from_raw_os_error(number)), "{number}");
    }
    assert!(!is_exhaustion(&io::ErrorKind::TimedOut.into()));
}

#[tokio::test]
async fn a_reader_may_pause_for_as_long_as_it_likes() {
    for source in [None, Some(ports::TO_APPLICATION_V4.into())] {
        let limit = limit_from(source).await;
        assert!(limit.is_none_or(|limit| limit.is_zero()), "{source:?}: {limit:?}");
    }
}
