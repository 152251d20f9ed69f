//! Tests of the oracle of order: it finds every kind of violation, says it in words, and does not record a refused
//! event.
#![cfg(feature = "alloc")]

use happens_before::Dot;
use happens_before::check::{OrderRun, OrderViolation};

type Run = OrderRun<char, u32>;

fn dot(name: &str) -> Dot<char> {
    Dot::new(name.as_bytes()[0].into(), name[1..].parse().unwrap()).unwrap()
}

/// Three sites; a1, a2, a5, b1 and c1 are sent, all but c1 acknowledged.
fn run() -> Run {
    let mut run = Run::new(3);
    for name in ["a1", "a2", "a5", "b1", "c1"] {
        run.sent(dot(name)).unwrap();
        if name != "c1" {
            run.acknowledged(&dot(name)).unwrap();
        }
    }
    run
}

/// Delivers at one site, at positions 10, 20, 30, ... from the site's place on.
fn deliver(run: &mut Run, site: usize, names: &str) -> Result<(), OrderViolation<char, u32>> {
    for name in names.split(' ') {
        let position = 10 + 10 * u32::try_from(run.delivered_at(site)).unwrap();
        run.delivered(site, position, &dot(name))?;
    }
    Ok(())
}

fn words(result: Result<(), OrderViolation<char, u32>>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn one_order_everywhere_is_accepted_with_what_was_not_acknowledged_left_out() {
    let mut run = run();
    for site in [1, 0, 2] {
        deliver(&mut run, site, "a1 b1 a2 a5").unwrap();
    }
    assert_eq!(run.complete(), Ok(()));
    assert_eq!((run.messages(), run.ordered()), (5, 4));
}

#[test]
fn sites_that_take_turns_at_being_first_are_accepted() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    deliver(&mut run, 1, "a1 b1 c1 a2").unwrap();
    deliver(&mut run, 2, "a1").unwrap();
    deliver(&mut run, 0, "c1 a2 a5").unwrap();
    deliver(&mut run, 1, "a5").unwrap();
    deliver(&mut run, 2, "b1 c1 a2 a5").unwrap();
    assert_eq!(run.complete(), Ok(()));
}

#[test]
fn another_order_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    let violation = words(deliver(&mut run, 1, "b1"));
    assert_eq!(violation, "site 1 delivers ('b', 1) at 10 where others deliver ('a', 1) at 10");
    assert_eq!(run.delivered_at(1), 0, "the refused delivery is not noted");
    deliver(&mut run, 1, "a1 b1").unwrap();
}

#[test]
fn a_gap_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1 a2").unwrap();
    run.delivered(1, 10, &dot("a1")).unwrap();
    let violation = words(run.delivered(1, 30, &dot("a2")));
    assert_eq!(violation, "site 1 delivers ('a', 2) at 30 where others deliver ('b', 1) at 20");
}

#[test]
fn a_gap_of_whoever_is_first_is_found_when_the_second_does_not_have_it() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2").unwrap();
    deliver(&mut run, 1, "a1").unwrap();
    assert!(deliver(&mut run, 1, "b1").is_err());
}

#[test]
fn the_same_message_at_another_position_is_found() {
    let mut run = run();
    run.delivered(0, 10, &dot("a1")).unwrap();
    let violation = words(run.delivered(1, 11, &dot("a1")));
    assert_eq!(violation, "site 1 delivers ('a', 1) at 11 where others deliver ('a', 1) at 10");
}

#[test]
fn a_second_delivery_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    assert_eq!(words(deliver(&mut run, 0, "a1")), "site 0 delivers ('a', 1) a second time");
    assert_eq!(run.ordered(), 2);
}

#[test]
fn a_nodes_own_order_reversed_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a2").unwrap();
    assert_eq!(words(deliver(&mut run, 0, "a1")), "site 0 delivers ('a', 1) after number 2 of its node");
}

#[test]
fn a_position_that_does_not_go_up_is_found() {
    let mut run = run();
    run.delivered(0, 10, &dot("a1")).unwrap();
    assert_eq!(words(run.delivered(0, 10, &dot("b1"))), "site 0 delivers at 10 after 10");
    assert_eq!(words(run.delivered(0, 9, &dot("b1"))), "site 0 delivers at 9 after 10");
    run.delivered(0, 11, &dot("b1")).unwrap();
}

