// SPDX-License-Identifier: EUPL-1.2
//! The steps of the day.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poststelle_mail::smtp::client::{Mail, Outcome};
use poststelle_mail::smtp::{Address, Recipient};
use poststelle_model::Ids;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ledger::{Entry, Expect, Ledger};
use super::{Day, World};
use crate::fachverfahren::WebhookFault;
use crate::far_side::Fault;
use crate::letters::{Letter, Letters, Malformed, Protected, Topic, Wish, huge};
use crate::load::{Load, Shot, client, route};
use crate::places::data::{
    FORWARD_AWAY, FORWARD_DELAYED, FORWARD_DELIVERED, FORWARD_FAILED, FORWARDING_TENANT, Forward,
    INTAKE_TENANT,
};

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(60);

pub(super) async fn run(day: &Day, world: &World) -> Ledger {
    let mut play = Play {
        day,
        world,
        letters: Letters::new(day.seed).max_size(day.max_size),
        ledger: Ledger {
            far_before: world.far.received().len(),
            reports_before: world.far.reports().len(),
            packages_before: world.applications.iter().map(|(_, a)| a.packages().len()).collect(),
            events_before: world.webhook.as_ref().map_or(0, |w| w.events().len()),
            ..Ledger::default()
        },
    };
    play.morning().await;
    play.ordinary().await;
    play.strange().await;
    play.inspected().await;
    play.refused().await;
    play.rest().await;
    play.forwarded().await;
    play.big().await;
    play.ledger
}

struct Play<'a> {
    day: &'a Day,
    world: &'a World,
    letters: Letters,
    ledger: Ledger,
}

fn domain(slug: &str) -> String {
    format!("{slug}.example")
}

