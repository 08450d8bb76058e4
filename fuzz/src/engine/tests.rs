use super::*;

fn run_on(run: fn(&[u8]) -> u64, words: &'static [&'static str]) -> Outcome {
    let corpus = || vec![b"GET / HTTP/1.1\r\n".to_vec()];
    let target = Target { name: "planted", corpus, words, run };
    super::run(&target, 7, Duration::from_secs(20))
}

#[test]
fn a_bug_that_takes_three_words_in_a_row_is_found_step_by_step() {
    let planted = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let steps = ["a-word", "another", "the last"];
        let depth = steps.iter().take_while(|step| text.contains(**step)).count();
        assert!(depth < steps.len(), "found it");
        depth as u64
    };
    let outcome = run_on(planted, &["a-word", "another", "the last"]);
    let crash = outcome.crash.expect("it is found");
    assert!(String::from_utf8_lossy(&crash.input).contains("the last"));
}

#[test]
fn the_same_seed_tries_the_same_inputs() {
    let inputs = |seed| {
        let mut dice = Dice(seed);
        (0..50).map(|_| mutate(&mut dice, b"hello", b"world", &["word"])).collect::<Vec<_>>()
    };
    assert_eq!(inputs(3), inputs(3));
    assert_ne!(inputs(3), inputs(4));
}
