// SPDX-License-Identifier: EUPL-1.2
// A clerk keeps a text she writes every day; her colleague puts it into an answer, with names and date filled in.

export const title = "Textbausteine";
export const actions = 21;

export default async function (t) {
  const name = `Eingangsbestätigung (${t.way})`;
  await t.signIn("amt");
  await t.open("/textbausteine", "Textbausteine");
  await t.go(t.link(/^Neuer Textbaustein für Gemeinde Gallin/), "Link Neuer Textbaustein");
  await t.page("Neuer Textbaustein");
  await t.fill("name", name);
  await t.fill("text", "Guten Tag, wir haben „{Betreff}“ am {Datum} erhalten. {Name}, {Mandant}");
  await t.go(t.button("Speichern"), "Knopf Speichern");
  await t.shows("Der Textbaustein ist gespeichert.");
  await t.page("Textbausteine mit einem");

  await t.signIn("amt-colleague");
  await t.open("/nachrichten", "Nachrichten");
  await t.choose("mandant", "Gemeinde Gallin");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.reloadUntil("Frage zum Friedhof Gallin");
  await t.go(t.link(/^Frage zum Friedhof Gallin/), "Link zur Nachricht");
  await t.go(t.button("Antworten"), "Knopf Antworten");
  await t.choose("baustein", name);
  await t.go(t.button("Einfügen"), "Knopf Einfügen");
  await t.shows("Der Textbaustein ist eingefügt.");
  await t.page("Entwurf mit Textbaustein");
  const text = await t.tab.locator("#brief").inputValue();
  t.hold("it stands above the quotation, filled in",
    /^Guten Tag, wir haben „AW: Frage zum Friedhof Gallin“ am \d\d\.\d\d\.\d{4} erhalten\. Jule Vorlage, Gemeinde Gallin\n\nAm /.test(text), text);
  await t.go(t.link("Löschen"), "Link Löschen");
  await t.go(t.button("Entwurf löschen"), "Knopf Entwurf löschen");

  await t.open("/textbausteine", "Textbausteine");
  await t.go(t.link(name), "Link zum Textbaustein");
  await t.page("Textbaustein ändern");
  await t.expand("Löschen");
  await t.go(t.button("Textbaustein löschen"), "Knopf Textbaustein löschen");
  await t.shows("Der Textbaustein ist gelöscht.");
}
