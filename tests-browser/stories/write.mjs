// SPDX-License-Identifier: EUPL-1.2
// A clerk answers a mail with an attachment and sees what becomes of the answer; then begins a new letter, lets it lie
// and throws it away. With JavaScript the draft saves itself and the file is uploaded by itself.

import path from "node:path";
import { mkdtemp, writeFile } from "node:fs/promises";
import os from "node:os";

export const title = "Antworten mit Anlage";
export const actions = 14;

export default async function (t) {
  await t.signIn("clerk");
  await t.open("/nachrichten", "Nachrichten");
  await t.reloadUntil("Bauantrag Müller");
  await t.go(t.link(/^Bauantrag Müller/), "Link zur Nachricht");
  await t.go(t.button("Antworten"), "Knopf Antworten");
  t.hold("the draft has an address of its own", new URL(t.tab.url()).pathname.startsWith("/entwuerfe/"), t.tab.url());
  await t.page("Entwurf");
  const to = await t.tab.locator("#an").inputValue();
  t.hold("it goes to who asked", to === "absender@aussen.example", to);
  const subject = await t.tab.locator("#betreff").inputValue();
  t.hold("its subject says that it answers", subject === "AW: Bauantrag Müller", subject);

  const text = t.tab.locator("#brief");
  if (t.way === "keys") {
    await t.reach(text, "field text");
    await t.tab.keyboard.press("Control+Home");
    await t.tab.keyboard.type("Guten Tag, es fehlt der Lageplan.");
  } else {
    await text.fill("Guten Tag, es fehlt der Lageplan.\n\n" + (await text.inputValue()));
  }
  if (t.way !== "plain") {
    await t.tab.getByText(/^Gespeichert um/).waitFor({ timeout: 15_000 });
    t.hold("it saves itself", true);
  }
  const folder = await mkdtemp(path.join(os.tmpdir(), "brief-"));
  const file = path.join(folder, "Merkblatt Müller.pdf");
  await writeFile(file, Buffer.alloc(9_000_000, "%PDF-1.4 "));
  await t.tab.locator("#datei").setInputFiles(file);
  if (t.way === "plain") {
    // The field grows with the name of the file: what moves cannot be clicked, but can be pressed.
    const button = t.tab.getByRole("button", { name: "Anhängen", exact: true });
    await Promise.all([t.tab.waitForNavigation(), button.press("Enter")]);
  } else {
    await t.tab.getByText(/Müller\.pdf“ ist angehängt/).waitFor({ timeout: 30_000 });
  }
  await t.page("Entwurf mit Anlage");
  await t.shows("Merkblatt Müller.pdf");
  // Nothing is lost when it is opened anew.
  const place = t.tab.url();
  await t.tab.goto(place, { waitUntil: "load" });
  t.hold("text and file are kept",
    (await text.inputValue()).startsWith("Guten Tag, es fehlt") && (await t.tab.getByText(/Merkblatt/).count()) > 0);

  await t.go(t.tab.getByRole("button", { name: "Senden", exact: true }), "Knopf Senden");
  t.hold("the letter is a message", new URL(t.tab.url()).pathname.startsWith("/nachrichten/"), t.tab.url());
  await t.reloadUntil("Merkblatt Müller.pdf");
  await t.page("Gesendete Nachricht");
  await t.shows("Guten Tag, es fehlt der Lageplan.");
  await t.shows("E-Mail an absender@aussen.example");
  const back = await t.download(t.link(/Merkblatt Müller\.pdf/), "Link zur Anlage");
  t.hold("the attachment is what was attached", back.octets.length === 9_000_000, `${back.octets.length} octets`);

  await t.open("/entwuerfe", "Schreiben");
  await t.shows("AW: Bauantrag Müller");
  await t.go(t.link("Neue Nachricht"), "Link Neue Nachricht");
  await t.page("Neue Nachricht");
  await t.go(t.button("Weiter"), "Knopf Weiter");
  await t.fill("an", "niemand");
  await t.fill("betreff", "Nur ein Versuch");
  await t.go(t.tab.getByRole("button", { name: "Senden", exact: true }), "Knopf Senden");
  await t.shows("ist keine E-Mail-Adresse");
  await t.page("Abgelehnter Entwurf");
  t.noise = t.noise.filter((line) => !/status of 422/.test(line));
  await t.go(t.link("Löschen"), "Link Löschen");
  await t.page("Entwurf löschen");
  await t.go(t.button("Entwurf löschen"), "Knopf Entwurf löschen");
  await t.shows("Der Entwurf ist gelöscht.");
}
