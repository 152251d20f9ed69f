//! The naive buffer for a graph: a list in the order of arrival, and a scan of everything at every step. The fuzz
//! target shares it.

use std::collections::BTreeSet;

use happens_before::DagBuffer;
use happens_before::delivery::{Accepted, DagEvent, DagLimits, EventErrorKind};

pub type Id = u8;
pub type Event = DagEvent<Id, u8>;

/// A model of the buffer and its store, written without any index.
#[derive(Clone, Debug)]
pub struct DagModel {
    limits: DagLimits,
    pub store: BTreeSet<Id>,
    /// Every event here, in the order of arrival.
    pub here: Vec<Event>,
}

impl DagModel {
    pub fn new(limits: DagLimits) -> Self {
        Self { limits, store: BTreeSet::new(), here: Vec::new() }
    }

    fn undelivered<'a>(&self, event: &'a Event) -> impl Iterator<Item = &'a Id> {
        event.parents.iter().filter(|parent| !self.store.contains(parent))
    }

    fn ready(&self, event: &Event) -> bool {
        self.undelivered(event).next().is_none()
    }

    fn links(&self) -> usize {
        self.here.iter().map(|event| self.undelivered(event).collect::<BTreeSet<_>>().len()).sum()
    }

    fn accept(&mut self, event: &Event) -> Result<Accepted, EventErrorKind> {
        if self.store.contains(&event.id) {
            return Ok(Accepted::Duplicate);
        }
        if let Some(first) = self.here.iter().find(|first| first.id == event.id) {
            return if first == event { Ok(Accepted::Duplicate) } else { Err(EventErrorKind::Equivocation) };
        }
        let DagLimits { events, parents, links } = self.limits;
        if event.parents.len() > parents {
            return Err(EventErrorKind::TooManyParents { limit: parents });
        }
        if event.parents.contains(&event.id) {
            return Err(EventErrorKind::OwnParent);
        }
        let ready = self.ready(event);
        let ready_here = self.here.iter().filter(|event| self.ready(event)).count();
        if if ready { ready_here >= events.max(1) } else { self.here.len() >= events } {
            return Err(EventErrorKind::BufferFull { limit: events });
        }
        if self.links() + self.undelivered(event).count() > links {
            return Err(EventErrorKind::TooManyLinks { limit: links });
        }
        self.here.push(event.clone());
        Ok(if ready { Accepted::Ready } else { Accepted::Held })
    }

    fn next(&self) -> Option<usize> {
        self.here.iter().position(|event| self.ready(event))
    }

    pub fn missing(&self) -> BTreeSet<Id> {
        let awaited = self.here.iter().flat_map(|event| self.undelivered(event)).copied();
        awaited.filter(|id| self.here.iter().all(|event| event.id != *id)).collect()
    }

    /// Returns the event `id`, and the events here that descend from it through events that are here.
    fn descendants(&self, id: Id) -> BTreeSet<Id> {
        let mut found = BTreeSet::from([id]);
        loop {
            let before = found.len();
            for event in &self.here {
                if event.parents.iter().any(|p| found.contains(p) && !self.store.contains(p)) {
                    found.insert(event.id);
                }
            }
            if found.len() == before {
                found.retain(|id| self.here.iter().any(|event| event.id == *id));
                return found;
            }
        }
    }
}

/// A buffer and its model, which do the same and are compared after every step.
#[derive(Clone, Debug)]
pub struct Both {
    pub buffer: DagBuffer<Id, u8>,
    pub model: DagModel,
}

impl Both {
    pub fn new(limits: DagLimits) -> Self {
        Self { buffer: DagBuffer::new(limits), model: DagModel::new(limits) }
    }

    pub fn accept(&mut self, event: Event) -> Result<Accepted, EventErrorKind> {
        let expected = self.model.accept(&event);
        let mut questions = 0;
        let outcome = self.buffer.accept(event.clone(), |id| {
            questions += 1;
            self.model.store.contains(id)
        });
        assert!(questions <= 1 + event.parents.len(), "the store is asked once for each id");
        let outcome = outcome.map_err(|refused| {
            assert_eq!(refused.refused, event, "the refused event comes back");
            refused.kind
        });
        assert_eq!(outcome, expected);
        self.compare();
        outcome
    }

    pub fn pop(&mut self) -> Option<Event> {
        let next = self.model.next().map(|at| self.model.here.remove(at));
        assert_eq!(self.buffer.peek(), next.as_ref());
        let popped = self.buffer.pop();
        assert_eq!(popped, next);
        self.model.store.extend(next.map(|event| event.id));
        self.compare();
        popped
    }

    /// Puts ids into the store in another way.
    pub fn advance_to(&mut self, ids: &[Id]) {
        self.model.store.extend(ids);
        let store = &self.model.store;
        self.model.here.retain(|event| !store.contains(&event.id));
        self.buffer.advance_to(ids);
        self.compare();
    }

    pub fn forget(&mut self, id: Id) -> usize {
        let expected = self.model.descendants(id);
        let forgotten = self.buffer.forget(&id);
        assert!(!expected.contains(&id) || forgotten[0].id == id, "the event itself comes first");
        assert!(forgotten.iter().all(|event| self.model.here.contains(event)));
        assert_eq!(forgotten.iter().map(|event| event.id).collect::<BTreeSet<_>>(), expected);
        assert_eq!(forgotten.len(), expected.len(), "none comes twice");
        self.model.here.retain(|event| !expected.contains(&event.id));
        self.compare();
        forgotten.len()
    }

    /// Compares everything that can be seen.
    pub fn compare(&self) {
        let Self { buffer, model } = self;
        assert_eq!(buffer.internal_validate(), Ok(()));
        assert_eq!((buffer.len(), buffer.is_empty()), (model.here.len(), model.here.is_empty()));
        assert!(buffer.undelivered().eq(&model.here));
        assert!(buffer.waiting().eq(model.here.iter().filter(|event| !model.ready(event))));
        assert!(buffer.missing().eq(&model.missing()));
        for event in &model.here {
            assert!(buffer.blocked_on(&event.id).eq(model.undelivered(event)));
        }
        for id in model.store.iter().chain(&model.missing()) {
            assert_eq!(buffer.blocked_on(id).next(), None, "nothing blocks what is not here");
        }
    }
}