#[test]
fn what_was_acknowledged_and_never_delivered_is_found_the_lowest_first() {
    let mut run = run();
    for site in 0..3 {
        deliver(&mut run, site, "b1 a2").unwrap();
    }
    assert_eq!(run.complete(), Err(OrderViolation::Lost { dot: dot("a1") }), "not a5");
    assert_eq!(words(run.complete()), "('a', 1) was acknowledged, and is never delivered");
}

#[test]
fn what_is_acknowledged_after_it_was_delivered_is_not_owed() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2 a5 b1 c1").unwrap();
    run.acknowledged(&dot("c1")).unwrap();
    run.acknowledged(&dot("c1")).unwrap();
    deliver(&mut run, 1, "a1 a2 a5 b1 c1").unwrap();
    deliver(&mut run, 2, "a1 a2 a5 b1 c1").unwrap();
    assert_eq!(run.complete(), Ok(()));
}

#[test]
fn a_site_that_lags_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2 a5 b1").unwrap();
    deliver(&mut run, 1, "a1 a2 a5").unwrap();
    deliver(&mut run, 2, "a1 a2 a5 b1").unwrap();
    assert_eq!(words(run.complete()), "site 1 has not delivered ('b', 1) at 40");
}

#[test]
fn what_nobody_sent_is_found() {
    let mut run = run();
    assert_eq!(words(deliver(&mut run, 0, "a3")), "('a', 3) was never sent");
    assert_eq!(words(run.acknowledged(&dot("z1"))), "('z', 1) was never sent");
}

#[test]
fn a_number_sent_again_or_backwards_is_found() {
    let mut run = run();
    for name in ["a5", "a4"] {
        assert_eq!(run.sent(dot(name)), Err(OrderViolation::SentOutOfOrder { dot: dot(name) }));
    }
    assert_eq!(words(run.sent(dot("a4"))), "('a', 4) is sent after that number or a higher one");
    assert_eq!(words(run.delivered(0, 1, &dot("a4"))), "('a', 4) was never sent");
}

#[test]
fn a_site_goes_on_from_a_snapshot_and_repeats_only_what_the_snapshot_does_not_have() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1 a2 a5").unwrap();
    deliver(&mut run, 1, "a1 b1 a2").unwrap();
    run.resumed(1, 2).unwrap(); // loses a2, and delivers it again
    assert_eq!(words(deliver(&mut run, 1, "b1")), "site 1 delivers ('b', 1) a second time");
    deliver(&mut run, 1, "a2 a5").unwrap();
    run.resumed(2, 4).unwrap(); // joins late
    assert_eq!(run.complete(), Ok(()));
    assert_eq!(words(run.resumed(2, 5)), "site 2 resumes after 5 deliveries, but no site has made that many");
    assert_eq!(words(run.resumed(3, 0)), "there is no site 3 in this run");
    assert_eq!(words(run.delivered(3, 1, &dot("a1"))), "there is no site 3 in this run");
}

#[test]
fn what_was_refused_and_is_delivered_or_acknowledged_all_the_same_is_found() {
    let mut run = run();
    run.refused(&dot("c1")).unwrap();
    run.refused(&dot("c1")).unwrap();
    assert_eq!(words(deliver(&mut run, 0, "c1")), "('c', 1) was refused, and is in the order");
    assert_eq!(run.ordered(), 0, "the refused delivery is not noted");
    assert_eq!(run.acknowledged(&dot("c1")), Err(OrderViolation::Refused { dot: dot("c1") }));
    assert_eq!(run.refused(&dot("a1")), Err(OrderViolation::Refused { dot: dot("a1") }), "acknowledged");
    assert_eq!(words(run.refused(&dot("z1"))), "('z', 1) was never sent");

    run.sent(dot("c2")).unwrap();
    deliver(&mut run, 0, "c2 a1 b1 a2 a5").unwrap();
    assert_eq!(run.refused(&dot("c2")), Err(OrderViolation::Refused { dot: dot("c2") }), "delivered");
    run.acknowledged(&dot("c2")).unwrap();
    for site in [1, 2] {
        deliver(&mut run, site, "c2 a1 b1 a2 a5").unwrap();
    }
    assert_eq!(run.complete(), Ok(()));
}

