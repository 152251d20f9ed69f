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

mod layout;

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

/// Cuts text that is too long for its place.
fn short(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        None => text.to_owned(),
        Some(_) => text.chars().take(letters - 1).chain(['…']).collect(),
    }
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
        let source = escape(&short(self.history.source(), 90));
        let events = counted(self.history.len() as u64, "event");
        let sites = counted(self.sites as u64, "site");
        writeln!(svg, r#"<text x="24" y="34" font-size="17" font-weight="600">{source}</text>"#)?;
        let verdict = match &self.outcome.verdict {
            Ok(()) => "causal, exactly once, complete".to_owned(),
            Err(failure @ ReplayFailure::GaveUp(_)) => short(&failure.to_string(), 120),
            Err(failure) => format!("FAILED: {}", short(&failure.to_string(), 120)),
        };
        writeln!(
            svg,
            r#"<text x="24" y="55" fill="{FAINT}">{events} at {sites}, seed {seed}: {}</text>"#,
            escape(&verdict)
        )
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
            // If partitions follow each other closely, only the first has a label.
            if left >= free_from {
                free_from = left + 12.0 + 5.6 * label.len() as f64;
                writeln!(
                    svg,
                    r##"<text x="{left:.1}" y="{:.1}" font-size="10" fill="#8a6d2f">{label}</text>"##,
                    top - 4.0
                )?;
            }
        }
        Ok(())
    }

    fn axis(&self, svg: &mut String) -> std::fmt::Result {
        let y = self.layout.bottom + 6.0;
        writeln!(svg, r#"<text x="24" y="{:.1}" font-size="10.5" fill="{FAINT}">tick</text>"#, y + 13.0)?;
        for (tick, x) in self.layout.axis.labels(52.0) {
            writeln!(
                svg,
                r##"<path d="M{x:.1},{:.1} V{y:.1}" stroke="#e6e8ea"/><text x="{x:.1}" y="{:.1}" font-size="10.5" text-anchor="middle" fill="{FAINT}">{tick}</text>"##,
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
<text x="24" y="{:.1}" font-size="14" font-weight="600">site {site}</text>
<text x="24" y="{:.1}" font-size="10.5" fill="{FAINT}">{}</text>"##,
                LEFT - 26.0,
                self.width - 16.0,
                y - 1.0,
                y + 13.0,
                escape(&short(&nodes, 17))
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
                let size = [9.5, 9.5, 9.5, 8.0][label.len().min(3)] - if label.len() > 3 { 1.5 } else { 0.0 };
                writeln!(
                    svg,
                    r##"<g><circle cx="{x:.1}" cy="{y:.1}" r="9.5" fill="{colour}" stroke="#fdfdfb" stroke-width="1.5"/><text x="{x:.1}" y="{:.1}" font-size="{size}" font-weight="600" text-anchor="middle" fill="#ffffff">{label}</text><title>{label}, event {event} by {name}, is sent in tick {}</title></g>"##,
                    y + 3.3,
                    delivered.at
                )?;
            } else {
                writeln!(
                    svg,
                    r##"<g><circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" stroke="#fdfdfb" stroke-width="1"/><text x="{x:.1}" y="{:.1}" font-size="9" text-anchor="middle" fill="{colour}" stroke="#fdfdfb" stroke-width="2.5" paint-order="stroke">{label}</text><title>{label} is delivered at site {site} in tick {}</title></g>"##,
                    y + 13.5,
                    delivered.at
                )?;
            }
        }
        Ok(())
    }

    fn nodes_a_row(&self) -> usize {
        ((self.width - 48.0) / 190.0).max(1.0) as usize
    }

    fn legend_rows(&self) -> usize {
        self.history.nodes().div_ceil(self.nodes_a_row())
    }

    fn legend(&self, svg: &mut String, top: f64) -> std::fmt::Result {
        for node in 0..self.history.nodes() {
            let (row, column) = (node / self.nodes_a_row(), node % self.nodes_a_row());
            let (x, y) = (32.0 + column as f64 * 190.0, top + row as f64 * 24.0);
            writeln!(
                svg,
                r##"<circle cx="{x:.1}" cy="{y:.1}" r="8.5" fill="{}"/><text x="{x:.1}" y="{:.1}" font-size="9" font-weight="600" text-anchor="middle" fill="#ffffff">{}</text><text x="{:.1}" y="{:.1}">{}</text>"##,
                COLOURS[node % COLOURS.len()],
                y + 3.2,
                letters(node as u32),
                x + 15.0,
                y + 4.0,
                escape(&short(&self.history.name(node as u32), 24))
            )?;
        }
        let y = top + self.legend_rows() as f64 * 24.0 + 4.0;
        let first = COLOURS[0];
        writeln!(
            svg,
            r##"<g font-size="11.5" fill="{FAINT}">
<circle cx="33" cy="{y:.1}" r="8.5" fill="{first}"/><text x="33" y="{:.1}" font-size="8.5" font-weight="600" text-anchor="middle" fill="#ffffff">a1</text><text x="48" y="{t:.1}">sent</text>
<circle cx="96" cy="{y:.1}" r="4" fill="{first}"/><text x="106" y="{t:.1}">delivered</text>
<path d="M176,{y:.1} h26" stroke="{first}" stroke-width="1.3" marker-end="url(#arrow0)"/><text x="210" y="{t:.1}">on its way</text>
<path d="M286,{y:.1} h26" stroke="{first}" stroke-width="1.3" stroke-dasharray="5 3" marker-end="url(#arrow0)"/><text x="320" y="{t:.1}">sent again</text>
<rect x="396" y="{:.1}" width="30" height="6" rx="3" fill="{first}" fill-opacity="0.38" stroke="{first}" stroke-width="0.8"/><text x="434" y="{t:.1}">held back</text>
<g stroke="#c0392b" stroke-opacity="0.7"><path d="M506,{y:.1} h14" stroke-dasharray="2 2"/><path d="M520,{:.1} l6,6 m0,-6 l-6,6" stroke-width="1.4"/></g><text x="534" y="{t:.1}">lost</text>
<text x="24" y="{:.1}" font-size="10.5">Time is not to scale: long waits are shortened. Copies that were not needed are left out.</text>
</g>"##,
            y + 3.0,
            y - 3.0,
            y - 3.0,
            y + 28.0,
            t = y + 4.0,
        )
    }
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
    use super::*;

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
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("äöü", 3), "äöü");
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
