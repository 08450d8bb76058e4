use super::Habits;

#[test]
fn what_was_learned_is_known_until_it_is_forgotten() {
    let habits = Habits::new(2);
    assert!(!habits.has(&1));
    habits.learn(1);
    assert!(habits.has(&1));
    habits.forget(&1);
    assert!(!habits.has(&1));
}

#[test]
fn what_was_not_met_for_longest_is_forgotten_first() {
    let habits = Habits::new(2);
    habits.learn(1);
    habits.learn(2);
    assert!(habits.has(&1));
    habits.learn(3);
    assert_eq!([1, 2, 3].map(|place| habits.has(&place)), [true, false, true]);
}

#[test]
fn learning_the_same_again_takes_no_room() {
    let habits = Habits::new(2);
    habits.learn(1);
    habits.learn(2);
    habits.learn(2);
    assert!(habits.has(&1));
}
