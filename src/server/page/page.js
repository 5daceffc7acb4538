// The page as a whole: the form, the photos of the query, results in words, and the address.

import { json, picture, sentence } from "./api.js";
import { FILTERS, MOST_PHOTOS, Query } from "./query.js";
import { Grid, make } from "./grid.js";
import { Viewer } from "./viewer.js";

const STEP = 60, MOST = 1000;
const id = name => document.getElementById(name);
const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

let query = new Query(), library = null, stop = new AbortController(), limit = STEP, found = null, with_rest = false;
const grid = new Grid([id("fits"), id("nearest")], act);
const viewer = new Viewer(grid, act);

function act(what, hit) {
  if (what === "open") return viewer.open(hit);
  const photo = { id: hit.id, name: hit.name, weight: what === "subtract" ? -1 : 1 };
  if (what === "similar") {
    query.words = "";
    query.photos = [photo];
  } else if (!query.add(photo)) {
    return say(`A search takes ${MOST_PHOTOS} photos at most; remove one first.`, true);
  }
  submit();
}

function say(text, problem = false) {
  id("status").textContent = text;
  id("status").classList.toggle("problem", problem);
}

// Says what went wrong; where the token was not given, asks for it again.
function refused(error, again) {
  say(sentence(query.named(error.message)), true);
  if (error.status !== 401) return;
  const button = make("button", { type: "button", textContent: "Give the token" });
  button.addEventListener("click", () => {
    id("nothing").replaceChildren();
    again();
  });
  id("nothing").replaceChildren(make("p", {}, button));
}

// The form as the query has it.
function fill() {
  id("words").value = query.words;
  for (const name of FILTERS) id(name).value = query.filters[name] ?? "";
  chips();
  const set = FILTERS.filter(name => query.filters[name] && name !== "radius").length;
  id("filtered").textContent = set ? `(${set})` : "";
  if (set) id("filters").open = true;
}

function chips() {
  id("chips").replaceChildren(...query.photos.map(chip));
  id("chips").hidden = !query.photos.length;
}

function chip(photo) {
  const image = make("img", { alt: "" }), minus = photo.weight < 0;
  // One of an address has its number alone.
  if (!photo.name) {
    photo.name = `photo ${photo.id}`;
    json(`api/photos/${photo.id}`).then(({ files }) => {
      photo.name = files[0].name;
      chips();
    }, () => { /* The search says what is wrong. */ });
  }
  if (photo.file) photo.url ??= URL.createObjectURL(photo.file);
  if (photo.url) image.src = photo.url;
  else picture(`api/photos/${photo.id}/thumbnail?size=160`).then(url => { image.src = photo.url = url; }, () => {});
  // Some files that the server reads are none that a browser shows.
  image.addEventListener("error", () => image.remove());
  const sign = make("button", { type: "button", textContent: minus ? "−" : "+", className: minus ? "minus" : "" });
  sign.ariaLabel = minus ? `${photo.name} is subtracted; add it instead` : `${photo.name} is added; subtract it instead`;
  sign.addEventListener("click", () => {
    photo.weight = -photo.weight;
    submit();
  });
  const remove = make("button", { type: "button", textContent: "×" });
  remove.ariaLabel = `Remove ${photo.name} from the search`;
  remove.addEventListener("click", () => {
    query.photos = query.photos.filter(other => other !== photo);
    if (photo.url) URL.revokeObjectURL(photo.url);
    submit();
    id("words").focus();
  });
  return make("li", {}, sign, image, make("span", { title: photo.name, translate: false }, photo.name), remove);
}

// Reads the form, notes the address and searches.
function submit() {
  const address = query.address();
  if (address !== location.search && !(address === location.pathname && !location.search)) history.pushState(null, "", address);
  fill();
  limit = STEP;
  with_rest = false;
  run(false);
}

async function run(more) {
  stop.abort();
  const mine = stop = new AbortController();
  const inside = id("results").contains(document.activeElement);
  document.title = query.words ? `${query.words} – Photo library` : "Photo library";
  id("nothing").replaceChildren();
  if (!more) found = null;
  if (query.empty) {
    grid.clear();
    show();
    return welcome();
  }
  say("Searching…");
  id("results").setAttribute("aria-busy", "true");
  try {
    const [path, options] = query.request(limit);
    const answer = await json(path, { ...options, signal: mine.signal });
    found = answer;
    grid.show(found.hits, more);
    offer(found.hits.map(hit => hit.folder));
    result();
  } catch (error) {
    if (mine.signal.aborted) return;
    grid.clear();
    found = null;
    refused(error, () => run(false));
  }
  id("results").removeAttribute("aria-busy");
  show();
  // The card that had the focus is gone.
  if (inside && !more) document.querySelector(".card")?.offsetParent ? grid.focus(0) : id("results").focus();
}

// The number of photos that the filters pass, which is known where all of them are shown; else null.
function passing() {
  if (!query.filtered) return found.compared;
  return found.hits.length < limit ? found.hits.length : null;
}

const where = () => !query.filtered ? "" : Object.keys(query.filters).join() === "in" ? ` in ${query.filters.in}` : " that pass the filters";

// Folders that the filter offers: those of the library, and those inside of them that were seen in results.
const offered = new Set();
function offer(folders) {
  for (const folder of folders) {
    const parts = folder.split("/");
    parts.forEach((part, at) => offered.add(parts.slice(0, at + 1).join("/")));
  }
  id("folders").replaceChildren(...[...offered].filter(value => value).sort().map(value => make("option", { value })));
}

