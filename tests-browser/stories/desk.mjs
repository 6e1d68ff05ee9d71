// SPDX-License-Identifier: EUPL-1.2
// An Amt with six tenants and two clerks. One takes on what came for a village and hands it to her colleague; each sees
// what the other did; a clerk of the town next door sees none of it. In the end all lies there as before, so that the
// story can be told again.

export const title = "Zwei Sachbearbeiterinnen teilen einen Arbeitskorb";

const SUBJECT = "Hundesteuer Gallin";

async function signIn(t, who) {
  await t.context.clearCookies();
  const { login, password } = t.login(who);
  await t.open("/anmelden", "Anmeldung");
  await t.fill("login", login);
  await t.fill("password", password);
  await t.go(t.button("Anmelden"), "Knopf Anmelden");
}

async function find(t, list) {
  await t.open("/arbeit", "Arbeitskörbe");
  await t.go(t.link("Poststelle").or(t.link(/Klärungskorb Gemeinde Gallin/)), "Link zum Arbeitskorb");
  if (list) await t.go(t.link(list), `Link ${list}`);
  await t.reloadUntil(SUBJECT);
}

export default async function (t) {
  await signIn(t, "amt");
  await find(t);
  await t.page("Arbeitskorb");
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  await t.page("Nachricht im Arbeitskorb");
  await t.shows("neu");
  await t.go(t.button("Übernehmen"), "Knopf Übernehmen");
  await t.shows("Ihr Schritt ist ausgeführt und steht in der Zeitleiste.");
  await t.shows("bei: ich");
  await t.page("Nachricht übernommen");
  await t.fill("text", `Bitte bis Freitag klären (${t.way})`);
  await t.go(t.button("Vermerk speichern"), "Knopf Vermerk speichern");
  await t.shows(`Bitte bis Freitag klären (${t.way})`);
  await t.open(new URL(t.tab.url()).pathname, "Nachricht mit Vermerk");
  await t.expand("Weitergeben oder zurückstellen");
  await t.choose("an", "Jule Vorlage");
  await t.go(t.button("Weitergeben"), "Knopf Weitergeben");
  await t.shows("bei: Jule Vorlage");

  await signIn(t, "amt-colleague");
  await find(t, /^Meine/);
  await t.go(t.link(SUBJECT), "Link zur Nachricht");
  await t.shows("bei: ich");
  await t.shows("Wilma Beispiel hat die Nachricht an Jule Vorlage weitergegeben.");
  await t.shows(`Bitte bis Freitag klären (${t.way})`);
  await t.go(t.button("Erledigt"), "Knopf Erledigt");
  await t.shows("erledigt");
  await t.go(t.button("Letzten Schritt rückgängig machen"), "Knopf rückgängig");
  await t.shows("in Bearbeitung");
  const message = new URL(t.tab.url()).pathname;
  await t.go(t.button("Für alle freigeben"), "Knopf Für alle freigeben");
  await t.shows("neu");

  await signIn(t, "town");
  await t.open("/arbeit", "Arbeitskörbe der Stadt");
  const text = await t.tab.locator("main").innerText();
  t.hold("the town next door sees no village of the Amt", !/Gallin|Zarrentin/.test(text), text);
  const refused = await t.tab.goto(new URL(message, t.tab.url()).href);
  t.hold("the message does not exist for the town", refused.status() === 404, `status ${refused.status()}`);
  t.noise = t.noise.filter((line) => !/status of 404/.test(line));
}
