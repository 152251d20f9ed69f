//! A state, and what can happen in it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use happens_before::Dot;
use happens_before::broadcast::{Content, Position, ReadAnswer, Snapshot};
use happens_before::check::{OrderRun, OrderViolation};

use super::machines::{
    Answer, Engines, Entry, LIFE, Message, Node, Receiver, ReceiverInput, ReceiverStart, Request, Sender,
    SenderInput, SenderStart, Told, When,
};
use super::words::{self, Name};
use super::{Action, Bounds, Conduct, Faults, Return, Who};
use crate::replay::{Resting, Running, fingerprint};

/// All machines and engines, what is under way, and what has happened.
#[derive(Clone, Debug)]
pub struct State {
    engines: Engines,
    senders: Vec<Resting<Sender>>,
    receivers: Vec<Resting<Receiver>>,
    /// Sorted by fingerprint.
    flights: Vec<Flight>,
    /// What may still go wrong.
    left: Faults,
    /// Every message that was published, and the highest slot that had been acknowledged by then.
    published: BTreeMap<Message, u64>,
    told: BTreeMap<Message, Told>,
}

/// Something under way.
#[derive(Clone, Debug)]
struct Flight {
    fingerprint: u64,
    /// Who waits for the answer, if anyone does.
    who: Option<Who>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Request(Request),
    Answer(Answer),
}

