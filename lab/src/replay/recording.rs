//! What happened in a run, event by event, for the space-time diagram. Only kept for small runs.

use crate::history::Event;

/// Virtual time since the start of a run. A tick is what the simulation calls a millisecond.
pub type Tick = u64;

/// An event is sent: delivered at its own site, and given to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteSending {
    /// The event.
    pub event: Event,
    /// The site.
    pub site: usize,
    /// When.
    pub at: Tick,
}

/// A copy of a message on its way, or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The event it carries.
    pub event: Event,
    /// The site it comes from: where the event was sent, or one that was asked for it.
    pub from: usize,
    /// The site it goes to.
    pub to: usize,
    /// When it left.
    pub sent: Tick,
    /// True if it was asked for.
    pub asked_for: bool,
    /// Its end.
    pub end: FlightEnd,
}

/// The end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightEnd {
    /// It arrived, and was the first to be accepted there.
    Accepted {
        /// When it arrived.
        at: Tick,
    },
    /// It arrived, and had been accepted before.
    Duplicate {
        /// When it arrived.
        at: Tick,
    },
    /// It arrived, and there was no room.
    Refused {
        /// When it arrived.
        at: Tick,
    },
    /// It never arrived.
    Lost,
}

/// A delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteDelivery {
    /// The event.
    pub event: Event,
    /// The site.
    pub site: usize,
    /// When.
    pub at: Tick,
}

/// Everything that the diagram shows, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The sendings.
    pub sent: Vec<SiteSending>,
    /// The copies on their way.
    pub flights: Vec<Flight>,
    /// The deliveries, at every site.
    pub delivered: Vec<SiteDelivery>,
}
