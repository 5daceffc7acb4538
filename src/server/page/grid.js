// The grid of photos: cards with lazy thumbnails, and the keyboard on them.

import { picture } from "./api.js";

const SIDE = 320;

// An element with properties and children.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    bytes /= 1000;
    if (bytes < 9.95) return `${bytes.toFixed(1)} ${unit}`;
    if (bytes < 999.5 || unit === "GB") return `${bytes.toFixed(0)} ${unit}`;
  }
}

export const minute = ({ taken }) => taken.slice(0, 16).replace("T", " ");

// The date to the minute; in brackets if it is the file's.
const date = photo => photo.dated || !photo.taken ? minute(photo) : `(${minute(photo)})`;

export class Grid {
  #lists; #act; #hits = []; #cards = []; #current = 0; #stop = new AbortController(); #urls = [];
  #seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.#seen.unobserve(target);
      this.#load(target);
    }
  }, { rootMargin: "400px" });

  // `lists` are those of what fits and of the rest; `act(what, hit)` is called for what is pressed.
  constructor(lists, act) {
    this.#lists = lists;
    this.#act = act;
    for (const list of lists) {
      list.addEventListener("click", event => this.#click(event));
      list.addEventListener("keydown", event => this.#key(event));
      list.addEventListener("focusin", event => this.#make_current(this.#of(event.target)));
    }
  }

  get hits() { return this.#hits; }

  // Shows photos, those that fit and the rest. Cards that are there already stay, if `more` of the same are shown.
  show(hits, more) {
    if (!more) this.clear();
    const from = this.#cards.length;
    this.#hits = hits;
    hits.slice(from).forEach((hit, at) => {
      const card = this.#card(hit, from + at);
      this.#cards.push(card);
      this.#lists[hit.fits ? 0 : 1].append(card);
      this.#seen.observe(card);
    });
    this.#make_current(Math.min(this.#current, this.#cards.length - 1));
  }

  clear() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#seen.disconnect();
    this.#urls.forEach(url => URL.revokeObjectURL(url));
    this.#urls = [];
    this.#hits = [];
    this.#cards = [];
    this.#current = 0;
    this.#lists.forEach(list => list.replaceChildren());
  }

  focus(at = this.#current) {
    const card = this.#cards[at];
    if (!card || !card.offsetParent) return;
    this.#make_current(at);
    card.querySelector(".picture").focus();
    card.scrollIntoView({ block: "nearest" });
  }

  #card(hit, at) {
    const [across, down] = [hit.width, hit.height], scale = Math.min(1, SIDE / Math.max(across, down));
    const image = make("img", { alt: hit.name, decoding: "async" });
    image.width = Math.max(1, Math.round(across * scale));
    image.height = Math.max(1, Math.round(down * scale));
    const name = make("p", { className: "name", title: `${hit.folder}/${hit.name}` }, make("bdi", {}, hit.name));
    name.translate = false;
    const about = make("div", { className: "about" }, name);
    about.append(make("p", { className: "folder", translate: false }, make("bdi", {}, hit.folder)));
    const score = make("p", { className: "score" });
    if (hit.fit !== null) score.append(make("b", {}, `fit ${hit.fit.toFixed(2)}`), " ", make("span", {}, `cosine ${hit.score.toFixed(3)}`));
    else score.append(make("b", {}, hit.score.toFixed(3)), " ", make("span", {}, "cosine"));
    about.append(score, make("p", {}, date(hit)));
    about.append(make("p", {}, make("span", {}, `${across} × ${down}`), " ", make("span", {}, size(hit.bytes))));
    if (hit.copies) about.append(make("p", {}, hit.copies === 1 ? "and 1 copy" : `and ${hit.copies} copies`));
    const button = (act, text, label, className = "") => {
      const made = make("button", { type: "button", textContent: text, className, tabIndex: -1 });
      made.dataset.act = act;
      made.ariaLabel = `${label} ${hit.name}`;
      return made;
    };
    about.append(make("div", { className: "acts" },
      button("similar", "More like this", "More like this:"),
      button("add", "+", "Add to the search:", "sign"), button("subtract", "−", "Subtract from the search:", "sign")));
    const open = make("a", { className: "picture", href: `#photo-${hit.id}`, tabIndex: -1 }, image);
    open.dataset.act = "open";
    open.setAttribute("aria-keyshortcuts", "Enter + -");
    const card = make("li", { className: "card" }, open, about);
    card.dataset.at = at;
    return card;
  }

  async #load(card) {
    const stop = this.#stop, hit = this.#hits[card.dataset.at], image = card.querySelector("img");
    try {
      const url = await picture(`api/photos/${hit.id}/thumbnail?size=${SIDE}`, { signal: stop.signal });
      if (stop.signal.aborted) return URL.revokeObjectURL(url);
      this.#urls.push(url);
      image.src = url;
    } catch (error) {
      if (stop.signal.aborted) return;
      image.replaceWith(make("span", { className: "missing" }, make("b", {}, "No picture"), make("span", {}, error.message)));
    }
  }

  #of(element) {
    return Number(element.closest("li").dataset.at);
  }

  #click(event) {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (!act || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.#act(act, this.#hits[this.#of(event.target)]);
  }

  // One card is in the order of the tab key, with all that it has.
  #make_current(at) {
    const tabs = (card, index) => card?.querySelectorAll("[data-act]").forEach(element => { element.tabIndex = index; });
    tabs(this.#cards[this.#current], -1);
    this.#current = Math.max(0, at);
    tabs(this.#cards[this.#current], 0);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#current, last = this.#cards.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key]
      ?? ({ ArrowDown: this.#vertical(at, 1), ArrowUp: this.#vertical(at, -1) })[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.focus(Math.min(Math.max(to, 0), last));
    } else if (event.key === "+" || event.key === "-") {
      event.preventDefault();
      this.#act(event.key === "+" ? "add" : "subtract", this.#hits[at]);
    }
  }

  // The card in the next row that is nearest to the column of this one.
  #vertical(at, step) {
    const box = element => element.getBoundingClientRect(), here = box(this.#cards[at]), middle = here.left + here.width / 2;
    let best = at, distance = Infinity, row = null;
    for (let other = at + step; this.#cards[other]; other += step) {
      const there = box(this.#cards[other]);
      if (!there.width || Math.abs(there.top - here.top) < 2) continue;
      row ??= there.top;
      if (Math.abs(there.top - row) > 2) break;
      const away = Math.abs(there.left + there.width / 2 - middle);
      if (away < distance) [best, distance] = [other, away];
    }
    return best;
  }
}
