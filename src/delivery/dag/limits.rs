//! Limits on the memory that others can make a buffer of events use.

/// Limits on the memory that others can make a [`DagBuffer`](crate::DagBuffer) use.
///
/// Others can make the buffer hold up to twice `events` events. For each event it keeps an id and two numbers beside
/// it, and for each link an id and a number.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::DagLimits;
///
/// let small_device = DagLimits { events: 500, links: 1_000, ..DagLimits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DagLimits {
    /// Limit on the events that the buffer may contain when an event arrives that has to wait; the default is 65,536.
    ///
    /// An event that can be delivered is refused only while this many events are ready; 0 counts as 1. It is never
    /// refused if ready events are popped at once.
    pub events: usize,
    /// Limit on the parents of an event; the default is 1,024.
    pub parents: usize,
    /// Limit on the links from undelivered parents to the events in the buffer that name them; the default is 2^18.
    ///
    /// It also bounds the number of [`missing`](crate::DagBuffer::missing) parents.
    pub links: usize,
}

impl Default for DagLimits {
    fn default() -> Self {
        Self { events: 1 << 16, parents: 1 << 10, links: 1 << 18 }
    }
}
