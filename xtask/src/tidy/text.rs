//! Line by line: promises without an issue, spaces at the end, and items that ask for too much of
//! their reader.

use super::Finding;
use super::source::Source;

pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut bounds = 0;
    for (number, line) in (1..).zip(file.text.lines()) {
        bounds = bounds_so_far(bounds, line);
        let says = [
            (line.ends_with([' ', '\t']), "space at the end of the line"),
            (promises_without_issue(line), "name the issue a promise belongs to: (#12)"),
            (type_parameters(line) > MAX_TYPE_PARAMETERS, "more than three type parameters"),
            (bounds == MAX_BOUNDS + 1, "a `where` block of more than 8 lines"),
        ];
        for (_, says) in says.into_iter().filter(|(is_so, _)| *is_so) {
            findings.push(Finding::at(&file.path, number, says));
        }
    }
    findings
}

fn promises_without_issue(line: &str) -> bool {
    let Some((_, comment)) = line.split_once("//") else { return false };
    PROMISES
        .iter()
        .filter_map(|word| comment.split_once(word))
        .any(|(_, rest)| !rest.starts_with("(#"))
}

/// How many types an item is generic over, if it begins on this line.
fn type_parameters(line: &str) -> usize {
    let line = line.trim_start();
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        rest.strip_prefix("(crate)").or_else(|| rest.strip_prefix("(super)")).unwrap_or(rest)
    });
    let is_item = ITEMS.iter().any(|item| line.trim_start().starts_with(item));
    let Some((before, after)) = line.split_once('<') else { return 0 };
    if !is_item || before.contains('(') {
        return 0;
    }
    let mut depth = 1;
    let list: String = after
        .chars()
        .take_while(|c| {
            depth += i32::from(*c == '<') - i32::from(*c == '>');
            depth > 0
        })
        .collect();
    // A comma inside a bound's own brackets is rare, and only makes the count larger.
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.starts_with('\''))
        .count()
}

/// How many lines of a `where` block have been read, this one included.
fn bounds_so_far(before: usize, line: &str) -> usize {
    match line.trim() {
        "where" => 1,
        end if before > 0 && (end.starts_with('{') || end.starts_with('}')) => 0,
        _ if before > 0 => before + 1,
        _ => 0,
    }
}

const MAX_TYPE_PARAMETERS: usize = 3;
/// Including the line that says `where`.
const MAX_BOUNDS: usize = 9;
const ITEMS: &[&str] = &["fn ", "async fn ", "struct ", "enum ", "trait ", "impl<", "type "];
const PROMISES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Vec<String> {
        let file = Source { path: "a/src/b.rs".into(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| finding.says).collect()
    }

    #[test]
    fn a_promise_names_its_issue() {
        let word = concat!("TO", "DO");
        assert_eq!(says(&format!("// {word}: later")).len(), 1);
        assert_eq!(says(&format!("// {word}(#12): later")), [""; 0]);
    }

    #[test]
    fn lifetimes_are_not_counted_as_types() {
        assert_eq!(type_parameters("impl<'a, A, B, C> D<A, B, C, E> for F {"), 3);
        assert_eq!(type_parameters("pub(crate) fn f<A, B, C, D>(a: A) {"), 4);
        assert_eq!(type_parameters("fn f(a: HashMap<A, B>) {"), 0);
    }

    #[test]
    fn a_long_list_of_bounds_is_found_once() {
        let block = format!("fn f<A>()\nwhere\n{}{{\n", "    A: B,\n".repeat(9));
        assert_eq!(says(&block), ["a `where` block of more than 8 lines"]);
    }
}
