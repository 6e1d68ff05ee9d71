// SPDX-License-Identifier: EUPL-1.2
//! From the spans of the house to OpenTelemetry's.
//!
//! Guarantees: the id of a message (UUIDv7, 128 bits) **is** the id of its trace, and the ids of the spans that others
//! hang below are derived from it. So accept, process and deliver meet in one trace on whatever node and after whatever
//! restart, and a person finds it by the id of the message. Only the fields of [`FIELDS`] leave the house, and of marks
//! only their fixed text: ids, codes and counts. Whether a trace is sampled follows from its id alone, so all nodes with
//! the same ratio agree.
//!
//! ```text
//! trace = message:   accept ── process ── deliver, deliver, notice …      accept links to:
//! trace of its own:  smtp session ── smtp data     |    request (below the client's span when it names one)
//! trace of its own:  sequence
//! ```
//!
//! A try of `process` that was not committed does not take the derived id: it stands beside the one that counts.
//!
//! Spec: OpenTelemetry semantic conventions (HTTP, resource), W3C Trace Context.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};
use poststelle_crypto::digest::sha256;
use poststelle_model::{Clock, Ids, MessageId, Timestamp};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Fields that leave the house, and what they are called there.
const FIELDS: &[(&str, &str)] = &[
    ("attempt", "poststelle.attempt"),
    ("bytes", "poststelle.bytes"),
    ("channel", "poststelle.channel"),
    ("code", "poststelle.code"),
    ("deliveries", "poststelle.deliveries"),
    ("delivery", "poststelle.delivery.id"),
    ("direction", "poststelle.direction"),
    ("id", "poststelle.request.id"),
    ("message", "poststelle.message.id"),
    ("method", "http.request.method"),
    ("outcome", "poststelle.outcome"),
    ("parts", "poststelle.parts"),
    ("recipients", "poststelle.recipients"),
    ("repeats", "poststelle.repeats.message.id"),
    ("reply", "smtp.reply.code"),
    ("route", "http.route"),
    ("session", "smtp.session"),
    ("size", "poststelle.log.size"),
    ("state", "poststelle.delivery.state"),
    ("status", "http.response.status_code"),
    ("target_kind", "poststelle.target.kind"),
    ("tenant", "poststelle.tenant.id"),
    ("transaction", "smtp.transaction"),
];

/// Outcomes that make a span an error.
const ERRORS: [&str; 5] = ["failed", "rejected", "deferred", "unclear", "expired"];

/// Makes OpenTelemetry's spans of the house's.
pub struct Traces {
    processor: Arc<dyn SpanProcessor>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    ratio: f64,
    scope: InstrumentationScope,
}

/// A span under way.
struct Draft {
    start: Timestamp,
    /// Where it stands unless it speaks of a message.
    trace: TraceId,
    own: SpanId,
    parent: SpanId,
    parent_is_remote: bool,
    /// The client does not want its trace kept.
    unwanted: bool,
    said: Said,
    events: Vec<Event>,
    link: Option<SpanContext>,
}

/// What the fields say.
#[derive(Default)]
struct Said {
    attributes: Vec<KeyValue>,
    message: Option<MessageId>,
    traceparent: Option<String>,
}

/// Place in a trace.
#[derive(Clone, Copy)]
struct Place {
    trace: TraceId,
    own: SpanId,
    parent: SpanId,
}

