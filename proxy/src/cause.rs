//! An error with what caused it, in one line, for logs.

use std::error::Error;

/// `error` and all its causes.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own message.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Step {
        #[error("failed to sign")]
        Outer(#[source] Box<Self>),
        #[error("failed to connect")]
        Inner(#[source] std::io::Error),
    }

    #[test]
    fn the_first_cause_is_told_with_the_last() {
        let refused = std::io::Error::other("refused");
        let error = Step::Outer(Box::new(Step::Inner(refused)));
        assert_eq!(causes(&error), "failed to sign: failed to connect: refused");
    }
}