impl Play<'_> {
    async fn step(&self, step: &'static str, detail: &str) {
        self.day.tell(step, detail);
        if !self.day.pause.is_zero() {
            tokio::time::sleep(self.day.pause).await;
        }
    }

    /// Sends letters over a few connections and notes the answers.
    async fn send(&mut self, letters: Vec<(Letter, Expect)>) {
        let mut entries: Vec<Entry> =
            letters.iter().map(|(l, expect)| Entry::of(l, expect.clone())).collect();
        let shots: Vec<Shot> = letters.iter().map(|(l, _)| l.shot()).collect();
        let answers: Arc<Mutex<Vec<(u64, Outcome)>>> = Arc::default();
        let heard = Arc::clone(&answers);
        let load = match Load::new(self.world.smtp) {
            Ok(load) => load.concurrency(4).tries(20, Duration::from_millis(250)),
            Err(error) => return self.ledger.unexpected.push(error.to_string()),
        };
        let load = load.seen(move |n, outcome| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push((n, outcome.clone()));
        });
        let count = shots.len() as u64;
        let make = move |n: u64| {
            let at = usize::try_from(n).unwrap_or(usize::MAX);
            shots.get(at).cloned().unwrap_or_else(|| Shot::new("", &[], Vec::new()))
        };
        load.run(count, make).await;
        for (n, outcome) in answers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(entry) = usize::try_from(*n).ok().and_then(|n| entries.get_mut(n)) {
                entry.answered(outcome);
            }
        }
        self.ledger.entries.append(&mut entries);
    }

    async fn morning(&mut self) {
        self.step("Morgenpost", "Bürgerinnen und Bürger, Gerichte, Firmen schreiben").await;
        let boxes: Vec<String> =
            self.world.settled.tenants.iter().flat_map(|t| t.addresses.clone()).collect();
        let mut letters = Vec::new();
        for n in 0..self.day.letters {
            // Every box gets something before one gets a second letter.
            let at = usize::try_from(n).unwrap_or(0) * 7 % boxes.len().max(1);
            let Some(to) = boxes.get(at) else { break };
            letters.push((self.letters.next(&[to]), Expect::Placed));
        }
        self.send(letters).await;
    }

    async fn ordinary(&mut self) {
        self.step("Eine Nachricht an zwei Behörden", "jede erhält ihre eigene").await;
        let (a, b) = (format!("info@{}", domain("rostock")), format!("poststelle@{}", domain("malchin")));
        let both = self.letters.about(Topic::Objection, &[&a, &b]);
        self.send(vec![(both, Expect::Placed)]).await;

        self.step("Eilige Post", "das Verwaltungsgericht bittet um sofortige Vorlage").await;
        let to = format!("poststelle@{}", domain(FORWARDING_TENANT));
        let wish = Wish {
            topic: Some(Topic::Court),
            subject: Some("EILT SEHR: Aktenzeichen 3 B 345/26, einstweiliger Rechtsschutz".to_owned()),
            urgent: true,
            ..Wish::default()
        };
        let urgent = self.letters.wished(&[&to], &wish);
        self.send(vec![(urgent, Expect::Urgent)]).await;

        self.step("Klärungskorb", "eine Nachricht, für die es keine Regel gibt").await;
        let to = format!("info@{}", domain("gallin"));
        let wish = Wish {
            topic: Some(Topic::Other),
            subject: Some("Wem gehört der Findling am Dorfteich?".to_owned()),
            from: Some(("Fiete Vorbild".to_owned(), "fiete.vorbild@post.example".to_owned())),
            ..Wish::default()
        };
        let nobody = self.letters.wished(&[&to], &wish);
        self.send(vec![(nobody, Expect::Clearing)]).await;

        self.step("Bauanträge", "an Fachverfahren übergeben, eines davon stört zuerst").await;
        if let Some(site) = &self.world.webhook {
            site.breaks(&[WebhookFault::Status(503)]);
        }
        let mut letters = Vec::new();
        for slug in ["amt-zarrentin", FORWARDING_TENANT, "rostock", "vorpommern-greifswald"] {
            let to = format!("bauamt@{}", domain(slug));
            letters.push((self.letters.about(Topic::Building, &[&to]), Expect::Application));
        }
        self.send(letters).await;
    }

    async fn strange(&mut self) {
        self.step("Ungewöhnliche Dateinamen", "Umlaute, Emoji, ../../etc/passwd, NUL.txt").await;
        let to = format!("meldebehoerde@{}", domain(FORWARDING_TENANT));
        let wish = Wish { topic: Some(Topic::Residence), hostile: true, ..Wish::default() };
        let hostile = self.letters.wished(&[&to], &wish);
        self.send(vec![(hostile, Expect::Application)]).await;

        self.step("Fehlerhafte Nachrichten", "sie werden gekennzeichnet und gehen trotzdem weiter").await;
        let to = format!("poststelle@{}", domain("vorpommern-greifswald"));
        let broken: Vec<_> = Malformed::ALL
            .into_iter()
            .map(|how| (self.letters.malformed(how, &[&to]), Expect::Placed))
            .collect();
        self.send(broken).await;
    }

    async fn inspected(&mut self) {
        let Some(pki) = self.world.pki.clone() else { return };
        self.step(
            "Geprüfte Post",
            "unterschrieben, verschlüsselt, verändert, mit Schadsoftware, nicht zu entpacken",
        )
        .await;
        let to = format!("poststelle@{}", domain(FORWARDING_TENANT));
        let mut letters = Vec::new();
        for how in Protected::ALL {
            match self.letters.protected(how, &[&to], &pki) {
                Ok(letter) => letters.push((letter, Expect::Inspected(how))),
                Err(error) => self.ledger.unexpected.push(format!("{how:?}: {error}")),
            }
        }
        self.send(letters).await;
    }

    async fn refused(&mut self) {
        self.step("Unbekannter Empfänger", "wird sofort abgelehnt (550)").await;
        let unknown = format!("gibtesnicht@{}", domain("rostock"));
        let letters = [unknown.as_str(), "jemand@anderswo.example"]
            .map(|to| (self.letters.about(Topic::Other, &[to]), Expect::Refused(550)));
        self.send(letters.into()).await;

        self.step("Zu große Nachricht", "wird vor der Übertragung abgelehnt (552)").await;
        let to = format!("poststelle@{}", domain("rostock"));
        let mut entry = Entry::of(&self.letters.about(Topic::Other, &[&to]), Expect::Refused(552));
        "a mail announced with SIZE beyond the cap".clone_into(&mut entry.what);
        let size = self.world.hub.limits().message_bytes.saturating_add(1_000_000_000);
        match announce(self.world.smtp, size).await {
            Ok((code, said)) => {
                entry.code = code;
                entry.said = said;
            }
            Err(error) => entry.said = error.to_string(),
        }
        self.ledger.entries.push(entry);
    }

    /// The same REST call twice: one message.
    async fn rest(&mut self) {
        self.step("Online-Dienst", "derselbe Antrag zweimal eingereicht, einmal angenommen").await;
        let Some(tenant) = self.world.settled.tenant(INTAKE_TENANT) else { return };
        let to = tenant.poststelle();
        let wish = Wish { topic: Some(Topic::Building), size: Some(60_000), ..Wish::default() };
        let letter = self.letters.wished(&[&to], &wish);
        // A day may be played again on the same hub: the key must be new then.
        let key = format!("antrag-{}", Ids::next(self.world.hub.ids()).simple());
        let mut entry = Entry::of(&letter, Expect::Application);
        let mut answers = Vec::new();
        for _ in 0..2 {
            let answer = match self.world.web {
                Some(web) => post(web, &self.world.settled.intake.token, &key, &letter.octets).await,
                None => intake(self.world, tenant.id, &key, &letter.octets).await,
            };
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => self.ledger.unexpected.push(format!("REST intake: {error}")),
            }
        }
        if let [(first, id, false), (second, again, true)] = answers.as_slice() {
            self.ledger.rest_repeated = id == again;
            entry.code = 250;
            entry.said = format!("{first}, then {second}");
            entry.ids = id.parse().into_iter().collect();
        } else {
            self.ledger.unexpected.push(format!("REST intake with one key twice: {answers:?}"));
        }
        self.ledger.entries.push(entry);
    }

    async fn forward(&mut self, forward: Forward, n: usize, state: &'static str) {
        let to = format!("poststelle@{}", domain(FORWARDING_TENANT));
        let mut letters = Vec::new();
        for i in 0..n {
            let subject = Some(format!("{} {}", forward.0, i + 1));
            let wish = Wish { topic: Some(Topic::Other), subject, size: Some(30_000), ..Wish::default() };
            letters.push((self.letters.wished(&[&to], &wish), Expect::Forwarded(state)));
        }
        self.send(letters).await;
    }

    async fn forwarded(&mut self) {
        self.step("Weiterleitungen", "mit Zustellbericht, mit Fehlerbericht, mit Verzögerung").await;
        self.forward(FORWARD_DELIVERED, 1, "confirmed").await;
        self.forward(FORWARD_FAILED, 1, "rejected").await;
        self.forward(FORWARD_DELAYED, 1, "accepted").await;

        self.step("Ein Zielserver ist weg", "die Nachrichten warten").await;
        let server = FORWARD_AWAY.2.rsplit_once('@').map_or("", |(_, d)| d);
        let before = self.world.far.counts().faults;
        self.world.far.breaks(server, Fault::RecipientCut);
        self.forward(FORWARD_AWAY, 3, "accepted").await;
        if !self.world.far.wait_until(ANSWER, |far| far.counts().faults >= before + 2).await {
            self.ledger.unexpected.push("the hub did not try the server that was away".to_owned());
        }
        self.world.far.heal(server);
        self.step("Der Zielserver ist zurück", "es geht von allein weiter").await;

        self.step("Eine Antwort geht verloren", "möglicherweise doppelt, nie verloren").await;
        let (before, address) = (self.world.far.counts().faults, FORWARD_DELIVERED.2);
        self.world.far.breaks_times(address, Fault::EndCutKept, 1);
        self.forward(FORWARD_DELIVERED, 1, "confirmed").await;
        if !self.world.far.wait_until(ANSWER, |far| far.counts().faults > before).await {
            self.ledger.unexpected.push("the hub did not send the mail whose answer gets lost".to_owned());
        }
        self.world.far.heal(address);
    }

    /// One big mail, made while it is sent.
    async fn big(&mut self) {
        self.step("Große Nachricht", "Planunterlagen als eine Anlage").await;
        let to = format!("bauamt@{}", domain(FORWARDING_TENANT));
        let mut body = huge(self.day.big, &to);
        let mut entry = Entry::of(&self.letters.about(Topic::Building, &[&to]), Expect::Application);
        entry.what = format!("big mail of {} octets", body.size());
        entry.size = body.size();
        entry.sha256.clear();
        let mail = Mail {
            mail_from: Address::parse("messung@buerger.example").ok(),
            recipients: Address::parse(&to).ok().map(Recipient::new).into_iter().collect(),
            size: Some(body.size()),
            ..Mail::default()
        };
        match client("absender.example") {
            Ok(client) => {
                let report = client.send(&route(self.world.smtp), &mail, &mut body).await;
                entry.answered(&report.outcome);
            }
            Err(error) => entry.said = error.to_string(),
        }
        entry.attachments =
            body.digests().map(poststelle_crypto::digest::Digests::sha256_hex).into_iter().collect();
        self.ledger.entries.push(entry);
    }
}

