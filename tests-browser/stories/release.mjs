// SPDX-License-Identifier: EUPL-1.2
// What leaves in the mayor's name is seen by two. The author cannot release it; the second person gives it back once,
// then lets it go.

export const title = "Vier Augen";
export const actions = 24;

const send = (t) => t.tab.getByRole("button", { name: "Senden", exact: true });

export default async function (t) {
  const subject = `Einladung zum Neujahrsempfang (${t.way})`;
  await t.signIn("amt");
  await t.open("/schreiben", "Neue Nachricht");
  await t.choose("von", "Gemeinde Kogel · Bürgermeister (buergermeister@kogel.example)");
  await t.go(t.button("Weiter"), "Knopf Weiter");
  await t.fill("an", "gast@aussen.example");
  await t.fill("betreff", subject);
  await t.fill("text", "Sehr geehrte Damen und Herren, wir laden Sie ein.");
  await t.go(send(t), "Knopf Senden");
  await t.shows("Eine zweite Person muss die Nachricht freigeben, dann wird sie gesendet.");
  await t.page("Wartet auf Freigabe");
  t.hold("the author cannot release it", (await t.button("Freigeben und senden").count()) === 0);

  await t.signIn("amt-colleague");
  await t.open("/entwuerfe", "Schreiben");
  await t.heading("Von Ihnen freizugeben");
  await t.go(t.link(subject), "Link zum Brief");
  await t.shows("Geschrieben von Wilma Beispiel.");
  await t.page("Freizugebender Brief");
  await t.go(t.button("Zurückgeben"), "Knopf Zurückgeben");
  await t.page("Zurückgegeben");

  await t.signIn("amt");
  await t.open("/entwuerfe", "Schreiben mit zurückgegebenem Brief");
  await t.go(t.link(subject), "Link zum Brief");
  await t.shows(/Die zweite Person hat die Nachricht nicht freigegeben/);
  await t.page("Zurückgegebener Brief");
  await t.go(send(t), "Knopf Senden");

  await t.signIn("amt-colleague");
  await t.open("/entwuerfe", "Schreiben");
  await t.go(t.link(subject), "Link zum Brief");
  await t.go(t.button("Freigeben und senden"), "Knopf Freigeben");
  t.hold("the letter is a message", new URL(t.tab.url()).pathname.startsWith("/nachrichten/"), t.tab.url());
  await t.reloadUntil("E-Mail an gast@aussen.example");
  await t.shows("Jule Vorlage");
  await t.page("Gesendete Nachricht");
}
