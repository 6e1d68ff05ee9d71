// SPDX-License-Identifier: EUPL-1.2
//! What every channel must keep, as one suite: derived from the acceptance list Norway gives its integrators
//! (krav.md of eFormidling) and from the failures other hubs have published.
//!
//! A channel brings a [`Subject`]; [`run`] plays far sides that take, confirm, refuse, hang, vanish and lose
//! answers, and gives one [`Check`] per demand. Guarantees: every demand is asked, none hides another; waits
//! end. Does not: measure speed, or test what only one channel has.

mod checks;
pub mod mail;

use std::time::Duration;

use async_trait::async_trait;
use poststelle_hub::view::{DeliveryView, MessageView};
use poststelle_model::{MessageId, TargetKind};
use serde::Serialize;

use crate::letters::Letter;

/// How the far side of an outgoing message behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Behaviour {
    /// Takes it and says no more.
    Takes,
    /// Takes it and reports that it arrived.
    Confirms,
    /// Refuses it at once, for good.
    Refuses,
    /// Takes it and reports that it could not be delivered.
    RefusesLater,
    /// Cannot take it until [`Subject::heal`].
    Later,
    /// Is not there at all.
    Absent,
    /// Never answers, before it has the message, until [`Subject::heal`].
    Hangs,
    /// Has the message and never answers until [`Subject::heal`].
    HangsAtEnd,
    /// Has the message, the answer is lost; works the next time.
    LosesAnswer,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Takes,
        Self::Confirms,
        Self::Refuses,
        Self::RefusesLater,
        Self::Later,
        Self::Absent,
        Self::Hangs,
        Self::HangsAtEnd,
        Self::LosesAnswer,
    ];
}

/// What somebody who hands a message in is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Taken over; the messages it became.
    Taken(Vec<MessageId>),
    /// Refused, for good or for now, with these words.
    Refused {
        /// No use trying again.
        for_good: bool,
        /// The words.
        said: String,
    },
}

/// One copy of a message at the far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What names the hand-over to the far side: the same for every copy.
    pub key: String,
    /// The octets.
    pub octets: Vec<u8>,
}

/// A channel under test, wired to a running hub and to a far side that behaves as told.
///
/// The hub must give up soon: [`Subject::expiry`] decides how long the suite takes.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Name of the channel.
    fn name(&self) -> &'static str;
    /// Largest message taken in, octets.
    fn max_in(&self) -> u64;
    /// Largest message sent out, octets; less than [`Subject::max_in`].
    fn max_out(&self) -> u64;
    /// No call to the far side may last longer.
    fn call_limit(&self) -> Duration;
    /// How long the hub tries before it gives up.
    fn expiry(&self) -> Duration;
    /// Where a letter is sent to: `None` for one that stays, else for one the hub sends on over this channel to a
    /// far side that behaves so.
    fn address(&self, behaviour: Option<Behaviour>) -> String;
    /// An address the channel does not know, if addresses are checked at once.
    fn unknown_address(&self) -> Option<String>;
    /// Hands a letter in from outside.
    async fn hand_in(&self, letter: &Letter) -> Answer;
    /// The far side of this behaviour goes on as if nothing had been.
    async fn heal(&self, behaviour: Behaviour);
    /// What the hub shows of a message.
    async fn view(&self, id: MessageId) -> Option<MessageView>;
    /// What the far side of this behaviour has got of a letter.
    async fn copies(&self, letter: &Letter) -> Vec<Copied>;
    /// What the sender of a letter was told without asking.
    async fn told(&self, letter: &Letter) -> Vec<String>;

    /// Waits until the hub shows what `ready` wants to see; `None` after `patience`.
    async fn wait(
        &self,
        id: MessageId,
        patience: Duration,
        ready: &(dyn for<'a> Fn(&'a MessageView) -> bool + Sync),
    ) -> Option<MessageView> {
        let look = async {
            let mut tick = tokio::time::interval(Duration::from_millis(30));
            loop {
                tick.tick().await;
                if let Some(view) = self.view(id).await.filter(|v| ready(v)) {
                    return view;
                }
            }
        };
        tokio::time::timeout(patience, look).await.ok()
    }
}

/// The outgoing delivery of a message, if it has one.
#[must_use]
pub fn outgoing(view: &MessageView) -> Option<&DeliveryView> {
    view.deliveries.iter().find(|d| d.delivery.target.kind() == TargetKind::Address)
}

/// What became of one demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The demand, a stable word.
    pub name: &'static str,
    /// Kept?
    pub passed: bool,
    /// What was seen; for people.
    pub detail: String,
}

/// Asks everything.
pub async fn run(subject: &dyn Subject) -> Vec<Check> {
    checks::all(subject).await
}
