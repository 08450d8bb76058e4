//! Settings from environment variables, read once at the start.
//!
//! A process collects every mistake before it gives up, so that one run shows them all.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// The environment as it was when the process started, or as a test made it.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// It must be given.
    #[error("{name} is not set")]
    Missing {
        /// The variable.
        name: String,
    },
    /// It does not have the form it must have.
    #[error("{name}={value:?}: {why}")]
    Invalid {
        /// The variable.
        name: String,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Every mistake found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Errors(pub Vec<Error>);

/// Reads settings one by one and keeps what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    env: &'a Env,
    errors: Vec<Error>,
}

impl Env {
    /// The process' own environment. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// An environment made of `pairs`.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A variable's text; empty counts as not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A variable's value, if it is set.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text does not parse.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: &str| {
            text.parse().map_err(|why: T::Err| Error::Invalid {
                name: name.to_owned(),
                value: text.to_owned(),
                why: why.to_string(),
            })
        };
        self.text(name).map(parse).transpose()
    }

    /// Starts reading settings that are all reported together.
    #[must_use]
    pub const fn reader(&self) -> Reader<'_> {
        Reader { env: self, errors: Vec::new() }
    }
}

impl Reader<'_> {
    /// A setting that must be there.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let value = self.optional(name);
        if value.is_none() && self.env.text(name).is_none() {
            self.errors.push(Error::Missing { name: name.to_owned() });
        }
        value
    }

    /// A setting that may be absent.
    pub fn optional<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        match self.env.parsed(name) {
            Ok(value) => value,
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// A setting with a default.
    pub fn or<T: FromStr<Err: fmt::Display>>(&mut self, name: &str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    /// Notes that a setting parses but cannot be used.
    pub fn refuse(&mut self, name: &str, why: impl fmt::Display) {
        let value = self.env.text(name).unwrap_or_default().to_owned();
        self.errors.push(Error::Invalid { name: name.to_owned(), value, why: why.to_string() });
    }

    /// What was read, made by `build`, unless there was a mistake.
    ///
    /// # Errors
    /// Every mistake found; also when `build` finds a required setting missing.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Errors> {
        if !self.errors.is_empty() {
            return Err(Errors(self.errors));
        }
        build().ok_or_else(|| Errors(Vec::new()))
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings:")?;
        self.0.iter().try_for_each(|error| write!(f, " {error};"))
    }
}

impl std::error::Error for Errors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let env = Env::from_pairs([("PORT", "many"), ("EMPTY", "")]);
        let mut reader = env.reader();
        let port: Option<u16> = reader.required("PORT");
        let name: Option<String> = reader.required("EMPTY");
        let errors = reader.finish(|| Some((port?, name?))).unwrap_err();
        assert_eq!(errors.0.len(), 2, "{errors}");
    }

    #[test]
    fn a_default_stands_in_for_what_is_absent_but_not_for_what_is_wrong() {
        let env = Env::from_pairs([("WRONG", "x")]);
        let mut reader = env.reader();
        assert_eq!(reader.or("ABSENT", 7_u16), 7);
        reader.or("WRONG", 7_u16);
        assert!(reader.finish(|| Some(())).is_err());
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        let env = Env::from_pairs([("TOKEN", "secret")]);
        assert!(!format!("{env:?}").contains("secret"));
    }
}
