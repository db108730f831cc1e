//! Arguments as they stand in the text of a statement. Every text is written as an `E'...'`, which means the same
//! whatever `standard_conforming_strings` says.

use std::fmt::Write as _;

use crate::call::Argument;

/// Appends an argument, with its type.
pub(crate) fn push(text: &mut String, argument: &Argument<'_>) {
    match argument {
        Argument::Text(argument) | Argument::OptionalText(Some(argument)) => {
            text.push_str(&quoted(argument));
            text.push_str("::text");
        }
        Argument::OptionalText(None) => text.push_str("NULL::text"),
        Argument::Bytes(bytes) => {
            text.push_str("E'\\\\x");
            hex(text, bytes);
            text.push_str("'::bytea");
        }
        Argument::Boolean(boolean) => text.push_str(if *boolean { "true" } else { "false" }),
        Argument::Integer(integer) => push_number(text, *integer),
        Argument::Texts(None) | Argument::OptionalTexts(None) => text.push_str("NULL::text[]"),
        Argument::Texts(Some(texts)) => {
            list(text, "text", texts, |text, element| push_element(text, element));
        }
        Argument::OptionalTexts(Some(texts)) => list(text, "text", texts, |text, element| match element {
            Some(element) => push_element(text, element),
            None => text.push_str("NULL"),
        }),
        Argument::ListOfBytes(None) => text.push_str("NULL::bytea[]"),
        Argument::ListOfBytes(Some(elements)) => {
            list(text, "bytea", elements, |text, element| match element {
                Some(bytes) => {
                    // Two backslashes in the text are one in the list's element, and that one would escape there.
                    text.push_str("\"\\\\\\\\x");
                    hex(text, bytes);
                    text.push('"');
                }
                None => text.push_str("NULL"),
            })
        }
        Argument::Booleans(None) => text.push_str("NULL::boolean[]"),
        Argument::Booleans(Some(booleans)) => list(text, "boolean", booleans, |text, element| {
            text.push(if *element { 't' } else { 'f' });
        }),
    }
}

/// A text as a literal without a type.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = "E'".to_owned();
    escape(&mut quoted, text);
    quoted.push('\'');
    quoted
}

fn list<T>(text: &mut String, kind: &str, elements: &[T], push: impl Fn(&mut String, &T)) {
    text.push_str("E'{");
    for (n, element) in elements.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        push(text, element);
    }
    text.push_str("}'::");
    text.push_str(kind);
    text.push_str("[]");
}

/// An element of a list of texts, in double quotes.
fn push_element(text: &mut String, element: &str) {
    let mut quoted = String::with_capacity(element.len() + 2);
    quoted.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    escape(text, &quoted);
}

/// Within `E'...'`, quotes and backslashes mean something.
fn escape(text: &mut String, escaped: &str) {
    for character in escaped.chars() {
        match character {
            '\'' => text.push_str("''"),
            '\\' => text.push_str("\\\\"),
            _ => text.push(character),
        }
    }
}

fn hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS.get(usize::from(half)).copied().unwrap_or_default());
    text.reserve(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
}

fn push_number(text: &mut String, number: i64) {
    // Writing to a string does not fail.
    let _ = write!(text, "{number}::bigint");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(argument: Argument<'_>) -> String {
        let mut text = String::new();
        push(&mut text, &argument);
        text
    }

    #[test]
    fn quotes_and_backslashes_stay_within_the_literal() {
        assert_eq!(literal(Argument::Text(r"a'b\'c")), r"E'a''b\\''c'::text");
        assert_eq!(
            literal(Argument::Texts(Some(vec![r#"a"b'\"#, "{,}"]))),
            r#"E'{"a\\"b''\\\\","{,}"}'::text[]"#
        );
    }

    #[test]
    fn bytes_are_digits() {
        assert_eq!(literal(Argument::Bytes(&[0, 0x1f, 0xa0])), r"E'\\x001fa0'::bytea");
        assert_eq!(
            literal(Argument::ListOfBytes(Some(vec![Some(&[0xff]), None, Some(&[])]))),
            r#"E'{"\\\\xff",NULL,"\\\\x"}'::bytea[]"#
        );
    }

    #[test]
    fn absence_has_a_type() {
        assert_eq!(literal(Argument::OptionalText(None)), "NULL::text");
        assert_eq!(literal(Argument::Texts(None)), "NULL::text[]");
        assert_eq!(literal(Argument::ListOfBytes(None)), "NULL::bytea[]");
        assert_eq!(
            literal(Argument::OptionalTexts(Some(vec![None, Some("NULL")]))),
            r#"E'{NULL,"NULL"}'::text[]"#
        );
        assert_eq!(
            literal(Argument::Booleans(Some(vec![true, false]))),
            "E'{t,f}'::boolean[]"
        );
    }
}
