// SPDX-License-Identifier: EUPL-1.2
// A letter that is to leave next week: it waits, is taken back, and thrown away.

export const title = "Später senden und zurückholen";
export const actions = 13;

export default async function (t) {
  const subject = `Erinnerung an die Frist (${t.way})`;
  await t.signIn("clerk");
  await t.open("/schreiben", "Neue Nachricht");
  await t.go(t.button("Weiter"), "Knopf Weiter");
  await t.fill("an", "gast@aussen.example");
  await t.fill("betreff", subject);
  await t.expand("Später senden");
  const when = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  await t.date("zeitpunkt", `${when}T09:00`);
  await t.go(t.button("Zu diesem Zeitpunkt senden"), "Knopf Zu diesem Zeitpunkt senden");
  const [year, month, day] = when.split("-");
  await t.shows(`Die Nachricht wird am ${day}.${month}.${year}, 09:00 Uhr gesendet.`);
  await t.page("Wartet auf den Versand");

  await t.open("/entwuerfe", "Schreiben");
  await t.shows("wartet auf den Versand");
  await t.go(t.link(subject), "Link zum Brief");
  await t.go(t.button("Zurückholen"), "Knopf Zurückholen");
  await t.page("Zurückgeholter Brief");
  t.hold("it can be changed again", (await t.tab.locator("#betreff").inputValue()) === subject);
  await t.go(t.link("Löschen"), "Link Löschen");
  await t.go(t.button("Entwurf löschen"), "Knopf Entwurf löschen");
  await t.shows("Der Entwurf ist gelöscht.");
  t.hold("it is gone", (await t.link(subject).count()) === 0);
}
