// SPDX-License-Identifier: EUPL-1.2
// An Amt with six tenants and two clerks. One takes on what came for a village, answers it, and hands it to her
// colleague; each sees what the other did; a clerk of the town next door sees none of it. In the end all lies there as
// before, so that the story can be told again.

export const title = "Zwei Sachbearbeiterinnen teilen einen Arbeitskorb";
export const actions = 28;

const SUBJECT = "Frage zum Friedhof Gallin";
// Not the answer to it.
const ITSELF = new RegExp(`^${SUBJECT}`);

export default async function (t) {
  await t.signIn("amt");
  await t.open("/nachrichten", "Nachrichten des Amtes");
  await t.choose("mandant", "Gemeinde Gallin");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.reloadUntil(SUBJECT);
  await t.go(t.link(ITSELF), "Link zur Nachricht");
  const message = new URL(t.tab.url()).pathname;
  // Where it lies stands on its page; there is also a way to it from the desk.
  const heading = await t.tab.getByRole("heading", { name: /^Bearbeitung: / }).first().innerText();
  const desk = heading.match(/„(.+)“/)[1];
  const place = () =>
    t.tab.getByRole("row").filter({ hasText: desk }).filter({ hasText: "Gemeinde Gallin" }).getByRole("link");
  await t.open("/arbeit", "Arbeitskörbe");
  await t.go(place(), `Link ${desk}`);
  await t.page("Arbeitskorb");
  await t.go(t.link(ITSELF), "Link zur Nachricht");
  await t.page("Nachricht im Arbeitskorb");
  await t.shows("neu");
  await t.go(t.button("Übernehmen"), "Knopf Übernehmen");
  await t.shows("Ihr Schritt ist ausgeführt und steht in der Zeitleiste.");
  await t.shows("bei: ich");
  await t.page("Nachricht übernommen");
  await t.fill("text", `Bitte bis Freitag klären (${t.way})`);
  await t.go(t.button("Vermerk speichern"), "Knopf Vermerk speichern");
  await t.shows(`Bitte bis Freitag klären (${t.way})`);

  // She answers in the village's name.
  await t.open(message, "Nachricht mit Vermerk");
  await t.go(t.button("Antworten"), "Knopf Antworten");
  await t.shows("Gemeinde Gallin");
  await t.page("Entwurf für die Gemeinde");
  await t.go(t.tab.getByRole("button", { name: "Senden", exact: true }), "Knopf Senden");
  await t.reloadUntil("E-Mail an absender@aussen.example");
  const answer = new URL(t.tab.url()).pathname;
  t.hold("the answer leaves as the village", answer.split("/")[2] === message.split("/")[2], answer);

  await t.open(message, "Nachricht mit Vermerk");
  await t.expand("Weitergeben oder zurückstellen");
  await t.choose("an", "Jule Vorlage");
  await t.go(t.button("Weitergeben"), "Knopf Weitergeben");
  await t.shows("bei: Jule Vorlage");

  await t.signIn("amt-colleague");
  await t.open("/arbeit", "Arbeitskörbe der Kollegin");
  await t.go(place(), `Link ${desk}`);
  await t.go(t.link(/^Meine/), "Link Meine");
  await t.page("Meine Vorgänge");
  await t.go(t.link(ITSELF), "Link zur Nachricht");
  await t.shows("bei: ich");
  await t.shows("Wilma Beispiel hat die Nachricht an Jule Vorlage weitergegeben.");
  await t.shows("Wilma Beispiel hat geantwortet.");
  await t.shows(`Bitte bis Freitag klären (${t.way})`);
  await t.go(t.button("Erledigt"), "Knopf Erledigt");
  await t.shows("erledigt");
  await t.go(t.button("Letzten Schritt rückgängig machen"), "Knopf rückgängig");
  await t.shows("in Bearbeitung");
  await t.go(t.button("Für alle freigeben"), "Knopf Für alle freigeben");
  await t.shows("neu");

  await t.signIn("town");
  await t.open("/arbeit", "Arbeitskörbe der Stadt");
  const text = await t.tab.locator("main").innerText();
  t.hold("the town next door sees no village of the Amt", !/Gallin|Zarrentin/.test(text), text);
  for (const place of [message, answer]) {
    const refused = await t.tab.goto(new URL(place, t.tab.url()).href);
    t.hold("the message does not exist for the town", refused.status() === 404, `status ${refused.status()}`);
  }
  t.noise = t.noise.filter((line) => !/status of 404/.test(line));
}
