// SPDX-License-Identifier: EUPL-1.2
// After a restore the operator takes note of the alarm, which ends with that. Once only, so without JavaScript.

export const title = "Ein Alarm wird zur Kenntnis genommen";
export const ways = ["plain"];

export default async function (t) {
  await t.signIn("operator");
  await t.open("/betrieb", "Betrieb mit Alarm");
  await t.shows(/Aus einer Datensicherung wiederhergestellt/);
  await t.go(t.button("Zur Kenntnis genommen"), "Knopf Zur Kenntnis genommen");
  await t.page("Betrieb ohne Alarm");
  t.hold("the alarm has ended", (await t.tab.getByText(/Aus einer Datensicherung/).count()) === 0);
}
