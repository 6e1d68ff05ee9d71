// SPDX-License-Identifier: EUPL-1.2
//! Clerks at work while nodes are killed: over real HTTP, as a browser would, each with what it was told in the
//! [`super::ledger`].
//!
//! What is wrong on the spot (an item older than one already shown, a text nobody wrote, a session that goes on after
//! it was ended) is written down at once; the rest is judged at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use poststelle_model::{DeliveryId, DeskId, DraftId, MailboxId, MessageId, PrincipalId, TenantId};
use poststelle_world::clerk::{Answer, Clerk, Silence, all_between, between};
use tokio::sync::watch;

use super::ledger::{Act, Fate, Ledger, Letter, Noted, Outcome, Sight};
use crate::crash::Doors;

/// The password of every clerk of the test.
pub(super) const PASSWORD: &str = "ein-langes-Passwort";
/// Octets of an attachment.
const FILE: usize = 96 * 1024;

/// Where they work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Office {
    pub(super) tenant: TenantId,
    pub(super) desk: DeskId,
    pub(super) mailbox: MailboxId,
}

/// One clerk.
pub(super) struct Worker {
    pub(super) id: PrincipalId,
    pub(super) login: String,
    pub(super) office: Office,
    pub(super) doors: watch::Receiver<Doors>,
    pub(super) ledger: Arc<Ledger>,
    browser: Clerk,
    draw: u64,
    count: u64,
    /// The letter on the table.
    letter: Option<Table>,
}

/// A letter on the table.
#[derive(Debug, Clone)]
struct Table {
    draft: DraftId,
    /// The version the form carries.
    version: i64,
    /// The form is not up to date: open the page first.
    stale: bool,
    mark: String,
    saves: u64,
    /// Address of the attachment, octets acknowledged.
    file: Option<(String, usize)>,
    whole: bool,
    /// It was laid aside for later once.
    waited: bool,
}

/// A panel of a message's page.
struct Panel {
    item: DeliveryId,
    version: i64,
    state: String,
    mine: bool,
    colleagues: Vec<String>,
    steps: Vec<String>,
}

