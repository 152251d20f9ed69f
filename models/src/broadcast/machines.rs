//! Publishers and subscribers with their drivers, and the engines that they use.

use happens_before::broadcast::{
    Abandoned, AppendAnswer, LogKind, MemoryLog, NumberRequest, Position, PublishErrorKind, PublishRequest,
    PublisherConfig, ReadAnswer, ReadLimit, Snapshot, SubscribeRequest, SubscriberConfig, WriteAnswer,
};
use happens_before::{Dot, Publisher, Subscriber, broadcast};

use crate::replay::Machine;

/// The names of nodes: a publisher that comes back under a new name adds [`LIFE`].
pub type Node = u8;

/// The distance between the names of two lives of a publisher.
pub const LIFE: Node = 10;

/// The payload of a message: its number among those of its node. Its id has the same number, unless the driver is
/// wrong.
pub type Number = u8;

/// The entry in a slot.
pub type Entry = broadcast::Entry<Node, Number>;

/// A message, by its content: its publisher, and its number among those of the publisher.
pub type Message = Dot<Node>;

/// The conduct of the drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Right: the driver does what the machines request.
    Right,
    /// Wrong: holes are never filled.
    NoRepair,
    /// Wrong: a subscriber that has waited long enough goes on without asking the log.
    Skip,
    /// Wrong: a message without an answer is published again as a new one.
    BlindRetry,
    /// Wrong: a subscriber that has waited long enough fills the next slot, even if its number was never taken.
    FillAhead,
    /// Wrong: every number is passed off as one of the newest counter.
    StaleNumber,
}

/// A request of a machine to the engines.
#[derive(Clone, Debug)]
pub enum Request {
    /// Take numbers for a message, from the counter of an epoch.
    Numbers(NumberRequest<Node>),
    /// Write an entry into a slot.
    Write { slot: u64, entry: Entry },
    /// Append an entry.
    Append { entry: Entry },
    /// Ask for the newest epoch.
    Enter,
    /// Read the log.
    Read { from: u64, limit: ReadLimit },
    /// Fill a slot.
    Fill { slot: u64, epoch: u64 },
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Numbers { take: NumberRequest<Node>, first: u64 },
    Written { id: Dot<Node>, slot: u64, answer: WriteAnswer<Node, Number> },
    Appended { id: Dot<Node>, answer: AppendAnswer },
    Entered { epoch: u64, tail: u64 },
    Found { from: u64, limit: ReadLimit, answer: ReadAnswer<Node, Number> },
    Filled { slot: u64, epoch: u64, answer: WriteAnswer<Node, Number> },
}

/// The log, and a counter for each epoch.
#[derive(Clone, Debug)]
pub struct Engines {
    pub log: MemoryLog<Node, Number>,
    /// The last number of each counter, and the tail above which the counter began.
    pub counters: Vec<(u64, u64)>,
}

impl Engines {
    pub fn new() -> Self {
        Self { log: MemoryLog::new(64), counters: vec![(0, 0)] }
    }

    /// Returns the newest epoch.
    pub fn epoch(&self) -> u64 {
        self.counters.len() as u64 - 1
    }

    /// Returns the number that the counter of the newest epoch has given last.
    pub fn counter(&self) -> u64 {
        self.counters[self.epoch() as usize].0
    }

    /// Returns the counter of the newest epoch.
    pub fn counter_mut(&mut self) -> &mut u64 {
        let epoch = self.epoch() as usize;
        &mut self.counters[epoch].0
    }

    /// Ends the epoch; the next one has a new counter.
    pub fn seal(&mut self) -> u64 {
        let tail = self.log.seal(self.counters.len() as u64).tail;
        self.counters.push((tail, tail));
        tail
    }

    /// Returns the entry in a slot.
    pub fn at(&self, slot: u64) -> Option<Entry> {
        let ReadAnswer::Entries(entries) = self.log.read(slot, ReadLimit::entries(1)) else { return None };
        entries.into_iter().find(|&(at, _)| at == slot).map(|(_, entry)| entry)
    }

