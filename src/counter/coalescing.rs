//! The front that turns many waiting callers into one request to a counter.

use core::num::NonZeroU64;

use super::{NotAboveLast, TooFewNumbers};

/// The number of answered batches that are remembered for callers that are slow to redeem.
const REMEMBERED: usize = 8;

/// A front to a counter that turns many waiting callers into one request; does no input or output.
///
/// Its size is fixed: callers are only counted, and only the last eight answers are remembered. A caller that redeems
/// its ticket after eight later answers finds its numbers spent, and joins again.
///
/// # The problem
///
/// A counter on another machine answers some thousand calls a second, and each caller waits for a round trip. Fetching
/// a block *ahead* is fast but wrong: a number fetched before its caller asked may be lower than numbers that others
/// have taken and used since. The caller then numbers an answer below the question, as in the run of the [module's
/// page](super).
///
/// # The algorithm
///
/// ```text
///   join    a b c │           d e │               f │
///   request       └─ take 3 ────► └─ take 2 ──────► └─ take 1 ─►
///   numbers                 7 8 9               15 16
///                           a b c                d  e
/// ```
///
/// 1. A caller that wants numbers joins the open batch, and gets a ticket: [`Coalescing::join`].
/// 2. When no request is under way, the whole batch becomes one request: [`Coalescing::poll_request`]. From then on the
///    batch is closed; later callers join the next.
/// 3. The answer gives each ticket of that batch its numbers, in the order of joining:
///    [`Coalescing::handle_response`], then [`Coalescing::redeem`].
///
/// # Guarantees
///
/// A number goes only to a caller that was already waiting when the request for it began. So the request, and with it
/// the instant at which the counter took the number, lies between the beginning and the end of the caller's wait. If
/// the counter is linearizable, so is this front. A number that was requested before its caller came is never used.
///
/// Some numbers are spent without use: those of a caller that went away or came too late, and those of a second answer.
///
/// # Use
///
/// A driver guards it with a lock. Callers `join`, then wait. The caller that gets a request from `poll_request` sends
/// it, and passes the outcome to `handle_response` or `handle_failure`. Then it wakes the others, which `redeem`. Call
/// `poll_request` after `join`, `handle_response` and `handle_failure`.
///
/// Save nothing of it. After a restart, begin with a new one and ignore answers to requests of the old one; their
/// numbers are spent. A new one knows no earlier number, so it does not notice a counter that went back meanwhile.
///
/// # Examples
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::counter::{Coalescing, Redeemed};
///
/// let one = NonZeroU64::MIN;
/// let mut front = Coalescing::new(NonZeroU64::new(1_000).unwrap());
/// let alice = front.join(one)?;
/// let bob = front.join(NonZeroU64::new(5).unwrap())?;
///
/// let request = front.poll_request().unwrap();
/// assert_eq!(request.n().get(), 6); // one request for both
/// let carol = front.join(one)?; // too late for that request
/// assert_eq!(front.poll_request(), None); // one at a time
///
/// front.handle_response(request, 40)?; // the counter took 40 ..= 45
/// assert_eq!(front.redeem(bob), Redeemed::Numbers(41)); // 41 ..= 45
/// assert_eq!(front.redeem(alice), Redeemed::Numbers(40));
/// assert!(matches!(front.redeem(carol), Redeemed::Waiting(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - CO1: a batch takes no callers once its request has begun.
/// - CO2: one request is under way at a time, so numbers increase from batch to batch.
/// - CO3: no number goes to two tickets.
///
/// # Sources
///
/// The combining of requests in Gottlieb, Lubachevsky, Rudolph, *Basic Techniques for the Efficient Coordination
/// of Very Large Numbers of Cooperating Sequential Processors* (1983).
#[derive(Debug)]
pub struct Coalescing {
    max: NonZeroU64,
    /// The open batch; the one before it is under way, or answered.
    gathering: u64,
    wanted: u64,
    under_way: Option<BatchRequest>,
    /// The highest number of any answer.
    last: u64,
    /// The newest first.
    answers: [Answer; REMEMBERED],
}