impl Said {
    fn note(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.as_str().parse().ok(),
            "traceparent" => {
                self.traceparent = Some(value.as_str().into_owned());
                return;
            }
            _ => {}
        }
        let Some((_, name)) = FIELDS.iter().find(|(ours, _)| *ours == field.name()) else { return };
        match self.attributes.iter_mut().find(|a| a.key.as_str() == *name) {
            Some(known) => known.value = value,
            None => self.attributes.push(KeyValue::new(*name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|a| a.key.as_str() == name).map(|a| &a.value)
    }

    fn text(&self, name: &str) -> String {
        self.get(name).map(|v| v.as_str().into_owned()).unwrap_or_default()
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.note(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.to_owned().into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, i64::try_from(value).unwrap_or(i64::MAX).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value.into());
    }
}

/// The fixed text of a mark.
#[derive(Default)]
struct Mark(String);

impl Visit for Mark {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// The id of the span of `message` that `step` has, whoever asks.
fn derived(message: MessageId, step: &str) -> SpanId {
    let mut text = message.uuid().as_bytes().to_vec();
    text.extend_from_slice(step.as_bytes());
    SpanId::from_bytes(first_eight(&sha256(&text)))
}

fn first_eight(octets: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    eight
}

/// Trace, span and whether it is kept, from a `traceparent` (W3C Trace Context §3.2).
fn parse_traceparent(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let mut pieces = text.split('-');
    let (version, trace, span, flags) = (pieces.next()?, pieces.next()?, pieces.next()?, pieces.next()?);
    let wide = [(version, 2), (trace, 32), (span, 16), (flags, 2)].into_iter().all(|(p, n)| p.len() == n);
    if !wide || version == "ff" || pieces.next().is_some() {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let kept = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some((trace, span, kept))
}

impl Draft {
    fn place(&self, name: &str) -> Place {
        let Some(message) = self.said.message else {
            return Place { trace: self.trace, own: self.own, parent: self.parent };
        };
        let trace = TraceId::from_bytes(message.uuid().into_bytes());
        let (own, parent) = match name {
            "accept" => (derived(message, "accept"), SpanId::INVALID),
            "process" if self.said.text("poststelle.outcome") == "committed" => {
                (derived(message, "process"), derived(message, "accept"))
            }
            "process" => (self.own, derived(message, "accept")),
            _ => (self.own, derived(message, "process")),
        };
        Place { trace, own, parent }
    }

    fn status(&self) -> Status {
        let outcome = self.said.text("poststelle.outcome");
        let server_error =
            matches!(self.said.get("http.response.status_code"), Some(Value::I64(code)) if *code >= 500);
        if server_error || ERRORS.contains(&outcome.as_str()) {
            Status::error(self.said.text("poststelle.code"))
        } else {
            Status::Unset
        }
    }
}

fn context(place: Place) -> SpanContext {
    SpanContext::new(place.trace, place.own, TraceFlags::SAMPLED, false, TraceState::default())
}

impl Traces {
    /// Gives finished spans to `processor`; `ratio` of the traces are kept.
    pub fn new(
        processor: Arc<dyn SpanProcessor>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        ratio: f64,
    ) -> Self {
        let scope =
            InstrumentationScope::builder("poststelle").with_version(env!("CARGO_PKG_VERSION")).build();
        Self { processor, clock, ids, ratio, scope }
    }

    /// By a digest, not by the id's own bits: in a UUIDv7 they are not evenly spread.
    fn keeps(&self, trace: TraceId) -> bool {
        let draw = u64::from_be_bytes(first_eight(&sha256(&trace.to_bytes())));
        self.ratio >= 1.0 || (draw as f64) < self.ratio * u64::MAX as f64
    }

    fn time(at: Timestamp) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.0).unwrap_or(0))
    }

