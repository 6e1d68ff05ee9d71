// SPDX-License-Identifier: EUPL-1.2
// Plays the stories of this folder against a running hub, in a real browser.
//
//   BASE_URL=http://127.0.0.1:1234 CREDENTIALS=demo.json node run.mjs [story …]
//
// BASE_URL     where the hub's pages are
// CREDENTIALS  JSON file with "smtp" and "logins": [{"who", "login", "password"}] (the demo writes one: scripts/peers/README.md)
// CHROMIUM     the browser (default /usr/bin/chromium)
// SCREENS      folder for pictures (default ../test-artifacts/screens)
//
// A story is stories/NAME.mjs with `export const title` and `export default async function (t)`, where t is a Teller.
// It is played once for each of its `export const ways` (default all): "script", "plain" (JavaScript off), "keys" (only
// the keyboard: then `export const actions` says how many things the person has to do). Prints PASS and FAIL lines;
// status 1 when one failed.

import { readFile, readdir, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const base = process.env.BASE_URL;
if (!base) {
  console.error("error: BASE_URL is not set");
  process.exit(2);
}
const screens = process.env.SCREENS ?? path.join(here, "..", "test-artifacts", "screens");
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const credentials = process.env.CREDENTIALS ? JSON.parse(await readFile(process.env.CREDENTIALS, "utf8")) : {};
const WAYS = ["script", "plain", "keys"];

let passed = 0;
let failed = 0;

/** What a story works with: one browser context, one page, and a list of what was held and what not. */
export class Teller {
  constructor(story, way, context, page) {
    this.story = story;
    this.way = way;
    this.context = context;
    this.tab = page;
    this.seen = new Set();
    this.noise = [];
    this.others = [];
    // What the person does: fields filled, choices made, links followed, buttons pressed.
    this.actions = 0;
    page.on("pageerror", (error) => this.noise.push(`script error: ${error.message}`));
    page.on("console", (line) => {
      if (line.type() === "error") this.noise.push(`console: ${line.text()}`);
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !/^(data|blob|about):/.test(url)) this.noise.push(`request to the outside: ${url}`);
    });
  }

  /** Records one thing; stops the story when it does not hold. */
  hold(what, ok, why = "") {
    const name = `${this.story}/${this.way}: ${what}`;
    if (ok) {
      passed += 1;
      console.log(`PASS ${name}`);
    } else {
      failed += 1;
      console.log(`FAIL ${name}${why ? `: ${why}` : ""}`);
      const stop = new Error(why || what);
      stop.told = true;
      throw stop;
    }
  }

  login(who) {
    const found = (credentials.logins ?? []).find((login) => login.who === who);
    if (!found) throw new Error(`no login for "${who}" in CREDENTIALS`);
    return found;
  }

  /** Opens a path of the hub and looks at it as page `name`. */
  async open(target, name) {
    const answer = await this.tab.goto(new URL(target, base).href, { waitUntil: "load" });
    this.hold(`${name} answers`, answer.status() < 400, `status ${answer.status()} for ${target}`);
    await this.page(name);
  }

  /** Looks at the page that is open now: basics, axe, picture. Call it after every step that shows something new. */
  async page(name) {
    await this.tab.waitForLoadState("load");
    const facts = await this.tab.evaluate(() => ({
      lang: document.documentElement.lang,
      title: document.title,
      headings: document.querySelectorAll("h1").length,
      main: document.querySelectorAll("main").length,
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
    }));
    this.hold(`${name} is in German, with a title, one h1 and one main`,
      facts.lang === "de" && facts.title !== "" && facts.headings === 1 && facts.main === 1, JSON.stringify(facts));
    this.hold(`${name} does not scroll sideways`, !facts.wide);
    if (!this.seen.has(name)) {
      this.seen.add(name);
      const file = path.join(screens, `${this.story}-${this.way}-${name.replaceAll(/[^\p{L}\p{N}]+/gu, "-")}.png`);
      await this.tab.screenshot({ path: file, fullPage: true });
    }
    if (this.way === "script") await this.enlarged(name);
    await this.axe(name);
  }

  /** At 200 % and 400 % (1280 CSS pixels become 640 and 320) nothing is lost, and only tables scroll sideways. */
  async enlarged(name) {
    const usual = this.tab.viewportSize();
    const controls = () => this.tab.evaluate(() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
      .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest(".pst-skip, .pst-first")).map((node) => {
        const box = node.getBoundingClientRect();
        const scrolls = node.closest("[role=region][tabindex], .pst-text, .pst-mail") !== null;
        return { name: (node.textContent || node.name || node.type).trim().slice(0, 40), out: !scrolls && (box.left < -1 || box.right > document.documentElement.clientWidth + 1) };
      }));
    const all = (await controls()).length;
    for (const [percent, width, height] of [[200, 640, 450], [400, 320, 256]]) {
      await this.tab.setViewportSize({ width, height });
      const wide = await this.tab.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);
      this.hold(`${name} does not scroll sideways at ${percent} %`, !wide);
      const now = await controls();
      const out = now.filter((control) => control.out).map((control) => control.name);
      this.hold(`${name} has all its controls at ${percent} %`, now.length === all && out.length === 0,
        `${now.length} of ${all}, outside: ${out.join(", ")}`);
      if (percent === 400) {
        const file = path.join(screens, `${this.story}-400-${name.replaceAll(/[^\p{L}\p{N}]+/gu, "-")}.png`);
        await this.tab.screenshot({ path: file, fullPage: true });
      }
    }
    await this.tab.setViewportSize(usual);
  }

  /** The page as printed: what is on paper stands in `shown`, what is not in `hidden` (locators). */
  async printed(name, shown, hidden) {
    await this.tab.emulateMedia({ media: "print" });
    for (const [what, on] of [...shown.map((s) => [s, true]), ...hidden.map((s) => [s, false])]) {
      const found = await this.tab.locator(what).first().isVisible();
      this.hold(`${name} printed ${on ? "has" : "leaves out"} ${what}`, found === on);
    }
    const file = path.join(screens, `${this.story}-${this.way}-Druck-${name.replaceAll(/[^\p{L}\p{N}]+/gu, "-")}`);
    if (this.way === "script") await this.tab.pdf({ path: `${file}.pdf`, format: "A4" });
    await this.tab.screenshot({ path: `${file}.png`, fullPage: true });
    await this.tab.emulateMedia({ media: "screen" });
  }

  /** Somebody else at a computer of their own, signed in. */
  async beside(who) {
    const context = await this.context.browser().newContext({ locale: "de-DE", timezoneId: "Europe/Berlin", viewport: this.tab.viewportSize() });
    const other = new Teller(`${this.story} (${who})`, this.way, context, await context.newPage());
    this.others.push(other);
    await other.signIn(who);
    return other;
  }

  /** Waits for something the page does by itself. */
  async comes(what, label, seconds = 20) {
    await what.first().waitFor({ state: "visible", timeout: seconds * 1000 }).catch(() => {});
    this.hold(`${label} appears by itself`, await what.first().isVisible(), `not on ${this.tab.url()}`);
  }

  /** axe-core with the rules of WCAG 2.1 A and AA and its best practices; nothing may be found. */
  async axe(name) {
    // Where JavaScript is off axe cannot run either: it gets the same document in a tab with JavaScript, less our scripts.
    const tab = this.way === "plain" ? await this.copy() : this.tab;
    await tab.evaluate(axeSource);
    const result = await tab.evaluate(() => globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      resultTypes: ["violations"],
    }));
    const told = result.violations.map((v) => `${v.id} (${v.help}): ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
    this.hold(`${name} has no finding of axe`, told.length === 0, told.join(" | "));
  }

  async copy() {
    const html = await this.tab.content();
    const url = this.tab.url();
    this.mirror ??= await (await this.context.browser().newContext({ locale: "de-DE", viewport: this.tab.viewportSize() })).newPage();
    await this.mirror.unrouteAll();
    await this.mirror.route("**/*", (route) => {
      const request = route.request();
      if (request.isNavigationRequest()) return route.fulfill({ contentType: "text/html; charset=utf-8", body: html });
      return request.resourceType() === "script" ? route.abort() : route.continue();
    });
    await this.mirror.goto(url, { waitUntil: "load" });
    return this.mirror;
  }

  /** Whether this text stands on the page, as a person would see it. */
  async shows(text) {
    const found = await this.tab.getByText(text).first().isVisible().catch(() => false);
    this.hold(`shows ${text}`, found, `not on ${this.tab.url()}`);
  }

  async heading(text) {
    const found = await this.tab.getByRole("heading", { name: text }).first().isVisible().catch(() => false);
    this.hold(`has the heading ${text}`, found, `not on ${this.tab.url()}`);
  }

  /** Puts text into the field of that name or id (`#…`): by keyboard where the story is told so. */
  async fill(name, text) {
    this.actions += 1;
    const field = this.tab.locator(name.startsWith("#") ? name : `[name="${name}"]:not([type=hidden])`).first();
    if (this.way === "keys") {
      await this.reach(field, `field ${name}`);
      await this.tab.keyboard.type(text);
    } else {
      await field.fill(text);
    }
  }

  /** Follows a link or presses a button (`what` is a locator), and waits for the page behind it. */
  async go(what, label) {
    this.actions += 1;
    await what.first().waitFor({ state: "visible", timeout: 10_000 }).catch(() => {});
    this.hold(`has ${label}`, (await what.count()) > 0, `not on ${this.tab.url()}`);
    if (this.way === "keys") {
      await this.reach(what.first(), label);
      await Promise.all([this.tab.waitForNavigation({ timeout: 15_000 }), this.tab.keyboard.press("Enter")]);
    } else {
      // Without JavaScript in the page the driver's click can wait for ever for a layout that has moved.
      const press = this.way === "plain" ? what.first().press("Enter") : what.first().click();
      await Promise.all([this.tab.waitForNavigation({ timeout: 15_000 }), press]);
    }
  }

  /** Sets a date field: its own parts are the browser's, so the value is put in as a whole. */
  async date(name, value) {
    this.actions += 1;
    const field = this.tab.locator(`input[name="${name}"]`).first();
    if (this.way === "keys") await this.reach(field, `field ${name}`);
    await field.fill(value);
  }

  /** Opens a fold. */
  async expand(text) {
    this.actions += 1;
    const fold = this.tab.locator("summary", { hasText: text }).first();
    if (this.way === "keys") {
      await this.reach(fold, `fold ${text}`);
      await this.tab.keyboard.press("Enter");
    } else {
      await fold.click();
    }
  }

  /** Chooses from a list by its words. */
  async choose(name, label) {
    this.actions += 1;
    const field = this.tab.locator(`select[name="${name}"]`).first();
    if (this.way === "keys") {
      await this.reach(field, `list ${name}`);
      const at = await field.evaluate((node, words) => [...node.options].findIndex((o) => o.textContent.trim() === words), label);
      await this.tab.keyboard.press("Home");
      for (let step = 0; step < at; step += 1) await this.tab.keyboard.press("ArrowDown");
    } else {
      await field.selectOption({ label });
    }
    const chosen = await field.evaluate((node) => node.selectedOptions[0]?.textContent?.trim());
    this.hold(`${label} is chosen`, chosen === label, chosen);
  }

  /** Ticks a box by its words. */
  async tick(words) {
    this.actions += 1;
    const box = this.tab.getByLabel(words, { exact: true });
    if (this.way === "keys") {
      await this.reach(box, `box ${words}`);
      await this.tab.keyboard.press("Space");
    } else {
      await box.check();
    }
    this.hold(`${words} is ticked`, await box.isChecked());
  }

  /** A mail from outside, over SMTP. */
  async mail(to, subject) {
    const [host, port] = credentials.smtp.split(":");
    const socket = net.connect(Number(port), host);
    const lines = [`EHLO aussen.example`, `MAIL FROM:<absender@aussen.example>`, `RCPT TO:<${to}>`, "DATA",
      `From: absender@aussen.example\r\nTo: ${to}\r\nSubject: =?utf-8?B?${Buffer.from(subject).toString("base64")}?=\r\n\r\nGuten Tag\r\n.`, "QUIT"];
    let said = "";
    for await (const piece of socket) {
      said += piece;
      if (!/^\d{3} .*\r\n$/m.test(said)) continue;
      if (!/^[23]/.test(said)) throw new Error(`SMTP: ${said}`);
      said = "";
      const next = lines.shift();
      if (next === undefined) break;
      socket.write(`${next}\r\n`);
    }
  }

  /** Signs somebody in, whoever was before: one of the demo's people, or a name with its password. */
  async signIn(who, given) {
    await this.context.clearCookies();
    const { login, password } = given ? { login: who, password: given } : this.login(who);
    await this.open("/anmelden", "Anmeldung");
    await this.fill("login", login);
    await this.fill("password", password);
    await this.go(this.button("Anmelden"), "Knopf Anmelden");
  }

  link(name) {
    return this.tab.getByRole("link", { name });
  }

  button(name) {
    return this.tab.getByRole("button", { name });
  }

  /** Tab until the element has the focus; it must come, within 80 steps, and the focus must be visible on the way. */
  async reach(element, label) {
    const target = await element.elementHandle();
    for (let step = 0; step < 80; step += 1) {
      if (await target.evaluate((node) => document.activeElement === node)) {
        const marked = await target.evaluate((node) => {
          const style = getComputedStyle(node);
          return style.outlineStyle !== "none" || style.boxShadow !== "none";
        });
        this.hold(`${label} shows that it has the focus`, marked);
        return;
      }
      await this.tab.keyboard.press("Tab");
    }
    this.hold(`${label} is reached by keyboard`, false);
  }

  /** Clicks something that downloads; returns name and octets. */
  async download(what, label) {
    this.actions += 1;
    this.hold(`has ${label}`, (await what.count()) > 0);
    if (this.way === "keys") await this.reach(what.first(), label);
    const [file] = await Promise.all([
      this.tab.waitForEvent("download", { timeout: 15_000 }),
      this.way === "keys" ? this.tab.keyboard.press("Enter") : what.first().click(),
    ]);
    return { name: file.suggestedFilename(), octets: await readFile(await file.path()) };
  }

  /** Reloads until the text is there: what a person does who waits for a mail. */
  async reloadUntil(text, seconds = 20) {
    const end = Date.now() + seconds * 1000;
    while (!(await this.tab.getByText(text).first().isVisible().catch(() => false))) {
      this.hold(`shows ${text} after ${seconds} s`, Date.now() < end, `not on ${this.tab.url()}`);
      await this.tab.waitForTimeout(300);
      await this.tab.reload({ waitUntil: "load" });
    }
    this.hold(`shows ${text}`, true);
  }

  /** Nothing went wrong unseen: no script error, no request to another host. */
  quiet() {
    this.hold("no script errors, no requests to the outside", this.noise.length === 0, this.noise.join(" | "));
  }
}

