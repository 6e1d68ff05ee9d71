// SPDX-License-Identifier: EUPL-1.2
// A clerk is away today and says who stands in for her. The deputy finds on the desk what is with the absent clerk,
// works on it, and is told in whose place; in the end all is as before.

export const title = "Vertretung";
export const actions = 25;

const SUBJECT = /^Frage zum Friedhof Gallin/;

export default async function (t) {
  await t.signIn("amt-colleague");
  await t.open("/nachrichten", "Nachrichten");
  await t.choose("mandant", "Gemeinde Gallin");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.reloadUntil("Frage zum Friedhof Gallin");
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  await t.go(t.button("Übernehmen"), "Knopf Übernehmen");
  await t.open("/konto", "Konto");
  await t.choose("wer", "Wilma Beispiel");
  await t.go(t.button("Vertretung eintragen"), "Knopf Vertretung eintragen");
  await t.shows("Wilma Beispiel");
  await t.page("Konto mit Vertretung");

  await t.signIn("amt");
  await t.open("/arbeit", "Arbeitskörbe der Vertretung");
  await t.shows(/^Sie vertreten Jule Vorlage/);
  await t.go(t.tab.getByRole("row").filter({ hasText: "Klärungskorb Gemeinde Gallin" }).getByRole("link"), "Link zum Arbeitskorb");
  await t.go(t.link(/^In Vertretung/), "Link In Vertretung");
  await t.page("In Vertretung");
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  await t.shows("bei: Jule Vorlage");
  await t.go(t.button("Erledigt"), "Knopf Erledigt");
  await t.shows("erledigt");
  await t.go(t.button("Wieder aufnehmen"), "Knopf Wieder aufnehmen");
  await t.go(t.button("Für alle freigeben"), "Knopf Für alle freigeben");

  await t.signIn("amt-colleague");
  await t.open("/konto", "Konto mit Vertretung");
  await t.go(t.button(/^Vertretung beenden/), "Knopf Vertretung beenden");
  await t.page("Konto ohne Vertretung");
  await t.signIn("amt");
  await t.open("/arbeit", "Arbeitskörbe danach");
  const text = await t.tab.locator("main").innerText();
  t.hold("she stands in for nobody any more", !text.includes("Sie vertreten"), text);
}