const _: () = assert!(size_of::<Coalescing>() <= 256);

#[derive(Clone, Copy, Debug)]
struct Answer {
    batch: u64,
    /// The first number; 0 if the request failed.
    first: u64,
}

/// The claim of one caller to numbers of one batch.
///
/// It belongs to the [`Coalescing`] that issued it; redeeming it at another one gives meaningless numbers. If it is
/// dropped, its numbers are spent.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a ticket that is not redeemed spends its numbers"]
pub struct Ticket {
    batch: u64,
    /// The place of its first number among those of the batch.
    offset: u64,
}

/// The request for all numbers of one batch: call `increment_and_get(n)` on the counter.
///
/// It belongs to the [`Coalescing`] that issued it; another one cannot tell it from a request of its own.
///
/// It may be sent more than once, for instance after a time-out. The first answer to arrive is used; the numbers of the
/// others are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchRequest {
    batch: u64,
    n: NonZeroU64,
}

impl BatchRequest {
    /// Returns the count of numbers to take.
    pub fn n(&self) -> NonZeroU64 {
        self.n
    }
}

/// The outcome of redeeming a ticket.
#[derive(Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The answer has not arrived yet; the ticket is returned.
    Waiting(Ticket),
    /// The first of the numbers. The caller owns as many consecutive numbers as it joined for.
    Numbers(u64),
    /// The request failed. The numbers may be spent, but no caller gets them. Join again, or give up.
    Failed,
    /// The answer came long ago and is forgotten, so the numbers are spent. Join again, and redeem sooner.
    TooLate,
}

impl Coalescing {
    /// The highest possible number: 2^63 - 1.
    const MAX: u64 = i64::MAX as u64;

    /// Makes a front that asks for at most `max` numbers in one request.
    ///
    /// A higher bound gives more throughput. It takes more memory for waiting callers, and loses more numbers with a
    /// failed request.
    #[must_use]
    pub const fn new(max: NonZeroU64) -> Self {
        // Batches are numbered from 1; these answers name batch 0, which no ticket has.
        let answers = [Answer { batch: 0, first: 0 }; REMEMBERED];
        Self { max, gathering: 1, wanted: 0, under_way: None, last: 0, answers }
    }

    /// Joins the open batch, for `n` numbers.
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if the batch would ask for more than the maximum; the error names the count that it still has
    /// room for. Nothing is changed. Wait until the next request has begun or, if `n` is above the maximum, ask for
    /// fewer.
    pub fn join(&mut self, n: NonZeroU64) -> Result<Ticket, TooFewNumbers> {
        // No underflow: a batch never wants more than the maximum.
        let available = self.max.get() - self.wanted;
        if n.get() > available {
            return Err(TooFewNumbers { wanted: n.get(), available });
        }
        let ticket = Ticket { batch: self.gathering, offset: self.wanted };
        // No overflow: at most the maximum.
        self.wanted += n.get();
        Ok(ticket)
    }

    /// Closes the open batch and returns the request for it.
    ///
    /// `None` if no caller has joined, or while another request is under way. Poll again after `join`,
    /// `handle_response` and `handle_failure`.
    pub fn poll_request(&mut self) -> Option<BatchRequest> {
        if self.under_way.is_some() {
            return None;
        }
        let n = NonZeroU64::new(self.wanted)?;
        // Out of reach: 2^64 requests.
        let next = self.gathering.checked_add(1)?;
        let request = BatchRequest { batch: self.gathering, n };
        (self.gathering, self.wanted, self.under_way) = (next, 0, Some(request));
        Some(request)
    }