// Says what was found.
function result() {
  const fitting = found.hits.filter(hit => hit.fits).length, all = found.hits.length, full = all === limit, passed = passing();
  if (!found.compared) {
    say("");
    nothing("The library has no photos yet.", "Add some with clippie-rs index and the folder.");
  } else if (!all) {
    say("");
    nothing("No photo passes the filters.", "Clear one of them to see more.");
  } else if (query.filters.min) {
    say(`${full ? "The best " : ""}${count(all, "photo")} with a cosine of at least ${query.filters.min}.`);
    with_rest = true;
  } else if (found.cut === null) {
    say(`${full ? "The nearest " : ""}${count(all, "photo")}; the library has too few to tell which fit.`);
    with_rest = true;
  } else if (!fitting) {
    say("");
    if (!with_rest) nothing("Nothing fits.", `None of ${passed === null ? "the photos" : count(passed, "photo")}${where()} is what was asked for.`);
  } else {
    const only = fitting === all && full ? "The best " : "";
    const of = passed === null ? "" : ` of ${passed.toLocaleString("en")}`;
    say(`${only}${count(fitting, "photo")}${of}${where()} fit${fitting === 1 && !only ? "s" : ""}.`);
  }
}

function nothing(title, remedy) {
  id("nothing").replaceChildren(make("p", {}, title), make("p", {}, remedy));
}

// Shows the sections that have something to show.
function show() {
  const hits = found?.hits ?? [], fitting = hits.filter(hit => hit.fits).length, rest = hits.length - fitting;
  id("fitting").hidden = !fitting;
  id("rest").hidden = !rest || !with_rest;
  id("rest-heading").textContent = found?.cut === null ? "What comes nearest" : "What comes nearest without fitting";
  id("ask").hidden = !rest || with_rest;
  id("further").hidden = hits.length < limit || limit >= MOST || (rest > 0 && !with_rest);
}

function welcome() {
  say("");
  if (!library) return;
  if (!library.photos) return nothing("The library has no photos yet.", "Add some with clippie-rs index and the folder.");
  nothing("Describe a photo, or give one.", "Words find photos that show what they say; a photo finds those like it.");
}

// Photos from outside of the library.
function give(files) {
  const pictures = [...files].filter(file => file.type.startsWith("image/"));
  if (!pictures.length) return say("That is no photo; drop or paste a picture file.", true);
  for (const file of pictures) {
    if (!query.add({ file, name: file.name || "pasted photo", weight: 1 })) {
      return say(`A search takes ${MOST_PHOTOS} photos at most; remove one first.`, true);
    }
  }
  query.words = id("words").value;
  submit();
}

id("search").addEventListener("submit", event => {
  event.preventDefault();
  query.words = id("words").value.trim();
  query.filters = {};
  for (const name of FILTERS) {
    const value = id(name).value.trim();
    if (value) query.filters[name] = value;
  }
  submit();
});
id("clear").addEventListener("click", () => {
  query.words = id("words").value.trim();
  query.filters = {};
  submit();
});
id("file").addEventListener("change", event => {
  give(event.target.files);
  event.target.value = "";
});
id("rest-button").addEventListener("click", () => {
  with_rest = true;
  id("nothing").replaceChildren();
  show();
  grid.focus(found.hits.findIndex(hit => !hit.fits));
  if (!found.hits.some(hit => hit.fits)) say(`Nothing fits; these come nearest${passing() === null ? "" : ` of ${count(passing(), "photo")}`}${where()}.`);
});
id("more-button").addEventListener("click", () => {
  limit = Math.min(limit + STEP, MOST);
  run(true);
});

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, textarea, select");
  // The words may have the focus already, where nothing is typed yet.
  if (event.key === "/" && (!typing || event.target === id("words") && !event.target.value)) {
    event.preventDefault();
    id("words").focus();
    id("words").select();
  } else if (event.key === "ArrowDown" && event.target === id("words") && found?.hits.length) {
    event.preventDefault();
    grid.focus();
  } else if (event.key.startsWith("Arrow") && [document.body, id("results")].includes(event.target) && found?.hits.length) {
    // After a click beside the photos.
    event.preventDefault();
    grid.focus();
  } else if (event.key === "Escape" && !typing) {
    id("words").focus();
  }
});
document.addEventListener("paste", event => {
  if (event.clipboardData?.files.length) {
    event.preventDefault();
    give(event.clipboardData.files);
  }
});
const has_files = event => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", event => {
  if (!has_files(event)) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", event => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", event => {
  document.body.classList.remove("dropping");
  if (!has_files(event)) return;
  event.preventDefault();
  give(event.dataTransfer.files);
});
addEventListener("popstate", open);

function open() {
  query = Query.fromAddress(location.search);
  limit = STEP;
  with_rest = false;
  fill();
  return run(false);
}

async function start() {
  try {
    library = await json("api/library");
    const folders = library.folders.map(folder => folder.name);
    const facts = [["Photos", library.photos.toLocaleString("en")], ["Model", library.model], ["Folders", folders.join(", ")]];
    id("facts").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), " ", make("dd", {}, make("bdi", {}, value)))));
    offer(folders);
    await open();
    if (query.empty) id("words").focus();
  } catch (error) {
    refused(error, start);
  }
}
start();
