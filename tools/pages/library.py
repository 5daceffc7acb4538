"""Drives the library's page in headless Chromium: python3 library.py COMMAND PHOTOS [SCREENSHOTS]

COMMAND is the program, PHOTOS a folder of drawings, of which a library is made. Searches by words, by photos and by sums,
looks at the cut, filters, the keyboard, errors, the token, a narrow window, light and dark. AXE names axe.min.js of
axe-core, which then looks at every state. SCREENSHOTS gets a PNG file of each. Needs Playwright and Chromium.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import expect, sync_playwright

TOKEN = "a-token-for-this-test"
QUERY = "a red star"
# Milliseconds; emulated and busy machines are slow.
PATIENCE = int(os.environ.get("PAGES_PATIENCE", "30")) * 1000
# Whether a search has ended.
SETTLED = "!document.getElementById('results').hasAttribute('aria-busy')"
# Whether the picture of the viewer is inside of its frame.
INSIDE = """(() => {
    const box = selector => document.querySelector(selector).getBoundingClientRect(), frame = box(".frame"), picture = box(".frame img");
    return picture.width > 50 && picture.top >= frame.top - 1 && picture.bottom <= frame.bottom + 1 && picture.right <= frame.right + 1;
})()"""
WIDTHS = {"wide": (1280, 900), "phone": (360, 740)}


@contextlib.contextmanager
def server(command, folder, *more):
    """A server of the library in a folder: its address, and the process."""
    environment = {**os.environ, "CLIPPIE_HOME": os.path.join(folder, "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("CLIPPIE_MODEL", None)
    # The log goes on: into a pipe that nobody reads, the server would wait.
    log = os.path.join(folder, f"log{len(more)}")
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([command, "serve", "--port", "0", "--library", "library.sqlite", *more], cwd=folder,
                                   stderr=out, env=environment)
    try:
        found = None
        while not found:
            if process.poll() is not None:
                raise SystemExit("error: the server does not start")
            time.sleep(0.02)
            with open(log, encoding="utf-8") as lines:
                found = re.search(r"listening on (http://\S+)\n", lines.read())
        yield found[1].replace("127.0.0.1", "localhost") + "/", process
    finally:
        process.kill()
        process.wait()


class Drive:
    """A window, and what is expected of the page in every state."""

    def __init__(self, browser, address, look, scheme, shots, axe):
        width, height = WIDTHS[look]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme,
                                           has_touch=look == "phone", reduced_motion="reduce")
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.address, self.name, self.shots, self.axe = address, f"{look}-{scheme}", shots, axe
        self.complaints = []
        self.page.on("pageerror", lambda error: self.complaints.append(f"fails: {error}"))
        self.page.on("console", self.console)
        self.page.on("request", self.request)

    def console(self, message):
        # A status that is an answer is logged by the browser itself.
        if "the server responded with a status of" not in message.text and "ERR_CONNECTION" not in message.text:
            self.complaints.append(f"logs {message.text}")

    def request(self, request):
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.complaints.append(f"asks for {request.url}")
        if TOKEN in request.url:
            self.complaints.append("has the token in an address")

    def look(self, state):
        """Looks at the page as it is now."""
        page = self.page
        if self.shots:
            page.screenshot(path=os.path.join(self.shots, f"library-{self.name}-{state}.png"))
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            self.complaints.append(f"is {over} pixels too wide: {state}")
        if self.axe:
            page.evaluate(self.axe)
            options = {"resultTypes": ["violations"]}
            found = page.evaluate("options => axe.run(document, options)", options)["violations"]
            for fault in found:
                where = [node["target"] for node in fault["nodes"]][:3]
                self.complaints.append(f"has an accessibility fault ({fault['impact']}): {fault['help']}: {where}: {state}")

    def search(self, words):
        self.page.fill("#words", words)
        self.page.press("#words", "Enter")

    def shown(self, selector=".card"):
        return self.page.locator(f"{selector}:visible")

    def does(self, part):
        """Runs a part, whose failure comes with what was wrong before it."""
        try:
            part(self)
        except Exception:
            print(self.name, self.page.url, *self.complaints, sep="\n")
            if self.shots:
                self.page.screenshot(path=os.path.join(self.shots, "library-failure.png"))
            raise

    def ends(self):
        self.context.close()
        return [f"{self.name} {complaint}" for complaint in self.complaints]


def until(page, expression):
    """Waits until an expression is true; Playwright's own waiting is a script that the page's policy forbids."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise AssertionError(f"never true: {expression}")
        page.wait_for_timeout(20)


