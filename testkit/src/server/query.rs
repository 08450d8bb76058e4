//! One value out of a query string, percent-decoded.

use http::Uri;

/// The value of `name` in the query of `uri`, if it has one that decodes to text.
pub(super) fn value(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| decode(value))
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' => b' ',
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &'static str, name: &str, expected: Option<&str>) {
        assert_eq!(value(&Uri::from_static(uri), name).as_deref(), expected);
    }

    #[test]
    fn a_value_is_found_by_name_and_decoded() {
        check("/call?x=1&url=http%3A%2F%2Fweb:80%2Fa", "url", Some("http://web:80/a"));
        check("/call?url=http://web:80/a", "url", Some("http://web:80/a"));
        check("/call?url=a+b", "url", Some("a b"));
    }

    #[test]
    fn what_is_absent_or_broken_is_no_value() {
        check("/call", "url", None);
        check("/call?url=%4", "url", None);
        check("/call?url=%ff", "url", None);
    }
}
