// SPDX-License-Identifier: EUPL-1.2
// The administrator of an Amt takes a new colleague in; she signs in, chooses a password of her own and sees her desk. A
// mailbox and its address are added. Then she is locked out again, and all of it can be read in sentences.

export const title = "Eine neue Kollegin";
export const actions = 24;

export default async function (t) {
  const login = `nele.${t.way}`;
  await t.signIn("amt-admin");
  await t.open("/verwaltung", "Verwaltung");
  await t.go(t.link("Gemeinde Kogel"), "Link Gemeinde Kogel");
  await t.page("Verwaltung der Gemeinde");
  const tenant = new URL(t.tab.url()).pathname;
  await t.go(t.link("Personen und Dienste"), "Link Personen und Dienste");
  await t.page("Personen");
  await t.fill("name", `Nele Neu (${t.way})`);
  await t.fill("login", login);
  await t.choose("rolle", "Sachbearbeitung");
  await t.go(t.button("Anlegen"), "Knopf Anlegen");
  await t.shows("wird nur jetzt gezeigt");
  await t.page("Erstes Passwort");
  const first = await t.tab.locator("#geheimnis").innerText();
  await t.go(t.link("Das Passwort ist notiert"), "Link Das Passwort ist notiert");
  await t.shows(`Nele Neu (${t.way})`);

  await t.open(`${tenant}/postfaecher`, "Postfächer");
  await t.fill("#name", `Friedhof (${t.way})`);
  await t.go(t.tab.getByRole("button", { name: "Anlegen", exact: true }), "Knopf Anlegen");
  await t.shows(`Friedhof (${t.way})`);
  await t.open(`${tenant}/koerbe`, "Arbeitskörbe einrichten");

  await t.signIn(login, first);
  await t.page("Eigenes Passwort");
  await t.fill("alt", first);
  await t.fill("neu", `Mein eigenes Passwort ${t.way}`);
  await t.fill("wiederholung", `Mein eigenes Passwort ${t.way}`);
  await t.go(t.button("Passwort ändern"), "Knopf Passwort ändern");
  await t.open("/arbeit", "Arbeitskörbe der neuen Kollegin");
  await t.shows("Gemeinde Kogel");
  const text = await t.tab.locator("main").innerText();
  t.hold("she sees no other village", !/Gallin|Vellahn/.test(text), text);
  const refused = await t.tab.goto(new URL(`${tenant}/personen`, t.tab.url()).href);
  t.hold("she administers nothing", refused.status() === 404, `status ${refused.status()}`);
  t.noise = t.noise.filter((line) => !/status of 404/.test(line));

  await t.signIn("amt-admin");
  await t.open(`${tenant}/personen`, "Personen mit der neuen Kollegin");
  await t.go(t.link(`Nele Neu (${t.way})`), "Link zur Person");
  await t.page("Person");
  await t.go(t.button(/^Konto sperren|^Sperren/), "Knopf Sperren");
  await t.shows("gesperrt");
  await t.open(`${tenant}/aenderungen`, "Änderungen");
  await t.shows(`Hinnerk Muster hat das Konto von Nele Neu (${t.way}) angelegt (Anmeldename ${login}).`);
  await t.shows(`Hinnerk Muster hat das Konto von Nele Neu (${t.way}) gesperrt.`);
  await t.shows(`Hinnerk Muster hat das Postfach „Friedhof (${t.way})“ angelegt.`);
}
