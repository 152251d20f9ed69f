//! Numbers and names as text.

use std::borrow::Cow;

/// Makes text safe to print. Control characters, and those that change the direction of writing or begin a new line,
/// are written as escapes, `\u{1b}`. A terminal would obey them, and the names of files and authors can hold any of
/// them, as can the messages of other programs.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match is_command(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// Most characters that are shown of a name, or of another program's message.
const SHOWN: usize = 200;

/// Returns the beginning of a text, which may be untrusted and of any length.
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end])
}

/// Returns whether a terminal would treat the character as a command.
fn is_command(letter: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&letter)
        || ('\u{202a}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter);
    letter.is_control() || turns || ['\u{2028}', '\u{2029}'].contains(&letter)
}

/// Counts things: `1 site`, `1,000 sites`.
pub fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

/// Writes a number with commas: 1,234,567.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_commas() {
        let written = [0, 12, 999, 1000, 26_078, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "12", "999", "1,000", "26,078", "1,234,567"]);
    }

    #[test]
    fn one_thing_is_singular() {
        assert_eq!(
            [0, 1, 2000].map(|number| counted(number, "event")),
            ["0 events", "1 event", "2,000 events"]
        );
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let long = "\u{1f44d}".repeat(SHOWN + 1);
        assert_eq!(shortened(&long), "\u{1f44d}".repeat(SHOWN));
        assert_eq!(shortened(&long[4..]), &long[4..]);
        assert_eq!(shortened(""), "");
    }

    #[test]
    fn commands_to_the_terminal_become_escapes_and_letters_stay() {
        let kept = "Zo\u{eb} \u{1f44d} \u{5d0} e\u{301} \\ \" 'x'";
        assert_eq!(printable(kept), kept);
        assert_eq!(printable("E\x1b[31mvil\r\n\u{9b}1m\x7f"), r"E\u{1b}[31mvil\r\n\u{9b}1m\u{7f}");
        assert_eq!(printable("a\u{202e}b\u{2028}"), r"a\u{202e}b\u{2028}");
        assert!((0..=0x10_ffff).filter_map(char::from_u32).all(|letter| {
            printable(letter.encode_utf8(&mut [0; 4])).chars().all(|shown| !shown.is_control())
        }));
    }
}
