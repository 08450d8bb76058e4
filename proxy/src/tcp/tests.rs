use tokio::net::TcpListener;

use super::*;
use crate::ports;

async fn limit_from(source: Option<IpAddr>) -> Option<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = connect(address, source, Duration::from_secs(5)).await.unwrap();
    SockRef::from(&stream).tcp_user_timeout().unwrap()
}

#[tokio::test]
async fn a_node_that_is_gone_is_given_up_and_the_application_never_is() {
    assert_eq!(limit_from(None).await, Some(STREAM_UNANSWERED));
    let application = limit_from(Some(ports::TO_APPLICATION_V4.into())).await;
    assert!(application.is_none_or(|limit| limit.is_zero()), "{application:?}");
}
