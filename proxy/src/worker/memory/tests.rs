use super::*;

#[test]
fn room_is_scarce_from_three_quarters_on_and_spent_at_the_bound() {
    assert_eq!(room(74, 100), Room::Ample);
    assert_eq!(room(75, 100), Room::Scarce);
    assert_eq!(room(99, 100), Room::Scarce);
    assert_eq!(room(100, 100), Room::Spent);
}

#[test]
fn a_quarter_of_the_container_is_left_to_the_kernel() {
    assert_eq!(share(Some(64 << 20)), 48 << 20);
    assert_eq!(share(None), WITHOUT_LIMIT);
}

#[test]
fn a_container_without_a_limit_is_told_in_either_version() {
    assert_eq!(parse_limit("67108864\n"), Some(64 << 20));
    assert_eq!(parse_limit("max\n"), None);
    assert_eq!(parse_limit("9223372036854771712\n"), None);
}

#[test]
fn what_the_kernel_says_of_this_process_is_understood() {
    let status = "VmRSS:\t   9000 kB\nRssAnon:\t    4321 kB\nRssFile:\t 4679 kB\n";
    assert_eq!(parse_anonymous(status), Some(4321 << 10));
    assert!(anonymous().is_some_and(|held| held > 0));
}

#[test]
fn a_worker_does_not_look_at_every_request() {
    let held = Arc::new(AtomicU64::new(0));
    let memory = Memory::as_said(100, Arc::clone(&held));
    let (gauge, now) = (Gauge::default(), Instant::now());
    assert_eq!(gauge.room(&memory, now), Room::Ample);
    held.store(100, Ordering::Relaxed);
    assert_eq!(gauge.room(&memory, now), Room::Ample);
    assert_eq!(gauge.room(&memory, now + LOOK_AGAIN), Room::Spent);
    held.store(0, Ordering::Relaxed);
    assert_eq!(gauge.room(&memory, now + 2 * LOOK_AGAIN), Room::Ample);
}
