//! Requests for missing messages, answers and vectors, and the time of each: case by case.

use happens_before::Endpoint;
use happens_before::endpoint::EndpointConfig;

use crate::forged::{Forged, Request, head, message};
use crate::support::{CONFIG, deliveries, dot, packets};

/// The requests of the endpoint at a time: for each member asked, the ranges.
fn asks(endpoint: &mut Endpoint<u8>, now: u64) -> Vec<(u8, Vec<Request>)> {
    endpoint.handle_timeout(now);
    let asked = packets(endpoint).into_iter().map(|(to, packet)| (to, head(&packet).requests));
    asked.filter(|(_, requests)| !requests.is_empty()).collect()
}

/// Makes an endpoint of node 0 in a group of four, where these members claim to have the first message of node 3.
fn where_some_claim(claimants: &[u8]) -> Endpoint<u8> {
    let mut endpoint = Endpoint::new(0, [0, 1, 2, 3], CONFIG).unwrap();
    for from in claimants {
        let claim = Forged { news: vec![(3, 1)], ..Forged::new() };
        endpoint.handle_packet(0, from, &claim.bytes()).unwrap();
    }
    endpoint
}

#[test]
fn the_author_is_asked_first_and_then_those_that_claim_to_have_it_in_a_circle() {
    for claimants in [[1, 2, 3], [3, 2, 1]] {
        let mut endpoint = where_some_claim(&claimants);
        let (mut now, mut asked) = (0, vec![]);
        while asked.len() < 6 {
            now += 10;
            asked.extend(asks(&mut endpoint, now));
        }
        assert!(asked.iter().all(|(_, requests)| requests == &[(3, 1, 1)]));
        assert!(asked.iter().map(|(to, _)| to).eq(&[3, 1, 2, 3, 1, 2]));
    }
    let mut endpoint = where_some_claim(&[2]);
    assert_eq!(asks(&mut endpoint, 10), [(2, vec![(3, 1, 1)])], "not the author, which has not claimed it");
}