    /// Accepts the answer to a request: the counter took `first ..= first + n - 1`. Returns whether it was awaited.
    ///
    /// `false` means that the request was answered or given up before. Nothing is changed, and the numbers are spent.
    ///
    /// # Errors
    ///
    /// [`NotAboveLast`] if the counter has gone back, starts at 0, or has passed 2^63 - 1. Nothing is changed, and the
    /// numbers are spent. The counter is not linearizable; stop using it. The request is still awaited: call
    /// `handle_failure` for it.
    pub fn handle_response(&mut self, request: BatchRequest, first: u64) -> Result<bool, NotAboveLast> {
        if self.under_way != Some(request) {
            return Ok(false);
        }
        // The last of n numbers from `first`; n - 1 does not underflow.
        let last = first.checked_add(request.n.get() - 1).filter(|&last| last <= Self::MAX);
        let Some(last) = last.filter(|_| first > self.last) else {
            return Err(NotAboveLast { first, last: self.last });
        };
        self.last = last;
        self.answer(request, first);
        Ok(true)
    }

    /// Gives up a request that failed, or whose answer is no longer awaited. Returns whether it was awaited.
    ///
    /// All tickets of its batch get [`Redeemed::Failed`]. This is safe even if the request was executed, or still will
    /// be: its numbers are spent. To retry *without* failing the callers, send the same request again instead.
    ///
    /// `false` means that the request was answered or given up before. Nothing is changed.
    pub fn handle_failure(&mut self, request: BatchRequest) -> bool {
        let awaited = self.under_way == Some(request);
        if awaited {
            self.answer(request, 0);
        }
        awaited
    }

    fn answer(&mut self, request: BatchRequest, first: u64) {
        self.under_way = None;
        // The oldest answer moves to the front, where it is replaced.
        self.answers.rotate_right(1);
        if let Some(oldest) = self.answers.first_mut() {
            *oldest = Answer { batch: request.batch, first };
        }
    }

