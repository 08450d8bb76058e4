//! `x-request-id`: one number for all that a request leads to, made where there is none, as Istio's
//! proxies do. Applications pass it on.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Gives the request a number if it has none.
pub fn ensure(headers: &mut HeaderMap) {
    if !headers.contains_key(REQUEST_ID)
        && let Ok(value) = HeaderValue::try_from(uuid(rand::random()))
    {
        headers.insert(REQUEST_ID, value);
    }
}

/// A UUID of version 4, of the variant of RFC 9562.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let part = |shift: u32, width: u32| (bits >> shift) & ((1 << width) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    )
}

/// The header.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_made_where_there_is_none_and_kept_where_there_is_one() {
        let mut headers = HeaderMap::new();
        ensure(&mut headers);
        let made = headers[REQUEST_ID].clone();
        ensure(&mut headers);
        assert_eq!(headers[REQUEST_ID], made);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn it_has_the_form_of_a_random_uuid() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