#[test]
fn one_that_no_longer_has_it_is_not_asked() {
    let mut endpoint = where_some_claim(&[1, 2]);
    let forgets = Forged { forgotten: vec![(3, 1)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &forgets.bytes()).unwrap();
    for now in (10..1_000).step_by(10) {
        assert!(asks(&mut endpoint, now).iter().all(|(to, _)| *to == 2), "at {now} ms");
    }
    assert!(endpoint.lost().next().is_none(), "2 still has it");
    endpoint.handle_packet(1_000, &2, &forgets.bytes()).unwrap();
    for now in (1_000..10_000).step_by(10) {
        assert_eq!(asks(&mut endpoint, now), [], "at {now} ms");
    }
    assert!(endpoint.lost().map(|range| range.into_node()).eq([3]), "and now nobody");
}

#[test]
fn no_more_is_asked_for_than_there_is_room_for() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let claim = Forged { news: vec![(1, 1_000)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &claim.bytes()).unwrap();
    assert_eq!(asks(&mut endpoint, 10), [(1, vec![(1, 1, CONFIG.window)])]);
    let first = Forged { messages: vec![message(dot(1, 1), &[], 3)], ..Forged::new() };
    endpoint.handle_packet(10, &1, &first.bytes()).unwrap();
    deliveries(&mut endpoint);
    // The message is kept for 2, and takes room. When 2 has it, there is room again.
    assert_eq!(asks(&mut endpoint, 1_000), [(1, vec![(1, 2, CONFIG.window)])]);
    for from in [1, 2] {
        let has = Forged { news: vec![(1, 1)], ..Forged::new() };
        endpoint.handle_packet(1_000, &from, &has.bytes()).unwrap();
    }
    assert_eq!(asks(&mut endpoint, 10_000), [(1, vec![(1, 2, CONFIG.window + 1)])]);
}

#[test]
fn what_is_forgotten_while_a_request_waits_does_not_keep_back_the_rest() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    for _ in 0..4 {
        endpoint.broadcast(vec![5; 9]).unwrap();
    }
    deliveries(&mut endpoint);
    packets(&mut endpoint); // one packet to each member, and all are lost
    let asks = Forged { requests: vec![(0, 1, 4)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &asks.bytes()).unwrap();
    // Before the request is answered, the first two messages become stable.
    for from in [1, 2] {
        let has = Forged { news: vec![(0, 2)], ..Forged::new() };
        endpoint.handle_packet(0, &from, &has.bytes()).unwrap();
    }
    assert_eq!(endpoint.log_len(), 2);
    let mut other = Endpoint::new(1_u8, [0, 1, 2], CONFIG).unwrap();
    let to_it = packets(&mut endpoint).into_iter().filter(|(to, _)| *to == 1);
    let new: usize = to_it.map(|(_, packet)| other.handle_packet(0, &0, &packet).unwrap().new).sum();
    assert_eq!((new, other.undelivered_len()), (2, 2), "3 and 4");
}

#[test]
fn that_something_is_forgotten_is_said_even_if_nothing_else_is_left_to_say() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    endpoint.broadcast(vec![]).unwrap();
    deliveries(&mut endpoint);
    packets(&mut endpoint);
    // The member has the message and knows our vector. We know its vector, and have said so.
    let has = Forged { confirmed: 1, news: vec![(0, 1)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &has.bytes()).unwrap();
    endpoint.handle_timeout(10);
    packets(&mut endpoint);
    let knows = Forged { confirmed: 1, base: 1, ..Forged::new() };
    endpoint.handle_packet(10, &1, &knows.bytes()).unwrap();
    assert_eq!((endpoint.log_len(), endpoint.poll_timeout()), (0, None));

    let asks = Forged { requests: vec![(0, 1, 1)], ..knows };
    endpoint.handle_packet(500, &1, &asks.bytes()).unwrap();
    endpoint.handle_packet(501, &1, &Forged { requests: vec![], ..asks }.bytes()).unwrap();
    let at = endpoint.poll_timeout().expect("it is to be told");
    endpoint.handle_timeout(at);
    let told: Vec<_> = packets(&mut endpoint).iter().map(|(_, packet)| head(packet).forgotten).collect();
    assert_eq!((told, endpoint.poll_timeout()), (vec![vec![(0, 1)]], None), "once");
}

#[test]
fn a_confirmation_of_what_was_never_told_is_not_believed() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    endpoint.handle_packet(0, &1, &Forged { confirmed: 5, ..Forged::new() }.bytes()).unwrap();
    for _ in 0..3 {
        endpoint.broadcast(vec![]).unwrap();
    }
    deliveries(&mut endpoint);
    let mut other = Endpoint::new(1_u8, [0, 1], CONFIG).unwrap();
    for (_, packet) in packets(&mut endpoint) {
        other.handle_packet(0, &0, &packet).unwrap();
    }
    assert_eq!(other.stability().acknowledged(&0, &0), 3, "the vector is told from its beginning");
}

#[test]
fn a_claim_to_have_what_nobody_sent_costs_little_and_forgets_nothing() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    endpoint.broadcast(vec![1]).unwrap();
    deliveries(&mut endpoint);
    let lie = Forged { news: vec![(0, 1), (1, u64::MAX / 4), (2, u64::MAX / 4), (77, 5)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &lie.bytes()).unwrap();
    assert_eq!(endpoint.log_len(), 1, "2 has acknowledged nothing");
    assert_eq!(endpoint.stability().stable().len(), 0);
    let mut asked = 0;
    let mut now = 0;
    while now < 100_000 {
        now = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(now);
        asked += packets(&mut endpoint).iter().map(|(_, packet)| packet.len()).sum::<usize>();
        assert_eq!(endpoint.internal_validate(), Ok(()));
    }
    assert!(asked < 100 * 2 * 3 * 15, "{asked} bytes in 100 s");
    // Honest packets get through.
    let honest =
        Forged { news: vec![(2, 1)], messages: vec![message(dot(2, 1), &[dot(0, 1)], 3)], ..Forged::new() };
    assert_eq!(endpoint.handle_packet(now, &2, &honest.bytes()).unwrap().new, 1);
    assert_eq!(deliveries(&mut endpoint), [dot(2, 1)]);
}

