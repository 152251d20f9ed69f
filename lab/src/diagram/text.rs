//! The room that text takes in a picture.
//!
//! The font is the viewer's, so no width is exact. These are those of a wide font, rounded up: text that fits by them
//! also fits in other fonts.

/// The factor by which bold letters are wider.
pub(super) const BOLD: f64 = 1.2;

/// Returns the width of a letter as a part of the font's size.
fn letter_width(letter: char) -> f64 {
    match letter {
        ' ' | '!' | '\'' | '(' | ')' | ',' | '-' | '.' | '/' | ':' | ';' | 'I' | '[' | '\\' | ']' | 'f'
        | 'i' | 'j' | 'l' | 'r' | 't' | '|' => 0.42,
        '#' | '%' | '&' | '+' | '<' | '=' | '>' | '@' | 'M' | 'Q' | 'W' | 'm' | 'w' | '^' | '~' | '…' => 1.0,
        'A'..='Z' => 0.79,
        '\0'..'\u{80}' => 0.64,
        '\u{80}'..'\u{590}' => 1.1,
        _ => 1.4,
    }
}

/// Returns the most pixels that text takes.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(letter_width).sum::<f64>() * size
}

/// Returns the most pixels that bold text takes.
pub(super) fn bold_width(text: &str, size: f64) -> f64 {
    width(text, size) * BOLD
}

/// Cuts text that takes more than `room` pixels: it ends in `…`.
pub(super) fn cut(text: &str, size: f64, room: f64) -> String {
    cut_before(text, "", size, room)
}

/// Cuts text that takes more than `room` pixels in its middle, so that the end of a name stays.
pub(super) fn cut_in_the_middle(text: &str, size: f64, room: f64) -> String {
    let mut from = text.len();
    for (at, _) in text.char_indices().rev() {
        if width(&text[at..], size) > room / 2.0 {
            break;
        }
        from = at;
    }
    cut_before(&text[..from], &text[from..], size, room)
}

/// Cuts `text` so that it fits together with `end`.
fn cut_before(text: &str, end: &str, size: f64, room: f64) -> String {
    let whole = format!("{text}{end}");
    if width(&whole, size) <= room {
        return whole;
    }
    let room = room - width(end, size) - width("…", size);
    let mut taken = 0.0;
    let kept = text.chars().take_while(|&letter| {
        taken += letter_width(letter) * size;
        taken <= room
    });
    kept.chain(['…']).chain(end.chars()).collect()
}

/// Returns the largest size, at most `largest`, in which a bold label takes at most `room` pixels.
pub(super) fn size_within(label: &str, room: f64, largest: f64) -> f64 {
    (room / bold_width(label, 1.0)).min(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The widths in DejaVu Sans, which is wider than most fonts, in parts of the size.
    #[test]
    fn text_takes_no_more_than_its_room_in_a_wide_font() {
        for (text, regular, bold) in [
            ("agent 4000000000, incarnation 12", 17.44, 19.45),
            ("WWWWMMMM", 7.41, 8.39),
            ("\u{c5}sa \u{152}dipus <a@example.org>", 15.81, 17.39),
            ("10,000 events at 5 sites, seed 1: causal, exactly once, complete", 32.25, 36.12),
        ] {
            assert!(width(text, 1.0) >= regular && bold_width(text, 1.0) >= bold, "{text}");
            assert!(width(text, 1.0) < regular * 1.2, "{text}: {}", width(text, 1.0));
        }
    }

    #[test]
    fn text_that_is_cut_fits_and_keeps_what_it_can() {
        assert_eq!(cut("abcdef", 10.0, 39.0), "abcdef");
        assert_eq!(cut("abcdef", 10.0, 30.0), "abc…");
        assert_eq!(cut("", 10.0, 0.0), "");
        assert_eq!(cut_in_the_middle("abcdef", 10.0, 39.0), "abcdef");
        assert_eq!(cut_in_the_middle("abcdefghabcdefgh", 10.0, 54.0), "abc…efgh");
        let long = "agent \u{1f44d}\u{e4}".repeat(30) + ", incarnation 12";
        for room in [40.0, 100.0, 330.0] {
            for cut in [cut(&long, 12.0, room), cut_in_the_middle(&long, 12.0, room)] {
                assert!(width(&cut, 12.0) <= room && width(&cut, 12.0) > room - 35.0, "{room}: {cut}");
            }
        }
        assert!(cut_in_the_middle(&long, 12.0, 330.0).ends_with(", incarnation 12"));
    }

    #[test]
    fn a_label_shrinks_until_it_fits() {
        assert_eq!(size_within("a1", 20.0, 9.5), 9.5);
        let small = size_within("aa10", 20.0, 9.5);
        assert!(small < 9.5 && (bold_width("aa10", small) - 20.0).abs() < 1e-9);
    }
}
