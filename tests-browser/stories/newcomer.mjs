// SPDX-License-Identifier: EUPL-1.2
// A newcomer has sent a mail and looks for it: sign-in, list, message with parts and timeline, sign-out; then the
// operator looks whether all is well.

export const title = "Die erste Nachricht";
export const actions = 12;

async function signIn(t, who) {
  const { login, password } = t.login(who);
  await t.open("/anmelden", "Anmeldung");
  await t.fill("login", login);
  await t.fill("password", password);
  await t.go(t.button("Anmelden"), "Knopf Anmelden");
}

export default async function (t) {
  // Without an account there is nothing to see.
  await t.tab.goto(new URL("/nachrichten", t.tab.url() === "about:blank" ? process.env.BASE_URL : t.tab.url()).href);
  t.hold("a stranger is sent to the sign-in page", new URL(t.tab.url()).pathname === "/anmelden", t.tab.url());

  // A wrong password is told in a sentence, and says nothing about the account.
  await t.fill("login", t.login("clerk").login);
  await t.fill("password", "falsch-geraten");
  await t.go(t.button("Anmelden"), "Knopf Anmelden");
  t.hold("a wrong password stays outside", new URL(t.tab.url()).pathname === "/anmelden", t.tab.url());
  await t.page("Anmeldung abgelehnt");

  await signIn(t, "clerk");
  await t.open("/nachrichten", "Nachrichten");
  await t.reloadUntil("Bauantrag Müller");
  await t.page("Nachrichten mit Eingang");
  await t.go(t.link(/Bauantrag Müller/), "Link zur Nachricht");
  t.hold("the message has an address of its own", /^\/nachrichten\/[^/]+\/[^/]+$/.test(new URL(t.tab.url()).pathname), t.tab.url());
  await t.page("Nachricht");
  await t.heading("Zeitleiste");
  await t.heading("Bestandteile");
  await t.shows("Bauantrag Müller.pdf");
  const file = await t.download(t.link(/Bauantrag Müller\.pdf/), "Link zum Bestandteil");
  t.hold("a part comes with its size", file.octets.length === 20000, `${file.octets.length} octets`);
  const all = await t.download(t.link(/alle Anhänge speichern/i), "Link alle Anhänge speichern");
  t.hold("all attachments come as one file", all.octets.length > 20000, `${all.octets.length} octets`);

  // The clerk is not the operator.
  const refused = await t.tab.goto(new URL("/betrieb", t.tab.url()).href);
  t.hold("a clerk does not see the operator's page",
    refused.status() === 403 || refused.status() === 404 || new URL(t.tab.url()).pathname === "/anmelden",
    `status ${refused.status()}`);
  t.noise = t.noise.filter((line) => !/status of 40[34]/.test(line));

  await t.context.clearCookies();
  await signIn(t, "operator");
  await t.open("/betrieb", "Betrieb");
  await t.shows(/Kan[aä]l/);
  await t.shows(/Warteschlange/);
}
