// SPDX-License-Identifier: EUPL-1.2
//! What this node saw of young messages, so that the next step need not ask the database again.
//!
//! Only what never changes is kept: the message (with its thread once it was
//! processed here), its wrapped key, its first inspection, a short list of parts.
//! Bounded in number; a miss is a read, never an error. Deliveries and rights are
//! always read; tenants, rules and connectors are read again after two seconds
//! ([`crate::Hub`]). Whoever destroys a message's key must take it out of here too:
//! there is no deletion yet.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use poststelle_model::{Message, MessageId, Part};
use poststelle_store::messages::Inspection;
use poststelle_store::threads::Thread;

/// Messages kept.
const CAP: usize = 4096;
/// Longest list of parts kept.
const PARTS: usize = 64;

/// What is known of one message.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The message.
    pub message: Arc<Message>,
    /// Its wrapped key.
    pub wrapped: Arc<str>,
    /// Its first inspection and its parts, once processed.
    pub opened: Option<(Arc<Inspection>, Arc<[Part]>)>,
}

#[derive(Debug, Default)]
struct Store {
    known: HashMap<MessageId, Known>,
    order: VecDeque<MessageId>,
}

/// The young messages of a node.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Store>);

impl Recent {
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Remembers an accepted message. Only after its commit.
    pub fn accepted(&self, message: Message, wrapped: &str) {
        let id = message.id;
        let mut store = self.lock();
        if store.order.len() >= CAP
            && let Some(old) = store.order.pop_front()
        {
            store.known.remove(&old);
        }
        store.order.push_back(id);
        store.known.insert(id, Known { message: Arc::new(message), wrapped: wrapped.into(), opened: None });
    }

    /// Remembers what the process step committed.
    pub fn processed(&self, id: MessageId, thread: Option<Thread>, inspection: &Inspection, parts: &[Part]) {
        if parts.len() > PARTS {
            return;
        }
        if let Some(known) = self.lock().known.get_mut(&id) {
            known.opened = Some((Arc::new(inspection.clone()), parts.into()));
            if let Some(thread) = thread {
                let message = Arc::make_mut(&mut known.message);
                message.in_reply_to = Some(thread.in_reply_to);
                message.conversation = Some(thread.conversation);
            }
        }
    }

    /// Forgets a message.
    pub fn forget(&self, id: MessageId) {
        self.lock().known.remove(&id);
    }

    /// What is known.
    pub fn get(&self, id: MessageId) -> Option<Known> {
        self.lock().known.get(&id).cloned()
    }
}