def scores(drive):
    texts = drive.shown(".card .score").all_inner_texts()
    return [float(re.search(r"cosine (\S+)", text)[1]) for text in texts]


def words(drive):
    """Words, the grid and the cut."""
    page = drive.page
    page.goto(drive.address)
    expect(page.locator("#facts")).to_contain_text("demo")
    expect(page.locator("#words")).to_be_focused()
    drive.look("start")
    drive.search(QUERY)
    expect(page.locator("#status")).to_have_text(re.compile(r"^\d+ photos? of \d+ fits?\.$"))
    fitting = int(page.inner_text("#status").split()[0])
    expect(drive.shown()).to_have_count(fitting)
    until(page, "[...document.querySelectorAll('#fits img')].every(image => image.naturalWidth)")
    upright = "[...document.querySelectorAll('#fits img')].every(({naturalWidth: w, naturalHeight: h, width, height}) => Math.abs(w * height - h * width) <= w + h)"
    assert page.evaluate(upright), "a thumbnail is squeezed"
    expect(page).to_have_url(re.compile(r"\?q=a\+red\+star$"))
    drive.look("words")
    expect(page.locator("#rest")).to_be_hidden()
    page.click("#rest-button")
    expect(page.locator("#rest")).to_be_visible()
    assert drive.shown().count() > fitting
    assert scores(drive) == sorted(scores(drive), reverse=True)
    page.locator(".card").last.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.card')].at(-1).querySelector('img')?.naturalWidth > 0")
    drive.look("rest")


