//! The layout of the space-time diagram: ticks across, sites down, held messages in lanes beside the lines.

use std::collections::BTreeMap;

use crate::history::Event;
use crate::replay::Tick;
use crate::replay::{FlightEnd, Recording};

/// The distance between two marks of one site and tick, and the least distance between two ticks.
const STEP: f64 = 21.0;

/// The width of a tick in which nothing happens; the total stops at [`LONGEST_WAIT`].
const TICK: f64 = 5.0;

/// The greatest width of a wait, however long it is.
const LONGEST_WAIT: f64 = 44.0;

/// The least distance between the labels of two ticks.
const BESIDE: f64 = 12.0;

/// The mapping from ticks to the left edges of their drawings. Monotone, but not to scale: a tick in which something
/// happens is as wide as its marks need, and long waits are shortened.
#[derive(Debug)]
pub(super) struct TimeAxis {
    at: BTreeMap<Tick, f64>,
    pub(super) end: f64,
}

impl TimeAxis {
    /// Lays out ticks from `left` on; each comes with the number of its marks at its busiest site.
    fn new(left: f64, ticks: &BTreeMap<Tick, usize>) -> Self {
        let mut at = BTreeMap::new();
        let mut x = left;
        let mut before: Option<(Tick, usize)> = None;
        for (&tick, &marks) in ticks {
            if let Some((last, marks)) = before {
                let wait = ((tick - last) as f64 * TICK).clamp(STEP, LONGEST_WAIT);
                x += wait + marks.saturating_sub(1) as f64 * STEP;
            }
            at.insert(tick, x);
            before = Some((tick, marks));
        }
        let end = x + before.map_or(0, |(_, marks)| marks) as f64 * STEP;
        Self { at, end }
    }

    /// Returns the place of a tick. A tick in which nothing happens lies between its neighbours.
    pub(super) fn x(&self, tick: Tick) -> f64 {
        let before = self.at.range(..=tick).next_back();
        let after = self.at.range(tick..).next();
        match (before, after) {
            (Some((&a, &left)), Some((&b, &right))) if a < b => {
                left + (right - left) * (tick - a) as f64 / (b - a) as f64
            }
            (Some((_, &x)), _) | (None, Some((_, &x))) => x,
            (None, None) => 0.0,
        }
    }

    /// Returns the ticks to label and the middle of each label. A label takes `width` pixels, and none goes beyond the
    /// end.
    pub(super) fn labels(&self, width: impl Fn(Tick) -> f64) -> Vec<(Tick, f64)> {
        let (mut labels, mut free_from) = (Vec::new(), 0.0);
        for (&tick, &x) in &self.at {
            let half = width(tick) / 2.0;
            let fits = x - half >= free_from && x + half <= self.end + BESIDE;
            if fits || labels.is_empty() {
                labels.push((tick, x));
                free_from = x + half + BESIDE;
            }
        }
        labels
    }
}

/// A message that was held back, in its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) event: Event,
    pub(super) site: usize,
    pub(super) arrived: Tick,
    pub(super) left: f64,
    pub(super) right: f64,
    /// True if the lane is above the site's line, because the message came from above.
    pub(super) above: bool,
    /// The lane's number, from the line outwards.
    pub(super) lane: usize,
}

/// The whole layout.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) axis: TimeAxis,
    /// The place at which an event is sent or delivered at a site.
    marks: BTreeMap<(usize, Event), f64>,
    pub(super) held: Vec<Held>,
    /// The height of each site's line.
    pub(super) lines: Vec<f64>,
    pub(super) bottom: f64,
}

/// The height of a lane.
pub(super) const LANE: f64 = 9.0;

/// From a line to the middle of its first lane.
pub(super) const FIRST_LANE: f64 = 20.0;

/// The least distance between the lanes of two lines.
const BETWEEN: f64 = 84.0;

impl Layout {
    /// Lays out a recording whose first line is below `top` and whose time begins at `left`.
    pub(super) fn new(recording: &Recording, sites: usize, left: f64, top: f64) -> Self {
        // The marks of each site and tick, in order. A site delivers its own events when it sends them, so the
        // deliveries are all the marks.
        let mut in_tick: BTreeMap<(Tick, usize), usize> = BTreeMap::new();
        let mut ticks: BTreeMap<Tick, usize> = BTreeMap::new();
        let mut order = Vec::new();
        for delivered in &recording.delivered {
            let nth = in_tick.entry((delivered.at, delivered.site)).or_default();
            order.push((delivered, *nth));
            *nth += 1;
            let marks = ticks.entry(delivered.at).or_default();
            *marks = (*marks).max(*nth);
        }
        for flight in &recording.flights {
            if let FlightEnd::Accepted { at } | FlightEnd::Refused { at } = flight.end {
                ticks.entry(flight.sent).or_default();
                ticks.entry(at).or_default();
            }
        }
        let axis = TimeAxis::new(left, &ticks);
        let marks: BTreeMap<_, _> = order
            .into_iter()
            .map(|(delivered, nth)| {
                ((delivered.site, delivered.event), axis.x(delivered.at) + nth as f64 * STEP)
            })
            .collect();
        let held = lanes(recording, &axis, &marks);
        let depth = |site, above| {
            let lanes = held.iter().filter(|held: &&Held| held.site == site && held.above == above);
            lanes.map(|held| held.lane + 1).max().unwrap_or(0) as f64 * LANE
        };
        let mut lines = Vec::new();
        let mut y = top;
        for site in 0..sites {
            y += depth(site, true) + if site == 0 { FIRST_LANE } else { BETWEEN };
            lines.push(y);
            y += depth(site, false);
        }
        Self { axis, marks, held, lines, bottom: y + FIRST_LANE }
    }

    /// Returns the place at which a site sends or delivers an event; `None` if it does neither.
    pub(super) fn mark(&self, site: usize, event: Event) -> Option<f64> {
        self.marks.get(&(site, event)).copied()
    }

    /// Returns the height of the middle of a held message's lane.
    pub(super) fn lane_y(&self, held: &Held) -> f64 {
        let away = FIRST_LANE + held.lane as f64 * LANE;
        self.lines[held.site] + if held.above { -away } else { away }
    }
}

/// Gives every held message the lowest lane that is free for its whole time.
fn lanes(recording: &Recording, axis: &TimeAxis, marks: &BTreeMap<(usize, Event), f64>) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    for flight in &recording.flights {
        let FlightEnd::Accepted { at } = flight.end else { continue };
        let delivered = recording.delivered.iter();
        let waited = delivered
            .filter(|delivered| delivered.event == flight.event && delivered.site == flight.to)
            .all(|delivered| delivered.at > at);
        if !waited {
            continue;
        }
        let left = axis.x(at);
        let right = marks.get(&(flight.to, flight.event)).copied().unwrap_or(axis.end);
        let above = flight.from < flight.to;
        let taken = |lane| {
            held.iter().any(|other| {
                (other.site, other.above, other.lane) == (flight.to, above, lane)
                    && other.left < right + STEP / 2.0
                    && left < other.right + STEP / 2.0
            })
        };
        let lane = (0..).find(|&lane| !taken(lane)).unwrap_or(0);
        held.push(Held { event: flight.event, site: flight.to, arrived: at, left, right, above, lane });
    }
    held
}