    /// Carries out a request.
    pub fn carry_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Numbers(take) => {
                let counter = &mut self.counters[take.epoch as usize].0;
                *counter += take.n.get();
                Answer::Numbers { take, first: *counter - take.n.get() + 1 }
            }
            Request::Write { slot, entry } => {
                let id = *entry.id().expect("publishers write messages");
                Answer::Written { id, slot, answer: self.write(slot, &entry) }
            }
            Request::Append { entry } => {
                let id = *entry.id().expect("publishers append messages");
                let appended = self.log.append(&entry);
                Answer::Appended { id, answer: appended.expect("the log is longer than all that happens") }
            }
            Request::Enter => {
                let epoch = self.epoch();
                Answer::Entered { epoch, tail: self.counters[epoch as usize].1 }
            }
            Request::Read { from, limit } => Answer::Found { from, limit, answer: self.log.read(from, limit) },
            Request::Fill { slot, epoch } => {
                Answer::Filled { slot, epoch, answer: self.write(slot, &Entry::fill(epoch)) }
            }
        }
    }

    fn write(&mut self, slot: u64, entry: &Entry) -> WriteAnswer<Node, Number> {
        self.log.write(slot, entry).expect("the log is longer than all that happens")
    }
}

/// A publisher with its driver.
#[derive(Debug)]
pub struct Sender {
    publisher: Publisher<Node, Number>,
    conduct: Conduct,
    node: Node,
    /// The number of messages that it publishes in one entry.
    batch: Number,
    /// The number of messages that it has published, in this life and earlier ones.
    sent: Number,
}

/// The beginning of a publisher.
#[derive(Clone, Debug)]
pub struct SenderStart {
    pub conduct: Conduct,
    pub attempts: u32,
    /// The kind of the log.
    pub log: LogKind,
    /// The number of messages that it publishes in one entry.
    pub batch: Number,
    pub node: Node,
    /// The number of messages that it has published in earlier lives.
    pub sent: Number,
    /// The highest number used for a message of this node.
    pub last: u64,
    /// The entry that it has saved.
    pub outstanding: Option<(Entry, Option<u64>)>,
    /// The epoch and the tail, if it knows them.
    pub entered: Option<(u64, u64)>,
}

/// An event of a publisher.
#[derive(Clone, Debug)]
pub enum SenderInput {
    /// The application publishes its next message.
    Publish,
    /// It is asked for its request.
    Ask,
    /// It has an answer.
    Hear(Answer),
    /// It gives up waiting for the answer.
    GiveUpWaiting,
    /// The application gives up the message.
    Abandon,
}

/// The result of an event.
#[derive(Debug, Default)]
pub struct SenderOutput {
    pub request: Option<Request>,
    pub told: Option<Told>,
}

/// The result that the application is told about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is in this slot.
    Stored { slot: u64 },
    /// It is in no slot, and never will be.
    NotStored,
    /// It is in no slot, because another entry was in each slot that it tried.
    FilledAway,
    /// It may be stored or not.
    Unknown,
}

impl Told {
    /// Returns the slot, if the message is in one.
    pub fn slot(&self) -> Option<u64> {
        match self {
            Self::Stored { slot } => Some(*slot),
            Self::NotStored | Self::FilledAway | Self::Unknown => None,
        }
    }
}

/// The visible state of a publisher.
#[derive(Clone, Debug)]
pub struct SenderView {
    pub node: Node,
    pub sent: Number,
    pub last: u64,
    pub outstanding: Option<(Entry, Option<u64>)>,
    /// True if it waits for the newest epoch.
    pub is_sealed: bool,
    pub broken: Option<&'static str>,
}

impl Machine for Sender {
    type Start = SenderStart;
    type Input = SenderInput;
    type Output = SenderOutput;
    type View = SenderView;

    fn start(start: &SenderStart) -> Self {
        let SenderStart { conduct, attempts, log, batch, node, sent, last, .. } = *start;
        let config = PublisherConfig { log, attempts, ..PublisherConfig::default() };
        let publisher = Publisher::resume(node, last, start.outstanding.clone(), config);
        let mut publisher = publisher.expect("an entry of its own");
        start.entered.into_iter().for_each(|(epoch, tail)| publisher.enter(epoch, tail));
        Self { publisher, conduct, node, batch, sent }
    }

    fn handle(&mut self, input: &SenderInput) -> SenderOutput {
        let mut output = SenderOutput::default();
        match input {
            SenderInput::Publish => {
                self.sent += self.batch;
                self.publish();
            }
            SenderInput::Ask => output.request = self.ask(),
            SenderInput::Hear(answer) => output.told = self.hear(answer.clone()),
            SenderInput::GiveUpWaiting if self.conduct == Conduct::BlindRetry => {
                self.abandon();
                self.publish();
            }
            SenderInput::GiveUpWaiting => {}
            SenderInput::Abandon => {
                output.told = Some(match self.abandon() {
                    Abandoned::NotStored { .. } => Told::NotStored,
                    Abandoned::Unknown { .. } => Told::Unknown,
                });
            }
        }
        output
    }

