//! Limits on what others can make a buffer of events remember.

/// Limits on what others can make a [`DagBuffer`](crate::DagBuffer) remember.
///
/// Others can make the buffer hold twice as many events as `events`, and for each of them an id and two numbers;
/// and for each link an id and a number.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::DagLimits;
///
/// let small_device = DagLimits { events: 500, links: 1_000, ..DagLimits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DagLimits {
    /// Limit on the events that are here when one comes that has to wait; the default is 65,536.
    ///
    /// One that can be delivered is refused only while this many can be, or one if this is 0: never, if they are
    /// popped as they come.
    pub events: usize,
    /// Limit on the parents of an event; the default is 1,024.
    pub parents: usize,
    /// Limit on the times that the events that are here, in all, name a parent that is not delivered; the default is
    /// 2^18.
    ///
    /// This bounds what is [`missing`](crate::DagBuffer::missing), too.
    pub links: usize,
}

impl Default for DagLimits {
    fn default() -> Self {
        Self { events: 1 << 16, parents: 1 << 10, links: 1 << 18 }
    }
}
