use super::*;

#[test]
fn what_is_absent_is_not_written_as_null() {
    let value = json!({"a": null, "b": {"c": null, "d": 1}, "e": [{"f": null}]});
    assert_eq!(without_nulls(value), json!({"b": {"d": 1}, "e": [{}]}));
}
