// SPDX-License-Identifier: EUPL-1.2
//! The demands, one function each.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use poststelle_crypto::digest::{hex, sha256};
use poststelle_hub::view::MessageView;
use poststelle_model::{DeliveryState, MessageId};

use super::{Answer, Behaviour, Check, Subject, outgoing};
use crate::letters::{Attached, Fixed, Kind, Letter, Letters, Malformed, Topic, Wish, Writer};

/// What a demand says: what was seen, or what was wrong.
type Seen = Result<String, String>;
type Demand = for<'a> fn(&'a Suite<'a>) -> BoxFuture<'a, Seen>;

struct Suite<'a> {
    subject: &'a dyn Subject,
}

/// Asks everything, one after the other.
pub(super) async fn all(subject: &dyn Subject) -> Vec<Check> {
    let demands: [(&'static str, Demand); 17] = [
        ("status-reaches-confirmed", |s| s.confirmed().boxed()),
        ("status-reaches-rejected", |s| s.rejected().boxed()),
        ("queued-sent-delivered-differ", |s| s.differ().boxed()),
        ("sender-told-when-refused-at-once", |s| s.told(Behaviour::Refuses, DeliveryState::Rejected).boxed()),
        ("sender-told-when-refused-later", |s| {
            s.told(Behaviour::RefusesLater, DeliveryState::Rejected).boxed()
        }),
        ("sender-told-when-expired", |s| s.told(Behaviour::Absent, DeliveryState::Expired).boxed()),
        ("failed-message-stays-visible", |s| s.stays_visible().boxed()),
        ("maximum-size-in", |s| s.size_in().boxed()),
        ("maximum-size-out", |s| s.size_out().boxed()),
        ("hostile-names-survive", |s| s.names().boxed()),
        ("missing-optional-data-accepted", |s| s.bare().boxed()),
        ("malformed-accepted-unchanged", |s| s.malformed().boxed()),
        ("parts-identical", |s| s.identical().boxed()),
        ("repeated-send-same-key", |s| s.same_key().boxed()),
        ("time-out-before-the-end", |s| s.time_out(Behaviour::Hangs).boxed()),
        ("time-out-at-the-end", |s| s.time_out(Behaviour::HangsAtEnd).boxed()),
        ("unknown-address-refused-at-once", |s| s.unknown().boxed()),
    ];
    let suite = Suite { subject };
    let mut checks = Vec::new();
    for (name, demand) in demands {
        let (passed, detail) = match demand(&suite).await {
            Ok(seen) => (true, seen),
            Err(wrong) => (false, wrong),
        };
        checks.push(Check { name, passed, detail });
    }
    checks
}

/// A letter of exactly `size` octets.
fn sized(size: u64, to: &str, from: &str, n: u64) -> Letter {
    let fixed = Fixed::new(usize::try_from(size).unwrap_or(usize::MAX), 2, &[to]);
    Letter {
        n,
        from: from.to_owned(),
        to: vec![to.to_owned()],
        subject: format!("Bauantrag Nr. {n:012}"),
        message_id: format!("messung.{n:012}@buerger.example"),
        octets: fixed.octets(n),
        attachments: Vec::<Attached>::new(),
        kind: Kind::Plain,
        topic: Topic::Building,
        writer: Writer::Citizen,
    }
}

impl Suite<'_> {
    /// Long enough for one call that times out and a try after it.
    fn patience(&self) -> Duration {
        (self.subject.call_limit() * 3 + self.subject.expiry()).max(Duration::from_secs(20))
    }

    /// Letters of a demand; senders differ, so that what they are told can be told apart.
    fn letter(&self, demand: &str, behaviour: Option<Behaviour>, wish: Wish) -> Letter {
        let seed = demand.bytes().fold(7_u64, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(b)));
        let from = format!("{demand}@absender.example");
        let wish = Wish { from: Some((demand.to_owned(), from)), topic: Some(Topic::Other), ..wish };
        Letters::new(seed).max_size(60_000).wished(&[&self.subject.address(behaviour)], &wish)
    }

    async fn taken(&self, letter: &Letter) -> Result<MessageId, String> {
        match self.subject.hand_in(letter).await {
            Answer::Taken(ids) => ids.first().copied().ok_or("taken without an id".to_owned()),
            Answer::Refused { said, .. } => Err(format!("not taken over: {said}")),
        }
    }

    /// Waits until the outgoing delivery is in this state.
    async fn reaches(&self, id: MessageId, state: DeliveryState) -> Result<MessageView, String> {
        let ready = move |v: &MessageView| outgoing(v).is_some_and(|d| d.delivery.state == state);
        match self.subject.wait(id, self.patience(), &ready).await {
            Some(view) => Ok(view),
            None => Err(format!("not {state:?} in time: {}", self.now(id).await)),
        }
    }

    async fn now(&self, id: MessageId) -> String {
        match self.subject.view(id).await {
            None => "the message is not there".to_owned(),
            Some(view) => outgoing(&view).map_or("no outgoing delivery".to_owned(), |d| {
                format!("{:?} after {} attempts ({})", d.delivery.state, d.delivery.attempts, d.sentence)
            }),
        }
    }

    /// Taken over and looked through.
    async fn inspected(&self, id: MessageId) -> Result<MessageView, String> {
        let ready = |v: &MessageView| v.inspection.is_some() && !v.deliveries.is_empty();
        let view = self.subject.wait(id, self.patience(), &ready).await;
        view.ok_or_else(|| format!("message {id} was not processed in time"))
    }

    async fn confirmed(&self) -> Seen {
        let letter = self.letter("confirmed", Some(Behaviour::Confirms), Wish::default());
        let id = self.taken(&letter).await?;
        let view = self.reaches(id, DeliveryState::Confirmed).await?;
        if view.waiting.is_empty() {
            Ok(format!("confirmed, {} lines in the timeline", view.timeline.len()))
        } else {
            Err(format!("confirmed, but something still waits: {:?}", view.waiting))
        }
    }

    async fn rejected(&self) -> Seen {
        let letter = self.letter("rejected", Some(Behaviour::Refuses), Wish::default());
        let id = self.taken(&letter).await?;
        let view = self.reaches(id, DeliveryState::Rejected).await?;
        let said = outgoing(&view).map(|d| d.sentence.clone()).unwrap_or_default();
        if said.is_empty() { Err("rejected without a sentence that says why".to_owned()) } else { Ok(said) }
    }

    /// Queued is not sent, sent is not delivered: three messages, three states, three words.
    async fn differ(&self) -> Seen {
        let waits = self.letter("queued", Some(Behaviour::Later), Wish::default());
        let sent = self.letter("sent", Some(Behaviour::Takes), Wish::default());
        let delivered = self.letter("delivered", Some(Behaviour::Confirms), Wish::default());
        let (waits, sent, delivered) =
            (self.taken(&waits).await?, self.taken(&sent).await?, self.taken(&delivered).await?);
        let views = [
            self.reaches(waits, DeliveryState::Deferred).await?,
            self.reaches(sent, DeliveryState::Accepted).await?,
            self.reaches(delivered, DeliveryState::Confirmed).await?,
        ];
        let words: BTreeSet<String> = views.iter().filter_map(outgoing).map(|d| d.state.clone()).collect();
        let waiting =
            views.first().is_some_and(|v| v.waiting.iter().any(|w| !w.why.is_empty() && !w.who.is_empty()));
        self.subject.heal(Behaviour::Later).await;
        self.reaches(waits, DeliveryState::Accepted).await?;
        match (words.len(), waiting) {
            (3, true) => Ok(words.into_iter().collect::<Vec<_>>().join(" / ")),
            (3, false) => Err("the waiting message does not say why it waits and who must act".to_owned()),
            _ => Err(format!("the words on screen do not differ: {words:?}")),
        }
    }

    /// The sender hears of a failure without asking.
    async fn told(&self, behaviour: Behaviour, state: DeliveryState) -> Seen {
        let letter =
            self.letter(&format!("told-{behaviour:?}").to_lowercase(), Some(behaviour), Wish::default());
        let id = self.taken(&letter).await?;
        self.reaches(id, state).await?;
        let heard = |v: &MessageView| v.timeline.iter().any(|l| l.event == "SenderNotified");
        let noted = self.subject.wait(id, self.patience(), &heard).await.is_some();
        let look = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                let told = self.subject.told(&letter).await;
                if let Some(first) = told.first() {
                    return (told.len(), first.clone());
                }
            }
        };
        let patience = if noted { self.patience() } else { Duration::from_millis(100) };
        match tokio::time::timeout(patience, look).await {
            Ok((1, words)) if noted => {
                let subject = words.lines().find(|l| l.to_lowercase().starts_with("subject:"));
                Ok(subject.unwrap_or_default().to_owned())
            }
            Ok((1, _)) => Err("told, but the timeline does not say so".to_owned()),
            Ok((n, _)) => Err(format!("told {n} times")),
            Err(_) => Err(format!("the sender was not told; {}", self.now(id).await)),
        }
    }

    /// What failed lies where people look, and names the reason.
    async fn stays_visible(&self) -> Seen {
        let letter = self.letter("visible", Some(Behaviour::Refuses), Wish::default());
        let id = self.taken(&letter).await?;
        self.reaches(id, DeliveryState::Rejected).await?;
        let on_desk = |v: &MessageView| {
            v.deliveries.iter().any(|d| {
                matches!(d.delivery.target, poststelle_model::Target::Desk { .. })
                    && d.delivery.state.is_delivered()
            })
        };
        let view = self.subject.wait(id, self.patience(), &on_desk).await;
        view.map(|_| "on a desk".to_owned()).ok_or_else(|| "failed and on no desk".to_owned())
    }

    async fn size_in(&self) -> Seen {
        let (cap, to) = (self.subject.max_in(), self.subject.address(None));
        let fits = sized(cap, &to, "groesse@absender.example", 1);
        let id = self.taken(&fits).await?;
        let view = self.inspected(id).await?;
        if u64::try_from(view.message.size).ok() != Some(cap) {
            return Err(format!("{} octets sent, {} kept", cap, view.message.size));
        }
        match self.subject.hand_in(&sized(cap + 1, &to, "groesse@absender.example", 2)).await {
            Answer::Refused { for_good: true, said } if said.contains(&cap.to_string()) => Ok(said),
            Answer::Refused { for_good, said } => {
                Err(format!("one octet more: for good {for_good}, does not name the cap {cap}: {said}"))
            }
            Answer::Taken(_) => Err(format!("one octet more than {cap} was taken")),
        }
    }

    async fn size_out(&self) -> Seen {
        let (cap, to) = (self.subject.max_out(), self.subject.address(Some(Behaviour::Takes)));
        let fits = sized(cap, &to, "groesse-hinaus@absender.example", 3);
        let id = self.taken(&fits).await?;
        self.reaches(id, DeliveryState::Accepted).await?;
        if !self.arrived_whole(&fits).await {
            return Err("the largest message did not arrive whole".to_owned());
        }
        let id = self.taken(&sized(cap + 1, &to, "groesse-hinaus@absender.example", 4)).await?;
        let view = self.reaches(id, DeliveryState::Rejected).await?;
        let sentence = outgoing(&view).map(|d| d.sentence.clone()).unwrap_or_default();
        let digits: String = sentence.chars().filter(char::is_ascii_digit).collect();
        if digits.contains(&cap.to_string()) {
            Ok(sentence)
        } else {
            Err(format!("one octet more: the cap {cap} is not named: {sentence}"))
        }
    }

    /// Does the far side have the letter with all its octets, whatever stands before them?
    async fn arrived_whole(&self, letter: &Letter) -> bool {
        let copies = self.subject.copies(letter).await;
        copies.iter().any(|c| c.octets.ends_with(&letter.octets))
    }

    async fn names(&self) -> Seen {
        let letter = self.letter("namen", None, Wish { hostile: true, ..Wish::default() });
        let id = self.taken(&letter).await?;
        let view = self.inspected(id).await?;
        let mut shown = HashSet::new();
        for attached in &letter.attachments {
            let same =
                |p: &&poststelle_model::Part| p.sha256 == attached.sha256 && p.raw_name == attached.name;
            let Some(part) = view.parts.iter().find(same) else {
                return Err(format!("{:?} did not survive as sent", attached.name));
            };
            let name = part.name.as_str();
            let bad = name.is_empty()
                || name.len() > 255
                || name.contains(['/', '\\', ':', '\0'])
                || name.chars().any(char::is_control)
                || name.ends_with(['.', ' '])
                || matches!(name.split('.').next(), Some("CON" | "NUL" | "LPT1"));
            if bad {
                return Err(format!("{:?} is shown as {name:?}, which is not safe", attached.name));
            }
            if !shown.insert(name.to_lowercase()) {
                return Err(format!("{name:?} is shown twice"));
            }
        }
        Ok(format!("{} names", shown.len()))
    }

    async fn bare(&self) -> Seen {
        let to = self.subject.address(None);
        let mut letters = Letters::new(77).max_size(20_000);
        let bare = letters.bare(&[&to]);
        let id = self.taken(&bare).await?;
        self.inspected(id).await?;
        for field in ["Date", "Subject", "Message-ID", "From", "To"] {
            let mut letter = letters.about(Topic::Other, &[&to]);
            letter.octets = without(&letter.octets, field);
            let id = self.taken(&letter).await.map_err(|e| format!("without {field}: {e}"))?;
            self.inspected(id).await.map_err(|e| format!("without {field}: {e}"))?;
        }
        Ok("without all and without each of Date, Subject, Message-ID, From, To".to_owned())
    }

    async fn malformed(&self) -> Seen {
        let to = self.subject.address(None);
        let mut letters = Letters::new(78);
        for how in Malformed::ALL {
            let letter = letters.malformed(how, &[&to]);
            let id = self.taken(&letter).await.map_err(|e| format!("{how:?}: {e}"))?;
            let view = self.inspected(id).await.map_err(|e| format!("{how:?}: {e}"))?;
            if letter.octets.ends_with(b"\r\n") && view.message.sha256 != letter.sha256() {
                return Err(format!("{how:?}: kept octets differ"));
            }
        }
        Ok(format!("{} kinds", Malformed::ALL.len()))
    }

    /// In and out: the whole and every part are the octets that were sent.
    async fn identical(&self) -> Seen {
        let to = self.subject.address(Some(Behaviour::Takes));
        let mut letters = Letters::new(79).max_size(200_000);
        let mut parts = 0;
        for n in 0..8 {
            let wish =
                Wish { nested: n % 3 == 2, hostile: n % 4 == 3, size: Some(20_000 * n), ..Wish::default() };
            let letter = letters.wished(&[&to], &wish);
            let id = self.taken(&letter).await?;
            let view = self.reaches(id, DeliveryState::Accepted).await?;
            if view.message.sha256 != hex(&sha256(&letter.octets)) {
                return Err(format!("letter {n}: the original differs"));
            }
            for attached in &letter.attachments {
                let size = i64::try_from(attached.size).unwrap_or(-1);
                if !view.parts.iter().any(|p| p.sha256 == attached.sha256 && p.size == size) {
                    return Err(format!("letter {n}: {:?} differs", attached.name));
                }
                parts += 1;
            }
            if !self.arrived_whole(&letter).await {
                return Err(format!("letter {n}: the far side has other octets"));
            }
        }
        Ok(format!("8 letters, {parts} attachments"))
    }

    /// A lost answer: sent again under the same key, and the doubt is shown.
    async fn same_key(&self) -> Seen {
        let letter = self.letter("schluessel", Some(Behaviour::LosesAnswer), Wish::default());
        let id = self.taken(&letter).await?;
        let ready = |v: &MessageView| outgoing(v).is_some_and(|d| d.delivery.state.is_delivered());
        let Some(view) = self.subject.wait(id, self.patience(), &ready).await else {
            return Err(format!("did not get through: {}", self.now(id).await));
        };
        let copies = self.subject.copies(&letter).await;
        let keys: HashSet<&str> = copies.iter().map(|c| c.key.as_str()).collect();
        if copies.is_empty() || keys.len() != 1 || keys.contains("") {
            return Err(format!("{} copies under the keys {keys:?}", copies.len()));
        }
        if !copies.iter().all(|c| c.octets.ends_with(&letter.octets)) {
            return Err("the copies differ".to_owned());
        }
        if !view.timeline.iter().any(|l| l.event == "Unclear") {
            return Err("the timeline does not say that the outcome was unclear".to_owned());
        }
        let said = outgoing(&view).map(|d| d.sentence.clone()).unwrap_or_default();
        if copies.len() > 1 && said.is_empty() {
            return Err("sent twice, and nothing on screen says so".to_owned());
        }
        Ok(format!("{} copies, one key; {said}", copies.len()))
    }

    /// A far side that never answers holds a call no longer than the limit, and nobody else's message.
    async fn time_out(&self, behaviour: Behaviour) -> Seen {
        let demand = format!("haengt-{behaviour:?}").to_lowercase();
        let letter = self.letter(&demand, Some(behaviour), Wish::default());
        let id = self.taken(&letter).await?;
        let other = self.letter(&format!("{demand}-anderer"), Some(Behaviour::Takes), Wish::default());
        let other = self.taken(&other).await?;
        self.reaches(other, DeliveryState::Accepted)
            .await
            .map_err(|e| format!("another message was held up: {e}"))?;
        let began = tokio::time::Instant::now();
        let left = |v: &MessageView| {
            outgoing(v).is_some_and(|d| {
                matches!(d.delivery.state, DeliveryState::Deferred | DeliveryState::Unclear)
                    && d.delivery.attempts > 0
            })
        };
        let limit = self.subject.call_limit() * 2 + Duration::from_secs(5);
        let Some(view) = self.subject.wait(id, limit, &left).await else {
            self.subject.heal(behaviour).await;
            return Err(format!("no end of the call within {limit:?}: {}", self.now(id).await));
        };
        let took = began.elapsed();
        let state = outgoing(&view).map(|d| d.delivery.state);
        let unsure = behaviour == Behaviour::HangsAtEnd;
        self.subject.heal(behaviour).await;
        if unsure != (state == Some(DeliveryState::Unclear)) {
            return Err(format!(
                "the far side {} have it, and the state is {state:?}",
                if unsure { "may" } else { "cannot" }
            ));
        }
        let ready = |v: &MessageView| outgoing(v).is_some_and(|d| d.delivery.state.is_delivered());
        match self.subject.wait(id, self.patience(), &ready).await {
            Some(_) => {
                Ok(format!("{state:?} after {:.1} s, through after it answered again", took.as_secs_f64()))
            }
            None => Err(format!("not through after the far side answered again: {}", self.now(id).await)),
        }
    }

    async fn unknown(&self) -> Seen {
        let Some(address) = self.subject.unknown_address() else {
            return Ok("the channel does not check addresses at once".to_owned());
        };
        match self.subject.hand_in(&sized(3_000, &address, "wer@absender.example", 9)).await {
            Answer::Refused { for_good: true, said } => Ok(said),
            Answer::Refused { for_good: false, said } => Err(format!("only refused for now: {said}")),
            Answer::Taken(_) => Err("taken over".to_owned()),
        }
    }
}

/// The mail without a header field and its folded lines.
fn without(octets: &[u8], field: &str) -> Vec<u8> {
    let end = octets.windows(4).position(|w| w == b"\r\n\r\n").map_or(octets.len(), |at| at + 2);
    let (head, rest) = octets.split_at(end);
    let mut out = Vec::with_capacity(octets.len());
    let mut dropped = false;
    for line in head.split_inclusive(|b| *b == b'\n') {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if !folded {
            let name = line.split(|b| *b == b':').next().unwrap_or_default();
            dropped = name.eq_ignore_ascii_case(field.as_bytes());
        }
        if !dropped {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_can_be_left_out() {
        assert_eq!(without(b"A: 1\r\n 2\r\nB: 3\r\n\r\nA: x\r\n", "a"), b"B: 3\r\n\r\nA: x\r\n");
    }
}
