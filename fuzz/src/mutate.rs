//! Makes new inputs from old ones. Pure but for the dice, which are seeded.

/// A generator of numbers (SplitMix64): small, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero if there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let Ok(bound) = u64::try_from(bound) else { return 0 };
        self.next().checked_rem(bound).and_then(|rest| usize::try_from(rest).ok()).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// `input`, changed in one to eight places.
pub(crate) fn mutate(dice: &mut Dice, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(8) {
        change(dice, &mut bytes, other, words);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + dice.below(16)).min(bytes.len());
    match dice.below(10) {
        0 => {
            let bit = 1 << dice.below(8);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
        }
        1 => {
            let value = dice.byte();
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
        }
        2 => drop(bytes.drain(at..end)),
        3 => bytes.insert(at, dice.byte()),
        4 => {
            let again: Vec<u8> = bytes.iter().copied().skip(at).take(end - at).collect();
            drop(bytes.splice(at..at, again));
        }
        5 | 6 => {
            let word = dice.pick(words).copied().unwrap_or_default();
            drop(bytes.splice(at..at, word.bytes()));
        }
        7 => {
            let word = dice.pick(words).copied().unwrap_or_default();
            drop(bytes.splice(at..end, word.bytes()));
        }
        8 => {
            let from = dice.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend(other.iter().skip(from));
        }
        _ => {
            let odd = [0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n', b' ', b':', b','];
            let value = dice.pick(&odd).copied().unwrap_or(0);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
        }
    }
}

/// What is longer is cut: nothing here reads more before it decides.
const LONGEST: usize = 20 * 1024;
