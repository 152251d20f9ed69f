//! The recording of a run for the space-time diagram, event by event. Kept only for small runs.

use crate::history::Event;

/// Virtual time since the start of a run. A tick is a millisecond of the simulation.
pub type Tick = u64;

/// The sending of an event: delivery at its site, and hand-over to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteSending {
    /// The event.
    pub event: Event,
    /// The site.
    pub site: usize,
    /// The time.
    pub at: Tick,
}

/// A copy of a message on its way, or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The event that it carries.
    pub event: Event,
    /// The sender: the site of the event, or a site that was asked for it.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// The time at which it left.
    pub sent: Tick,
    /// True if it is the answer to a question.
    pub asked_for: bool,
    /// The end of the copy.
    pub end: FlightEnd,
}

/// The end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightEnd {
    /// It arrived, and was accepted as the first.
    Accepted {
        /// The time of arrival.
        at: Tick,
    },
    /// It arrived, but another copy had been accepted before.
    Duplicate {
        /// The time of arrival.
        at: Tick,
    },
    /// It arrived, but there was no room.
    Refused {
        /// The time of arrival.
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
    /// The time.
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
