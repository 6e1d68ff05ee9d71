// SPDX-License-Identifier: EUPL-1.2
// Comfort on the page of a draft: saves by itself some seconds after typing stops, takes dropped files, uploads them in
// pieces and goes on where an upload stopped. Without it the form does the same.
(() => {
  "use strict";
  const form = document.getElementById("entwurf");
  if (!form || !window.fetch) return;
  const said = document.getElementById("gespeichert");
  const box = document.getElementById("dateien");
  const list = document.getElementById("liste");
  const picker = document.getElementById("datei");
  const PAUSE = 3000, PIECE = 4 * 1024 * 1024, TRIES = 5;
  const typed = ["an", "kopie", "betreff", "text"];
  let timer = 0, leaving = false, stopped = false;
  // One after the other: each step needs the version the one before gave.
  let line = Promise.resolve();
  const next = (step) => (line = line.then(step, step));
  const say = (text) => { said.textContent = text; };
  const token = { "x-csrf-token": form.elements.csrf.value };
  const state = () => typed.map((name) => form.elements[name].value).join("\u0000");
  let stored = state();

  async function save() {
    window.clearTimeout(timer);
    const now = state();
    if (stopped || leaving || now === stored) return;
    const data = new FormData();
    for (const name of ["csrf", "version", ...typed]) data.append(name, form.elements[name].value);
    data.append("schritt", "speichern");
    let answer;
    try {
      answer = await fetch(form.action, { method: "POST", body: data, headers: { accept: "application/json" } });
    } catch {
      say("Noch nicht gespeichert: keine Verbindung. Es wird weiter versucht.");
      timer = window.setTimeout(() => next(save), 2 * PAUSE);
      return;
    }
    if (answer.ok && !answer.redirected) {
      const result = await answer.json();
      form.elements.version.value = result.version;
      stored = now;
      say("Gespeichert um " + result.when + ".");
    } else if (answer.status === 409) {
      stopped = true;
      say("In einem anderen Fenster geändert. Hier wird nicht mehr von selbst gespeichert; „Speichern“ zeigt, was zu tun ist.");
    } else {
      say("Noch nicht gespeichert. „Speichern“ zeigt, woran es liegt.");
    }
  }

  form.addEventListener("input", (event) => {
    if (!typed.includes(event.target.name)) return;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => next(save), PAUSE);
  });
  let released = false;
  form.addEventListener("submit", (event) => {
    if (released) return;
    // What is on its way ends first, so that the form carries the version it gave.
    event.preventDefault();
    const button = event.submitter;
    window.clearTimeout(timer);
    next(() => {
      leaving = released = true;
      // Files are uploaded already.
      picker.disabled = true;
      // Not within the event: there a second submission is ignored.
      window.setTimeout(() => form.requestSubmit(button || undefined), 0);
    });
  });

  async function upload(file, shown, bar) {
    const announced = await fetch(form.action + "/anlagen", {
      method: "POST",
      headers: { ...token, "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ name: file.name, media_type: file.type, size: file.size }),
    });
    if (!announced.ok) throw announced.status;
    const part = await announced.json();
    form.elements.version.value = part.version;
    let offset = 0, failures = 0;
    while (offset < file.size) {
      try {
        const answer = await fetch(part.href, {
          method: "PUT",
          headers: { ...token, "upload-offset": String(offset), "content-type": "application/octet-stream" },
          body: file.slice(offset, offset + PIECE),
        });
        if (!answer.ok) throw answer.status;
        offset = (await answer.json()).offset;
        failures = 0;
      } catch (error) {
        failures += 1;
        if (failures > TRIES || [401, 403, 404, 413, 422].includes(error)) throw error;
        await new Promise((resolve) => window.setTimeout(resolve, 1000 * failures));
        const asked = await fetch(part.href).catch(() => null);
        if (asked && asked.ok && !asked.redirected) offset = (await asked.json()).offset;
      }
      bar.value = offset;
    }
    bar.remove();
    const button = document.createElement("button");
    button.type = "submit";
    button.name = "schritt";
    button.value = "entfernen:" + part.href.split("/").pop();
    button.className = "kern-btn kern-btn--tertiary kern-btn--x-small";
    button.innerHTML = "<span class=\"kern-label\">Entfernen<span class=\"kern-sr-only\"></span></span>";
    button.querySelector(".kern-sr-only").textContent = ": " + file.name;
    shown.append(" ", button);
    say("„" + file.name + "“ ist angehängt.");
  }

  function take(files) {
    for (const file of files) {
      const shown = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = file.name;
      const bar = document.createElement("progress");
      bar.max = Math.max(1, file.size);
      bar.value = 0;
      bar.setAttribute("aria-label", "Hochladen von " + file.name);
      shown.append(name, bar);
      list.append(shown);
      next(save);
      next(() => upload(file, shown, bar).catch((error) => {
        bar.remove();
        const why = error === 413 ? "zu groß" : error === 422 ? "nicht zulässig" : "nicht vollständig hochgeladen";
        name.textContent = file.name + " – " + why;
        say("„" + file.name + "“ ist nicht angehängt: " + why + ".");
      }));
    }
  }

  document.getElementById("anhaengen").hidden = true;
  picker.addEventListener("change", () => { take([...picker.files]); picker.value = ""; });
  for (const kind of ["dragenter", "dragover"]) {
    box.addEventListener(kind, (event) => { event.preventDefault(); box.classList.add("pst-over"); });
  }
  for (const kind of ["dragleave", "drop"]) {
    box.addEventListener(kind, (event) => { event.preventDefault(); box.classList.remove("pst-over"); });
  }
  box.addEventListener("drop", (event) => take([...event.dataTransfer.files]));
})();