#[test]
fn what_was_sent_after_an_acknowledgement_and_stands_before_it_is_found() {
    let mut run = Run::new(2);
    run.sent(dot("a1")).unwrap();
    run.sent(dot("c1")).unwrap(); // overlaps both others
    run.acknowledged(&dot("a1")).unwrap();
    run.sent(dot("b1")).unwrap();
    run.acknowledged(&dot("c1")).unwrap();
    let ordered = |names| {
        let mut run = run.clone();
        for site in [0, 1] {
            deliver(&mut run, site, names).unwrap();
        }
        assert_eq!(run.complete(), Ok(()));
        run.real_time()
    };
    for names in ["a1 b1 c1", "a1 c1 b1", "c1 a1 b1"] {
        assert_eq!(ordered(names), Ok(()), "{names}");
    }
    for names in ["b1 a1 c1", "b1 c1 a1", "c1 b1 a1"] {
        let later = OrderViolation::AgainstRealTime { dot: dot("a1"), later: dot("b1") };
        assert_eq!(ordered(names), Err(later), "{names}");
    }
    let violation = words(ordered("b1 a1 c1"));
    assert_eq!(violation, "('b', 1) was sent after ('a', 1) was acknowledged, and stands before it");
}

/// Every small run, judged by trying out every order.
mod every_small_run {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Event {
        Sent(usize),
        Acknowledged(usize),
        Refused(usize),
        Delivered(usize, usize),
    }

