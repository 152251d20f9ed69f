//! A state of the model, and its possible next events.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use happens_before::broadcast::{LogKind, Snapshot};

use super::machines::{
    Answer, Engines, LIFE, Message, Receiver, ReceiverInput, ReceiverStart, Request, Sender, SenderInput,
    SenderStart, Told, When,
};
use super::words::{self, Name};
use super::{Action, Bounds, Conduct, Faults, Return, Who};
use crate::replay::{Machine, Resting, Running, fingerprint};

/// A state of the model: all machines and engines, the requests and answers under way, and the past.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) engines: Engines,
    pub(super) senders: Vec<Resting<Sender>>,
    pub(super) receivers: Vec<Resting<Receiver>>,
    /// Sorted by fingerprint.
    pub(super) flights: Vec<Flight>,
    /// The faults that may still happen.
    left: Faults,
    /// Every published message, and the highest slot that was acknowledged before it was published.
    pub(super) published: BTreeMap<Message, u64>,
    pub(super) told: BTreeMap<Message, Told>,
}

/// A request or an answer under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    fingerprint: u64,
    /// The machine that waits for the answer, if any does.
    who: Option<Who>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Request(Request),
    Answer(Answer),
}

/// The account of a step.
type Tell<'a> = &'a mut dyn FnMut(fmt::Arguments<'_>);

impl State {
    /// Returns all parts by which two states are compared.
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
                log: bounds.log,
                batch: bounds.batch,
                node,
                sent: 0,
                last: 0,
                outstanding: None,
                entered: None,
            })
        };
        let receiver = new_receiver(bounds.conduct, bounds.log);
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
            if sender.outstanding.is_none() {
                if sender.sent < bounds.messages[index] {
                    actions.push(Action::Publish(index));
                }
                continue;
            }
            actions.push(Action::Exchange(who));
            if left.lost > 0 && !sender.is_sealed {
                actions.push(Action::Lose(who));
            }
            for (left, back) in [
                (left.crashed, Return::Renamed),
                (left.resumed, Return::Resumed),
                (left.relearned, Return::Relearned),
            ] {
                if left > 0 {
                    actions.push(Action::Crash(index, back));
                }
            }
            if left.abandoned > 0 {
                actions.push(Action::Abandon(index));
            }
            if left.entered > 0 && self.engines.epoch() > 0 {
                actions.push(Action::Enter(index));
            }
        }
        for (index, receiver) in self.receivers.iter().enumerate() {
            let receiver = receiver.view();
            // Time passes also if it is asked early.
            let is_early = bounds.timely && receiver.fill.is_some_and(|slot| self.is_in_hand(slot));
            let late = receiver.fill.filter(|_| !is_early).map(|_| When::Late);
            for when in [(!is_early).then_some(When::Soon), late].into_iter().flatten() {
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

    /// Returns whether a living publisher has the number of a slot, or will have it, or a write to the slot is under
    /// way.
    fn is_in_hand(&self, slot: u64) -> bool {
        let in_hand = |sender: &Resting<Sender>| {
            sender.view().outstanding.as_ref().is_some_and(|&(_, written)| written == Some(slot))
        };
        let in_flight = |flight: &Flight| match &flight.what {
            What::Request(Request::Write { slot: written, .. }) => *written == slot,
            What::Answer(Answer::Numbers { take, first }) => (*first..first + take.n.get()).contains(&slot),
            What::Request(_) | What::Answer(_) => false,
        };
        self.senders.iter().any(in_hand) || self.flights.iter().any(in_flight)
    }

    /// Makes one event happen, and tells it.
    pub(super) fn step(&self, bounds: &Bounds, action: Action, tell: Tell<'_>) -> Self {
        let mut state = self.clone();
        match action {
            Action::Publish(index) => {
                let mut sender = state.senders[index].run();
                sender.handle(SenderInput::Publish);
                let messages = sender.machine().messages();
                tell(format_args!("{} publishes", state.name(Who::Sender(index))));
                state.senders[index] = sender.rest();
                let acknowledged = state.told.values().filter_map(Told::slot).max();
                for message in messages {
                    tell(format_args!(" {}", words::Named(&message)));
                    state.published.insert(message, acknowledged.unwrap_or(0));
                }
            }
            Action::Exchange(who) => state.ask(who, true, tell),
            Action::Lose(who) => {
                state.left.lost -= 1;
                state.ask(who, false, tell);
            }
            Action::Arrive(index) => state.arrive(index, tell),
            Action::Crash(index, back) => state.crash(bounds, index, back, tell),
            Action::Abandon(index) => {
                state.left.abandoned -= 1;
                tell(format_args!("{} gives up", state.name(Who::Sender(index))));
                let sender = state.senders[index].run();
                state.send(index, sender, SenderInput::Abandon, tell);
            }
            Action::Enter(index) => {
                state.left.entered -= 1;
                tell(format_args!("{} is told of the new epoch", state.name(Who::Sender(index))));
                let answer = state.engines.carry_out(Request::Enter);
                let sender = state.senders[index].run();
                state.send(index, sender, SenderInput::Hear(answer), tell);
            }
            Action::Restart(index) => {
                state.left.restarted -= 1;
                tell(format_args!("subscriber {index} comes back from a snapshot"));
                state.orphan(|who| matches!(who, Who::Receiver(at, _) if *at == index));
                let saved = state.receivers[index].machine().save();
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
                tell(format_args!("subscriber {index} is told of {} in slot {slot}", words::Standing(&entry)));
                let receiver = state.receivers[index].run();
                state.receive(index, receiver, ReceiverInput::Announce { slot, entry }, tell);
            }
            Action::Current(index) => {
                let current = state.engines.counter();
                tell(format_args!("subscriber {index} is told that {current} is taken"));
                let receiver = state.receivers[index].run();
                state.receive(index, receiver, ReceiverInput::Current(current), tell);
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

    /// Asks a machine for its request, and hands it the answer if the request is `answered`.
    pub(super) fn ask(&mut self, who: Who, answered: bool, tell: Tell<'_>) {
        tell(format_args!("{}", self.name(who)));
        match who {
            Who::Sender(index) => {
                let mut sender = self.senders[index].run();
                let request = sender.handle(SenderInput::Ask).request.expect("something is outstanding");
                let answer = self.forward(who, request, answered, tell);
                self.send(index, sender, answer.map_or(SenderInput::GiveUpWaiting, SenderInput::Hear), tell);
            }
            Who::Receiver(index, when) => {
                let mut receiver = self.receivers[index].run();
                if when == When::Late {
                    tell(format_args!(" has waited long enough"));
                }
                let request = receiver.handle(ReceiverInput::Ask(when));
                // A wrong driver may have no request.
                let answer = request.and_then(|request| self.forward(who, request, answered, tell));
                let input = answer.map_or(ReceiverInput::GiveUpWaiting, ReceiverInput::Hear);
                self.receive(index, receiver, input, tell);
            }
        }
    }

    /// Carries out a request, or leaves it under way.
    fn forward(&mut self, who: Who, request: Request, answered: bool, tell: Tell<'_>) -> Option<Answer> {
        if answered {
            return Some(self.carry_out(request, tell));
        }
        tell(format_args!(": {request} → no answer, and it waits no more"));
        self.send_off(Some(who), What::Request(request));
        None
    }

    fn carry_out(&mut self, request: Request, tell: Tell<'_>) -> Answer {
        tell(format_args!(": {request}"));
        let answer = self.engines.carry_out(request);
        tell(format_args!(" → {answer}"));
        answer
    }

    /// Delivers a request or an answer that is under way.
    fn arrive(&mut self, index: usize, tell: Tell<'_>) {
        let Flight { who, what, .. } = self.flights.remove(index);
        match (what, who) {
            (What::Request(request), Some(who)) => {
                tell(format_args!("{}'s request comes late", self.name(who)));
                let answer = self.carry_out(request, tell);
                self.send_off(Some(who), What::Answer(answer));
            }
            (What::Request(request), None) => {
                tell(format_args!("a request of the dead comes late"));
                self.carry_out(request, tell);
            }
            (What::Answer(answer), Some(who)) => {
                tell(format_args!("{} hears late: {answer}", self.name(who)));
                match who {
                    Who::Sender(index) => {
                        self.send(index, self.senders[index].run(), SenderInput::Hear(answer), tell);
                    }
                    Who::Receiver(index, _) => {
                        self.receive(index, self.receivers[index].run(), ReceiverInput::Hear(answer), tell);
                    }
                }
            }
            (What::Answer(_), None) => unreachable!("nobody answers the dead"),
        }
    }

    /// Hands an event to a running publisher, and tells the result.
    fn send(&mut self, index: usize, mut sender: Running<Sender>, input: SenderInput, tell: Tell<'_>) {
        let messages = sender.machine().messages();
        let told = sender.handle(input).told;
        self.senders[index] = sender.rest();
        self.tell_fate(&messages, told, tell);
    }

    /// Hands an event to a running subscriber, and tells the result.
    fn receive(&mut self, index: usize, mut receiver: Running<Receiver>, input: ReceiverInput, tell: Tell<'_>) {
        receiver.handle(input);
        let before = self.receivers[index].view().delivered.len();
        self.receivers[index] = receiver.rest();
        for (position, message) in &self.receivers[index].view().delivered[before..] {
            tell(format_args!("; delivers {} at {position}", words::Named(message)));
        }
    }

    fn tell_fate(&mut self, messages: &[Message], told: Option<Told>, tell: Tell<'_>) {
        for (message, told) in messages.iter().zip(told.into_iter().cycle()) {
            tell(format_args!("; {} {told}", words::Named(message)));
            self.told.insert(*message, told);
        }
    }

    fn send_off(&mut self, who: Option<Who>, what: What) {
        let flight = Flight { fingerprint: fingerprint(&(who, &what)), who, what };
        let at = self.flights.partition_point(|other| other.fingerprint < flight.fingerprint);
        self.flights.insert(at, flight);
    }

    /// Leaves the requests of a machine under way, with nobody to hear the answers.
    fn orphan(&mut self, is_it: impl Fn(&Who) -> bool) {
        let waits = |flight: &Flight| flight.who.as_ref().is_some_and(&is_it);
        self.flights.retain(|flight| !waits(flight) || matches!(flight.what, What::Request(_)));
        for mut flight in std::mem::take(&mut self.flights) {
            flight.who = flight.who.filter(|who| !is_it(who));
            self.send_off(flight.who, flight.what);
        }
    }

    fn crash(&mut self, bounds: &Bounds, index: usize, back: Return, tell: Tell<'_>) {
        let left = match back {
            Return::Renamed => &mut self.left.crashed,
            Return::Resumed => &mut self.left.resumed,
            Return::Relearned => &mut self.left.relearned,
        };
        *left -= 1;
        let who = Who::Sender(index);
        tell(format_args!("{} crashes", self.name(who)));
        // This includes the request that it was about to make.
        self.orphan(|&waits| waits == who);
        let mut sender = self.senders[index].machine();
        let messages = sender.messages();
        match sender.handle(&SenderInput::Ask).request {
            Some(Request::Enter) | None => {}
            Some(request) => self.send_off(None, What::Request(request)),
        }
        let view = self.senders[index].view().clone();
        let mut start = SenderStart {
            conduct: bounds.conduct,
            attempts: bounds.attempts,
            log: bounds.log,
            batch: bounds.batch,
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
                let reader =
                    deliver_all(&mut self.engines, new_receiver(Conduct::Right, bounds.log).machine(), tail);
                let reader = reader.expect("the log can be read").save();
                let position = reader.delivered.iter().find(|(_, delivered)| messages.contains(delivered));
                let slot = position.map(|(position, _)| position.sequence);
                let told = slot.map_or(Told::NotStored, |slot| Told::Stored { slot });
                start.last = reader.snapshot.delivered.get(&view.node);
                self.tell_fate(&messages, Some(told), tell);
            }
        }
        self.senders[index] = Resting::new(start);
    }
}

/// The number of rounds, more than any machine needs within the bounds.
pub(super) const ROUNDS: usize = 64;

fn new_receiver(conduct: Conduct, log: LogKind) -> Resting<Receiver> {
    Resting::new(ReceiverStart { conduct, log, snapshot: Snapshot::default(), delivered: Vec::new() })
}

/// Runs a subscriber until it has passed `tail`, with time-outs that end at once; `None` if it never does.
pub(super) fn deliver_all(engines: &mut Engines, mut receiver: Receiver, tail: u64) -> Option<Receiver> {
    for _ in 0..ROUNDS {
        if receiver.next() > tail {
            return Some(receiver);
        }
        if let Some(request) = receiver.handle(&ReceiverInput::Ask(When::Late)) {
            let answer = engines.carry_out(request);
            receiver.handle(&ReceiverInput::Hear(answer));
        }
    }
    None
}