    fn finish(&self, name: &'static str, draft: Draft) {
        let place = draft.place(name);
        if draft.unwanted || draft.said.text("poststelle.outcome") == "nothing" || !self.keeps(place.trace) {
            return;
        }
        let (start, end) = (draft.start, self.clock.now().max(draft.start));
        let status = draft.status();
        let (kind, name) = match name {
            "request" => (
                SpanKind::Server,
                format!("{} {}", draft.said.text("http.request.method"), draft.said.text("http.route"))
                    .into(),
            ),
            "smtp session" => (SpanKind::Server, name.into()),
            "deliver" => (SpanKind::Client, name.into()),
            _ => (SpanKind::Internal, name.into()),
        };
        let mut events = SpanEvents::default();
        events.events = draft.events;
        let mut links = SpanLinks::default();
        links.links = draft.link.map(|to| Link::new(to, Vec::new(), 0)).into_iter().collect();
        self.processor.on_end(SpanData {
            span_context: context(place),
            parent_span_id: place.parent,
            parent_span_is_remote: draft.parent_is_remote,
            span_kind: kind,
            name,
            start_time: Self::time(start),
            end_time: Self::time(end),
            attributes: draft.said.attributes,
            dropped_attributes_count: 0,
            events,
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

impl<S> Layer<S> for Traces
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut said = Said::default();
        attributes.record(&mut said);
        let around = span
            .parent()
            .and_then(|p| p.extensions().get::<Draft>().map(|d| (d.place(p.name()), d.unwanted)));
        let client = said.traceparent.as_deref().and_then(parse_traceparent);
        let fresh = self.ids.next();
        let mut draft = Draft {
            start: self.clock.now(),
            trace: TraceId::from_bytes(fresh.into_bytes()),
            own: SpanId::from_bytes(first_eight(&sha256(fresh.as_bytes()))),
            parent: SpanId::INVALID,
            parent_is_remote: false,
            unwanted: false,
            said,
            events: Vec::new(),
            link: None,
        };
        match (client, around) {
            (Some((trace, parent, kept)), _) => {
                draft.trace = trace;
                draft.parent = parent;
                draft.parent_is_remote = true;
                draft.unwanted = !kept;
            }
            // A message's trace is its own: what surrounds the step is linked.
            (None, Some((around, unwanted))) if draft.said.message.is_some() => {
                draft.link = (!unwanted && self.keeps(around.trace)).then(|| context(around));
            }
            (None, Some((around, unwanted))) => {
                draft.trace = around.trace;
                draft.parent = around.own;
                draft.unwanted = unwanted;
            }
            (None, None) => {}
        }
        span.extensions_mut().insert(draft);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(draft) = span.extensions_mut().get_mut::<Draft>() {
            values.record(&mut draft.said);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.event_span(event) else { return };
        let mut mark = Mark::default();
        event.record(&mut mark);
        if let Some(draft) = span.extensions_mut().get_mut::<Draft>() {
            draft.events.push(Event::new(mark.0, Self::time(self.clock.now()), Vec::new(), 0));
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let draft = span.extensions_mut().remove::<Draft>();
        if let Some(draft) = draft {
            self.finish(span.name(), draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry_sdk::error::OTelSdkResult;
    use poststelle_model::{ManualClock, SeededIds};
    use tracing::{trace_span, warn_span};
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Debug, Default, Clone)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}
        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }
        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }
        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    fn traces(ratio: f64) -> (Traces, Kept) {
        let kept = Kept::default();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
        (Traces::new(Arc::new(kept.clone()), clock, Arc::new(SeededIds::new(1)), ratio), kept)
    }

    /// What leaves the house while `work` runs.
    fn seen(work: impl FnOnce()) -> Vec<SpanData> {
        let (traces, kept) = traces(1.0);
        let layer = traces.with_filter(filter_fn(|meta| meta.target() == "trace"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        Arc::into_inner(kept.0).unwrap().into_inner().unwrap()
    }

    fn attribute(span: &SpanData, name: &str) -> Option<String> {
        span.attributes.iter().find(|a| a.key.as_str() == name).map(|a| a.value.to_string())
    }

    fn message() -> MessageId {
        MessageId::new(&SeededIds::new(7))
    }

    fn step(name: &'static str, outcome: &str) {
        let id = message();
        match name {
            "accept" => trace_span!(target: "trace", "accept", message = %id, outcome = "failed"),
            "process" => {
                trace_span!(target: "trace", "process", message = id.to_string(), outcome = "failed")
            }
            _ => trace_span!(target: "trace", "deliver", message = %id, outcome = "failed"),
        }
        .record("outcome", outcome);
    }

    #[test]
    fn steps_of_a_message_meet_although_they_know_nothing_of_each_other() {
        // As on three nodes.
        let accept = seen(|| step("accept", "accepted")).remove(0);
        let process = seen(|| step("process", "committed")).remove(0);
        let deliver = seen(|| step("deliver", "accepted")).remove(0);
        for span in [&accept, &process, &deliver] {
            assert_eq!(span.span_context.trace_id().to_bytes(), *message().uuid().as_bytes());
            assert_eq!(span.status, Status::Unset);
        }
        assert_eq!(accept.parent_span_id, SpanId::INVALID);
        assert_eq!(process.parent_span_id, accept.span_context.span_id());
        assert_eq!(deliver.parent_span_id, process.span_context.span_id());
        assert_eq!(attribute(&deliver, "poststelle.outcome").as_deref(), Some("accepted"));
    }

    #[test]
    fn a_try_that_was_not_committed_does_not_take_the_place_of_the_one_that_was() {
        let lost = seen(|| step("process", "lost")).remove(0);
        let failed = seen(|| step("process", "failed")).remove(0);
        let committed = seen(|| step("process", "committed")).remove(0);
        for span in [&lost, &failed] {
            assert_ne!(span.span_context.span_id(), committed.span_context.span_id());
            assert_eq!(span.parent_span_id, committed.parent_span_id);
        }
        assert_eq!(failed.status, Status::error(""));
        assert!(seen(|| step("process", "nothing")).is_empty());
    }

    #[test]
    fn what_is_not_listed_stays() {
        let spans = seen(|| {
            let secret = "erika@buerger.example";
            let around = warn_span!("not a trace", secret);
            let _around = around.enter();
            let span = trace_span!(target: "trace", "smtp data", secret, subject = secret, recipients = 3);
            let _entered = span.enter();
            tracing::warn!(secret, "a line of the log");
            tracing::trace!(target: "trace", secret, "stored");
        });
        assert_eq!(spans.len(), 1);
        assert!(!format!("{spans:?}").contains("erika"), "{spans:?}");
        let [event] = &spans[0].events.events[..] else { panic!("{:?}", spans[0].events) };
        assert_eq!(event.name, "stored");
        assert_eq!(attribute(&spans[0], "poststelle.recipients").as_deref(), Some("3"));
        assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
    }

    #[test]
    fn a_message_links_to_what_brought_it() {
        let spans = seen(|| {
            let session = trace_span!(target: "trace", "smtp session", session = 1);
            let data = session.in_scope(|| trace_span!(target: "trace", "smtp data", transaction = 1));
            data.in_scope(|| step("accept", "accepted"));
        });
        let [accept, data, session] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(accept.links.links[0].span_context.span_id(), data.span_context.span_id());
        assert_eq!(accept.links.links[0].span_context.trace_id(), data.span_context.trace_id());
        assert_eq!(data.parent_span_id, session.span_context.span_id());
        assert_eq!(data.span_context.trace_id(), session.span_context.trace_id());
        assert_ne!(accept.span_context.trace_id(), data.span_context.trace_id());
    }

    #[test]
    fn a_request_goes_on_with_the_clients_trace() {
        let request = |header: Option<&str>| {
            seen(|| {
                trace_span!(target: "trace", "request", method = "GET", route = "/x", traceparent = header, status = 503);
            })
        };
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let span = request(Some(header)).remove(0);
        assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!((span.name.as_ref(), span.status), ("GET /x", Status::error("")));
        assert!(request(Some(&header.replace("-01", "-00"))).is_empty());
        for broken in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &header.replace("4bf", "xyz"),
        ] {
            assert_eq!(request(Some(broken)).remove(0).parent_span_id, SpanId::INVALID, "{broken}");
        }
        let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        assert_ne!(request(Some(&zero)).remove(0).span_context.trace_id(), TraceId::INVALID);
    }

    #[test]
    fn the_share_that_is_kept_follows_from_the_id_alone() {
        let ids = poststelle_hub::clock::SystemIds;
        let all: Vec<TraceId> = (0..4000).map(|_| TraceId::from_bytes(ids.next().into_bytes())).collect();
        let kept = |ratio: f64| {
            let traces = traces(ratio).0;
            all.iter().copied().filter(|t| traces.keeps(*t)).collect::<Vec<_>>()
        };
        assert_eq!(kept(1.0).len(), 4000);
        assert_eq!(kept(0.0).len(), 0);
        let (quarter, half) = (kept(0.25), kept(0.5));
        // Eight standard deviations.
        assert!((780..1220).contains(&quarter.len()), "{}", quarter.len());
        assert!(quarter.iter().all(|t| half.contains(t)));
        assert_eq!(quarter, kept(0.25));
    }
}