/// Announces a mail of `size` octets; gives code and text of the answer.
async fn announce(smtp: SocketAddr, size: u64) -> std::io::Result<(u16, String)> {
    let talk = async {
        let mut stream = BufReader::new(TcpStream::connect(smtp).await?);
        reply(&mut stream).await?;
        stream.write_all(b"EHLO absender.example\r\n").await?;
        reply(&mut stream).await?;
        let mail = format!("MAIL FROM:<messung@buerger.example> SIZE={size}\r\n");
        stream.write_all(mail.as_bytes()).await?;
        let answer = reply(&mut stream).await?;
        stream.write_all(b"QUIT\r\n").await?;
        Ok(answer)
    };
    timeout(ANSWER, talk).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

async fn reply(stream: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            let code = line.get(..3).and_then(|c| c.parse().ok()).unwrap_or(0);
            return Ok((code, line.trim().to_owned()));
        }
    }
}

/// Status, message id, repeated.
type Answer = (String, String, bool);

/// One call of the REST intake, as plain HTTP/1.1.
async fn post(web: SocketAddr, token: &str, key: &str, octets: &[u8]) -> std::io::Result<Answer> {
    let talk = async {
        let mut stream = TcpStream::connect(web).await?;
        let head = format!(
            "POST /api/v1/messages HTTP/1.1\r\nHost: {web}\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: {key}\r\nContent-Type: message/rfc822\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            octets.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(octets).await?;
        let mut answer = Vec::new();
        stream.take(1024 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer =
        timeout(ANSWER, talk).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    let status = answer.lines().next().unwrap_or_default().to_owned();
    let json = answer.find('{').zip(answer.rfind('}')).and_then(|(from, to)| answer.get(from..=to));
    let json: serde_json::Value = serde_json::from_str(json.unwrap_or("null"))?;
    let id = json.get("message").and_then(serde_json::Value::as_str);
    let repeated = json.get("repeated").and_then(serde_json::Value::as_bool);
    match (id, repeated) {
        (Some(id), Some(repeated)) => Ok((status, id.to_owned(), repeated)),
        _ => Err(std::io::Error::other(format!("{status}: {json}"))),
    }
}

/// The same without HTTP.
async fn intake(
    world: &World,
    tenant: poststelle_model::TenantId,
    key: &str,
    octets: &[u8],
) -> std::io::Result<Answer> {
    let new = poststelle_hub::NewIntake {
        channel: poststelle_model::ChannelKind::Rest,
        direction: poststelle_model::Direction::In,
        addressed: [(tenant, Vec::new())].into(),
        recipients: [(tenant, Vec::new())].into(),
        transport: poststelle_model::message::Transport::default(),
        foreign_id: key.to_owned(),
        announced: Some(octets.len() as u64),
        who: poststelle_model::Who::house("demo"),
    };
    let mut intake = world.hub.accept(new).await.map_err(std::io::Error::other)?;
    intake.push(&world.hub, octets).await.map_err(std::io::Error::other)?;
    let accepted = intake.finish(&world.hub).await.map_err(std::io::Error::other)?;
    let first = accepted.first().ok_or_else(|| std::io::Error::other("nothing was accepted"))?;
    Ok(("accepted".to_owned(), first.message.to_string(), first.repeated))
}
