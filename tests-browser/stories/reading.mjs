// SPDX-License-Identifier: EUPL-1.2
// A clerk looks for a mail by words of its text, reads it as text and as HTML, looks at its PDF document without saving
// it, prints it with the stamp, and finds it in the book.

export const title = "Suchen, lesen, Buch führen";
export const actions = 13;

export default async function (t) {
  await t.signIn("clerk");
  await t.open("/nachrichten", "Nachrichten");
  await t.reloadUntil("Antrag zum Sanierungsgebiet");

  await t.open("/suche", "Suche");
  await t.fill("q", "gruenflaeche 63.2/2026-08");
  await t.go(t.button("Suchen"), "Knopf Suchen");
  await t.page("Treffer");
  await t.shows("Antrag zum Sanierungsgebiet");
  await t.go(t.link("Antrag zum Sanierungsgebiet"), "Link zum Treffer");
  await t.page("Nachricht mit Text");
  await t.heading("Gesehen von");
  await t.go(t.link("Mit Gestaltung zeigen"), "Link Mit Gestaltung zeigen");
  await t.page("Nachricht mit Gestaltung");
  const mail = await t.tab.locator(".pst-mail").evaluate((node) => ({
    acts: node.querySelectorAll("script, style, img, form, iframe, [style], [onclick]").length,
    leads: getComputedStyle(node.querySelector("a"), "::after").content,
  }));
  t.hold("HTML mail neither acts nor loads", mail.acts === 0, JSON.stringify(mail));
  t.hold("a link says where it leads", mail.leads.includes("https://ziel.example/plan"), mail.leads);

  await t.printed("Nachricht", [".pst-stamp", ".pst-mail", "#zeitleiste"], ["nav", ".pst-work", ".pst-refresh", ".pst-footer", "form button"]);
  t.hold("the screen has no stamp", !(await t.tab.locator(".pst-stamp").isVisible()));

  await t.go(t.link(/^ansehen/), "Link ansehen");
  await t.page("Vorschau");
  const wide = await t.tab.locator(".pst-picture").evaluate((node) => node.decode().then(() => node.naturalWidth, () => 0));
  t.hold("the page of the document is drawn", wide > 500, `${wide} pixels`);
  await t.go(t.link("Nächste Seite"), "Link Nächste Seite");
  await t.shows("Seite 2 von 2");

  await t.open("/buecher", "Bücher");
  await t.go(t.link(/^Posteingangsbuch/), "Link zum Posteingangsbuch");
  await t.page("Posteingangsbuch");
  await t.fill("q", "Sanierungsgebiet");
  await t.go(t.button("Anzeigen"), "Knopf Anzeigen");
  await t.shows("Antrag zum Sanierungsgebiet");
  const book = await t.download(t.link(/CSV/), "Link zur Tabelle");
  t.hold("the table has a head and one line", book.octets.toString().trim().split("\r\n").length === 2, book.octets.toString());
}