def keyboard(drive):
    """From the words to a photo and back without a pointer."""
    page = drive.page
    page.goto(f"{drive.address}?q=a+star&min=-1")
    expect(drive.shown().first).to_be_visible()
    pictures = page.locator(".picture")
    focused = lambda at: expect(pictures.nth(at)).to_be_focused()
    page.locator("#results").focus()
    page.keyboard.press("/")
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.press("ArrowDown")
    focused(0)
    page.locator("#results").focus()
    page.keyboard.press("ArrowDown")
    focused(0)
    page.fill("#words", "")
    page.keyboard.press("/")
    expect(page.locator("#words")).to_have_value("")
    pictures.nth(0).focus()
    page.keyboard.press("ArrowRight")
    focused(1)
    page.keyboard.press("ArrowDown")
    below = page.evaluate("""() => {
        const boxes = [...document.querySelectorAll('.card')].map(card => card.getBoundingClientRect());
        const row = Math.min(...boxes.map(box => box.top).filter(top => top > boxes[1].top + 2));
        const away = box => Math.abs(box.top - row) > 2 ? Infinity : Math.abs(box.left - boxes[1].left);
        return boxes.map(away).indexOf(Math.min(...boxes.map(away)));
    }""")
    focused(below)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    expect(page.locator(".card").last.locator(".picture")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    until(page, "document.getElementById('viewer-picture').naturalWidth > 0")
    expect(page.locator("#viewer-facts")).to_contain_text("Folder")
    first = page.inner_text("#viewer-name")
    drive.look("viewer")
    # As large as a photo of a camera.
    page.evaluate("Object.assign(document.getElementById('viewer-picture'), {width: 2100, height: 2000})")
    usual = page.viewport_size
    for width, height in [(360, 740), (360, 640), (740, 360), (usual["width"], usual["height"])]:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(INSIDE), f"the picture leaves its frame at {width}x{height}"
        drive.look(f"viewer-{width}x{height}")
    page.evaluate("for (const name of ['width', 'height']) document.getElementById('viewer-picture').removeAttribute(name)")
    page.evaluate("for (const part of document.querySelectorAll('#viewer, .side')) part.scrollTop = 1000")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-name")).not_to_have_text(first)
    assert page.evaluate("[...document.querySelectorAll('#viewer, .side')].every(part => part.scrollTop === 0)")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    focused(1)
    page.keyboard.press("-")
    expect(page.locator("#chips li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"without=\d+"))
    until(page, SETTLED)
    focused(0)
    page.keyboard.press("Escape")
    expect(page.locator("#words")).to_be_focused()
    page.reload()
    expect(page.locator("#chips li")).to_contain_text(".png")
    page.go_back()
    expect(page.locator("#chips li")).to_have_count(0)


def photos(drive, photo):
    """More like this, sums, and photos from outside."""
    page = drive.page
    chips = page.locator("#chips li")
    page.goto(f"{drive.address}?q={QUERY}")
    page.locator(".card").first.get_by_role("button", name=re.compile("More like this")).click()
    expect(chips).to_have_count(1)
    expect(page.locator("#words")).to_have_value("")
    expect(page).to_have_url(re.compile(r"\?with=\d+$"))
    until(page, SETTLED)
    if page.locator("#ask").is_visible():
        page.click("#rest-button")
    own = page.url.split("with=")[1]
    assert page.locator(f".picture[href='#photo-{own}']").count() == 0, "a photo is like itself"
    drive.shown().first.get_by_role("button", name=re.compile("Add to the search")).click()
    expect(chips).to_have_count(2)
    chips.last.get_by_role("button", name=re.compile("subtract it instead")).click()
    expect(page).to_have_url(re.compile(r"with=\d+&without=\d+"))
    until(page, "[...document.querySelectorAll('#chips img')].every(image => image.naturalWidth)")
    drive.look("sum")
    for _ in range(2):
        chips.first.get_by_role("button", name=re.compile("Remove")).click()
    expect(chips).to_have_count(0)

    page.set_input_files("#file", photo)
    expect(chips).to_have_count(1)
    until(page, SETTLED)
    if page.locator("#ask").is_visible():
        page.click("#rest-button")
    drive.search("a ring")
    expect(page).to_have_url(re.compile(r"\?q=a\+ring$"))
    # By the mouse and from the clipboard.
    for event in ["drop", "paste"]:
        page.evaluate("""([event, name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            const made = event === "drop" ? new DragEvent(event, {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent(event, {clipboardData: data, bubbles: true, cancelable: true});
            document.getElementById("words").dispatchEvent(made);
        }""", [event, f"{event}.png", list(open(photo, "rb").read())])
        expect(chips.last).to_contain_text(event)
    expect(chips).to_have_count(3)
    page.set_input_files("#file", {"name": "broken.png", "mimeType": "image/png", "buffer": b"no photo"})
    expect(page.locator("#status.problem")).to_contain_text("broken.png is not an image", ignore_case=True)
    drive.look("broken")


def filters(drive):
    """Filters, and what is said where nothing is left."""
    page = drive.page
    page.goto(f"{drive.address}?q=a+star&min=-1")
    expect(drive.shown().first).to_be_visible()
    expect(page.locator("#filters")).to_have_attribute("open", "")
    everything = drive.shown().count()
    assert page.evaluate("[...document.querySelectorAll('#folders option')].map(({value}) => value)") == ["photos", "photos/more"]
    page.fill("#in", "photos/more")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"in=photos%2Fmore"))
    expect(page.locator("#status")).to_contain_text("photos")
    until(page, f"document.querySelectorAll('.card').length < {everything}")
    assert set(drive.shown(".card .folder").all_inner_texts()) == {"photos/more"}
    drive.look("filters")
    page.fill("#after", "2031-05-06")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#nothing")).to_contain_text("No photo passes the filters")
    drive.look("filtered")
    page.fill("#in", "elsewhere")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#status.problem")).to_contain_text("they are: photos")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#in")).to_have_value("")
    page.fill("#in", "photos/more")
    drive.search("a submarine made of cheese")
    expect(page.locator("#nothing")).to_contain_text(re.compile(r"None of \d+ photos in photos/more is"))
    page.fill("#near", "48.85 2.35")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#nothing")).to_contain_text("No photo passes the filters")
    expect(page).to_have_url(re.compile(r"near=48\.85\+2\.35"))
    expect(page.locator("#near")).to_have_value("48.85 2.35")
    page.fill("#near", "Paris")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#status.problem")).to_have_text("Near: two numbers, such as 48.85, 2.35.")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#near")).to_have_value("")
    drive.search("a submarine made of cheese")
    expect(page.locator("#nothing")).to_contain_text("Nothing fits")
    drive.look("nothing")
    drive.search("a star -")
    expect(page.locator("#status.problem")).to_contain_text("nothing follows", ignore_case=True)
    drive.look("error")


def token(drive):
    """The token is asked for once, and never kept in an address."""
    page = drive.page
    page.goto(f"{drive.address}?q={QUERY}")
    expect(page.locator("#token")).to_be_visible()
    drive.look("token")
    page.keyboard.press("Escape")
    expect(page.locator("#status.problem")).to_contain_text("Without its token")
    drive.look("no-token")
    page.get_by_role("button", name="Give the token").click()
    expect(page.locator("#token")).to_be_visible()
    page.fill("#token-value", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#token-problem")).to_contain_text("not the token")
    page.fill("#token-value", TOKEN)
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#fits img')?.naturalWidth > 0")
    page.reload()
    until(page, "document.querySelector('#fits img')?.naturalWidth > 0")
    expect(page.locator("#token")).to_be_hidden()


def main():
    if len(sys.argv) not in (3, 4):
        raise SystemExit("usage: library.py COMMAND PHOTOS [SCREENSHOTS]")
    command, drawings = os.path.abspath(sys.argv[1]), sys.argv[2]
    shots = sys.argv[3] if len(sys.argv) == 4 else None
    if shots:
        os.makedirs(shots, exist_ok=True)
    axe = None
    if os.environ.get("AXE"):
        with open(os.environ["AXE"], encoding="utf-8") as file:
            axe = file.read()
    expect.set_options(timeout=PATIENCE)
    complaints, drives = [], 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.makedirs(os.path.join(folder, "photos/more"))
        names = sorted(name for name in os.listdir(drawings) if name.endswith(".png"))
        for at, name in enumerate(names[:-1]):
            shutil.copy(os.path.join(drawings, name), os.path.join(folder, "photos/more" if at % 3 == 0 else "photos"))
        outside = os.path.join(drawings, names[-1])
        index = [command, "index", "-q", "-m", "demo", "--library", "library.sqlite", "photos"]
        subprocess.run(index, cwd=folder, check=True)
        with open(os.path.join(folder, "token"), "w", encoding="ascii") as file:
            file.write(TOKEN)
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with server(command, folder) as (address, process), server(command, folder, "--token-file", "token") as (guarded, _):
            for look, scheme in [("wide", "light"), ("phone", "dark"), ("wide", "dark"), ("phone", "light")]:
                everything = [words, keyboard, lambda drive: photos(drive, outside), filters]
                drive = Drive(browser, address, look, scheme, shots, axe)
                for part in everything:
                    drive.does(part)
                complaints += drive.ends()
                drive = Drive(browser, guarded, look, scheme, shots, axe)
                drive.does(token)
                complaints += drive.ends()
                drives += 2
            drive = Drive(browser, address, "wide", "light", shots, axe)
            drive.page.goto(address)
            expect(drive.page.locator("#facts")).to_contain_text("demo")
            process.kill()
            process.wait()
            drive.search(QUERY)
            expect(drive.page.locator("#status.problem")).to_contain_text("The server does not answer")
            complaints += drive.ends()
        browser.close()
    for complaint in complaints:
        print(complaint)
    if complaints:
        raise SystemExit(f"error: {len(complaints)} findings")
    print(f"the library's page is right in {drives} windows" + ("" if axe else "; axe-core was not there"))


if __name__ == "__main__":
    main()