    fn view(mut self) -> SenderView {
        let publisher = &self.publisher;
        let (broken, last) = (publisher.internal_validate().err(), publisher.last());
        let outstanding = publisher.outstanding().map(|(entry, slot)| (entry.clone(), slot));
        let is_sealed = matches!(self.ask(), Some(Request::Enter));
        SenderView { node: self.node, sent: self.sent, last, outstanding, is_sealed, broken }
    }
}

impl Sender {
    /// Returns the messages of the entry that it has published last.
    pub fn messages(&self) -> Vec<Message> {
        let message = |number| Dot::new(self.node, u64::from(number)).expect("it has published");
        self.numbers().map(message).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        self.sent + 1 - self.batch..=self.sent
    }

    /// Publishes these messages as new ones.
    fn publish(&mut self) {
        let published = if self.batch == 1 {
            self.publisher.publish(self.sent).is_ok()
        } else {
            self.publisher.publish_batch(self.numbers()).is_ok()
        };
        assert!(published, "nothing is outstanding");
    }

    fn abandon(&mut self) -> Abandoned<Node, Number> {
        self.publisher.abandon().expect("something is outstanding")
    }

    fn ask(&mut self) -> Option<Request> {
        Some(match self.publisher.poll_request()? {
            PublishRequest::Numbers(request) => Request::Numbers(request),
            PublishRequest::Write { slot, entry } => Request::Write { slot, entry: entry.clone() },
            PublishRequest::Append { entry } => Request::Append { entry: entry.clone() },
            PublishRequest::EnterEpoch { .. } => Request::Enter,
        })
    }

    fn hear(&mut self, answer: Answer) -> Option<Told> {
        let publisher = &mut self.publisher;
        let heard = match answer {
            Answer::Numbers { mut take, first } => {
                if self.conduct == Conduct::StaleNumber
                    && let Some(PublishRequest::Numbers(newest)) = publisher.poll_request()
                {
                    take.epoch = newest.epoch;
                }
                publisher.handle_numbers(&take, first).map(|()| None)
            }
            Answer::Written { id, slot, answer } => publisher.handle_write(&id, slot, answer),
            Answer::Appended { id, answer } => publisher.handle_append(&id, answer),
            Answer::Entered { epoch, tail } => {
                publisher.enter(epoch, tail);
                Ok(None)
            }
            Answer::Found { .. } | Answer::Filled { .. } => unreachable!("it has not asked for that"),
        };
        match heard.map_err(|error| error.kind) {
            Ok(published) => published.map(|published| Told::Stored { slot: published.slot }),
            Err(PublishErrorKind::FilledAway { .. }) => Some(Told::FilledAway),
            Err(PublishErrorKind::CounterBehind { .. }) => Some(Told::NotStored),
            Err(kind) => unreachable!("nobody trims, leaps or shares an id: {kind:?}"),
        }
    }
}

/// A subscriber with its driver.
///
/// Its clock stands at 0. A time-out is a choice of the model, which asks for a request at a time when the wait is
/// over.
#[derive(Debug)]
pub struct Receiver {
    subscriber: Subscriber<Node, Number>,
    conduct: Conduct,
    log: LogKind,
    delivered: Vec<(Position, Message)>,
    broken: Option<String>,
}

/// The beginning of a subscriber.
#[derive(Clone, Debug)]
pub struct ReceiverStart {
    pub conduct: Conduct,
    /// The kind of the log: over appends there are no holes.
    pub log: LogKind,
    pub snapshot: Snapshot<Node>,
    /// The messages that were delivered before.
    pub delivered: Vec<(Position, Message)>,
}

/// The time at which a subscriber is asked for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// It is time to read again.
    Soon,
    /// It is time to fill a hole.
    Late,
}

/// An event of a subscriber.
#[derive(Clone, Debug)]
pub enum ReceiverInput {
    /// It is asked for its request.
    Ask(When),
    /// It has an answer.
    Hear(Answer),
    /// It gives up waiting for the answer.
    GiveUpWaiting,
    /// An entry is announced.
    Announce { slot: u64, entry: Entry },
    /// It learns the counter's current number.
    Current(u64),
}

