// SPDX-License-Identifier: EUPL-1.2
// A letter to an address that does not exist: its page turns red by itself, and it lies on the desk it was written from.

export const title = "Wenn das Senden nicht gelingt";
export const actions = 11;

export default async function (t) {
  const subject = `Bitte um Auskunft (${t.way})`;
  await t.signIn("amt");
  await t.open("/schreiben", "Neue Nachricht");
  await t.choose("von", "Gemeinde Vellahn · Poststelle (info@vellahn.example)");
  await t.go(t.button("Weiter"), "Knopf Weiter");
  await t.fill("an", "unbekannt@zweckverband.example");
  await t.fill("betreff", subject);
  await t.go(t.tab.getByRole("button", { name: "Senden", exact: true }), "Knopf Senden");
  const letter = t.tab.url();
  const red = t.tab.locator("#stand .kern-badge--danger");
  if (t.way === "plain") await t.reloadUntil("Empfaenger unbekannt");
  await t.comes(red, "the red state");
  await t.page("Gescheiterte Nachricht");

  await t.open("/arbeit", "Arbeitskörbe");
  const desk = t.tab.getByRole("row").filter({ hasText: "Poststelle" }).filter({ hasText: "Gemeinde Vellahn" }).getByRole("link");
  await t.go(desk.first(), "Link zum Arbeitskorb");
  await t.page("Arbeitskorb mit gescheiterter Nachricht");
  const row = t.tab.getByRole("row").filter({ hasText: subject });
  t.hold("the letter lies on the desk it was written from", (await row.getByText("Versand: bitte prüfen").count()) === 1);
  await t.go(row.getByRole("link"), "Link zur Nachricht");
  t.hold("it is that letter", new URL(t.tab.url()).pathname === new URL(letter).pathname, t.tab.url());
  await t.go(t.button("Erledigt"), "Knopf Erledigt");
  await t.shows("erledigt");
}
