// What is searched for: words, photos with signs, filters; and its form in the address of the page.

import { Problem } from "./api.js";

export const FILTERS = ["in", "after", "before", "min", "near", "radius"];

// Photos of one search; the server takes as many.
export const MOST_PHOTOS = 8;

// A place as it is typed: two numbers, apart by a comma, a semicolon or a space; as the server spells it.
function place(typed) {
  const found = /^\s*(-?\d+(?:\.\d+)?)\s*[,;\s]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(typed);
  if (!found) throw new Problem("Near: two numbers, such as 48.85, 2.35.");
  return `${found[1]},${found[2]}`;
}

export class Query {
  words = "";
  // {id, name} of the library or {file, name}, each with weight 1 or -1.
  photos = [];
  filters = {};

  static fromAddress(search) {
    const query = new Query(), asked = new URLSearchParams(search);
    query.words = asked.get("q") ?? "";
    for (const [key, weight] of [["with", 1], ["without", -1]]) {
      for (const id of (asked.get(key) ?? "").split(",").filter(id => /^[1-9]\d{0,15}$/.test(id))) {
        if (query.photos.length < MOST_PHOTOS) query.photos.push({ id: Number(id), name: "", weight });
      }
    }
    for (const name of FILTERS) if (asked.get(name)) query.filters[name] = asked.get(name);
    return query;
  }

  // Photos from outside of the library cannot be part of an address.
  address() {
    const parts = new URLSearchParams();
    if (this.words) parts.set("q", this.words);
    for (const [key, weight] of [["with", 1], ["without", -1]]) {
      const ids = this.photos.filter(photo => photo.id && photo.weight === weight).map(photo => photo.id);
      if (ids.length) parts.set(key, ids.join(","));
    }
    for (const name of FILTERS) if (this.filters[name]) parts.set(name, this.filters[name]);
    const text = parts.toString();
    return text ? `?${text}` : location.pathname;
  }

  get empty() {
    return !this.words.trim() && !this.photos.length;
  }

  // Whether filters leave photos out; a cosine does not say which are compared.
  get filtered() {
    return ["in", "after", "before", "near"].some(name => this.filters[name]);
  }

  // Adds a photo, or changes the sign of one that is there; false if there are too many.
  add(photo) {
    const known = photo.id && this.photos.find(other => other.id === photo.id);
    if (known) {
      known.weight = photo.weight;
      return true;
    }
    if (this.photos.length >= MOST_PHOTOS) return false;
    this.photos.push(photo);
    return true;
  }

  // A message of the server about an uploaded photo, with the name of its file.
  named(message) {
    const files = this.photos.filter(photo => photo.file);
    return message.replace(/photo (\d+) of the request/i, (text, number) => files[number]?.name ?? text);
  }

  // The call that finds it: at most `n` photos, those that do not fit too. A Problem if a filter cannot be read.
  request(n) {
    const asked = new URLSearchParams({ n, all: "true" });
    for (const name of FILTERS) if (this.filters[name]) asked.set(name, this.filters[name]);
    if (this.filters.near) asked.set("near", place(this.filters.near));
    else asked.delete("radius");
    if (this.words.trim()) asked.set("q", this.words.trim());
    const only = this.photos.length === 1 ? this.photos[0] : null;
    if (!this.photos.length) return [`api/search?${asked}`, {}];
    if (only?.id && only.weight === 1 && !this.words.trim()) return [`api/similar/${only.id}?${asked}`, {}];
    const body = new FormData(), terms = [];
    for (const { id, file, name, weight } of this.photos) {
      if (id) {
        terms.push({ id, weight });
      } else {
        terms.push({ photo: body.getAll("photo").length, weight });
        body.append("photo", file, name);
      }
    }
    body.append("terms", new Blob([JSON.stringify(terms)], { type: "application/json" }));
    return [`api/search?${asked}`, { method: "POST", body }];
  }
}
