// Calls of the server: the token, errors as sentences, pictures as object URLs.

const KEY = "clippie-token";
// A tab may be told to keep nothing; then the token lives as long as the page.
let token = "";
try { token = sessionStorage.getItem(KEY) ?? ""; } catch { /* as above */ }

// An answer that is not what was asked for; its message is a sentence.
export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

// Asks for the token, once however many calls wait for it.
let asking = null;
function ask(wrong) {
  asking ??= new Promise(resolve => {
    const dialog = document.getElementById("token"), value = document.getElementById("token-value");
    document.getElementById("token-problem").textContent = wrong ? "That is not the token of this server." : "";
    value.value = "";
    dialog.addEventListener("close", () => {
      asking = null;
      token = value.value.trim();
      value.value = "";
      try { sessionStorage.setItem(KEY, token); } catch { /* kept in this page alone */ }
      resolve(token !== "");
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

// What an answer says is wrong.
async function problem(answer) {
  let message = "";
  try { message = (await answer.json()).error?.message ?? ""; } catch { /* not the server's own words */ }
  const again = answer.headers.get("Retry-After");
  if (answer.status === 503 && again) message = `The server is busy; try again in ${again} seconds.`;
  return new Problem(sentence(message) || `The server answers with status ${answer.status}.`, answer.status);
}

export const sentence = text => text && text[0].toUpperCase() + text.slice(1) + (/[.!?`]$/.test(text) ? "" : ".");

// A call of the server; asks for the token where one is wanted and is missing or wrong.
export async function call(path, options = {}) {
  for (;;) {
    const sent = token, headers = sent ? { Authorization: `Bearer ${sent}` } : {};
    let answer;
    try {
      // The token goes into a header, which some characters cannot: the server would refuse it all the same.
      answer = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem("The server does not answer. Is `clippie-rs serve` still running?");
    }
    if (answer.status === 401) {
      // Another call may have got the right one meanwhile.
      if (sent === token && !(await ask(sent !== ""))) throw new Problem("Without its token, the server shows nothing.", 401);
      continue;
    }
    if (!answer.ok) throw await problem(answer);
    return answer;
  }
}

export const json = async (path, options) => (await call(path, options)).json();

// A picture of the server as an object URL, which the caller revokes.
export async function picture(path, options) {
  return URL.createObjectURL(await (await call(path, options)).blob());
}