    /// The bounds of the runs, and the events so far.
    struct Small {
        messages: &'static [&'static str],
        sites: usize,
        events: Vec<Event>,
        orders: Vec<Vec<usize>>,
    }

    /// Every order of every set of the first `n` messages.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        let mut at = 0;
        while at < all.len() {
            for message in 0..n {
                if !all[at].contains(&message) {
                    let longer = all[at].iter().copied().chain([message]).collect();
                    all.push(longer);
                }
            }
            at += 1;
        }
        all
    }

    impl Small {
        fn at(&self, event: Event) -> Option<usize> {
            self.events.iter().position(|&other| other == event)
        }

        fn delivered(&self, site: usize) -> Vec<usize> {
            let of_site = |&event: &Event| match event {
                Event::Delivered(at, message) if at == site => Some(message),
                _ => None,
            };
            self.events.iter().filter_map(of_site).collect()
        }

        /// Returns whether the events so far can be those of `order`, or of one that begins with it.
        fn allows(&self, order: &[usize]) -> bool {
            let node_of = |message: usize| self.messages[message].as_bytes()[0];
            order.iter().enumerate().all(|(place, &message)| {
                self.at(Event::Sent(message)).is_some()
                    && self.at(Event::Refused(message)).is_none()
                    // The names of one node's messages are in its order.
                    && order[..place].iter().all(|&b| node_of(b) != node_of(message) || b < message)
            }) && (0..self.sites).all(|site| order.starts_with(&self.delivered(site)))
        }

        /// Returns whether sender and oracle agree on what happened to each message.
        fn is_coherent(&self) -> bool {
            (0..self.messages.len()).all(|message| {
                let sent = self.at(Event::Sent(message));
                let answers =
                    [Event::Acknowledged(message), Event::Refused(message)].map(|answer| self.at(answer));
                answers.iter().flatten().all(|&at| sent.is_some_and(|sent| sent < at))
                    && answers.contains(&None)
                    && self.events.iter().filter(|&&event| event == Event::Sent(message)).count() <= 1
                    && (0..message).all(|earlier| {
                        self.messages[earlier].as_bytes()[0] != self.messages[message].as_bytes()[0]
                            || sent.is_none()
                            || self.at(Event::Sent(earlier)).is_none_or(|earlier| Some(earlier) < sent)
                    })
            }) && self.events.iter().enumerate().all(|(at, &event)| match event {
                Event::Delivered(_, message) => self.at(Event::Sent(message)).is_some_and(|sent| sent < at),
                _ => true,
            })
        }

        fn is_right_so_far(&self) -> bool {
            self.is_coherent() && self.orders.iter().any(|order| self.allows(order))
        }

        fn is_complete(&self, order: &[usize]) -> bool {
            let acknowledged =
                (0..self.messages.len()).filter(|&message| self.at(Event::Acknowledged(message)).is_some());
            self.allows(order)
                && acknowledged.into_iter().all(|message| order.contains(&message))
                && (0..self.sites).all(|site| self.delivered(site) == order)
        }

        fn is_in_real_time(&self, order: &[usize]) -> bool {
            order.iter().enumerate().all(|(place, &message)| {
                order[..place].iter().all(|&before| {
                    self.at(Event::Acknowledged(message)) >= self.at(Event::Sent(before))
                        || self.at(Event::Acknowledged(message)).is_none()
                })
            })
        }

        /// The longest part of the order that a site has delivered.
        fn longest(&self) -> Vec<usize> {
            (0..self.sites).map(|site| self.delivered(site)).max_by_key(Vec::len).unwrap_or_default()
        }

        fn next_events(&self) -> Vec<Event> {
            let mut next = Vec::new();
            for message in 0..self.messages.len() {
                next.extend([Event::Sent(message), Event::Acknowledged(message), Event::Refused(message)]);
                next.extend((0..self.sites).map(|site| Event::Delivered(site, message)));
            }
            next
        }

        /// Tries every event that may come next, and counts the verdicts.
        fn explore(&mut self, run: &Run, left: usize, counts: &mut [u32; 6]) {
            let complete = self.orders.iter().any(|order| self.is_complete(order));
            assert_eq!(run.complete().is_ok(), complete, "{:?}", self.events);
            counts[3 - usize::from(complete)] += 1;
            let real_time = self.is_in_real_time(&self.longest());
            assert_eq!(run.real_time().is_ok(), real_time, "{:?}", self.events);
            counts[5 - usize::from(real_time)] += 1;
            if left == 0 {
                return;
            }
            for event in self.next_events() {
                if matches!(event, Event::Acknowledged(_) | Event::Refused(_)) && self.at(event).is_some() {
                    continue; // a second time changes nothing
                }
                let mut next = run.clone();
                let told = match event {
                    Event::Sent(message) => next.sent(dot(self.messages[message])),
                    Event::Acknowledged(message) => next.acknowledged(&dot(self.messages[message])),
                    Event::Refused(message) => next.refused(&dot(self.messages[message])),
                    Event::Delivered(site, message) => deliver(&mut next, site, self.messages[message]),
                };
                self.events.push(event);
                assert_eq!(told.is_ok(), self.is_right_so_far(), "{:?}: {told:?}", self.events);
                counts[1 - usize::from(told.is_ok())] += 1;
                if told.is_ok() {
                    self.explore(&next, left - 1, counts);
                }
                self.events.pop();
            }
        }
    }

    fn explore(messages: &'static [&'static str], sites: usize, length: usize) -> [u32; 6] {
        let mut counts = [0; 6];
        let mut small = Small { messages, sites, events: Vec::new(), orders: orders(messages.len()) };
        small.explore(&Run::new(sites), length, &mut counts);
        counts
    }

    #[test]
    fn is_judged_as_by_trying_every_order() {
        // Accepted and refused events; complete and incomplete runs; runs in real time and against it.
        assert_eq!(explore(&["a1", "b1"], 2, 8), [4236, 20350, 2175, 2062, 4089, 148]);
        assert_eq!(explore(&["a1", "a2"], 2, 8), [1603, 8115, 816, 788, 1604, 0]);
        assert_eq!(explore(&["a1", "b1", "c1"], 1, 6), [6522, 11610, 3376, 3147, 6463, 60]);
        assert_eq!(explore(&["a1", "a2", "b1"], 1, 6), [3445, 7800, 1810, 1636, 3418, 28]);
        assert_eq!(explore(&["a1", "b1", "c1"], 2, 5), [3567, 6045, 673, 2895, 3556, 12]);
    }
}
