// Sends what Immich's server sends to its machine-learning container, with Node's own fetch and FormData, and checks what
// it would do with the answers.
//
//   node tests/serve/immich.mjs URL PHOTO WIDTH HEIGHT
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [url, photo, width, height] = process.argv.slice(2);

async function predict(payload, config) {
  const form = new FormData();
  form.append('entries', JSON.stringify(config));
  if ('photo' in payload) {
    form.append('image', new Blob([new Uint8Array(readFileSync(payload.photo))]));
  } else {
    form.append('text', payload.text);
  }
  return fetch(new URL('/predict', url), { method: 'POST', body: form });
}

/** A literal of a vector for the database: it is not parsed on the way. */
function checkVector(literal, length) {
  assert.equal(typeof literal, 'string');
  assert.match(literal, /^\[-?\d+(\.\d+)?(e-?\d+)?(,-?\d+(\.\d+)?(e-?\d+)?)*\]$/);
  const vector = JSON.parse(literal);
  assert.equal(vector.length, length);
  assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  return vector;
}

assert.equal(await (await fetch(new URL('/ping', url))).text(), 'pong');
assert.deepEqual(await (await fetch(new URL('/', url))).json(), { message: 'Immich ML' });

const image = await predict({ photo }, { clip: { visual: { modelName: 'demo' } } });
assert.equal(image.status, 200);
const { clip, ...size } = await image.json();
assert.deepEqual(size, { imageHeight: Number(height), imageWidth: Number(width) });
checkVector(clip, 64);

for (const options of [{}, { language: undefined }, { language: 'de' }, { language: 'de-null' }]) {
  const text = await predict({ text: 'a red circle' }, { clip: { textual: { modelName: 'demo', options } } });
  assert.equal(text.status, 200);
  const answer = await text.json();
  assert.deepEqual(Object.keys(answer), ['clip']);
  checkVector(answer.clip, 64);
}

const options = { minScore: 0.7 };
for (const task of ['facial-recognition', 'ocr']) {
  const config = { [task]: { detection: { modelName: 'm', options }, recognition: { modelName: 'm' } } };
  const refused = await predict({ photo }, config);
  assert.equal(refused.ok, false);
  assert.equal(refused.status, 501);
}
console.log('Immich is answered as it expects');
