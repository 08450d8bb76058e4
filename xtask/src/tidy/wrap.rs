//! Comments that are too wide, found and wrapped anew. rustfmt leaves comments alone.

use std::iter::Peekable;

use super::Finding;
use super::source::Source;

pub(super) fn check(file: &Source) -> Vec<Finding> {
    let wrapped = wrap(&file.text);
    let first = (1..).zip(file.text.lines().zip(wrapped.lines())).find(|(_, (is, be))| is != be);
    let says = "a comment wider than 100: `cargo xtask tidy --fix`";
    first.map(|(number, _)| Finding::at(&file.path, number, says)).into_iter().collect()
}

/// The text with every paragraph wrapped in which a line is too wide.
pub(super) fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    let mut in_code = false;
    while let Some(line) = lines.next() {
        let comment = Comment::parse(line);
        in_code ^= comment.as_ref().is_some_and(|comment| comment.text.starts_with("```"));
        match comment.filter(|comment| !in_code && comment.is_prose()) {
            Some(first) => {
                let lines = paragraph(line, &first, &mut lines);
                wrap_paragraph(&first, &lines, &mut wrapped);
            }
            None => push_line(line, &mut wrapped),
        }
    }
    wrapped
}

fn wrap_paragraph(first: &Comment<'_>, lines: &[&str], wrapped: &mut String) {
    if lines.iter().any(|line| is_wide(line)) {
        fill(first, lines, wrapped);
    } else {
        lines.iter().for_each(|line| push_line(line, wrapped));
    }
}

fn push_line(line: &str, text: &mut String) {
    text.push_str(line);
    text.push('\n');
}

/// A line that holds nothing but a comment.
struct Comment<'a> {
    /// Indentation and slashes.
    prefix: &'a str,
    /// The sign before an item of a list, with its space.
    bullet: &'a str,
    text: &'a str,
}

impl<'a> Comment<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let start = line.len() - line.trim_start().len();
        let rest = line.trim_start();
        let slashes = ["//!", "///", "//"].into_iter().find(|slashes| rest.starts_with(slashes))?;
        let (prefix, text) = line.split_at_checked(start + slashes.len())?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        let bullet = BULLETS.iter().find(|bullet| text.starts_with(**bullet));
        let (bullet, text) = text.split_at_checked(bullet.map_or(0, |bullet| bullet.len()))?;
        Some(Self { prefix, bullet, text })
    }

    /// Whether its words may move to another line.
    fn is_prose(&self) -> bool {
        let structure = [" ", "#", "|", "```", ">", "SPDX"];
        !self.text.is_empty() && !structure.iter().any(|sign| self.text.starts_with(sign))
    }

    /// Whether it goes on with what `first` began.
    fn continues(&self, first: &Self) -> bool {
        let hangs = !first.bullet.is_empty();
        let text = if hangs { self.text.trim_start() } else { self.text };
        let indented = self.text.len() - text.len() == first.bullet.len();
        let prose = Self { text, ..*self }.is_prose();
        self.prefix == first.prefix && self.bullet.is_empty() && prose && (!hangs || indented)
    }
}

fn paragraph<'a>(
    line: &'a str,
    first: &Comment<'_>,
    lines: &mut Peekable<impl Iterator<Item = &'a str>>,
) -> Vec<&'a str> {
    let mut paragraph = vec![line];
    while let Some(next) =
        lines.next_if(|line| Comment::parse(line).is_some_and(|next| next.continues(first)))
    {
        paragraph.push(next);
    }
    paragraph
}

fn fill(first: &Comment<'_>, paragraph: &[&str], wrapped: &mut String) {
    let hanging = " ".repeat(first.bullet.len());
    let mut line = format!("{} {}", first.prefix, first.bullet);
    let mut is_fresh = true;
    let words = paragraph
        .iter()
        .filter_map(|line| Comment::parse(line))
        .flat_map(|comment| comment.text.split_whitespace());
    for word in words {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > MAX_WIDTH {
            push_line(&line, wrapped);
            line = format!("{} {hanging}", first.prefix);
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    push_line(&line, wrapped);
}

/// A line without a second word, an address say, cannot be helped.
fn is_wide(line: &str) -> bool {
    line.chars().count() > MAX_WIDTH
        && Comment::parse(line).is_some_and(|comment| comment.text.contains(' '))
}

const MAX_WIDTH: usize = 100;
const BULLETS: &[&str] = &["- ", "* ", "1. ", "2. ", "3. ", "4. ", "5. "];

#[cfg(test)]
mod tests {
    use super::*;

    fn long(prefix: &str) -> String {
        format!("{prefix}{}\n", ["word"; 30].join(" "))
    }

    #[test]
    fn a_wide_paragraph_is_wrapped_and_its_words_are_kept() {
        let text = format!("{}    /// and the rest.\n", long("    /// "));
        let wrapped = wrap(&text);
        assert!(
            wrapped.lines().all(|line| line.len() <= MAX_WIDTH && line.starts_with("    /// "))
        );
        let words = |text: &str| text.replace("///", "").split_whitespace().count();
        assert_eq!(words(&wrapped), words(&text));
        assert_eq!(wrapped.lines().count(), 2);
    }

    #[test]
    fn what_is_narrow_or_no_prose_is_left_alone() {
        let wide_code = long("let a = ");
        let wide_table = long("/// | a | ");
        let text = format!(
            "/// Short.\n/// Lines.\n{wide_code}{wide_table}/// ```\n{}/// ```\n",
            long("/// ")
        );
        assert_eq!(wrap(&text), text);
    }

    #[test]
    fn an_item_of_a_list_hangs_below_its_sign() {
        let wrapped = wrap(&format!("{}/// - next\n", long("/// - ")));
        let lines: Vec<_> = wrapped.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("///   word"));
        assert_eq!(lines[2], "/// - next");
    }

    #[test]
    fn what_was_wrapped_is_wrapped_well() {
        let once = wrap(&long("//! "));
        assert_eq!(wrap(&once), once);
    }
}
