// SPDX-License-Identifier: EUPL-1.2
// What came to the clearing desk of a village shall go to a desk of its own from now on: the administrator writes a rule
// without a script, tries it on real mail, releases it, and the next mail lies there. Then the rules before are back.

export const title = "Eine neue Regel";
export const actions = 17;

export default async function (t) {
  const word = `Baumfällung ${t.way}`;
  await t.mail("poststelle@luettow-valluhn.example", `${word} am Dorfteich`);
  await t.signIn("amt-admin");
  await t.open("/verwaltung", "Verwaltung");
  await t.go(t.link("Gemeinde Lüttow-Valluhn"), "Link Gemeinde Lüttow-Valluhn");
  const tenant = new URL(t.tab.url()).pathname;
  await t.go(t.link("Regeln"), "Link Regeln");
  await t.page("Regeln");
  const rules = new URL(t.tab.url()).pathname;
  await t.go(t.link("Neue Regel"), "Link Neue Regel");
  await t.page("Neue Regel");
  await t.fill("name", `Bäume (${t.way})`);
  await t.choose("feld", "Betreff enthält");
  await t.fill("wert", word);
  await t.tick("Arbeitskorb „Ordnungsamt“");
  await t.go(t.button("Im Entwurf speichern"), "Knopf Im Entwurf speichern");
  await t.heading("Das ändert sich mit der Freigabe");
  await t.page("Regeln mit Entwurf");

  await t.go(t.link("An Nachrichten prüfen"), "Link An Nachrichten prüfen");
  await t.page("Regeln prüfen");
  await t.reloadUntil(`${word} am Dorfteich`);
  await t.go(t.link(`${word} am Dorfteich`), "Link zur geprüften Nachricht");
  await t.page("Geprüfte Nachricht");
  const would = await t.tab.locator("#ginge").innerText();
  t.hold("it would go to the new desk", would.includes("Ordnungsamt"), would);
  const went = await t.tab.locator("#ging").innerText();
  t.hold("it went to the clearing desk", went.includes("Klärungskorb"), went);

  await t.open(rules, "Regeln mit Entwurf");
  await t.go(t.button("Freigeben"), "Knopf Freigeben");
  await t.shows(`Bäume (${t.way})`);
  await t.page("Freigegebene Regeln");
  await t.mail("poststelle@luettow-valluhn.example", `${word} am Bahnhof`);
  await t.open("/suche", "Suche");
  for (let tries = 0; (await t.link(`${word} am Bahnhof`).count()) === 0; tries += 1) {
    t.hold("the next mail is there within 20 tries", tries < 20);
    await t.tab.goto(new URL(`/suche?q=${encodeURIComponent(`${word} Bahnhof`)}`, t.tab.url()).href, { waitUntil: "load" });
  }
  await t.go(t.link(`${word} am Bahnhof`), "Link zur Nachricht");
  await t.heading("Bearbeitung: Arbeitskorb „Ordnungsamt“");
  await t.shows(new RegExp(`weil: .*Bäume \\(${t.way}\\)`));

  await t.open(`${rules}/verlauf`, "Verlauf der Regeln");
  await t.open(rules, "Freigegebene Regeln");
  await t.go(t.tab.getByRole("row").filter({ hasText: `Bäume (${t.way})` }).getByRole("button", { name: /^entfernen/ }), "Knopf entfernen");
  await t.go(t.button("Freigeben"), "Knopf Freigeben");
  t.hold("the rule is gone", (await t.link(`Bäume (${t.way})`).count()) === 0);
  await t.open(`${tenant}/ziele`, "Ziele");
}
