use std::{
    io::{self, Write},
    sync::mpsc::{Sender, channel},
    time::{Duration, SystemTime},
};

use runtime::clock::Clock;
use serde_json::Value;

use super::{AccessLog, Entry, Switch};
use crate::{
    http::{head::Head, recorder::End},
    metrics::labels::{Flags, RequestProtocol},
};

struct Lines(Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_request_is_one_json_line_with_istios_fields() {
    let (sender, written) = channel();
    let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(10));
    let log = AccessLog::new(clock, Lines(sender), Switch::On).unwrap();
    let request = http::Request::get("/a?b=c").header("host", "shop").header("user-agent", "x");
    let head = Head::from_parts(request.body(()).unwrap().into_parts().0);
    let (protocol, flags) = (RequestProtocol::Http, Flags::None);
    let end = End { protocol, code: 200, grpc_status: None, flags };
    assert!(log.write(&Entry::new(&head), &end, false, Duration::from_secs(1), [3, 4]));
    let line: Value = serde_json::from_slice(&written.recv().unwrap()).unwrap();
    assert_eq!(line["start_time"], "1970-01-01T00:00:09.000Z");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/a?b=c");
    assert_eq!(line["authority"], "shop");
    assert_eq!(line["response_code"], 200);
    assert_eq!(line["response_flags"], "-");
    assert_eq!(line["bytes_received"], 3);
    assert_eq!(line["bytes_sent"], 4);
    assert_eq!(line["duration"], 1000);
}
