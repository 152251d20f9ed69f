//! The space-time diagram of a small run, as SVG: time goes to the right, every site has a line.
//!
//! ```text
//!   site 0  ──(a1)───────────(a2)──────●──     (a1)  an event is sent
//!                ╲          ╱    ╲      b1      ●     it is delivered elsewhere
//!   site 1  ──────●─(b1)───╱──────●───────     ▬▬▬   it has arrived and is held back
//!                 a1              a2
//! ```
//!
//! Time is not to scale: every tick in which something happens gets the room that it needs, and long waits are
//! shortened. The axis shows the place of each tick.
//!
//! Names are of any length, so each text is measured before it is placed. The columns of the legend are as wide as the
//! longest name needs. A name that is too long for its place is cut.

mod layout;
mod text;

use std::fmt::Write;

use crate::history::{Event, History};
use crate::replay::Tick;
use crate::replay::{Flight, FlightEnd, ReplayFailure, ReplayResult};
use crate::words::counted;
use layout::Layout;

/// Most events that can be told apart in one picture.
pub const MOST_EVENTS: usize = 40;

/// Most sites in one picture.
pub const MOST_SITES: usize = 8;

/// Most events times sites in one picture, as each event has a mark at each site.
pub const MOST_MARKS: usize = 160;

/// Colours that can be told apart, also with colour blindness; dark enough for white letters.
const COLOURS: [&str; 9] =
    ["#1f6fb4", "#c2501b", "#2a8a57", "#8a4fae", "#b3366b", "#6d6a1c", "#1c8a93", "#7a5230", "#4d5a6b"];

const LEFT: f64 = 150.0;
const TOP: f64 = 96.0;

/// The room between the text of a picture and its left and right edges.
const MARGIN: f64 = 24.0;

/// The sizes of the text, in pixels.
const TITLE: f64 = 17.0;
const PLAIN: f64 = 12.0;
const SMALL: f64 = 10.5;

/// The most pixels of a name in the legend of nodes.
const LONGEST_NAME: f64 = 300.0;

/// From the left edge of an entry in the legend of nodes to its name.
const TO_NAME: f64 = 23.5;

const INK: &str = "#26303a";
const FAINT: &str = "#77828d";

/// Returns the reason why a run would not be readable; `None` if it would be.
pub fn refusal(events: usize, sites: usize) -> Option<String> {
    let fits = events <= MOST_EVENTS && sites <= MOST_SITES && events * sites <= MOST_MARKS;
    (!fits).then(|| {
        format!(
            "{} at {} cannot be read in one picture; draw at most {MOST_EVENTS} events, {MOST_SITES} sites and \
             {MOST_MARKS} deliveries, for instance --events 16 --nodes 3",
            counted(events as u64, "event"),
            counted(sites as u64, "site"),
        )
    })
}

/// Draws a recorded run.
pub fn svg(history: &History, sites: usize, seed: u64, outcome: &ReplayResult) -> String {
    let layout = Layout::new(&outcome.recording, sites, LEFT, TOP);
    let width = (layout.axis.end + 30.0).max(760.0);
    let picture = Picture { history, sites, outcome, layout: &layout, width };
    let mut svg = String::new();
    // Writing into a string does not fail.
    let _ = picture.draw(&mut svg, seed);
    svg
}

/// The letters that stand for a node: a to z, then aa, ab and so on.
fn letters(node: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(node) + 1;
    while rest > 0 {
        letters.push(b'a' + ((rest - 1) % 26) as u8);
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().map(|&letter| char::from(letter)).collect()
}

/// Makes text safe for SVG: the name of an author can hold any character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Most control characters are not allowed in XML, not even escaped; nor are these two.
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

struct Picture<'a> {
    history: &'a History,
    sites: usize,
    outcome: &'a ReplayResult,
    layout: &'a Layout,
    width: f64,
}

