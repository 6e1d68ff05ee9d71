// SPDX-License-Identifier: EUPL-1.2
//! The world outside, simulated: for the demo, for tests and for measuring.
//!
//! * [`places`]: authorities of Mecklenburg-Vorpommern, their people, desks, connectors and rules
//! * [`letters`]: German mail as it comes, from harmless to hostile, and the mail of the benches
//! * [`far_side`]: mail servers of others, with faults on demand and delivery reports
//! * [`fachverfahren`]: specialist applications behind a hot folder or a webhook
//! * [`clerk`]: a clerk's browser without a screen
//! * [`load`]: sends many mails over few connections and measures
//! * [`pki`]: certificates and keys of a citizen who signs and of an authority
//! * [`scanner`]: a virus scanner that knows the EICAR test file only
//! * [`day`]: the scripted day of the demo, accounted for to the last mail
//! * [`conformance`]: what every channel must keep
//!
//! Guarantees: everything follows from a seed; only loopback is used; nothing here is on the way of a real
//! message. Does not: pretend to be secure. Passwords and keys made here are for demonstration only.

pub mod clerk;
pub mod conformance;
pub mod day;
pub mod fachverfahren;
pub mod far_side;
pub mod letters;
pub mod load;
pub mod pki;
pub mod places;
pub mod scanner;
pub mod seed;
