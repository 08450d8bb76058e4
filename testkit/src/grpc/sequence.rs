//! The numbers of the other side's heartbeats: each once, in order, or it is a gap.

/// What was heard so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sequence {
    /// How many beats came.
    pub(crate) heard: u64,
    /// How many of them did not follow the one before.
    pub(crate) gaps: u64,
    expected: u64,
}

impl Sequence {
    pub(crate) const fn hear(&mut self, number: u64) {
        self.heard += 1;
        if number != self.expected {
            self.gaps += 1;
        }
        self.expected = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[u64], gaps: u64) {
        let mut sequence = Sequence::default();
        numbers.iter().for_each(|number| sequence.hear(*number));
        assert_eq!((sequence.heard, sequence.gaps), (numbers.len() as u64, gaps), "{numbers:?}");
    }

    #[test]
    fn whatever_does_not_follow_the_one_before_is_a_gap() {
        check(&[0, 1, 2, 3], 0);
        check(&[0, 1, 3, 4], 1);
        check(&[0, 1, 1, 2], 1);
        check(&[1, 2, 3], 1);
        check(&[], 0);
    }
}