#[test]
fn later_messages_do_not_put_off_the_search_for_a_lost_one() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    // The first message is lost, the others arrive one after another.
    let mut asked = None;
    for (now, counter) in (0..).step_by(5).zip(2..=8) {
        let packet = Forged {
            news: vec![(1, counter)],
            messages: vec![message(dot(1, counter), &[], 3)],
            ..Forged::new()
        };
        assert_eq!(endpoint.handle_packet(now, &1, &packet.bytes()).unwrap().new, 1);
        if packets(&mut endpoint).iter().any(|(_, packet)| head(packet).requests == [(1, 1, 1)]) {
            assert_eq!(asked.replace(now), None, "asked for twice");
        }
    }
    assert_eq!(asked, Some(CONFIG.delay_ms));
    // But a requested message puts it off: the others are on their way.
    let came = Forged { messages: vec![message(dot(1, 1), &[], 3)], ..Forged::new() };
    endpoint.handle_packet(100, &1, &came.bytes()).unwrap();
    assert_eq!(deliveries(&mut endpoint).len(), 8);
}

#[test]
fn an_answer_puts_off_the_next_question() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let claim = Forged { news: vec![(1, 5)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &claim.bytes()).unwrap();
    assert_eq!(asks(&mut endpoint, 10), [(1, vec![(1, 1, 5)])]);
    let first = Forged { messages: vec![message(dot(1, 2), &[], 3)], ..Forged::new() };
    endpoint.handle_packet(100, &1, &first.bytes()).unwrap();
    assert_eq!(asks(&mut endpoint, 199), []);
    assert_eq!(asks(&mut endpoint, 200), [(1, vec![(1, 1, 1), (1, 3, 5)])]);
}

#[test]
fn many_gaps_are_asked_for_in_a_small_group() {
    let config = EndpointConfig { window: 200, window_bytes: 10_000, nodes: 2, packet: 1, ..CONFIG };
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], config).unwrap());
    for _ in 0..200 {
        nodes[0].broadcast(vec![]).unwrap();
    }
    deliveries(&mut nodes[0]);
    // Every second packet is lost.
    for (_, packet) in packets(&mut nodes[0]).iter().skip(1).step_by(2) {
        nodes[1].handle_packet(0, &0, packet).unwrap();
    }
    assert_eq!(nodes[1].undelivered_len(), 100);
    nodes[0].handle_timeout(config.delay_ms);
    let mut now = config.delay_ms;
    let mut most = 0;
    while nodes[1].delivered().get(&0) < 200 {
        for (from, to) in [(0, 1), (1, 0)] {
            for (_, packet) in packets(&mut nodes[from]) {
                most = most.max(if from == 1 { packet.len() } else { 0 });
                nodes[to].handle_packet(now, &(from as u8), &packet).unwrap();
            }
            deliveries(&mut nodes[to]);
            assert_eq!(nodes[to].internal_validate(), Ok(()));
        }
        now = nodes.iter().filter_map(Endpoint::poll_timeout).min().unwrap();
        nodes.iter_mut().for_each(|node| node.handle_timeout(now));
    }
    assert!(most > 64 * 3, "as many ranges as a packet may ask for, in one: {most} bytes");
}

#[test]
fn huge_requests_are_answered_at_a_pace() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    for _ in 0..8 {
        endpoint.broadcast(vec![0; 45]).unwrap();
    }
    deliveries(&mut endpoint);
    packets(&mut endpoint); // one packet to each member
    let greedy = Forged { requests: vec![(0, 1, u64::MAX), (1, 1, u64::MAX), (99, 1, 5)], ..Forged::new() };
    let mut sent = 0;
    for now in 0..1_000 {
        endpoint.handle_packet(now, &1, &greedy.bytes()).unwrap();
        assert_eq!(endpoint.internal_validate(), Ok(()));
        let to_it = packets(&mut endpoint).into_iter().filter(|(to, _)| *to == 1);
        sent += to_it.map(|(_, packet)| packet.len()).sum::<usize>();
    }
    // 300 bytes and a message in 100 ms, and acknowledgements.
    assert!((3_000..8_000).contains(&sent), "{sent} bytes in 1 s");
}

