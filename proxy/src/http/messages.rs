//! Counts gRPC's messages in the bytes of a body, wherever frames begin and end: a flag, a length
//! of four bytes, and as many bytes ("Length-Prefixed-Message" in gRPC over HTTP/2). Pure.

/// How far into a message a body has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Messages {
    /// Bytes of the prefix that were seen.
    prefix: u8,
    /// Before the prefix is whole, what is known of the length; after it, what is still to come.
    left: u32,
}

impl Messages {
    /// Takes the next bytes; says how many messages end in them. Never keeps any, and costs nothing
    /// for the bytes of a message itself.
    pub fn pass(&mut self, mut data: &[u8]) -> u64 {
        let mut ended = 0;
        while let Some((first, rest)) = data.split_first() {
            if self.prefix < PREFIX {
                // The first byte is the flag.
                let length = if self.prefix == 0 { 0 } else { u32::from(*first) };
                self.left = self.left << 8 | length;
                self.prefix += 1;
                data = rest;
            } else {
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (passed, rest) = data.split_at(most.min(data.len()));
                self.left -= u32::try_from(passed.len()).unwrap_or(self.left);
                data = rest;
            }
            if self.prefix == PREFIX && self.left == 0 {
                *self = Self::default();
                ended += 1;
            }
        }
        ended
    }
}

const PREFIX: u8 = 5;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let prefix = [&[0][..], &u32::try_from(length).unwrap().to_be_bytes()].concat();
        // Bytes that would be a length if they were taken for one.
        [prefix, vec![0xff; length]].concat()
    }

    #[test]
    fn a_message_counts_when_its_last_byte_has_passed() {
        let mut messages = Messages::default();
        let one = message(3);
        assert_eq!(messages.pass(&one[..7]), 0);
        assert_eq!(messages.pass(&one[7..]), 1);
        assert_eq!(messages.pass(&message(0)), 1);
        assert_eq!(messages.pass(&[message(300), message(0), message(70_000)].concat()), 3);
        assert_eq!(messages, Messages::default());
    }

    #[test]
    fn the_longest_message_is_one_and_takes_no_room() {
        let mut messages = Messages::default();
        assert_eq!(messages.pass(&[1, 0xff, 0xff, 0xff, 0xff]), 0);
        let gibibyte = vec![0; 1 << 20];
        for _ in 0..4095 {
            assert_eq!(messages.pass(&gibibyte), 0);
        }
        assert_eq!(messages.pass(&gibibyte[1..]), 1);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_frames_end(
            lengths in vec(0..2_000_usize, 0..20),
            cuts in vec(1..700_usize, 1..50),
        ) {
            let body: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let (mut messages, mut ended, mut rest) = (Messages::default(), 0, &body[..]);
            for cut in cuts.iter().cycle() {
                let (frame, later) = rest.split_at((*cut).min(rest.len()));
                ended += messages.pass(frame);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(ended, lengths.len() as u64);
            prop_assert_eq!(messages, Messages::default());
        }

        #[test]
        fn a_body_that_is_no_grpc_counts_no_more_than_it_could_hold(body: Vec<u8>) {
            prop_assert!(Messages::default().pass(&body) <= body.len() as u64 / 5);
        }
    }
}
