// SPDX-License-Identifier: EUPL-1.2
// Shows by itself what is new on a page: asks whether things went on, fetches the page again and puts its changed
// parts (data-live, each with an id) in the place of the old ones. What somebody is typing stays as it is. Pages in
// the background do not ask. Without it the page has its link to reload.
(() => {
  "use strict";
  const box = document.getElementById("neues");
  if (!box || !window.fetch || !window.AbortController) return;
  const said = box.querySelector("[role=status]");
  const button = box.querySelector("button");
  const KEY = "poststelle-angehalten", GAP = 2000, LONGEST = 30000;
  const pause = (ms) => new Promise((resolve) => window.setTimeout(resolve, ms));
  const say = (text) => { if (said.textContent !== text) said.textContent = text; };
  let held = window.sessionStorage.getItem(KEY) === "1";
  let running = false, asking = null, failures = 0;

  // Typed in, or chosen in, since the page came.
  const changed = (field) => field.type === "checkbox" || field.type === "radio"
    ? field.checked !== field.defaultChecked
    : field.options
      ? [...field.options].some((option, at) => option.selected !== (option.defaultSelected || (at === 0 && ![...field.options].some((o) => o.defaultSelected))))
      : field.type !== "hidden" && field.value !== field.defaultValue;
  const inUse = (part) => [...part.querySelectorAll("input, select, textarea")].some(changed);

  function replace(old, fresh) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && focused.id && fresh.querySelector("#" + CSS.escape(focused.id));
    if (inUse(old) || (focused && !place)) return false;
    const open = [...old.querySelectorAll("details")].map((details) => details.open);
    fresh.querySelectorAll("details").forEach((details, at) => { details.open = open[at] || details.open; });
    old.replaceWith(fresh);
    if (place) place.focus({ preventScroll: true });
    return true;
  }

  // The page as a whole must go: not while somebody is typing on it.
  function leave() {
    if (![...document.querySelectorAll("form")].some(inUse)) return window.location.reload();
    held = true;
    label();
    say("Diese Seite gilt so nicht mehr, vielleicht sind Sie abgemeldet. Sichern Sie, was Sie geschrieben haben, und laden Sie sie neu.");
  }

  async function renew() {
    const answer = await window.fetch(window.location.href, { headers: { "x-poststelle-live": "1" } });
    if (answer.redirected || [401, 403, 404].includes(answer.status)) return leave();
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    let news = false, waiting = false;
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh || old.isEqualNode(fresh)) continue;
      if (replace(old, document.adoptNode(fresh))) news = true; else waiting = true;
    }
    const next = page.getElementById("neues");
    if (next && next.dataset.url) box.dataset.url = next.dataset.url;
    const now = new Date().toLocaleTimeString("de-DE", { hour: "2-digit", minute: "2-digit" });
    if (waiting) say("Es gibt Neues. „Neu laden“ zeigt es; was Sie hier eingegeben haben, geht dabei verloren.");
    else if (news) say("Um " + now + " Uhr kam Neues; es steht schon hier.");
  }

  async function run() {
    if (running) return;
    running = true;
    while (!held && !document.hidden) {
      asking = new AbortController();
      try {
        const answer = await window.fetch(box.dataset.url, { headers: { "x-poststelle-live": "1" }, signal: asking.signal });
        if ([401, 403, 404].includes(answer.status)) { leave(); break; }
        if (answer.status !== 200 && answer.status !== 204) throw new Error(String(answer.status));
        if (failures > 0) say("Die Verbindung ist wieder da.");
        failures = 0;
        if (answer.status === 200) { await renew(); await pause(GAP); }
      } catch {
        if (held || document.hidden) break;
        failures += 1;
        say("Keine Verbindung zur Poststelle; es wird weiter versucht. „Neu laden“ lädt die Seite.");
        await pause(Math.min(LONGEST, 1000 * 2 ** failures));
      }
    }
    running = false;
  }

  const stop = () => { if (asking) asking.abort(); };
  const label = () => {
    button.querySelector(".kern-label").textContent = held ? "Von selbst aktualisieren" : "Aktualisieren anhalten";
  };
  button.addEventListener("click", () => {
    held = !held;
    window.sessionStorage.setItem(KEY, held ? "1" : "");
    label();
    if (held) { stop(); say("Diese Seite bleibt, wie sie ist."); } else { say("Neues erscheint von selbst."); run(); }
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else run(); });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", () => run());
  label();
  button.hidden = false;
  say(held ? "Diese Seite bleibt, wie sie ist." : "Neues erscheint von selbst.");
  run();
})();