#[test]
fn one_packet_of_answers_is_not_more_than_what_is_left() {
    let config = EndpointConfig { packet: 10_000, answer_bytes: 100, ..CONFIG };
    let mut endpoint = Endpoint::new(0, [0, 1], config).unwrap();
    for _ in 0..8 {
        endpoint.broadcast(vec![0; 40]).unwrap();
    }
    deliveries(&mut endpoint);
    assert!(packets(&mut endpoint)[0].1.len() > 300, "once, as they are");
    let asks = Forged { requests: vec![(0, 1, 8)], ..Forged::new() }.bytes();
    endpoint.handle_packet(0, &1, &asks).unwrap();
    // 100 bytes, and the message with which they are used up: three of 43 and a byte.
    assert_eq!(packets(&mut endpoint).iter().map(|(_, packet)| packet.len() / 44).collect::<Vec<_>>(), [3]);
}

#[test]
fn what_is_relative_to_an_unknown_vector_is_not_confirmed() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let relative = Forged { base: 5, news: vec![(1, 1)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &relative.bytes()).unwrap();
    endpoint.handle_timeout(CONFIG.delay_ms);
    assert_eq!(packets(&mut endpoint)[0].1[1], 0);
    let whole = Forged { news: vec![(1, 6)], ..Forged::new() };
    endpoint.handle_packet(CONFIG.delay_ms, &1, &whole.bytes()).unwrap();
    endpoint.handle_timeout(2 * CONFIG.delay_ms);
    assert_eq!(packets(&mut endpoint)[0].1[1], 6);
}

#[test]
fn a_stale_or_repeated_packet_calls_for_no_reply_at_once() {
    let config = EndpointConfig { delay_ms: 0, ..CONFIG };
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], config).unwrap());
    let (mut all, mut in_flight) = (vec![], vec![]);
    for _ in 0..3 {
        nodes[0].broadcast(vec![]).unwrap();
        nodes[1].broadcast(vec![]).unwrap();
        for node in &mut nodes {
            node.handle_timeout(5);
            deliveries(node);
            in_flight.extend(packets(node));
        }
    }
    // Each packet arrives at once.
    while let Some((to, packet)) = in_flight.pop() {
        all.push((to, packet.clone()));
        let node = &mut nodes[usize::from(to)];
        node.handle_packet(5, &(1 - to), &packet).unwrap();
        deliveries(node);
        in_flight.extend(packets(node));
        assert!(all.len() < 50, "they answer each other for ever");
    }
    assert!(nodes.iter().all(|node| node.delivered().iter().eq([(&0, 3), (&1, 3)])));
    // Then all of them arrive again, some time later.
    for now in 10..30 {
        for (to, packet) in &all {
            nodes[usize::from(*to)].handle_packet(now, &(1 - to), packet).unwrap();
            let replies = packets(&mut nodes[usize::from(*to)]);
            assert_eq!(replies, [], "at {now} ms");
        }
    }
    // The packet is repeated at a limited pace, because the answer to it may have been lost.
    let mut replies = 0;
    for now in 30..1_030 {
        for (to, packet) in &all {
            nodes[usize::from(*to)].handle_packet(now, &(1 - to), packet).unwrap();
            replies += packets(&mut nodes[usize::from(*to)]).len();
        }
    }
    assert!((10..=22).contains(&replies), "{replies} replies in 1 s");
}

#[test]
fn what_a_member_says_that_it_has_is_not_sent_to_it() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    endpoint.broadcast(b"tea?".to_vec()).unwrap();
    deliveries(&mut endpoint);
    // The message was sent, and the node comes back before it has heard that it arrived.
    let mut back = Endpoint::resume(&endpoint.snapshot(), CONFIG).unwrap();
    let has = Forged { news: vec![(0, 1)], ..Forged::new() };
    back.handle_packet(0, &1, &has.bytes()).unwrap();
    back.handle_timeout(CONFIG.delay_ms);
    let sent = packets(&mut back).into_iter().map(|(to, packet)| (to, packet.ends_with(b"tea?")));
    assert!(sent.eq([(1, false), (2, true)]));
}

