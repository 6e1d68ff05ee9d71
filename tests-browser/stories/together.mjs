// SPDX-License-Identifier: EUPL-1.2
// Two clerks look at the same desk at the same time. What one does stands on the other's screen without a touch; what
// the other is writing is not disturbed; and who is second is told who was first.

export const title = "Zu zweit am selben Arbeitskorb, zur selben Zeit";
export const ways = ["script", "keys"];
export const actions = 18;

const SUBJECT = /^Frage zum Friedhof Gallin/;

export default async function (t) {
  await t.signIn("amt");
  await t.open("/nachrichten", "Nachrichten des Amtes");
  await t.choose("mandant", "Gemeinde Gallin");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  const message = new URL(t.tab.url()).pathname;
  const heading = await t.tab.getByRole("heading", { name: /^Bearbeitung: / }).first().innerText();
  const desk = heading.match(/„(.+)“/)[1];
  await t.open("/arbeit", "Arbeitskörbe");
  await t.go(t.tab.getByRole("row").filter({ hasText: desk }).filter({ hasText: "Gemeinde Gallin" }).getByRole("link"), desk);
  await t.shows("Neues erscheint von selbst.");
  await t.page("Arbeitskorb");
  const row = t.tab.getByRole("row").filter({ hasText: "Frage zum Friedhof Gallin" });

  const jule = await t.beside("amt-colleague");
  await jule.open(message, "Nachricht");
  await jule.go(jule.button("Übernehmen"), "Knopf Übernehmen");
  await t.comes(row.filter({ hasText: "Jule Vorlage" }).filter({ hasText: "in Bearbeitung" }), "who has it");
  await t.page("Arbeitskorb, von selbst erneuert");

  // She opens it as well and begins a note; meanwhile her colleague goes on.
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  await t.fill("text", "Ich sehe mir das an");
  await jule.go(jule.button("Erledigt"), "Knopf Erledigt");
  await t.comes(t.tab.locator("#verlauf").getByText("Jule Vorlage hat die Nachricht erledigt."), "what she did");
  await t.comes(t.tab.locator("#bearbeitung").getByText("erledigt"), "the new state");
  const typed = await t.tab.locator("#vermerk").inputValue();
  t.hold("what was typed is still there", typed === "Ich sehe mir das an", typed);
  await t.page("Nachricht, von selbst erneuert");

  // With the page held she does not see it, tries all the same, and is told.
  await t.tab.locator("#neues button").evaluate((button) => button.click());
  await t.shows("Diese Seite bleibt, wie sie ist.");
  await jule.go(jule.button("Wieder aufnehmen"), "Knopf Wieder aufnehmen");
  await t.go(t.button("Wieder aufnehmen"), "Knopf Wieder aufnehmen");
  await t.shows("Jule Vorlage");
  await t.page("Jemand war schneller");
  t.noise = t.noise.filter((line) => !/status of 409/.test(line));
  await jule.go(jule.button("Für alle freigeben"), "Knopf Für alle freigeben");
  await jule.shows("neu");
}
