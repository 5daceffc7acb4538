// One photo at a time: the original where a browser can show it, and what the library knows of it.

import { Problem, call, json, picture } from "./api.js";
import { make, minute, size } from "./grid.js";

// What every browser shows; of the rest, and of very large files, a reduced picture is shown.
const SHOWN = ["jpeg", "png", "webp", "gif", "bmp"];
const MOST_BYTES = 48e6;

const dated = photo => photo.dated ? "Taken" : "Date of the file";

const id = name => document.getElementById(name);

export class Viewer {
  #dialog = id("viewer"); #image = id("viewer-picture"); #problem = id("viewer-problem");
  #grid; #act; #hit = null; #stop = new AbortController(); #url = null;

  constructor(grid, act) {
    this.#grid = grid;
    this.#act = act;
    this.#dialog.addEventListener("click", event => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) this.#press(act);
      else if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#step(step);
    });
    this.#dialog.addEventListener("close", () => {
      this.#leave();
      this.#grid.focus(this.#at());
    });
  }

  open(hit) {
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#show(hit);
  }

  #at() { return this.#grid.hits.indexOf(this.#hit); }

  #leave() {
    this.#stop.abort();
    this.#image.removeAttribute("src");
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }

  #step(by) {
    const next = this.#grid.hits[this.#at() + by];
    if (next) this.#show(next);
  }

  #press(act) {
    if (act === "close") return this.#dialog.close();
    if (act === "next" || act === "previous") return this.#step(act === "next" ? 1 : -1);
    if (act === "save") return this.#save();
    if (act === "similar") this.#dialog.close();
    this.#act(act, this.#hit);
  }

  async #show(hit) {
    this.#leave();
    const stop = this.#stop = new AbortController();
    this.#hit = hit;
    id("viewer-name").textContent = hit.name;
    this.#problem.textContent = "";
    this.#facts([["Folder", hit.folder], [dated(hit), minute(hit)], ["Size", `${hit.width} × ${hit.height}, ${size(hit.bytes)}`]]);
    this.#dialog.querySelector("[data-act=previous]").disabled = this.#at() <= 0;
    this.#dialog.querySelector("[data-act=next]").disabled = this.#at() >= this.#grid.hits.length - 1;
    this.#image.alt = hit.name;
    // A window scrolls its whole content or the facts alone; each photo is shown from the top.
    for (const part of [this.#dialog, this.#dialog.querySelector(".side")]) part.scrollTop = 0;
    try {
      const photo = await json(`api/photos/${hit.id}`, { signal: stop.signal });
      this.#facts([
        ["Folder", photo.files.map(file => file.folder).join("; ")], [dated(photo), minute(photo)], ["Camera", photo.camera],
        ["Place", photo.latitude === null ? null : `${photo.latitude.toFixed(5)}, ${photo.longitude.toFixed(5)}`],
        ["Size", `${photo.width} × ${photo.height}, ${size(photo.bytes)}${photo.format ? `, ${photo.format.toUpperCase()}` : ""}`],
        ["Fit", hit.fit === null ? null : hit.fit.toFixed(2)], ["Cosine", hit.score.toFixed(3)],
      ]);
      const whole = SHOWN.includes(photo.format) && photo.bytes <= MOST_BYTES;
      await this.#load(`api/photos/${hit.id}/${whole ? "original" : "thumbnail?size=1024"}`, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) this.#problem.textContent = error.message;
    }
  }

  async #load(path, signal) {
    const url = await picture(path, { signal });
    if (signal.aborted) return URL.revokeObjectURL(url);
    this.#url = url;
    this.#image.src = url;
    await this.#image.decode().catch(() => {
      if (!signal.aborted) throw new Problem("The browser cannot show this photo; save the original instead.");
    });
  }

  #facts(facts) {
    const rows = facts.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    id("viewer-facts").replaceChildren(...rows);
  }

  async #save() {
    const hit = this.#hit;
    try {
      const url = URL.createObjectURL(await (await call(`api/photos/${hit.id}/original`)).blob());
      make("a", { href: url, download: hit.name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } catch (error) {
      if (this.#hit === hit) this.#problem.textContent = error.message;
    }
  }
}