impl Panel {
    fn of(page: &str) -> Option<Self> {
        let part = between(page, "<section class=\"pst-work", "</section>")?;
        let action = between(part, "action=\"/vorgaenge/", "\"")?;
        Some(Self {
            item: action.split('/').nth(1)?.parse().ok()?,
            version: between(part, "name=\"version\" value=\"", "\"")?.parse().ok()?,
            state: between(part, "<span class=\"kern-label\">", "</span>")?.to_owned(),
            mine: part.contains("bei: ich<"),
            colleagues: all_between(part, "<option value=\"", "\"").into_iter().map(str::to_owned).collect(),
            steps: all_between(part, "name=\"schritt\" value=\"", "\"")
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The octets of the attachment with this mark.
pub(super) fn octets(mark: &str) -> Vec<u8> {
    mark.bytes().cycle().take(FILE).collect()
}

/// What a step of the form is called in the evidence.
fn word(step: &str) -> Option<&'static str> {
    Some(match step {
        "uebernehmen" => "claim",
        "freigeben" => "release",
        "weitergeben" => "hand_over",
        "zurueckstellen" => "wait",
        "erledigen" => "finish",
        "aufnehmen" => "reopen",
        "rueckgaengig" => "undo",
        _ => return None,
    })
}

impl Worker {
    pub(super) fn new(
        id: PrincipalId,
        login: String,
        office: Office,
        doors: watch::Receiver<Doors>,
        ledger: Arc<Ledger>,
    ) -> Result<Self, Silence> {
        let draw = login.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |d, b| (d ^ u64::from(b)).rotate_left(9));
        let browser = Clerk::new()?;
        Ok(Self { id, login, office, doors, ledger, browser, draw, count: 0, letter: None })
    }

    fn random(&mut self, below: usize) -> usize {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        usize::try_from(self.draw >> 11).unwrap_or(0) % below.max(1)
    }

    /// An address at one of the nodes.
    fn at(&mut self, path: &str) -> String {
        let web = self.doors.borrow().web;
        let node = web.get(self.random(web.len())).copied().unwrap_or(web[0]);
        format!("http://{node}{path}")
    }

    /// Works until `stop`, then brings what is half done to an end: nothing is killed any more by then.
    pub(super) async fn work(mut self, stop: Arc<AtomicBool>, quiet: watch::Receiver<bool>) {
        self.sign_in().await;
        while !stop.load(Ordering::SeqCst) {
            self.count += 1;
            if self.count.is_multiple_of(60) {
                self.leave_and_return().await;
            }
            let done =
                if self.random(10) < 6 { self.at_the_desk().await } else { self.at_the_letter().await };
            if done.is_err() {
                // The node is being started again: let the others have the processor.
                tokio::task::yield_now().await;
            }
        }
        let mut quiet = quiet;
        if quiet.wait_for(|q| *q).await.is_ok() {
            self.tidy_up().await;
        }
    }

    async fn sign_in(&mut self) {
        loop {
            let base = self.at("");
            match self.browser.sign_in(&base, &self.login.clone(), PASSWORD).await {
                Ok(true) => return self.ledger.book().sessions += 1,
                Ok(false) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn leave_and_return(&mut self) {
        let (leave, desks) = (self.at("/abmelden"), self.at("/arbeit"));
        let left = self.browser.fill(&leave, &[]).await;
        if left.is_ok_and(|a| a.location.starts_with("/anmelden?abgemeldet"))
            && let Ok(page) = self.browser.see(&desks).await
            && !page.location.starts_with("/anmelden")
            && page.status < 500
        {
            self.ledger.wrong(format!("{}: the session goes on after it was ended", self.login));
        }
        self.sign_in().await;
    }

    async fn see(&mut self, path: &str) -> Result<Answer, Silence> {
        let url = self.at(path);
        let page = self.browser.see(&url).await?;
        if page.location.starts_with("/anmelden") {
            self.ledger.wrong(format!("{}: the session was lost", self.login));
            self.sign_in().await;
        }
        Ok(page)
    }

    /// Opens an item of a list and does something with it.
    async fn at_the_desk(&mut self) -> Result<(), Silence> {
        let list = ["neu", "neu", "offen", "meine", "meine", "erledigt"][self.random(6)];
        let page = self.see(&format!("/arbeit/{}?liste={list}", self.office.desk)).await?;
        let hrefs: Vec<String> =
            all_between(&page.text, "href=\"/nachrichten/", "\"").into_iter().map(str::to_owned).collect();
        if hrefs.is_empty() {
            return Ok(());
        }
        let Some(href) = hrefs.get(self.random(hrefs.len())) else { return Ok(()) };
        let Some(message) = between(href, "/", "?").and_then(|m| m.parse::<MessageId>().ok()) else {
            return Ok(());
        };
        let path = format!("/nachrichten/{}/{message}", self.office.tenant);
        let floor = self.ledger.floor(message);
        let page = self.see(&path).await?;
        if page.status != 200 {
            if page.status < 500 {
                self.ledger.wrong(format!("{path}: {} for a clerk", page.status));
            }
            return Ok(());
        }
        let Some(panel) = Panel::of(&page.text) else {
            self.ledger.wrong(format!("{path}: no panel on the page of a desk's message"));
            return Ok(());
        };
        {
            let mut book = self.ledger.book();
            book.read.insert((message, self.id));
            book.items.insert(message, panel.item);
            if panel.version < floor {
                book.wrong.push(format!("{path}: shown in version {} after {floor}", panel.version));
            }
            book.raise(panel.item, panel.version);
            book.sights.entry(panel.item).or_default().push(Sight {
                version: panel.version,
                state: panel.state.clone(),
                mine: panel.mine,
                clerk: self.id,
            });
        }
        match self.random(8) {
            0 => self.note(message, &path).await,
            1 if self.letter.is_none() => self.answer(&path).await,
            _ => self.act(&panel).await,
        }
    }

    async fn act(&mut self, panel: &Panel) -> Result<(), Silence> {
        // Whoever settles all at once leaves nothing to do.
        let steps: Vec<(String, &'static str)> =
            panel.steps.iter().filter_map(|s| word(s).map(|w| (s.clone(), w))).collect();
        let Some((step, word)) = steps.get(self.random(steps.len())).cloned() else { return Ok(()) };
        // Now and then from a page that is not up to date: must be refused.
        let version = if self.random(8) == 0 { panel.version - 1 } else { panel.version };
        let tomorrow = tomorrow();
        let to = panel.colleagues.get(self.random(panel.colleagues.len())).cloned().unwrap_or_default();
        let number = version.to_string();
        let fields = [("version", number.as_str()), ("schritt", &step), ("an", &to), ("bis", &tomorrow)];
        let url = self.at(&format!("/vorgaenge/{}/{}", self.office.tenant, panel.item));
        let answer = self.browser.fill(&url, &fields).await;
        let outcome = Outcome::of(&answer);
        let mut book = self.ledger.book();
        book.acts.entry(panel.item).or_default().push(Act { clerk: self.id, version, word, outcome });
        if outcome == Outcome::Done {
            book.raise(panel.item, version + 1);
        }
        drop(book);
        answer.map(|_| ())
    }

    async fn note(&mut self, message: MessageId, path: &str) -> Result<(), Silence> {
        let text = format!("Vermerk {}-{}", self.login, self.count);
        let url = self.at(&format!("{path}/vermerke"));
        let answer = self.browser.fill(&url, &[("text", &text)]).await;
        let outcome = Outcome::of(&answer);
        self.ledger.book().notes.push(Noted { message, text, outcome });
        answer.map(|_| ())
    }

    /// Begins an answer to a message.
    async fn answer(&mut self, path: &str) -> Result<(), Silence> {
        let url = self.at(&format!("{path}/entwurf"));
        let answer = self.browser.fill(&url, &[("art", "antwort")]).await;
        self.begun(answer)
    }

    fn begun(&mut self, answer: Result<Answer, Silence>) -> Result<(), Silence> {
        if Outcome::of(&answer) == Outcome::Unknown {
            self.ledger.book().begun += 1;
        }
        let answer = answer?;
        let draft = answer.location.split(['/', '?']).nth(3).and_then(|d| d.parse::<DraftId>().ok());
        let Some(draft) = draft.filter(|_| answer.location.starts_with("/entwuerfe/")) else { return Ok(()) };
        let mark = format!("Brief-{}-{}-", self.login, self.count);
        self.ledger.book().letters.insert(
            draft,
            Letter {
                clerk: self.id,
                draft,
                mark: mark.clone(),
                text: String::new(),
                maybe: Vec::new(),
                file: None,
                fate: Fate::Open,
                steps: Vec::new(),
            },
        );
        self.letter = Some(Table {
            draft,
            version: 0,
            stale: true,
            mark,
            saves: 0,
            file: None,
            whole: false,
            waited: false,
        });
        Ok(())
    }

    /// Changes what the ledger says of the letter.
    fn says<T>(&self, draft: DraftId, change: impl FnOnce(&mut Letter) -> T) -> Option<T> {
        self.ledger.book().letters.get_mut(&draft).map(change)
    }

    /// One step at the letter on the table, or a new one.
    async fn at_the_letter(&mut self) -> Result<(), Silence> {
        let Some(mut letter) = self.letter.clone() else {
            let from = format!("{}/{}", self.office.tenant, self.office.mailbox);
            let url = self.at("/schreiben");
            let answer = self.browser.fill(&url, &[("von", &from)]).await;
            return self.begun(answer);
        };
        let done = if letter.stale {
            self.open(&mut letter).await
        } else if letter.saves < 3 {
            self.save(&mut letter).await
        } else if !letter.whole {
            self.enclose(&mut letter).await
        } else if !letter.waited && self.random(3) == 0 {
            self.wait_and_withdraw(&mut letter).await
        } else {
            self.send(&mut letter).await
        };
        let over = self.says(letter.draft, |l| matches!(l.fate, Fate::Sent(_) | Fate::Wished));
        self.letter = (over == Some(false)).then_some(letter);
        done
    }

    /// Opens the page: what stands there must be what was written last.
    async fn open(&mut self, letter: &mut Table) -> Result<(), Silence> {
        let page = self.see(&format!("/entwuerfe/{}/{}", self.office.tenant, letter.draft)).await?;
        if page.status == 303 && page.location.starts_with("/nachrichten/") {
            self.sent(letter, &page.location);
            return Ok(());
        }
        if page.status != 200 {
            if page.status < 500 {
                self.ledger.wrong(format!("{}: {} for its writer", letter.mark, page.status));
            }
            return Ok(());
        }
        let version = between(&page.text, "name=\"version\" value=\"", "\"").and_then(|v| v.parse().ok());
        letter.version = version.unwrap_or(letter.version);
        if let Some(text) = between(&page.text, "maxlength=\"65536\">\n", "</textarea>") {
            let text = text.replace("\r\n", "\n");
            let fits = self.says(letter.draft, |l| {
                let fits =
                    l.text == text || l.maybe.contains(&text) || (l.text.is_empty() && letter.saves == 0);
                l.text.clone_from(&text);
                if l.fate == Fate::Unknown {
                    l.fate = Fate::Open;
                }
                fits
            });
            if fits == Some(false) {
                self.ledger.wrong(format!("{}: stands with a text nobody wrote: {text:.80}", letter.mark));
            }
            letter.stale = false;
        } else {
            // It waits to be sent: for later only if that was asked for.
            let waits = self.says(letter.draft, |l| l.fate == Fate::Later || letter.waited);
            if waits == Some(true) {
                return self.withdraw(letter).await;
            }
            self.says(letter.draft, |l| l.fate = Fate::Wished);
        }
        Ok(())
    }

    fn sent(&mut self, letter: &Table, location: &str) {
        let id = location.split(['/', '?']).nth(3).and_then(|m| m.parse::<MessageId>().ok());
        if let Some(id) = id {
            self.says(letter.draft, |l| l.fate = Fate::Sent(id));
        }
    }

    /// The fields of the form with a new text; it may be stored from now on.
    fn fields(&mut self, letter: &mut Table) -> (String, [String; 3]) {
        letter.saves += 1;
        let text = format!("{} Fassung {}, {}", letter.mark, letter.saves, "ein Satz. ".repeat(30))
            .trim()
            .to_owned();
        self.says(letter.draft, |l| l.maybe.push(text.clone()));
        let to = format!("empfang-{}@aussen.example", letter.saves);
        (text, [letter.version.to_string(), to, format!("{} an die Welt", letter.mark)])
    }

    /// What an answer to the form means for the text.
    fn kept(&mut self, letter: &mut Table, text: &str, outcome: Outcome, version: Option<i64>) {
        match (outcome, version) {
            (Outcome::Done, Some(version)) => {
                letter.version = version;
                self.says(letter.draft, |l| {
                    text.clone_into(&mut l.text);
                    l.maybe.clear();
                });
            }
            _ => letter.stale = true,
        }
    }

    async fn save(&mut self, letter: &mut Table) -> Result<(), Silence> {
        let (text, [version, to, subject]) = self.fields(letter);
        let fields = [
            ("version", version.as_str()),
            ("an", &to),
            ("kopie", ""),
            ("betreff", &subject),
            ("text", &text),
            ("schritt", "speichern"),
        ];
        let url = self.at(&format!("/entwuerfe/{}/{}", self.office.tenant, letter.draft));
        let answer = self.browser.write(&url, &fields, true).await;
        let outcome = Outcome::of(&answer);
        let version = answer.as_ref().ok().and_then(|a| number(&a.text, "version"));
        self.kept(letter, &text, outcome, version);
        answer.map(|_| ())
    }

    /// Uploads the attachment piece by piece, from where it stopped.
    async fn enclose(&mut self, letter: &mut Table) -> Result<(), Silence> {
        let octets = Bytes::from(octets(&letter.mark));
        let here = format!("/entwuerfe/{}/{}", self.office.tenant, letter.draft);
        let name = format!("{}.bin", letter.mark);
        let Some((href, known)) = letter.file.clone() else {
            // An announcement that was not answered may have been taken: it stands on the page then.
            let page = self.see(&here).await?;
            if page.text.contains(&name) {
                let part = between(&page.text, "value=\"entfernen:", "\"").unwrap_or_default();
                letter.file = Some((format!("{here}/anlagen/{part}"), 0));
                return Ok(());
            }
            let url = self.at(&format!("{here}/anlagen"));
            let answer = self.browser.announce(&url, &name, octets.len()).await?;
            if answer.status == 201 {
                let href = between(&answer.text, "\"href\":\"", "\"").unwrap_or_default();
                letter.file = Some((href.to_owned(), 0));
                letter.stale = true;
            }
            return Ok(());
        };
        let page = self.see(&href).await?;
        let Some(offset) = number(&page.text, "offset").and_then(|o| usize::try_from(o).ok()) else {
            return Ok(());
        };
        if offset < known || offset > octets.len() {
            self.ledger
                .wrong(format!("{}: {offset} octets are there, {known} were acknowledged", letter.mark));
        }
        let end = (offset + FILE / 3).min(octets.len());
        let reached = if offset < octets.len() {
            let url = self.at(&href);
            let answer = self.browser.upload(&url, offset, octets.slice(offset..end)).await?;
            number(&answer.text, "offset").and_then(|o| usize::try_from(o).ok()).unwrap_or(offset)
        } else {
            offset
        };
        letter.file = Some((href, reached));
        letter.stale = true;
        if reached == octets.len() {
            letter.whole = true;
            self.says(letter.draft, |l| l.file = Some(octets.to_vec()));
        }
        Ok(())
    }

    /// Asks for a step of the whole form that ends writing.
    async fn submit(&mut self, letter: &mut Table, step: &str, at: &str) -> Result<Answer, Silence> {
        let (text, [version, to, subject]) = self.fields(letter);
        let fields = [
            ("version", version.as_str()),
            ("an", &to),
            ("kopie", ""),
            ("betreff", &subject),
            ("text", &text),
            ("zeitpunkt", at),
            ("schritt", step),
        ];
        let url = self.at(&format!("/entwuerfe/{}/{}", self.office.tenant, letter.draft));
        let answer = self.browser.write(&url, &fields, false).await;
        let outcome = Outcome::of(&answer);
        // A page is a refusal here: done leads on.
        let outcome = match &answer {
            Ok(a) if a.status == 200 => Outcome::Refused,
            _ => outcome,
        };
        letter.stale = true;
        self.says(letter.draft, |l| {
            l.steps.push(("send", outcome));
            if outcome == Outcome::Done {
                l.text.clone_from(&text);
                l.maybe.clear();
            }
        });
        if outcome == Outcome::Unknown {
            self.says(letter.draft, |l| l.fate = Fate::Unknown);
        }
        answer
    }

    async fn send(&mut self, letter: &mut Table) -> Result<(), Silence> {
        let answer = self.submit(letter, "senden", "").await?;
        if answer.location.starts_with("/nachrichten/") {
            self.sent(letter, &answer.location);
        } else if answer.location.ends_with("hinweis=wartet") {
            self.says(letter.draft, |l| l.fate = Fate::Wished);
        }
        Ok(())
    }

    /// Sends it for the day after tomorrow, and takes it back.
    async fn wait_and_withdraw(&mut self, letter: &mut Table) -> Result<(), Silence> {
        letter.waited = true;
        let at = format!("{}T12:00", tomorrow());
        let answer = self.submit(letter, "spaeter", &at).await?;
        if answer.location.ends_with("hinweis=wartet") {
            self.says(letter.draft, |l| l.fate = Fate::Later);
        }
        Ok(())
    }

    async fn withdraw(&mut self, letter: &mut Table) -> Result<(), Silence> {
        let version = letter.version.to_string();
        let url = self.at(&format!("/entwuerfe/{}/{}", self.office.tenant, letter.draft));
        let fields = [("version", version.as_str()), ("schritt", "zurueckholen")];
        let answer = self.browser.write(&url, &fields, false).await;
        let outcome = match &answer {
            Ok(a) if a.status == 200 => Outcome::Refused,
            answer => Outcome::of(answer),
        };
        self.says(letter.draft, |l| {
            l.steps.push(("withdraw", outcome));
            if outcome == Outcome::Done {
                l.fate = Fate::Open;
            }
        });
        letter.stale = true;
        answer.map(|_| ())
    }

    /// Nothing is killed any more: what hangs in the air is looked at, what waits for later is taken back.
    async fn tidy_up(&mut self) {
        let Some(mut letter) = self.letter.take() else { return };
        for _ in 0..20 {
            letter.stale = true;
            let seen = self.open(&mut letter).await;
            let settled = self.says(letter.draft, |l| !matches!(l.fate, Fate::Later | Fate::Unknown));
            if seen.is_ok() && settled == Some(true) {
                return;
            }
        }
        self.ledger.wrong(format!("{}: its page could not be opened in peace", letter.mark));
    }
}

fn number(json: &str, field: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(json).ok()?.get(field)?.as_i64()
}

/// A day ahead, as forms write it.
fn tomorrow() -> String {
    use poststelle_model::Clock;
    let now = poststelle_hub::clock::SystemClock.now();
    now.plus(Duration::from_secs(48 * 3600)).in_berlin("%Y-%m-%d")
}
