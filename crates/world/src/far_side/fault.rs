// SPDX-License-Identifier: EUPL-1.2
//! What can go wrong at a far side, and for whom.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 4xx at RCPT.
    RecipientLater,
    /// 5xx at RCPT.
    RecipientRefused,
    /// The connection is cut when RCPT comes.
    RecipientCut,
    /// RCPT is not answered until the fault is healed.
    RecipientHangs,
    /// 4xx at DATA.
    DataLater,
    /// 5xx at DATA.
    DataRefused,
    /// The connection is cut while the message comes in.
    BodyCut,
    /// Each block of the message takes this long.
    BodySlow(Duration),
    /// 4xx after the final dot; the mail is not kept.
    EndLater,
    /// 5xx after the final dot; the mail is not kept.
    EndRefused,
    /// The mail is kept, and the connection cut instead of an answer.
    EndCutKept,
    /// The mail is not kept, and the connection cut instead of an answer.
    EndCutLost,
    /// The mail is kept; the answer comes when the fault is healed.
    EndHangs,
    /// The mail is kept and answered twice.
    EndTwice,
    /// The mail is kept and answered with something that is no SMTP.
    EndGarbage,
}

/// A step of a hand-over in which faults take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// While octets come.
    Body,
    /// After the final dot.
    End,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::RecipientLater,
        Self::RecipientRefused,
        Self::RecipientCut,
        Self::RecipientHangs,
        Self::DataLater,
        Self::DataRefused,
        Self::BodyCut,
        Self::BodySlow(Duration::from_millis(1)),
        Self::EndLater,
        Self::EndRefused,
        Self::EndCutKept,
        Self::EndCutLost,
        Self::EndHangs,
        Self::EndTwice,
        Self::EndGarbage,
    ];

    /// When it takes effect.
    #[must_use]
    pub const fn step(self) -> Step {
        match self {
            Self::RecipientLater | Self::RecipientRefused | Self::RecipientCut | Self::RecipientHangs => {
                Step::Recipient
            }
            Self::DataLater | Self::DataRefused => Step::Data,
            Self::BodyCut | Self::BodySlow(_) => Step::Body,
            _ => Step::End,
        }
    }

    /// Whether the far side has the mail although something went wrong.
    #[must_use]
    pub const fn keeps(self) -> bool {
        matches!(
            self,
            Self::BodySlow(_) | Self::EndCutKept | Self::EndHangs | Self::EndTwice | Self::EndGarbage
        )
    }
}

struct Rule {
    whom: String,
    fault: Fault,
    left: Option<u32>,
}

/// Faults in force.
#[derive(Default)]
pub(super) struct Faults(Mutex<HashMap<String, Vec<Rule>>>);

impl Faults {
    fn rules(&self) -> MutexGuard<'_, HashMap<String, Vec<Rule>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, whom: &str, fault: Fault, times: Option<u32>) {
        let whom = whom.to_lowercase();
        let rule = Rule { whom: whom.clone(), fault, left: times };
        self.rules().entry(whom).or_default().push(rule);
    }

    pub(super) fn clear(&self, whom: &str) {
        self.rules().remove(&whom.to_lowercase());
    }

    /// Is this fault still in force for this address?
    pub(super) fn holds(&self, address: &str, fault: Fault) -> bool {
        let rules = self.rules();
        keys(address).iter().filter_map(|key| rules.get(key)).flatten().any(|rule| rule.fault == fault)
    }

    /// The fault for this address in this step; one occasion of it is used up.
    pub(super) fn take(&self, address: &str, step: Step) -> Option<Fault> {
        let mut rules = self.rules();
        for key in keys(address) {
            let Some(list) = rules.get_mut(&key) else { continue };
            let Some(at) = list.iter().position(|r| r.fault.step() == step) else { continue };
            let rule = list.get_mut(at)?;
            debug_assert_eq!(rule.whom, key);
            let fault = rule.fault;
            if let Some(left) = &mut rule.left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    list.remove(at);
                }
            }
            return Some(fault);
        }
        None
    }
}

/// Address, domain, everybody.
fn keys(address: &str) -> [String; 3] {
    let address = address.to_lowercase();
    let domain = address.rsplit_once('@').map_or_else(String::new, |(_, d)| d.to_owned());
    [address, domain, "*".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_fault_counts_and_is_used_up() {
        let faults = Faults::default();
        faults.set("*", Fault::EndLater, None);
        faults.set("b.example", Fault::RecipientLater, Some(2));
        faults.set("A@b.example", Fault::RecipientRefused, Some(1));
        let take = |step| faults.take("a@B.example", step);
        assert_eq!(take(Step::Recipient), Some(Fault::RecipientRefused));
        assert_eq!(take(Step::Recipient), Some(Fault::RecipientLater));
        assert_eq!(take(Step::Recipient), Some(Fault::RecipientLater));
        assert_eq!(take(Step::Recipient), None);
        assert_eq!(take(Step::Data), None);
        assert_eq!(take(Step::End), Some(Fault::EndLater));
        assert!(faults.holds("a@b.example", Fault::EndLater));
        faults.clear("*");
        assert_eq!(take(Step::End), None);
    }
}
