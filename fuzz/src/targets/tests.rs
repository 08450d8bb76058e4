use std::time::Duration;

use super::ALL;
use crate::engine;

#[test]
fn every_target_takes_its_corpus_and_a_little_more() {
    for target in ALL {
        assert!(!(target.corpus)().is_empty(), "{} begins with nothing", target.name);
        let outcome = engine::run(target, 1, Duration::from_millis(300));
        let crash = outcome
            .crash
            .map(|crash| (crash.says, String::from_utf8_lossy(&crash.input).into_owned()));
        assert_eq!(crash, None, "{}", target.name);
    }
}
