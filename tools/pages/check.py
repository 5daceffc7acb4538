"""Looks at pages in headless Chromium: python3 check.py PAGES [SCREENSHOTS]

PAGES is a folder that the example `pages` wrote, or any folder of .html files; with `expected.json` the number of
pictures of each page is compared. Every page is opened at several widths, light and dark. It must load every picture,
stay within the window, be readable (contrast by WCAG 2), link to files that exist, run no script and ask for nothing.
SCREENSHOTS gets a PNG file of every view. Needs Chromium and nothing else; speaks its debugging protocol over pipes.
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

WIDTHS = [320, 800, 1600, 2560]
SCHEMES = ["light", "dark"]
# Seconds for an answer of the browser; emulated and busy machines are slow.
PATIENCE = int(os.environ.get("PAGES_PATIENCE", "120"))

# What a page is asked. Returns plain data.
INSPECT = """
(async () => {
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  const root = document.documentElement, canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * linear[0] + .7152 * linear[1] + .0722 * linear[2];
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const under = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const wide = [], faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect(), name = element.tagName + "." + (element.getAttribute("class") ?? "");
    if (!element.closest(".scroll") && (box.right > root.clientWidth + .5 || box.left < -.5))
      wide.push(`${name} from ${box.left} to ${box.right}`);
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !box.width || ["STYLE", "title", "desc", "style"].includes(element.tagName)) continue;
    const svg = element.tagName === "text", cell = svg && /^v/.test(element.getAttribute("class") ?? "");
    const style = getComputedStyle(element);
    const ground = cell ? rgba(getComputedStyle(element.previousElementSibling).fill) : under(element);
    const ratio = contrast(rgba(svg ? style.fill : style.color), ground);
    if (ratio < 4.5) faint.push(`${name} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 40)}`);
  }
  const images = [...document.images];
  return {
    width: root.scrollWidth, room: root.clientWidth, wide: wide.slice(0, 5), faint: faint.slice(0, 5),
    pictures: images.length,
    broken: images.filter(image => !image.naturalWidth).length,
    squeezed: images.filter(image => {
      const box = image.getBoundingClientRect(), shown = box.width / box.height, own = image.naturalWidth / image.naturalHeight;
      return box.width < 8 || (own > .15 && own < 7 && Math.abs(shown / own - 1) > .05);
    }).map(image => image.alt),
    nameless: images.filter(image => !image.alt).length,
    links: [...document.links].map(link => link.href),
    unreachable: [...document.links].filter(link => link.tabIndex < 0).length,
    scripts: document.scripts.length, title: document.title, heading: document.querySelector("h1").textContent,
    paper: getComputedStyle(document.body).backgroundColor, language: root.lang,
  };
})()
"""


class Browser:
    """A headless Chromium and the one page in it."""

    def __init__(self, profile):
        to_browser, requests = self.pipe()
        answers, from_browser = self.pipe()

        def streams():
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
                   "--disable-background-networking", "--no-first-run", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, preexec_fn=streams, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.requests, self.answers = os.fdopen(requests, "wb", 0), os.fdopen(answers, "rb")
        self.last, self.session, self.events = 0, None, []
        pages = [target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        target = pages[0]["targetId"] if pages else self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(domain + ".enable")

    @staticmethod
    def pipe():
        """Both ends with numbers that do not collide with those that Chromium reads."""
        ends = os.pipe()
        high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
        for end in ends:
            os.close(end)
        return high

    def receive(self):
        message = bytearray()
        while not message.endswith(b"\0"):
            byte = self.answers.read(1)
            if not byte:
                raise SystemExit("error: chromium ended")
            message += byte
        return json.loads(message[:-1])

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.requests.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise SystemExit(f"error: chromium refuses {method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def inspect(self):
        answer = self.call("Runtime.evaluate", expression=INSPECT, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"error: the check itself fails: {answer['exceptionDetails']}")
        return answer["result"]["value"]

    def complaints(self, url):
        """Requests, messages and errors since the page was opened."""
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Network.requestWillBeSent":
                asked = parameters["request"]["url"]
                if asked != url and not asked.startswith("data:"):
                    found.append(f"asks for {asked}")
            elif method == "Log.entryAdded":
                found.append(f"logs {parameters['entry']['text']}")
            elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
                found.append(f"runs a script: {method}")
        return found

    def screenshot(self, path, width):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 6000), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


def missing_files(links):
    """Links to files that do not exist, by the bytes of their names."""
    for link in links:
        parts = urllib.parse.urlsplit(link)
        path = urllib.parse.unquote_to_bytes(parts.path)
        if parts.scheme != "file" or parts.query or parts.fragment or not os.path.exists(path):
            yield link


def check(page, folder, expected):
    """What is wrong with a view of a page."""
    wrong = []
    if page["width"] > page["room"]:
        wrong.append(f"is {page['width']} pixels wide in a window of {page['room']}")
    wrong += [f"has an element outside of the window: {element}" for element in page["wide"]]
    wrong += [f"has faint text: {element}" for element in page["faint"]]
    wrong += [f"squeezes the picture {name}" for name in page["squeezed"]]
    for key in ["broken", "nameless", "unreachable", "scripts"]:
        if page[key]:
            wrong.append(f"has {page[key]} {key} elements")
    if expected is not None and page["pictures"] != expected:
        wrong.append(f"has {page['pictures']} pictures instead of {expected}")
    if not page["language"] or page["title"] != page["heading"]:
        wrong.append(f"has the title {page['title']!r} and the heading {page['heading']!r}, language {page['language']!r}")
    if folder:
        wrong += [f"links to a file that is not there: {link}" for link in missing_files(page["links"])]
    return wrong


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: check.py PAGES [SCREENSHOTS]")
    folder = os.path.realpath(sys.argv[1])
    shots = sys.argv[2] if len(sys.argv) == 3 else None
    names = sorted(name for name in os.listdir(folder) if name.endswith(".html"))
    if not names:
        raise SystemExit(f"error: {folder} has no .html files")
    expected = {}
    if os.path.exists(os.path.join(folder, "expected.json")):
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
    if shots:
        os.makedirs(shots, exist_ok=True)
    findings = views = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            for name in names:
                url = "file://" + urllib.parse.quote(os.path.join(folder, name))
                papers = set()
                for scheme in SCHEMES:
                    feature = {"name": "prefers-color-scheme", "value": scheme}
                    browser.call("Emulation.setEmulatedMedia", features=[feature])
                    for width in WIDTHS:
                        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                                     mobile=False)
                        browser.open(url)
                        page = browser.inspect()
                        wrong = check(page, folder, expected.get(name)) + browser.complaints(url)
                        papers.add(page["paper"])
                        views += 1
                        findings += len(wrong)
                        for complaint in wrong:
                            print(f"{name} at {width} pixels, {scheme}: {complaint}")
                        if shots:
                            browser.screenshot(os.path.join(shots, f"{name[:-5]}-{width}-{scheme}.png"), width)
                if len(papers) != len(SCHEMES):
                    findings += 1
                    print(f"{name} looks the same in light and dark: {papers}")
        finally:
            browser.close()
    if findings:
        raise SystemExit(f"error: {findings} findings in {views} views")
    print(f"{len(names)} pages are right in {views} views")


if __name__ == "__main__":
    main()
