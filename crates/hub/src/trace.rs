// SPDX-License-Identifier: EUPL-1.2
//! Spans of the way of a message, for a tracing backend.
//!
//! Guarantees: fields are ids, codes and counts, never addresses, subjects, names or content. Whoever collects these
//! spans derives the trace from the field `message`, so the steps of one message meet in one trace although they run
//! on different nodes and nothing about it is stored. Without a collector no span is made: their level is below every
//! log's.

use poststelle_model::{DeliveryState, MessageId, Reason, TenantId};
use poststelle_store::jobs::Job;
use poststelle_store::messages::Delivery;
use tracing::field::{Empty, display};
use tracing::{Span, trace_span};

use crate::accept::NewIntake;
use crate::change::Change;

/// Target of all spans and marks that belong into traces.
pub const TARGET: &str = "trace";

/// One message being accepted. Until something else is recorded its outcome is `failed`.
pub(crate) fn accept(new: &NewIntake, tenant: TenantId, message: MessageId) -> Span {
    trace_span!(
        target: TARGET,
        "accept",
        tenant = %tenant,
        message = %message,
        channel = new.channel.as_str(),
        direction = new.direction.as_str(),
        bytes = Empty,
        repeats = Empty,
        code = Empty,
        outcome = "failed",
    )
}

/// Its octets are durable; the commit follows.
pub(crate) fn stored(span: &Span, bytes: u64) {
    span.record("bytes", bytes);
    tracing::trace!(target: TARGET, parent: span, "stored");
}

/// It was here already.
pub(crate) fn repeated(span: &Span, earlier: MessageId) {
    span.record("outcome", "repeated").record("repeats", display(earlier));
}

/// One claim of a job. Until something else is recorded its outcome is `failed`.
pub(crate) fn job(job: &Job) -> Span {
    match job.kind.as_str() {
        "process" => trace_span!(
            target: TARGET,
            "process",
            tenant = %job.tenant,
            message = job.subject,
            attempt = job.attempts,
            parts = Empty,
            deliveries = Empty,
            code = Empty,
            outcome = "failed",
        ),
        "deliver" => trace_span!(
            target: TARGET,
            "deliver",
            tenant = %job.tenant,
            message = Empty,
            delivery = job.subject,
            attempt = Empty,
            target_kind = Empty,
            channel = Empty,
            state = Empty,
            code = Empty,
            outcome = "failed",
        ),
        "notice" => trace_span!(
            target: TARGET,
            "notice",
            tenant = %job.tenant,
            message = Empty,
            delivery = job.subject,
            attempt = job.attempts,
            code = Empty,
            outcome = "failed",
        ),
        _ => Span::none(),
    }
}

/// Evidence of `tenant` getting its place in the log.
pub(crate) fn sequence(tenant: TenantId) -> Span {
    trace_span!(target: TARGET, "sequence", tenant = %tenant, size = Empty, outcome = "failed")
}

/// What came of it: the size of the log, if anything got a place.
pub(crate) fn sequenced(span: &Span, size: Option<i64>) {
    match size {
        Some(size) => span.record("size", size).record("outcome", "placed"),
        None => span.record("outcome", "nothing"),
    };
}

/// The message the current span is about, where it is known only later.
pub(crate) fn about(message: MessageId) {
    Span::current().record("message", display(message));
}

/// What came of the current span.
pub(crate) fn outcome(outcome: &str) {
    Span::current().record("outcome", outcome);
}

/// What came of one attempt to hand over, by which channel.
pub(crate) fn attempt(channel: &str, word: &str) {
    Span::current().record("channel", channel).record("outcome", word);
}

/// What the step in the current span wants to commit; gives the outcome to record when it is committed.
pub(crate) fn planned(kind: &str, change: &Change) -> Option<&'static str> {
    let span = Span::current();
    match (kind, change.updates.first()) {
        ("process", _) => {
            let parts: usize = change.parts.iter().map(|(_, _, parts)| parts.len()).sum();
            span.record("parts", parts).record("deliveries", change.deliveries.len());
            Some(if change.inspections.is_empty() { "nothing" } else { "committed" })
        }
        ("deliver", Some(delivery)) => {
            handed(&span, delivery);
            (delivery.state == DeliveryState::Expired).then_some("expired")
        }
        ("notice", _) if !change.evidence.is_empty() => Some("sent"),
        _ => Some("nothing"),
    }
}

fn handed(span: &Span, delivery: &Delivery) {
    span.record("message", display(delivery.message))
        .record("attempt", delivery.attempts)
        .record("target_kind", delivery.target.kind().as_str())
        .record("state", delivery.state.as_str());
    if let Some(reason) = &delivery.reason {
        span.record("code", reason.code.as_str());
    }
}

/// It came to nothing.
pub(crate) fn failed(span: &Span, reason: &Reason) {
    span.record("outcome", "failed").record("code", reason.code.as_str());
}
