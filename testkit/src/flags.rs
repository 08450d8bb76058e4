//! Values of the command line, parsed once into types that cannot be wrong.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use http::{HeaderName, HeaderValue};

/// Parses `250ms`, `20s`, `5m` or `1h`.
///
/// # Errors
/// A sentence saying what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let wrong = || format!("'{text}' is no duration: write 250ms, 20s, 5m or 1h");
    let number: u64 = digits.parse().map_err(|_not_a_number| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
}

/// Parses `4096`, `64KiB`, `10MiB` or `1GiB` into bytes.
///
/// # Errors
/// A sentence saying what a size looks like.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let wrong = || format!("'{text}' is no size: write 4096, 64KiB, 10MiB or 1GiB");
    let number: u64 = digits.parse().map_err(|_not_a_number| wrong())?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A share of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// The share as a number from 0 to 1.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no ratio: write a number from 0 to 1, such as 0.05");
        let ratio: f64 = text.trim().parse().map_err(|_not_a_number| wrong())?;
        if (0.0..=1.0).contains(&ratio) { Ok(Self(ratio)) } else { Err(wrong()) }
    }
}

/// Parses `name: value` (or `name:value`) into a header.
///
/// # Errors
/// A sentence saying which half is not allowed in HTTP.
pub fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("'{text}' is no header: write name:value"))?;
    let name = HeaderName::from_str(name.trim()).map_err(|e| format!("'{name}': {e}"))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|e| format!("'{value}': {e}"))?;
    Ok((name, value))
}

/// Parses `:9000` or `127.0.0.1:9000`; without an address, all of them.
///
/// # Errors
/// A sentence saying what an address looks like.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse().map_err(|_malformed| format!("'{text}' is no address: write :9000 or IP:PORT"))
}

#[cfg(test)]
mod tests;
