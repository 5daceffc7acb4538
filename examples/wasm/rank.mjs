// Ranks the photos of a folder by similarity to a sentence, in Node:
//
//   node rank.mjs MODULE.wasm MODEL.clippie FOLDER SENTENCE
//   node rank.mjs --rows MODULE.wasm MODEL.clippie FOLDER SENTENCE   # the embeddings, as `clippie-rs encode` prints them

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { Clip, cosine } from "./clippie.mjs";

const SHOWN = 5;

const args = argv.slice(2);
const rows = args[0] === "--rows";
if (rows) args.shift();
if (args.length !== 4) {
  console.error("usage: node rank.mjs [--rows] MODULE.wasm MODEL.clippie FOLDER SENTENCE");
  exit(2);
}
const [module, model, folder, sentence] = args;

const clip = await Clip.open(await WebAssembly.compile(await readFile(module)), await readFile(model));
const photos = [];
for (const name of (await readdir(folder)).sort()) {
  if (!/\.(png|jpe?g|webp|gif|bmp|tiff?)$/i.test(name)) continue;
  const path = join(folder, name);
  try {
    photos.push({ path, embedding: clip.image(await readFile(path)) });
  } catch (error) {
    // A damaged photo does not affect the others.
    console.error(`${path}: ${error.message}`);
  }
}
const query = clip.text(sentence);

if (rows) {
  for (const { path, embedding } of photos) console.log(JSON.stringify({ path, embedding: [...embedding] }));
  console.log(JSON.stringify({ text: sentence, embedding: [...query] }));
} else {
  const ranked = photos.map(({ path, embedding }) => ({ path, score: cosine(query, embedding) }));
  ranked.sort((a, b) => b.score - a.score);
  console.log(`${ranked.length} pictures; best for "${sentence}":`);
  for (const { path, score } of ranked.slice(0, SHOWN)) console.log(`${score.toFixed(4)}  ${path}`);
}
