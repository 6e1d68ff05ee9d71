// SPDX-License-Identifier: EUPL-1.2
// A clerk protects her account with a second factor, signs in with it, ends a session she left open elsewhere, and
// removes the factor again with a recovery code.

import { createHmac } from "node:crypto";

export const title = "Zweiter Faktor";
export const actions = 17;

/** RFC 6238 with SHA-1, six digits, 30 seconds; `ahead` steps from now. */
function code(base32, ahead = 0) {
  const bits = [...base32].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((octet) => Number.parseInt(octet, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

export default async function (t) {
  await t.signIn("amt-colleague");
  await t.go(t.link("Jule Vorlage"), "Link zum Konto");
  await t.page("Mein Konto");
  await t.go(t.link("Zweiten Faktor einrichten"), "Link zweiter Faktor");
  await t.page("Zweiter Faktor");
  const secret = (await t.tab.locator("#schluessel").innerText()).replaceAll(" ", "");
  await t.fill("code", code(secret));
  await t.go(t.button("Zweiten Faktor einrichten"), "Knopf einrichten");
  await t.page("Wiederherstellungscodes");
  const recovery = await t.tab.locator("li.pst-mono").allInnerTexts();
  t.hold("there are eight recovery codes", recovery.length === 8, String(recovery.length));

  await t.signIn("amt-colleague");
  await t.page("Code eingeben");
  await t.shows("mit einem zweiten Faktor geschützt");
  await t.fill("code", "000000");
  await t.go(t.button("Weiter"), "Knopf Weiter");
  await t.shows("Der Code ist falsch, abgelaufen oder schon benutzt.");
  await t.page("Falscher Code");
  t.noise = t.noise.filter((line) => !/status of 403/.test(line));
  // The code of now was used to set it up.
  await t.fill("code", code(secret, 1));
  await t.go(t.button("Weiter"), "Knopf Weiter");
  t.hold("she is in", new URL(t.tab.url()).pathname === "/arbeit", t.tab.url());

  await t.open("/konto", "Konto mit zweitem Faktor");
  await t.go(t.button(/^Sitzung seit .* beenden$/), "Knopf Sitzung beenden");
  await t.shows("Die Sitzung ist beendet.");
  await t.fill("code", recovery[0]);
  await t.go(t.button("Zweiten Faktor entfernen"), "Knopf entfernen");
  await t.shows("Der zweite Faktor ist entfernt.");
}