#[test]
fn one_that_is_heard_again_is_spoken_to_as_often_as_before() {
    for confirmed in [0, 1] {
        let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
        endpoint.broadcast(vec![]).unwrap();
        deliveries(&mut endpoint);
        let mut spoken = vec![];
        for now in (0..60_000).step_by(10) {
            if now == 30_000 {
                // The member has news, or has confirmed what it was told. No packet to it arrives.
                let news = if confirmed == 0 { vec![(1, 1)] } else { vec![] };
                let messages = news.iter().map(|_| message(dot(1, 1), &[], 3)).collect();
                let heard = Forged { confirmed, news, messages, ..Forged::new() };
                endpoint.handle_packet(now, &1, &heard.bytes()).unwrap();
                deliveries(&mut endpoint);
                if confirmed == 1 {
                    endpoint.broadcast(vec![]).unwrap();
                    deliveries(&mut endpoint);
                }
            }
            endpoint.handle_timeout(now);
            spoken.extend(packets(&mut endpoint).iter().map(|_| now));
        }
        let waits: Vec<_> = spoken.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).collect();
        let mut after = waits.iter().filter(|(from, _)| *from >= 30_000);
        assert!(waits.iter().any(|(from, wait)| *from < 30_000 && *wait == CONFIG.retry_max_ms));
        assert!(after.clone().take(3).all(|(_, wait)| *wait <= 4 * CONFIG.retry_ms), "{waits:?}");
        assert_eq!(after.next_back().map(|(_, wait)| *wait), Some(CONFIG.retry_max_ms), "and then as seldom");
    }
}

#[test]
fn what_is_asked_for_twice_before_it_is_answered_is_answered_once() {
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], CONFIG).unwrap());
    for _ in 0..4 {
        nodes[0].broadcast(vec![5; 9]).unwrap();
    }
    deliveries(&mut nodes[0]);
    packets(&mut nodes[0]); // lost
    for first in [1, 2] {
        let asks = Forged { requests: vec![(0, first, 4)], ..Forged::new() };
        nodes[0].handle_packet(0, &1, &asks.bytes()).unwrap();
    }
    let answers = packets(&mut nodes[0]);
    let received = answers.iter().map(|(_, packet)| nodes[1].handle_packet(0, &0, packet).unwrap());
    let received: Vec<_> = received.map(|received| (received.new, received.duplicates)).collect();
    assert_eq!(received, [(3, 0)], "2 to 4, as it was asked last");
}

#[test]
fn many_messages_in_a_short_time_do_not_make_a_member_count_as_silent() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let mut spoken = 0;
    for now in 0..1_000 {
        if now < 8 {
            endpoint.broadcast(vec![]).unwrap();
        }
        endpoint.handle_timeout(now);
        deliveries(&mut endpoint);
        spoken += packets(&mut endpoint).len();
    }
    // There are eight packets, and four more: 100, 200, 400 and 800 ms after the last.
    assert_eq!(spoken, 8 + 4);
}

#[test]
fn one_that_has_forgotten_the_first_is_asked_for_the_rest_once_the_first_have_come() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let has_the_rest = Forged { news: vec![(2, 4)], forgotten: vec![(2, 2)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &has_the_rest.bytes()).unwrap();
    assert!((0..50).all(|now| asks(&mut endpoint, now * 10).is_empty()), "it could not be delivered");
    let messages = [1, 2].map(|counter| message(dot(2, counter), &[], 3)).into();
    endpoint.handle_packet(500, &2, &Forged { messages, ..Forged::new() }.bytes()).unwrap();
    assert_eq!(deliveries(&mut endpoint), [dot(2, 1), dot(2, 2)]);
    assert_eq!(asks(&mut endpoint, 510), [(1, vec![(2, 3, 4)])]);
}