/// The visible state of a subscriber.
#[derive(Clone, Debug)]
pub struct ReceiverView {
    /// The next slot.
    pub next: u64,
    pub delivered: Vec<(Position, Message)>,
    /// The slot that it would fill.
    pub fill: Option<u64>,
    pub broken: Option<String>,
}

/// Configuration in moments: an answer takes one, a hole is waited for two, and the log is read again after one.
const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 3,
    bytes: 1 << 20,
    poll_ms: 1,
    write_timeout_ms: 1,
    max_fill_timeout_ms: 2,
    jump: 64,
    nodes: 64,
    skips: 16,
};

impl Machine for Receiver {
    type Start = ReceiverStart;
    type Input = ReceiverInput;
    type Output = Option<Request>;
    type View = ReceiverView;

    fn start(start: &ReceiverStart) -> Self {
        let ReceiverStart { conduct, log, snapshot, delivered } = start.clone();
        Self { subscriber: Subscriber::resume(snapshot, CONFIG), conduct, log, delivered, broken: None }
    }

    fn handle(&mut self, input: &ReceiverInput) -> Option<Request> {
        let heard = match input {
            ReceiverInput::Ask(when) => {
                if self.conduct == Conduct::FillAhead {
                    self.subscriber.observe_current(self.subscriber.next());
                }
                return self.ask(*when);
            }
            ReceiverInput::Hear(Answer::Found { from, limit, answer }) => {
                self.subscriber.handle_read(0, *from, *limit, answer.clone())
            }
            ReceiverInput::Hear(Answer::Filled { slot, epoch, answer }) => {
                self.subscriber.handle_fill(0, *slot, *epoch, answer.clone())
            }
            ReceiverInput::Hear(_) => unreachable!("publishers ask for that"),
            ReceiverInput::GiveUpWaiting => {
                self.subscriber.handle_failure(0);
                Ok(())
            }
            ReceiverInput::Announce { slot, entry } => self.subscriber.handle_entry(*slot, entry.clone()),
            ReceiverInput::Current(current) => {
                self.subscriber.observe_current(*current);
                Ok(())
            }
        };
        if let Err(error) = heard {
            self.broken = Some(error.to_string());
        }
        while let Some(delivery) = self.subscriber.poll_delivery().expect("a few nodes") {
            let number = delivery.payload.expect("there are no markers");
            let message = Dot::new(*delivery.id.node(), u64::from(number)).expect("numbers begin at 1");
            self.delivered.push((delivery.position, message));
        }
        None
    }

    fn view(mut self) -> ReceiverView {
        if let Err(broken) = self.subscriber.internal_validate() {
            self.broken = Some(broken.to_owned());
        }
        let next = self.subscriber.next();
        let fill = match self.subscriber.poll_request(When::Late.ms()) {
            Some(SubscribeRequest::Fill { slot, .. }) => Some(slot),
            _ => None,
        };
        ReceiverView { next, delivered: self.delivered, fill, broken: self.broken }
    }
}

impl When {
    /// Returns the time, by a clock that was at 0 when the wait began.
    fn ms(self) -> u64 {
        match self {
            Self::Soon => CONFIG.poll_ms,
            Self::Late => CONFIG.max_fill_timeout_ms,
        }
    }
}

impl Receiver {
    fn ask(&mut self, when: When) -> Option<Request> {
        match (self.subscriber.poll_request(when.ms())?, self.conduct) {
            // The read that left the slot out may be older than the announcement of a higher one: read once more.
            (SubscribeRequest::Fill { slot, .. }, _) if self.log == LogKind::Appends => {
                Some(Request::Read { from: slot, limit: ReadLimit::entries(1) })
            }
            (SubscribeRequest::Fill { .. }, Conduct::NoRepair) => None,
            (SubscribeRequest::Fill { slot, epoch }, Conduct::Skip) => {
                let answer = WriteAnswer::Written;
                self.handle(&ReceiverInput::Hear(Answer::Filled { slot, epoch, answer }));
                None
            }
            (SubscribeRequest::Fill { slot, epoch }, _) => Some(Request::Fill { slot, epoch }),
            (SubscribeRequest::Read { from, limit }, _) => Some(Request::Read { from, limit }),
        }
    }

    /// Returns the next slot.
    pub fn next(&self) -> u64 {
        self.subscriber.next()
    }

    /// Returns the state from which it would start again.
    pub fn save(&self) -> ReceiverStart {
        let (snapshot, delivered) = (self.subscriber.snapshot(), self.delivered.clone());
        ReceiverStart { conduct: self.conduct, log: self.log, snapshot, delivered }
    }
}
