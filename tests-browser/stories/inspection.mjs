// SPDX-License-Identifier: EUPL-1.2
// A mail brings two files; one is the test file every scanner knows. The harmless one is there at once. The clerk sees what
// is held back and why, reads the sheet, and wants it released; a second person agrees; then it can be saved.

export const title = "Geprüfte Post: Quarantäne und Freigabe zu zweit";
export const actions = 18;

export default async function (t) {
  const subject = `Unterlagen zum Gartengrundstück (${t.way})`;
  const FILE = "Plan.com";
  await t.signIn("amt");
  await t.open("/nachrichten", "Nachrichten des Amtes");
  await t.choose("mandant", "Gemeinde Gallin");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.go(t.link(subject), "Link zur Nachricht");
  await t.shows("Schadsoftware gefunden");
  await t.shows("Lage.txt");
  t.hold("the held file has no link to save it", (await t.tab.locator('a[href*="/teile/"]', { hasText: FILE }).count()) === 0);
  await t.page("Nachricht mit Schadsoftware");
  await t.go(t.link("Prüfprotokoll öffnen"), "Link zum Prüfprotokoll");
  await t.heading("Prüfprotokoll");
  await t.shows("Eicar-Test-Signature");
  await t.page("Prüfprotokoll");
  await t.printed("Prüfprotokoll", ["h1", "table"], ["text=Als PDF speichern"]);
  await t.go(t.link("Zurück zur Nachricht"), "Link zurück");
  await t.go(t.link(/^zur Quarantäne/), "Link zur Quarantäne");
  await t.page("In Quarantäne");
  await t.fill("grund", "Testdatei, mit dem Absender am Telefon geklärt");
  await t.go(t.button("Freigabe vorschlagen"), "Knopf Freigabe vorschlagen");
  await t.shows("Sie haben die Freigabe vorgeschlagen. Zustimmen muss jemand anderes.");
  t.hold("who wants it cannot agree", (await t.button("Zustimmen und freigeben").count()) === 0);
  await t.page("Freigabe vorgeschlagen");

  await t.signIn("amt-colleague");
  await t.open("/quarantaene", "Quarantäne");
  await t.go(t.tab.getByRole("row").filter({ hasText: subject }).getByRole("link", { name: FILE }), "Link zum Bestandteil");
  await t.shows("Wilma Beispiel");
  await t.shows("Testdatei, mit dem Absender am Telefon geklärt");
  await t.page("Zur Freigabe vorgelegt");
  await t.go(t.button("Zustimmen und freigeben"), "Knopf Zustimmen");
  await t.page("Freigegeben");
  await t.go(t.link(subject), "Link zur Nachricht");
  await t.shows("Inzwischen freigegeben:");
  await t.page("Nachricht nach der Freigabe");
  const file = await t.download(t.tab.locator('a[href*="/teile/"]', { hasText: FILE }), "Link zum Speichern");
  t.hold("the file comes as it was sent", file.octets.length === 68 && file.octets.subarray(0, 4).toString() === "X5O!", `${file.octets.length}`);
}