async function play(browser, name, story, way) {
  const context = await browser.newContext({
    locale: "de-DE",
    timezoneId: "Europe/Berlin",
    viewport: { width: 1280, height: 900 },
    javaScriptEnabled: way !== "plain",
    acceptDownloads: true,
    bypassCSP: false,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const teller = new Teller(name, way, context, page);
  try {
    await within(240, story.default(teller));
    teller.quiet();
    for (const other of teller.others) other.quiet();
    if (way === "keys") {
      const actions = [teller, ...teller.others].reduce((sum, one) => sum + one.actions, 0);
      teller.hold(`takes ${story.actions} actions at the keyboard`, actions === story.actions, `${actions}`);
    }
  } catch (error) {
    if (!error.told) {
      failed += 1;
      console.log(`FAIL ${name}/${way}: ${String(error.message ?? error).split("\n")[0]}`);
    }
    await page.screenshot({ path: path.join(screens, `FAIL-${name}-${way}.png`), fullPage: true }).catch(() => {});
  } finally {
    for (const one of [teller, ...teller.others]) await one.mirror?.context().close();
    for (const other of teller.others) await other.context.close();
    await context.close();
  }
}

function within(seconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the story takes longer than ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

await mkdir(screens, { recursive: true });
const wanted = process.argv.slice(2);
const names = (await readdir(path.join(here, "stories")))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -4))
  .filter((name) => wanted.length === 0 || wanted.includes(name))
  .sort();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-proxy-server"],
});
try {
  for (const name of names) {
    const story = await import(path.join(here, "stories", `${name}.mjs`));
    for (const way of story.ways ?? WAYS) await play(browser, name, story, way);
  }
} finally {
  await browser.close();
}
console.log(`${names.length} stories, ${passed} held, ${failed} not`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