impl Picture<'_> {
    fn draw(&self, svg: &mut String, seed: u64) -> std::fmt::Result {
        let legend_top = self.layout.bottom + 56.0;
        let height = legend_top + 24.0 * self.legend_rows() as f64 + 56.0;
        let width = self.width;
        writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" fill="{INK}">
<rect width="100%" height="100%" fill="#fdfdfb"/>
<defs>"##
        )?;
        for (at, colour) in COLOURS.iter().enumerate() {
            writeln!(
                svg,
                r#"<marker id="arrow{at}" viewBox="0 0 8 8" refX="7.2" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0.5,1 L7.5,4 L0.5,7 L2.2,4 z" fill="{colour}"/></marker>"#
            )?;
        }
        writeln!(svg, "</defs>")?;
        self.heading(svg, seed)?;
        self.partitions(svg)?;
        self.axis(svg)?;
        self.site_lines(svg)?;
        for flight in &self.outcome.recording.flights {
            self.flight(svg, flight)?;
        }
        self.held(svg)?;
        self.marks(svg)?;
        self.legend(svg, legend_top)?;
        writeln!(svg, "</svg>")
    }

    /// Returns the name of an event as it is written at its marks.
    fn label(&self, event: Event) -> String {
        let dot = self.history.dot(event);
        format!("{}{}", letters(*dot.node()), dot.counter())
    }

    fn colour(&self, event: Event) -> usize {
        *self.history.dot(event).node() as usize % COLOURS.len()
    }

    fn heading(&self, svg: &mut String, seed: u64) -> std::fmt::Result {
        let room = self.width - 2.0 * MARGIN;
        let source = escape(&text::cut_in_the_middle(self.history.source(), TITLE * text::BOLD, room));
        let events = counted(self.history.len() as u64, "event");
        let sites = counted(self.sites as u64, "site");
        writeln!(svg, r#"<text x="{MARGIN}" y="34" font-size="{TITLE}" font-weight="600">{source}</text>"#)?;
        let verdict = match &self.outcome.verdict {
            Ok(()) => "causal, exactly once, complete".to_owned(),
            Err(failure @ ReplayFailure::GaveUp(_)) => failure.to_string(),
            Err(failure) => format!("FAILED: {failure}"),
        };
        let told = text::cut(&format!("{events} at {sites}, seed {seed}: {verdict}"), PLAIN, room);
        writeln!(svg, r#"<text x="{MARGIN}" y="55" fill="{FAINT}">{}</text>"#, escape(&told))
    }

    fn partitions(&self, svg: &mut String) -> std::fmt::Result {
        let last = self.outcome.tally.ticks;
        let mut free_from = 0.0;
        for partition in self.outcome.partitions.iter().filter(|partition| partition.from <= last) {
            let (left, right) =
                (self.layout.axis.x(partition.from), self.layout.axis.x(partition.until.min(last)));
            let group = |side| {
                let of_side = partition.group.iter().enumerate().filter(|&(_, &group)| group == side);
                of_side.map(|(site, _)| site.to_string()).collect::<Vec<_>>().join(", ")
            };
            let label = format!("partition {} | {}", group(true), group(false));
            let (top, width) = (TOP - 14.0, (right - left).max(3.0));
            writeln!(
                svg,
                r##"<rect x="{left:.1}" y="{top}" width="{width:.1}" height="{:.1}" fill="#f3ead8"><title>{label}, tick {} to {}</title></rect>"##,
                self.layout.bottom - top,
                partition.from,
                partition.until
            )?;
            // Near the right edge a label moves to the left. If partitions follow each other closely, only the first
            // has a label.
            let room = text::width(&label, SMALL);
            let left = left.min(self.width - MARGIN - room);
            if left >= free_from {
                free_from = left + room + 12.0;
                writeln!(
                    svg,
                    r##"<text x="{left:.1}" y="{:.1}" font-size="{SMALL}" fill="#8a6d2f">{label}</text>"##,
                    top - 4.0
                )?;
            }
        }
        Ok(())
    }

    fn axis(&self, svg: &mut String) -> std::fmt::Result {
        let y = self.layout.bottom + 6.0;
        writeln!(
            svg,
            r#"<text x="{MARGIN}" y="{:.1}" font-size="{SMALL}" fill="{FAINT}">tick</text>"#,
            y + 13.0
        )?;
        for (tick, x) in self.layout.axis.labels(|tick| text::width(&tick.to_string(), SMALL)) {
            writeln!(
                svg,
                r##"<path d="M{x:.1},{:.1} V{y:.1}" stroke="#e6e8ea"/><text x="{x:.1}" y="{:.1}" font-size="{SMALL}" text-anchor="middle" fill="{FAINT}">{tick}</text>"##,
                TOP - 8.0,
                y + 13.0
            )?;
        }
        Ok(())
    }

    fn site_lines(&self, svg: &mut String) -> std::fmt::Result {
        for (site, y) in self.layout.lines.iter().enumerate() {
            let at_home = (site..self.history.nodes()).step_by(self.sites);
            let nodes: Vec<String> = at_home
                .map(|node| format!("{} {}", letters(node as u32), self.history.name(node as u32)))
                .collect();
            let nodes = if nodes.is_empty() { "only listens".to_owned() } else { nodes.join(", ") };
            writeln!(
                svg,
                r##"<path d="M{:.1},{y:.1} H{:.1}" stroke="#9aa4ae" stroke-width="1.5"/>
<text x="{MARGIN}" y="{:.1}" font-size="14" font-weight="600">site {site}</text>
<text x="{MARGIN}" y="{:.1}" font-size="{SMALL}" fill="{FAINT}">{}</text>"##,
                LEFT - 26.0,
                self.width - 16.0,
                y - 1.0,
                y + 13.0,
                escape(&text::cut(&nodes, SMALL, LEFT - 30.0 - MARGIN))
            )?;
        }
        Ok(())
    }

    /// Draws the path of one copy: to its delivery, or to the lane in which it is held back.
    fn flight(&self, svg: &mut String, flight: &Flight) -> std::fmt::Result {
        let Flight { event, from, to, sent, asked_for, end } = *flight;
        let (colour, label) = (self.colour(event), self.label(event));
        let start = if asked_for { None } else { self.layout.mark(from, event) };
        let start = (start.unwrap_or_else(|| self.layout.axis.x(sent)), self.layout.lines[from]);
        let line = self.layout.lines[to];
        match end {
            FlightEnd::Accepted { at } => {
                let held = self.layout.held.iter().find(|held| (held.event, held.site) == (event, to));
                let goal = match held {
                    Some(held) => (held.left, self.layout.lane_y(held)),
                    None => (self.layout.mark(to, event).unwrap_or_else(|| self.layout.axis.x(at)), line),
                };
                let ((x1, y1), (x2, y2)) = shortened(start, goal, if asked_for { 0.0 } else { 10.0 }, 4.0);
                let dashed = if asked_for { r#" stroke-dasharray="5 3""# } else { "" };
                writeln!(
                    svg,
                    r#"<path d="M{x1:.1},{y1:.1} L{x2:.1},{y2:.1}" stroke="{}" stroke-width="1.3" stroke-opacity="0.75"{dashed} fill="none" marker-end="url(#arrow{colour})"><title>{label} from site {from}, tick {sent}, to site {to}, tick {at}</title></path>"#,
                    COLOURS[colour]
                )
            }
            FlightEnd::Lost => {
                // A stub that ends on its way, in the direction of the destination.
                let towards = (start.0 + 26.0, start.1 + (line - start.1).signum() * 34.0);
                let ((x1, y1), (x2, y2)) = shortened(start, towards, if asked_for { 0.0 } else { 10.0 }, 0.0);
                writeln!(
                    svg,
                    r##"<g stroke="#c0392b" stroke-opacity="0.6" fill="none"><path d="M{x1:.1},{y1:.1} L{x2:.1},{y2:.1}" stroke-dasharray="2 2"/><path d="M{:.1},{:.1} l6,6 m0,-6 l-6,6" stroke-width="1.4"/><title>{label} from site {from} to site {to} is lost</title></g>"##,
                    x2 - 3.0,
                    y2 - 3.0
                )
            }
            // Copies that change nothing would hide the others.
            FlightEnd::Duplicate { .. } | FlightEnd::Refused { .. } => Ok(()),
        }
    }

    fn held(&self, svg: &mut String) -> std::fmt::Result {
        for held in &self.layout.held {
            let y = self.layout.lane_y(held);
            let colour = COLOURS[self.colour(held.event)];
            let line = self.layout.lines[held.site];
            let label = self.label(held.event);
            let until = self.delivered_at(held.site, held.event);
            let until = until.map_or("the end".to_owned(), |tick| format!("tick {tick}"));
            writeln!(
                svg,
                r#"<g><path d="M{:.1},{y:.1} V{line:.1}" stroke="{colour}" stroke-opacity="0.55" stroke-dasharray="1.5 2"/><rect x="{:.1}" y="{:.1}" width="{:.1}" height="6" rx="3" fill="{colour}" fill-opacity="0.38" stroke="{colour}" stroke-width="0.8"/><title>{label} is held back from tick {} to {until}</title></g>"#,
                held.right,
                held.left,
                y - 3.0,
                (held.right - held.left).max(6.0),
                held.arrived,
            )?;
        }
        Ok(())
    }

    fn delivered_at(&self, site: usize, event: Event) -> Option<Tick> {
        let mut delivered = self.outcome.recording.delivered.iter();
        delivered
            .find(|delivered| (delivered.site, delivered.event) == (site, event))
            .map(|delivered| delivered.at)
    }

    fn marks(&self, svg: &mut String) -> std::fmt::Result {
        let sent = |event| self.outcome.recording.sent.iter().find(|sent| sent.event == event);
        for delivered in &self.outcome.recording.delivered {
            let (event, site) = (delivered.event, delivered.site);
            let (colour, label) = (COLOURS[self.colour(event)], self.label(event));
            let x = self.layout.mark(site, event).unwrap_or_default();
            let y = self.layout.lines[site];
            let name = escape(&self.history.name(*self.history.dot(event).node()));
            if sent(event).is_some_and(|sent| sent.site == site) {
                let size = text::size_within(&label, 17.5, 9.5);
                writeln!(
                    svg,
                    r##"<g><circle cx="{x:.1}" cy="{y:.1}" r="9.5" fill="{colour}" stroke="#fdfdfb" stroke-width="1.5"/><text x="{x:.1}" y="{:.1}" font-size="{size:.1}" font-weight="600" text-anchor="middle" fill="#ffffff">{label}</text><title>{label}, event {event} by {name}, is sent in tick {}</title></g>"##,
                    y + 3.3,
                    delivered.at
                )?;
            } else {
                let size = text::size_within(&label, 20.0, 9.0);
                writeln!(
                    svg,
                    r##"<g><circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" stroke="#fdfdfb" stroke-width="1"/><text x="{x:.1}" y="{:.1}" font-size="{size:.1}" text-anchor="middle" fill="{colour}" stroke="#fdfdfb" stroke-width="2.5" paint-order="stroke">{label}</text><title>{label} is delivered at site {site} in tick {}</title></g>"##,
                    y + 13.5,
                    delivered.at
                )?;
            }
        }
        Ok(())
    }

    /// Returns the name of a node as the legend shows it.
    fn legend_name(&self, node: usize) -> String {
        text::cut_in_the_middle(&self.history.name(node as u32), PLAIN, LONGEST_NAME)
    }

    /// Returns the width of a column of the legend of nodes: as wide as the widest name needs.
    fn legend_column(&self) -> f64 {
        let names = (0..self.history.nodes()).map(|node| text::width(&self.legend_name(node), PLAIN));
        TO_NAME + names.fold(120.0, f64::max) + 20.0
    }

    fn nodes_a_row(&self) -> usize {
        ((self.width - 2.0 * MARGIN) / self.legend_column()).max(1.0) as usize
    }

    fn legend_rows(&self) -> usize {
        self.history.nodes().div_ceil(self.nodes_a_row())
    }

    fn legend(&self, svg: &mut String, top: f64) -> std::fmt::Result {
        for node in 0..self.history.nodes() {
            let (row, column) = (node / self.nodes_a_row(), node % self.nodes_a_row());
            let (x, y) = (MARGIN + column as f64 * self.legend_column(), top + row as f64 * 24.0);
            let letters = letters(node as u32);
            writeln!(
                svg,
                r##"<circle cx="{:.1}" cy="{y:.1}" r="8.5" fill="{}"/><text x="{:.1}" y="{:.1}" font-size="{:.1}" font-weight="600" text-anchor="middle" fill="#ffffff">{letters}</text><text x="{:.1}" y="{:.1}">{}</text>"##,
                x + 8.5,
                COLOURS[node % COLOURS.len()],
                x + 8.5,
                y + 3.2,
                text::size_within(&letters, 15.0, 9.0),
                x + TO_NAME,
                y + 4.0,
                escape(&self.legend_name(node))
            )?;
        }
        let y = top + self.legend_rows() as f64 * 24.0 + 4.0;
        symbols(svg, y)?;
        writeln!(
            svg,
            r#"<text x="{MARGIN}" y="{:.1}" font-size="{SMALL}" fill="{FAINT}">Time is not to scale: long waits are shortened. Copies that were not needed are left out.</text>"#,
            y + 28.0
        )
    }
}

/// Draws the legend of symbols, in a row at the height `y`.
fn symbols(svg: &mut String, y: f64) -> std::fmt::Result {
    let first = COLOURS[0];
    let sent = format!(
        r##"<circle cx="8.5" cy="0" r="8.5" fill="{first}"/><text x="8.5" y="3" font-size="8.5" font-weight="600" text-anchor="middle" fill="#ffffff">a1</text>"##
    );
    let delivered = format!(r#"<circle cx="4" cy="0" r="4" fill="{first}"/>"#);
    let way = |dashes| {
        format!(r#"<path d="M0,0 h26" stroke="{first}" stroke-width="1.3"{dashes} marker-end="url(#arrow0)"/>"#)
    };
    let held = format!(
        r#"<rect x="0" y="-3" width="30" height="6" rx="3" fill="{first}" fill-opacity="0.38" stroke="{first}" stroke-width="0.8"/>"#
    );
    let lost = r##"<g stroke="#c0392b" stroke-opacity="0.7"><path d="M0,0 h14" stroke-dasharray="2 2"/><path d="M14,-3 l6,6 m0,-6 l-6,6" stroke-width="1.4"/></g>"##;
    let mut x = MARGIN;
    for (symbol, width, name) in [
        (sent, 17.0, "sent"),
        (delivered, 8.0, "delivered"),
        (way(""), 26.0, "on its way"),
        (way(r#" stroke-dasharray="5 3""#), 26.0, "sent again"),
        (held, 30.0, "held back"),
        (lost.to_owned(), 20.0, "lost"),
    ] {
        writeln!(
            svg,
            r#"<g transform="translate({x:.1} {y:.1})">{symbol}<text x="{:.1}" y="4" font-size="{SMALL}" fill="{FAINT}">{name}</text></g>"#,
            width + 7.0
        )?;
        x += width + 7.0 + text::width(name, SMALL) + 16.0;
    }
    Ok(())
}

/// Shortens a line by `first` pixels at its start and by `last` at its end.
fn shortened(from: (f64, f64), to: (f64, f64), first: f64, last: f64) -> ((f64, f64), (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (first, last) = (first.min(length / 2.0) / length, last.min(length / 2.0) / length);
    ((from.0 + dx * first, from.1 + dy * first), (to.0 - dx * last, to.1 - dy * last))
}

#[cfg(test)]
mod tests {
    use happens_before::delivery::BufferLimits;
    use happens_before_simulation::Random;

    use super::*;
    use crate::budget::Budget;
    use crate::history::Told;
    use crate::replay::{self, ReplayCanary, ReplaySettings};
    use crate::stream;

    #[test]
    fn letters_count_like_the_columns_of_a_sheet() {
        assert_eq!(
            [0, 25, 26, 27, 51, 52, 701, 702].map(letters),
            ["a", "z", "aa", "ab", "az", "ba", "zz", "aaa"]
        );
    }

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escape("<a b=\"c\">&\u{0}\n"), "&lt;a b=&quot;c&quot;&gt;&amp;  ");
    }

    /// A text in a picture: its content, and the room that it takes at most.
    struct Text {
        content: String,
        left: f64,
        right: f64,
        top: f64,
        bottom: f64,
    }

    /// Finds the texts of a picture. A text in a group stands in the group's place.
    fn texts(svg: &str) -> Vec<Text> {
        let number = |of: &str, name: &str| -> Option<f64> {
            of.split_once(&format!(r#" {name}=""#))?.1.split_once('"')?.0.parse().ok()
        };
        let mut texts = Vec::new();
        for line in svg.lines() {
            let moved = line.strip_prefix(r#"<g transform="translate("#);
            let moved = moved.and_then(|rest| rest.split_once(')')?.0.split_once(' '));
            let moved = moved.and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
            let (dx, dy): (f64, f64) = moved.unwrap_or_default();
            for text in line.split("<text").skip(1) {
                let (attributes, rest) = text.split_once('>').expect("attributes");
                let content = rest.split("</text>").next().expect("content");
                let content = content
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&amp;", "&");
                let (x, y) =
                    (number(attributes, "x").expect("x") + dx, number(attributes, "y").expect("y") + dy);
                let size = number(attributes, "font-size").unwrap_or(PLAIN);
                let bold = attributes.contains("font-weight");
                let width = if bold { text::bold_width(&content, size) } else { text::width(&content, size) };
                let left = if attributes.contains(r#"text-anchor="middle""#) { x - width / 2.0 } else { x };
                let (top, bottom) = (y - 0.8 * size, y + 0.2 * size);
                texts.push(Text { content, left, right: left + width, top, bottom });
            }
        }
        texts
    }

    fn drawn(history: &History, settings: &ReplaySettings) -> (String, f64, f64) {
        let outcome = replay::run(history, settings, &mut |_| {});
        let svg = svg(history, settings.sites, settings.seed, &outcome);
        let size = |name: &str| -> f64 {
            let rest = svg.split_once(&format!(r#"{name}=""#)).expect("a size").1;
            rest.split_once('"').expect("a size").0.parse().expect("a number")
        };
        let (width, height) = (size(" width"), size(" height"));
        (svg, width, height)
    }

    /// Draws small runs of every kind, with names of every length, and compares the rooms of all texts.
    #[test]
    fn no_text_overlaps_another_or_leaves_the_picture() {
        let mut random = Random::new(3, stream::SESSION);
        let parts =
            ["W", "mm", "Ada Lovelace", " <ada@example.org>", "\u{1f44d}", "\u{e4}\u{f6}", "il", "\u{5b57}"];
        let (mut pairs, mut cut) = (0, 0);
        for seed in 0..120 {
            // The last ones have more than may be drawn.
            let events = if seed < 110 { 1 + random.below(MOST_EVENTS as u64) } else { 60 };
            let sites = 1 + random.index((MOST_MARKS / events as usize).clamp(1, MOST_SITES));
            let authors = 1 + random.below(if seed % 3 == 0 { events } else { 4 });
            let authors = if seed < 110 { authors } else { 60 };
            let longest = 1 + random.below(12);
            let names = (0..authors).map(|author| {
                let name = (0..random.below(longest)).map(|_| parts[random.index(parts.len())]);
                format!("{author} {}", name.collect::<String>())
            });
            let names = names.collect();
            let told: Vec<Told> = (0..events)
                .map(|event| {
                    let parent = event.checked_sub(1 + random.below(3)).filter(|_| random.chance(0.9));
                    let author = if event < authors { event } else { random.below(authors) };
                    Told { author, parents: parent.into_iter().collect() }
                })
                .collect();
            let source = parts[random.index(parts.len())].repeat(random.index(90));
            let history = History::new(source, names, &told, &Budget::default()).expect("a graph");
            let rarely =
                |random: &mut Random, most: u64| if random.chance(0.5) { random.below(most) } else { 0 };
            let settings = ReplaySettings {
                sites,
                loss: if random.chance(0.1) { 1.0 } else { rarely(&mut random, 60) as f64 / 100.0 },
                duplicate: 0.1,
                delay: rarely(&mut random, 1_000_000_000),
                reorder: rarely(&mut random, 100),
                partitions: rarely(&mut random, 9),
                seed,
                limits: BufferLimits { nodes: 100, ..BufferLimits::default() },
                timeout: None,
                announce: None,
                canary: random.chance(0.1).then_some(ReplayCanary::Skip),
                record: true,
            };
            let (svg, width, height) = drawn(&history, &settings);
            let texts = texts(&svg);
            for (nth, a) in texts.iter().enumerate() {
                let within = a.left >= 0.0 && a.right <= width && a.top >= 0.0 && a.bottom <= height;
                assert!(within, "seed {seed}: {:?} leaves the picture", a.content);
                for b in &texts[..nth] {
                    let apart =
                        a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
                    assert!(apart, "seed {seed}: {:?} overlaps {:?}", a.content, b.content);
                    pairs += 1;
                }
                cut += usize::from(a.content.contains('…'));
            }
        }
        assert!(pairs > 100_000 && cut > 100, "{pairs} pairs, {cut} texts that were cut");
    }

    #[test]
    fn what_nobody_can_read_is_refused() {
        assert_eq!(refusal(24, 3), None);
        assert_eq!(refusal(MOST_EVENTS, 4), None);
        assert!(refusal(MOST_EVENTS + 1, 1).is_some());
        assert!(refusal(1, MOST_SITES + 1).is_some());
        assert!(refusal(40, 8).is_some());
    }
}