/// What is told of a step.
type Tell<'a> = &'a mut dyn FnMut(fmt::Arguments<'_>);

impl State {
    /// All that makes two states the same.
    fn key(&self) -> impl PartialEq + Hash {
        let flights: Vec<u64> = self.flights.iter().map(|flight| flight.fingerprint).collect();
        let Self { senders, receivers, left, published, told, .. } = self;
        (senders, receivers, left, published, told, fingerprint(&self.engines), flights)
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl State {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let sender = |node| {
            Resting::new(SenderStart {
                conduct: bounds.conduct,
                attempts: bounds.attempts,
                node,
                sent: 0,
                last: 0,
                outstanding: None,
                entered: None,
            })
        };
        let receiver = new_receiver(bounds.conduct);
        Self {
            engines: Engines::new(),
            senders: (0..).take(bounds.messages.len()).map(sender).collect(),
            receivers: vec![receiver; bounds.subscribers],
            flights: Vec::new(),
            left: bounds.faults,
            published: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    pub(super) fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        let left = self.left;
        for (index, sender) in self.senders.iter().enumerate() {
            let (who, sender) = (Who::Sender(index), sender.view());
            let is_outstanding = sender.outstanding.is_some();
            if is_outstanding || sender.sent < bounds.messages[index] {
                actions.push(Action::Exchange(who));
                if left.lost > 0 && !sender.is_sealed {
                    actions.push(Action::Lose(who));
                }
            }
            for (left, back) in [
                (left.crashed, Return::Renamed),
                (left.resumed, Return::Resumed),
                (left.relearned, Return::Relearned),
            ] {
                if left > 0 && is_outstanding {
                    actions.push(Action::Crash(index, back));
                }
            }
            if left.abandoned > 0 && is_outstanding {
                actions.push(Action::Abandon(index));
            }
        }
        for (index, receiver) in self.receivers.iter().enumerate() {
            let receiver = receiver.view();
            let fill = receiver.fill.filter(|&slot| !bounds.timely || !self.is_in_hand(slot));
            for when in [Some(When::Soon), fill.map(|_| When::Late)].into_iter().flatten() {
                actions.push(Action::Exchange(Who::Receiver(index, when)));
                if left.lost > 0 {
                    actions.push(Action::Lose(Who::Receiver(index, when)));
                }
            }
            if left.restarted > 0 {
                actions.push(Action::Restart(index));
            }
            if bounds.announced {
                let slots = receiver.next..=self.engines.log.tail();
                let occupied = slots.filter(|&slot| self.engines.at(slot).is_some());
                actions.extend(occupied.map(|slot| Action::Announce(index, slot)));
            }
            if bounds.observed {
                actions.push(Action::Current(index));
            }
        }
        actions.extend((0..self.flights.len()).map(Action::Arrive));
        for (left, action) in
            [(left.repeated, Action::Repeat), (left.jumped, Action::Jump), (left.sealed, Action::Seal)]
        {
            if left > 0 && (action != Action::Repeat || self.engines.counter() > 0) {
                actions.push(action);
            }
        }
    }

    /// Whether a living publisher has the number of a slot, or will have; or a write of it is under way.
    fn is_in_hand(&self, slot: u64) -> bool {
        let in_hand = |sender: &Resting<Sender>| {
            sender.view().outstanding.as_ref().is_some_and(|&(_, written)| written == Some(slot))
        };
        let in_flight = |flight: &Flight| match &flight.what {
            What::Request(Request::Write { slot: written, .. }) => *written == slot,
            What::Answer(Answer::Numbers { first, n, .. }) => (*first..first + n.get()).contains(&slot),
            What::Request(_) | What::Answer(_) => false,
        };
        self.senders.iter().any(in_hand) || self.flights.iter().any(in_flight)
    }

    /// Lets one thing happen, and tells it.
    pub(super) fn step(&self, bounds: &Bounds, action: Action, tell: Tell<'_>) -> Self {
        let mut state = self.clone();
        match action {
            Action::Exchange(who) => state.exchange(who, tell),
            Action::Lose(who) => {
                state.left.lost -= 1;
                state.lose(who, tell);
            }
            Action::Arrive(index) => {
                let Flight { who, what, .. } = state.flights.remove(index);
                match what {
                    What::Request(request) => {
                        match who {
                            Some(who) => tell(format_args!("{}'s request comes late", state.name(who))),
                            None => tell(format_args!("a request of the dead comes late")),
                        }
                        let answer = state.carry_out(request, tell);
                        if let Some(who) = who {
                            state.send_off(Some(who), What::Answer(answer));
                        }
                    }
                    What::Answer(answer) => {
                        let who = who.expect("answers are for someone");
                        tell(format_args!("{} hears late: {answer}", state.name(who)));
                        state.hear(who, answer, tell);
                    }
                }
            }
            Action::Crash(index, back) => state.crash(bounds, index, back, tell),
            Action::Abandon(index) => {
                state.left.abandoned -= 1;
                let message = state.senders[index].view().message();
                tell(format_args!("{} is given up", words::Named(&message)));
                let mut sender = state.senders[index].run();
                let told = sender.handle(SenderInput::Abandon).told;
                state.senders[index] = sender.rest();
                state.tell_fate(message, told, tell);
            }
            Action::Restart(index) => {
                state.left.restarted -= 1;
                tell(format_args!("subscriber {index} comes back from a snapshot"));
                let saved = state.receivers[index].run().machine().save();
                state.receivers[index] = Resting::new(saved);
            }
            Action::Repeat => {
                state.left.repeated -= 1;
                *state.engines.counter_mut() -= 1;
                tell(format_args!("the counter goes back to {}", state.engines.counter()));
            }
            Action::Jump => {
                state.left.jumped -= 1;
                *state.engines.counter_mut() += 1;
                tell(format_args!("the counter leaves {} out", state.engines.counter()));
            }
            Action::Seal => {
                state.left.sealed -= 1;
                let tail = state.engines.seal();
                tell(format_args!("epoch {} begins above slot {tail}", state.engines.epoch()));
            }
            Action::Announce(index, slot) => {
                let entry = state.engines.at(slot).expect("only what stands there is announced");
                tell(format_args!("announced to {index}: {} in slot {slot}", words::Standing(&entry)));
                state.receive(index, ReceiverInput::Announce { slot, entry }, tell);
            }
            Action::Current(index) => {
                let current = state.engines.counter();
                tell(format_args!("subscriber {index} learns that {current} is taken"));
                state.receive(index, ReceiverInput::Current(current), tell);
            }
        }
        state
    }

    fn name(&self, who: Who) -> String {
        match who {
            Who::Sender(index) => Name(self.senders[index].view().node).to_string(),
            Who::Receiver(index, _) => format!("subscriber {index}"),
        }
    }

    /// What a machine asks for, with the machine.
    fn ask(&mut self, who: Who, tell: Tell<'_>) -> (Asking, Option<Request>) {
        match who {
            Who::Sender(index) => {
                let mut sender = self.senders[index].run();
                if self.senders[index].view().outstanding.is_none() {
                    sender.handle(SenderInput::Publish);
                    let message = sender.machine().message();
                    let acknowledged = self.told.values().filter_map(Told::slot).max();
                    self.published.insert(message, acknowledged.unwrap_or(0));
                    tell(format_args!("{} publishes {}", self.name(who), words::Named(&message)));
                } else {
                    tell(format_args!("{}", self.name(who)));
                }
                let request = sender.handle(SenderInput::Ask).request;
                (Asking::Sender(sender), request)
            }
            Who::Receiver(index, when) => {
                let mut receiver = self.receivers[index].run();
                tell(format_args!("{}", self.name(who)));
                if when == When::Late {
                    tell(format_args!(" has waited long enough"));
                }
                let request = receiver.handle(ReceiverInput::Ask(when));
                (Asking::Receiver(receiver), request)
            }
        }
    }

    fn exchange(&mut self, who: Who, tell: Tell<'_>) {
        let (asking, request) = self.ask(who, tell);
        let answer = request.map(|request| self.carry_out(request, tell));
        self.rest(who, asking, answer, tell);
    }

    fn carry_out(&mut self, request: Request, tell: Tell<'_>) -> Answer {
        tell(format_args!(": {request}"));
        let answer = self.engines.carry_out(request);
        tell(format_args!(" → {answer}"));
        answer
    }

    fn lose(&mut self, who: Who, tell: Tell<'_>) {
        let (asking, request) = self.ask(who, tell);
        if let Some(request) = request {
            tell(format_args!(": {request} → no answer, and it waits no more"));
            self.send_off(Some(who), What::Request(request));
        }
        match (who, asking) {
            (Who::Sender(index), Asking::Sender(mut sender)) => {
                sender.handle(SenderInput::GiveUpWaiting);
                self.senders[index] = sender.rest();
            }
            (Who::Receiver(index, _), Asking::Receiver(mut receiver)) => {
                receiver.handle(ReceiverInput::GiveUpWaiting);
                self.receivers[index] = receiver.rest();
            }
            _ => unreachable!("a machine stays what it is"),
        }
    }

    fn hear(&mut self, who: Who, answer: Answer, tell: Tell<'_>) {
        let asking = match who {
            Who::Sender(index) => Asking::Sender(self.senders[index].run()),
            Who::Receiver(index, _) => Asking::Receiver(self.receivers[index].run()),
        };
        self.rest(who, asking, Some(answer), tell);
    }

    /// Hands a machine its answer, and ends its step.
    fn rest(&mut self, who: Who, asking: Asking, answer: Option<Answer>, tell: Tell<'_>) {
        match (who, asking) {
            (Who::Sender(index), Asking::Sender(mut sender)) => {
                let message = sender.machine().message();
                let told = answer.and_then(|answer| sender.handle(SenderInput::Hear(answer)).told);
                self.senders[index] = sender.rest();
                self.tell_fate(message, told, tell);
            }
            (Who::Receiver(index, _), Asking::Receiver(mut receiver)) => {
                if let Some(answer) = answer {
                    receiver.handle(ReceiverInput::Hear(answer));
                }
                self.rest_receiver(index, receiver, tell);
            }
            _ => unreachable!("a machine stays what it is"),
        }
    }

    fn receive(&mut self, index: usize, input: ReceiverInput, tell: Tell<'_>) {
        let mut receiver = self.receivers[index].run();
        receiver.handle(input);
        self.rest_receiver(index, receiver, tell);
    }

    fn rest_receiver(&mut self, index: usize, receiver: Running<Receiver>, tell: Tell<'_>) {
        let before = self.receivers[index].view().delivered.len();
        self.receivers[index] = receiver.rest();
        for (position, message) in &self.receivers[index].view().delivered[before..] {
            tell(format_args!("; delivers {} at {position}", words::Named(message)));
        }
    }

    fn tell_fate(&mut self, message: Message, told: Option<Told>, tell: Tell<'_>) {
        if let Some(told) = told {
            tell(format_args!("; {} {told}", words::Named(&message)));
            self.told.insert(message, told);
        }
    }

    fn send_off(&mut self, who: Option<Who>, what: What) {
        let flight = Flight { fingerprint: fingerprint(&(who, &what)), who, what };
        let at = self.flights.partition_point(|other| other.fingerprint < flight.fingerprint);
        self.flights.insert(at, flight);
    }

    fn crash(&mut self, bounds: &Bounds, index: usize, back: Return, tell: Tell<'_>) {
        let left = match back {
            Return::Renamed => &mut self.left.crashed,
            Return::Resumed => &mut self.left.resumed,
            Return::Relearned => &mut self.left.relearned,
        };
        *left -= 1;
        let who = Who::Sender(index);
        let view = self.senders[index].view().clone();
        tell(format_args!("{} crashes", self.name(who)));
        // Requests stay under way, also the one that it was about to send or had sent. Nobody hears the answers.
        let (_, request) = self.ask(who, &mut |_| ());
        for mut flight in std::mem::take(&mut self.flights) {
            if flight.who == Some(who) {
                if let What::Answer(_) = flight.what {
                    continue;
                }
                flight.who = None;
            }
            self.send_off(flight.who, flight.what);
        }
        if let Some(request) = request.filter(|request| !matches!(request, Request::Enter)) {
            self.send_off(None, What::Request(request));
        }
        let mut start = SenderStart {
            conduct: bounds.conduct,
            attempts: bounds.attempts,
            node: view.node,
            sent: view.sent,
            last: view.last,
            outstanding: None,
            entered: None,
        };
        match back {
            Return::Renamed => {
                (start.node, start.last) = (view.node + LIFE, 0);
                tell(format_args!(" and comes back as {}", Name(start.node)));
            }
            Return::Resumed => {
                start.outstanding = view.outstanding;
                tell(format_args!(" and comes back with what it had saved"));
            }
            Return::Relearned => {
                let tail = self.engines.seal();
                start.entered = Some((self.engines.epoch(), tail));
                tell(format_args!(
                    ", begins epoch {} above slot {tail}, and learns from the log",
                    self.engines.epoch()
                ));
                let reader = deliver_all(&mut self.engines, new_receiver(Conduct::Right).run(), tail);
                let reader = reader.expect("the log can be read").machine().save();
                let message = view.message();
                let position = reader.delivered.iter().find(|(_, delivered)| *delivered == message);
                let slot = position.map(|(position, _)| position.sequence);
                let told = slot.map_or(Told::NotStored, |slot| Told::Stored { slot });
                start.last = reader.snapshot.delivered.get(&view.node);
                self.tell_fate(message, Some(told), tell);
            }
        }
        self.senders[index] = Resting::new(start);
    }

    /// Whether subscribers have delivered one order.
    pub(super) fn order(
        &self,
        bounds: &Bounds,
    ) -> Result<OrderRun<Node, Position>, OrderViolation<Node, Position>> {
        self.judge(bounds, self.receivers.iter().map(|receiver| &receiver.view().delivered[..]))
    }

    fn judge<'a>(
        &self,
        bounds: &Bounds,
        delivered: impl Iterator<Item = &'a [(Position, Message)]>,
    ) -> Result<OrderRun<Node, Position>, OrderViolation<Node, Position>> {
        let mut run = OrderRun::new(bounds.subscribers);
        for message in self.published.keys() {
            run.sent(*message)?;
        }
        for (message, told) in &self.told {
            if told.slot().is_some() {
                run.acknowledged(message)?;
            }
        }
        for (site, delivered) in delivered.enumerate() {
            for (position, message) in delivered {
                run.delivered(site, *position, message)?;
            }
        }
        Ok(run)
    }

    /// What stands in the log.
    fn entries(&self) -> Vec<(u64, Message)> {
        let ReadAnswer::Entries(entries) = self.engines.log.read(1, usize::MAX) else { return Vec::new() };
        let message = |(slot, entry): (u64, Entry)| match entry.into_content() {
            Content::Messages { first, payloads } => {
                let number = payloads.as_slice().first().copied()?;
                Some((slot, Dot::new(*first.node(), u64::from(number))?))
            }
            Content::Marker { .. } | Content::Fill => None,
        };
        entries.into_iter().filter_map(message).collect()
    }

    /// Whether messages are where their publishers were told they are.
    pub(super) fn is_true(&self) -> bool {
        let entries = self.entries();
        self.told.iter().all(|(message, told)| match told {
            Told::Stored { slot } => {
                entries.contains(&(*slot, *message))
                    && self.receivers.iter().map(Resting::view).all(|receiver| {
                        let mut delivered = receiver.delivered.iter();
                        let is_delivered =
                            delivered.any(|(position, other)| position.sequence == *slot && other == message);
                        receiver.next <= *slot || is_delivered
                    })
            }
            Told::NotStored | Told::FilledAway => entries.iter().all(|(_, stored)| stored != message),
            Told::Unknown => true,
        })
    }

    /// Whether every message stands above those that were acknowledged before it was published.
    pub(super) fn is_in_real_time(&self) -> bool {
        self.entries().iter().all(|(slot, message)| *slot > self.published.get(message).copied().unwrap_or(0))
    }

    /// What is broken in a machine.
    pub(super) fn broken(&self) -> Option<&str> {
        let senders = self.senders.iter().filter_map(|sender| sender.view().broken);
        let receivers = self.receivers.iter().filter_map(|receiver| receiver.view().broken.as_deref());
        senders.chain(receivers).next()
    }

    /// Whether a publisher has given up.
    pub(super) fn is_starving(&self) -> bool {
        self.told.values().any(|told| *told == Told::FilledAway)
    }

    /// Whether everything is published, acknowledged, and delivered everywhere.
    pub(super) fn is_complete(&self, bounds: &Bounds) -> bool {
        let messages: usize = bounds.messages.iter().map(|&messages| usize::from(messages)).sum();
        self.told.values().filter_map(Told::slot).count() == messages
            && self.receivers.iter().all(|receiver| receiver.view().delivered.len() == messages)
    }

    /// Whether publishers and subscribers come to an end, if nothing goes wrong from here on.
    pub(super) fn recovers(&self, bounds: &Bounds) -> bool {
        let mut state = self.clone();
        state.flights.clear();
        for index in 0..state.senders.len() {
            for _ in 0..ROUNDS {
                if state.senders[index].view().outstanding.is_some() {
                    state.exchange(Who::Sender(index), &mut |_| ());
                }
            }
            if state.senders[index].view().outstanding.is_some() {
                return false;
            }
        }
        let tail = state.engines.log.tail();
        let mut delivered = Vec::new();
        for receiver in &state.receivers {
            match deliver_all(&mut state.engines, receiver.run(), tail) {
                Some(receiver) => delivered.push(receiver.machine().save().delivered),
                None => return false,
            }
        }
        let run = state.judge(bounds, delivered.iter().map(Vec::as_slice));
        run.is_ok_and(|run| run.complete().is_ok()) && state.is_true()
    }
}

/// More than any machine needs within the bounds.
const ROUNDS: usize = 64;

/// A machine that has asked for something.
enum Asking {
    Sender(Running<Sender>),
    Receiver(Running<Receiver>),
}

fn new_receiver(conduct: Conduct) -> Resting<Receiver> {
    Resting::new(ReceiverStart { conduct, snapshot: Snapshot::default(), delivered: Vec::new() })
}

/// Lets a subscriber go on until it is beyond `tail`, with any time-out over at once; `None` if it never is.
fn deliver_all(engines: &mut Engines, mut receiver: Running<Receiver>, tail: u64) -> Option<Running<Receiver>> {
    for _ in 0..ROUNDS {
        if receiver.machine().next() > tail {
            return Some(receiver);
        }
        if let Some(request) = receiver.handle(ReceiverInput::Ask(When::Late)) {
            let answer = engines.carry_out(request);
            receiver.handle(ReceiverInput::Hear(answer));
        }
    }
    None
}
