//! Chance for tests: the same on every machine and in every run.

use crate::rows::Counts;

/// SplitMix64 (G. Steele and others, *Fast Splittable Pseudorandom Number Generators*, 2014).
pub(crate) struct Chance(u64);

impl Chance {
    /// Run number `run`.
    pub(crate) const fn of(run: u64) -> Self {
        Self(run.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True `parts` times of `whole`.
    pub(crate) fn under(&mut self, parts: u64, whole: u64) -> bool {
        self.next() % whole < parts
    }

    /// Counts attempts that fail with a chance of `failing` in a hundred thousand.
    pub(crate) fn attempts(&mut self, failing: u64, attempts: u64, counts: &mut Counts) {
        counts.attempts += attempts;
        if failing > 0 {
            let failed = (0..attempts).filter(|_| self.under(failing, 100_000)).count();
            counts.failures += u64::try_from(failed).unwrap();
        }
    }
}
