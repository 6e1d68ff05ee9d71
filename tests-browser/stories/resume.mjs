// SPDX-License-Identifier: EUPL-1.2
// A message that was sent on came back as undeliverable. A clerk lets the hub try again: link, a page that says what will
// happen, button; then the timeline says who it was, and who read the message.

export const title = "Eine Übergabe fortsetzen";
export const actions = 6;

export default async function (t) {
  await t.signIn("clerk");
  await t.open("/nachrichten", "Nachrichten");
  await t.reloadUntil("Wasseranschluss Gartenweg 3");
  await t.go(t.link(/Wasseranschluss Gartenweg 3/), "Link zur Nachricht");
  await t.reloadUntil("Übergabe fortsetzen");
  await t.page("Nachricht mit gescheiterter Übergabe");
  await t.shows(/Von .+ geöffnet\./);

  await t.go(t.link(/Übergabe fortsetzen/), "Link Übergabe fortsetzen");
  await t.page("Übergabe fortsetzen");
  await t.heading("Was dann geschieht");
  await t.shows(/gleich noch einmal/);
  await t.go(t.button("Übergabe fortsetzen"), "Knopf Übergabe fortsetzen");
  await t.page("Übergabe fortgesetzt");
  await t.shows("Die Übergabe geht weiter. Was daraus wird, steht in der Zeitleiste.");
  await t.shows("Übergabe fortgesetzt");
}
