//! A length of time as people write it in manifests: `90s`, `1h30m`, `250ms`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time, written as whole numbers with the units `d`, `h`, `m`, `s` and `ms`, largest
/// first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Why a text is not a length of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a length of time such as 30s, 5m or 1h30m")]
pub struct Error(String);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 3600)
    }

    /// So many days.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error(text.to_owned());
        let mut rest = text;
        let mut millis = 0_u64;
        let mut last = u64::MAX;
        while !rest.is_empty() {
            let (number, unit, after) = split_part(rest).ok_or_else(error)?;
            if unit >= last {
                return Err(error());
            }
            last = unit;
            let part = number.checked_mul(unit).ok_or_else(error)?;
            millis = millis.checked_add(part).ok_or_else(error)?;
            rest = after;
        }
        if text.is_empty() { Err(error()) } else { Ok(Self(Duration::from_millis(millis))) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in UNITS {
            if millis >= unit {
                write!(f, "{}{name}", millis / unit)?;
                millis %= unit;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "pattern": "^([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$",
            "minLength": 2,
        })
    }
}

/// The number and unit (in milliseconds) that `text` begins with, and what follows.
fn split_part(text: &str) -> Option<(u64, u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at_checked(digits)?;
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(letters)?;
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == name)?;
    Some((number.parse().ok()?, *unit, after))
}

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, millis: Option<u64>) {
        let span = text.parse::<Span>().ok();
        assert_eq!(span.map(|span| span.0), millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn units_come_largest_first_and_once() {
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("250ms", Some(250));
        check("3650d", Some(315_360_000_000));
        check("0s", Some(0));
        for wrong in ["", "5", "s", "1m1h", "1s1s", "-1s", "1.5s", "1 s", "99999999999999999999d"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_printed_parses_back() {
        for text in ["0s", "1s", "1h30m", "1d", "1d1ms", "90d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }
}