    /// Exchanges a ticket for its numbers, or returns it while there is no answer.
    pub fn redeem(&self, ticket: Ticket) -> Redeemed {
        let under_way = self.under_way.is_some_and(|request| request.batch == ticket.batch);
        if under_way || ticket.batch >= self.gathering {
            return Redeemed::Waiting(ticket);
        }
        match self.answers.iter().find(|answer| answer.batch == ticket.batch) {
            None => Redeemed::TooLate,
            Some(Answer { first: 0, .. }) => Redeemed::Failed,
            // Overflows only for the ticket of another front: the numbers of the batch are at most 2^63 - 1.
            Some(answer) => {
                answer.first.checked_add(ticket.offset).map_or(Redeemed::TooLate, Redeemed::Numbers)
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ONE: NonZeroU64 = NonZeroU64::MIN;

    fn n(n: u64) -> NonZeroU64 {
        NonZeroU64::new(n).unwrap()
    }

    /// The state on which later calls depend.
    fn state(front: &Coalescing) -> std::string::String {
        std::format!("{front:?}")
    }

    #[test]
    fn who_joins_after_the_request_began_waits_for_the_next() {
        let mut front = Coalescing::new(n(10));
        assert_eq!(front.poll_request(), None, "nobody waits");
        let early = front.join(ONE).unwrap();
        let request = front.poll_request().unwrap();
        let late = front.join(ONE).unwrap();
        assert_eq!(front.handle_response(request, 1), Ok(true));
        assert_eq!(front.redeem(early), Redeemed::Numbers(1));
        let Redeemed::Waiting(late) = front.redeem(late) else { panic!("CO1") };
        let request = front.poll_request().unwrap();
        assert_eq!(request.n(), ONE);
        assert_eq!(front.handle_response(request, 7), Ok(true));
        assert_eq!(front.redeem(late), Redeemed::Numbers(7));
    }

    #[test]
    fn a_full_batch_refuses_and_changes_nothing() {
        let mut front = Coalescing::new(n(3));
        let _a = front.join(n(2)).unwrap();
        for wish in [2, 3, u64::MAX] {
            let before = state(&front);
            assert_eq!(front.join(n(wish)), Err(TooFewNumbers { wanted: wish, available: 1 }));
            assert_eq!(state(&front), before);
        }
        let _b = front.join(ONE).unwrap();
        assert_eq!(front.poll_request().unwrap().n(), n(3));
        let _c = front.join(n(3)).unwrap();
    }

    #[test]
    fn a_failure_reaches_the_batch_and_only_it() {
        let mut front = Coalescing::new(n(10));
        let failed = [front.join(ONE).unwrap(), front.join(ONE).unwrap()];
        let request = front.poll_request().unwrap();
        let next = front.join(ONE).unwrap();
        assert!(front.handle_failure(request));
        for ticket in failed {
            assert_eq!(front.redeem(ticket), Redeemed::Failed);
        }
        let Redeemed::Waiting(next) = front.redeem(next) else { panic!("not in that batch") };
        let request = front.poll_request().unwrap();
        assert_eq!(front.handle_response(request, 3), Ok(true));
        assert_eq!(front.redeem(next), Redeemed::Numbers(3));
    }

    #[test]
    fn a_request_sent_twice_is_answered_once_and_the_second_answer_is_spent() {
        let mut front = Coalescing::new(n(10));
        let ticket = front.join(n(2)).unwrap();
        let request = front.poll_request().unwrap();
        // The request is sent, lost and sent again; then both answers arrive after all.
        assert_eq!(front.handle_response(request, 5), Ok(true));
        let before = state(&front);
        assert_eq!(front.handle_response(request, 7), Ok(false));
        assert!(!front.handle_failure(request));
        assert_eq!(state(&front), before);
        assert_eq!(front.redeem(ticket), Redeemed::Numbers(5));
    }

    #[test]
    fn an_answer_that_comes_after_its_failure_is_spent_also_while_the_next_request_is_under_way() {
        let mut front = Coalescing::new(n(10));
        let lost = front.join(ONE).unwrap();
        let slow = front.poll_request().unwrap();
        assert!(front.handle_failure(slow));
        let ticket = front.join(ONE).unwrap();
        let request = front.poll_request().unwrap();
        assert_eq!(front.handle_response(slow, 1), Ok(false));
        assert_eq!(front.handle_response(request, 2), Ok(true));
        assert_eq!(front.redeem(lost), Redeemed::Failed);
        assert_eq!(front.redeem(ticket), Redeemed::Numbers(2));
    }

    #[test]
    fn a_counter_that_goes_back_or_leaves_the_range_is_refused_and_changes_nothing() {
        let mut front = Coalescing::new(n(10));
        let _first = front.join(n(3)).unwrap();
        let request = front.poll_request().unwrap();
        assert!(front.handle_response(request, 0).is_err(), "numbers start at 1");
        assert_eq!(front.handle_response(request, 10), Ok(true));
        let ticket = front.join(n(2)).unwrap();
        let request = front.poll_request().unwrap();
        for first in [0, 1, 10, 12, Coalescing::MAX, u64::MAX] {
            let before = state(&front);
            let error = front.handle_response(request, first).unwrap_err();
            assert_eq!(error, NotAboveLast { first, last: 12 });
            assert_eq!(state(&front), before);
        }
        assert_eq!(front.handle_response(request, Coalescing::MAX - 1), Ok(true));
        assert_eq!(front.redeem(ticket), Redeemed::Numbers(Coalescing::MAX - 1));
    }

    #[test]
    fn a_ticket_is_good_for_eight_answers_and_then_its_numbers_are_spent() {
        let mut front = Coalescing::new(n(10));
        let tickets: Vec<Ticket> = (1..=9)
            .map(|number| {
                let ticket = front.join(ONE).unwrap();
                let request = front.poll_request().unwrap();
                assert_eq!(front.handle_response(request, number), Ok(true));
                ticket
            })
            .collect();
        let outcomes: Vec<Redeemed> = tickets.into_iter().map(|ticket| front.redeem(ticket)).collect();
        assert_eq!(outcomes[0], Redeemed::TooLate);
        for (outcome, number) in outcomes[1..].iter().zip(2..) {
            assert_eq!(outcome, &Redeemed::Numbers(number));
        }
    }
}
