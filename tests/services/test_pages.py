"""The pages in a real browser: what people see, by keyboard alone, without JavaScript, on a phone, in dark mode."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from support.processes import free_port
from support.servers.services import Service
from support.servers.web import AGENT, LABELS, MANY_LABELS, AgentDouble, start

# How many milliseconds a page may take for what is expected of it: Chromium takes long beside other tests.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
TICKET = "Since this morning my Läptop does not start, the screen is black; write to anna@example.org"
WAITING = ("wifi in room 204", "laptop or wifi", "password for the printer")
PAGES = ("/", "/review", "/batch", "/models", "/nothing")
PASSWORD = "a long password"
# Computes the contrast of every visible text and of every control's edge against the background (WCAG 2.2, 1.4.3 and
# 1.4.11, with its formula of relative luminance), and returns those that are too low.
CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const found = [];
  let checked = 0;
  const check = (what, one, other, least) => {
    checked += 1;
    if (ratio(one, other) < least) found.push(`${what}: ${ratio(one, other).toFixed(2)} < ${least}`);
  };
  document.querySelectorAll("details").forEach((each) => (each.open = true));
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!box.width || style.visibility === "hidden" || element.closest(".unseen, svg")) continue;
    const ground = behind(element);
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    const typed = element.matches("input, textarea, select");
    if (texts.length || typed) {
      const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      const name = `${element.tagName}.${element.className} "${element.textContent.trim().slice(0, 30)}"`;
      check(name, over(parse(style.color), ground), ground, large ? 3 : 4.5);
    }
    if (element.matches("input:not([type=checkbox], [type=radio], [type=file]), textarea, select")) {
      check(`edge of ${element.tagName}`, parse(style.borderTopColor), behind(element.parentElement), 3);
    }
  }
  return [checked, found];
}"""
# Returns controls without an accessible name, images that are neither hidden nor named, and duplicate ids.
NAMELESS = """() => {
  const controls = "input:not([type=hidden]), select, textarea, button, a, summary";
  const nameless = [...document.querySelectorAll(controls)].filter(
    (each) => !(each.labels && [...each.labels].some((label) => label.textContent.trim())) &&
      !each.textContent.trim() && !each.getAttribute("aria-label"));
  const images = [...document.querySelectorAll("svg:not([aria-hidden=true]), img:not([alt])")];
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  return [...nameless, ...images].map((each) => each.outerHTML).concat(twice);
}"""


AUDITED = {"drawn": 130, "answered": 120, "accuracy": 0.93, "low": 0.86, "high": 0.96, "effective_answers": 101.5}
DECIDING = {"decided_by": "tfidf 3, policy 5f0c2a1b", "target_accuracy": 0.95, "needed_answers": 92}
# What the Models page shows of the audit: every verdict.
AUDITS = {
    "share": 0.01,
    "deciding": DECIDING,
    "recent": [AUDITED | {"days": 7, "verdict": each} for each in ("kept", "open", "broken", "unknown")],
    "weeks": [AUDITED | {"week": "2026-W48", "decided_by": DECIDING["decided_by"]}],
}


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests of this module; it takes a second to start."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("no Chromium here; install it to test the pages in a browser (apt-get install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def web(agent_double, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    described = write(folder, "Hardware: Everything with a plug.\n", "descriptions.yaml")
    with start(folder, agent_double.address, MAX_JOBS=100, MAX_BATCH=20, CATEGORY_DESCRIPTIONS=described) as running:
        yield running


@pytest.fixture
def make_page(browser: Browser, web, agent_double):
    """Returns a page of a new visitor; at the end no page may have violated its policy or raised an error."""
    agent_double.trouble, agent_double.pause, agent_double.labels = None, 0, LABELS
    agent_double.waiting, agent_double.holds, agent_double.outcomes = {}, {}, []
    agent_double.days = [{"day": "2026-11-24", "category": label, "decision": "auto", "tickets": 7} for label in LABELS]
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def make(port: int = web.port, **options) -> Page:
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}", **{"locale": "en-GB"} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    # Some tests expect error statuses, or no answer at all.
    assert [text for text in said if not text.startswith("Failed to load resource: ")] == []


@pytest.fixture
def page(make_page) -> Page:
    return make_page()


@pytest.fixture
def queue(agent_double, make_page) -> AgentDouble:
    """Three tickets are waiting, and tickets were audited."""
    agent_double.audits = AUDITS
    for text in WAITING:
        agent_double.predict(text, True, False)
    return agent_double


def classify(page: Page, text: str) -> None:
    page.goto("/")
    page.get_by_label("Ticket").fill(text)
    page.get_by_role("button", name="Classify").click()


def upload(page: Page, path: Path, send_unsure: bool = False) -> None:
    """Send a file to be classified, and its unsure tickets to the review if wanted."""
    page.goto("/batch")
    if send_unsure:
        page.get_by_label("Send unsure tickets").check()
    page.get_by_label("Drop a file of tickets").set_input_files(path)
    page.get_by_role("button", name="Start").click()


def download(page: Page) -> tuple[str, list[list[str]]]:
    """Return the name and the rows of the classified file."""
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the file").click()
    with started.value.path().open(encoding="utf-8", newline="") as file:
        return started.value.suggested_filename, list(csv.reader(file))


def expect_ticket(page: Page, text: str) -> None:
    """Check which ticket the page shows."""
    expect(page.locator(".ticket")).to_have_text(text)


def test_a_ticket_is_classified_and_its_words_are_marked(page):
    """It shows the category, the confidence, the three best, the words by strength, and a text for screen readers."""
    classify(page, TICKET)
    expect(page.get_by_role("heading", level=2)).to_have_text("Hardware")
    expect(page.get_by_role("status")).to_contain_text("Hardware, 77.3% confident. Routed without review")
    expect(page.locator(".choices li")).to_have_count(3)
    expect(page.locator("mark.for.s3")).to_have_text(["Läptop"])
    strengths = page.locator(".ticket mark").evaluate_all("all => all.map(m => getComputedStyle(m).borderBottomWidth)")
    assert len(strengths) == 2 and float(strengths[0][:-2]) > float(strengths[1][:-2])
    expect(page.locator(".scrubbed")).to_have_text("[EMAIL]")
    expect(page.get_by_label("Ticket", exact=True)).to_have_value(TICKET)
    part, rail = (page.locator(f".confidence + svg .{name}").bounding_box()["width"] for name in ("part", "rail"))
    assert part / rail == pytest.approx(0.773, abs=0.01)


def test_a_wrong_category_is_corrected_and_the_correction_is_withdrawn(page, agent_double):
    classify(page, TICKET)
    page.get_by_label("What is the right category?").select_option("Network")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#note")).to_contain_text("Noted: Network.")
    assert agent_double.answers[-1]["text"] == TICKET
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#note")).to_contain_text("was withdrawn")
    assert agent_double.answers[-1]["withdrawn"]


def test_a_script_in_a_ticket_shows_as_text(page, queue):
    text = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title='taken over'\"> wifi"
    classify(page, text)
    expect_ticket(page, text)
    expect(page).to_have_title("Network – CallCenterAI")
    queue.waiting.clear()
    queue.predict(text, True, False)
    page.goto("/review")
    expect_ticket(page, text)
    assert page.locator(".ticket img, .ticket script").count() == 0


def test_the_review_works_by_keyboard_alone(page, queue):
    """A number chooses, Enter accepts, U withdraws, S decides later; the number of waiting tickets is updated.

    1 to 3 are the most probable categories, whose probabilities are shown; the others follow in their order.
    """
    page.goto("/review")
    expect(page.locator(".count")).to_have_text("3 tickets waiting")
    expect(page.locator(".options button").first).to_have_text(re.compile(r"^1\s+Network\s+50%$"))
    expect(page.get_by_text("50%, and this desk asks for 82%")).to_be_visible()
    expect(page.locator(".legend mark")).to_have_text(["speaks for Network", "speaks for Access"])
    page.keyboard.press("4")
    expect_ticket(page, WAITING[1])
    first = f"t-{len(queue.texts) - 2}"
    assert (queue.answers[-1]["category"], queue.answers[-1]["ticket_id"]) == (LABELS[2], first)
    expect(page.get_by_role("status")).to_have_text("Answered: Hardware. 2 tickets waiting")
    page.keyboard.press("Enter")
    expect_ticket(page, WAITING[2])
    assert queue.answers[-1]["category"] == "Hardware"
    page.keyboard.press("u")
    expect_ticket(page, WAITING[1])
    expect(page.locator(".count")).to_have_text("2 tickets waiting")
    page.reload()
    page.keyboard.press("u")
    expect_ticket(page, WAITING[0])
    assert [answer["withdrawn"] for answer in queue.answers[-2:]] == [True, True]
    page.keyboard.press("s")
    expect_ticket(page, WAITING[1])
    for number, left in ((1, "2 tickets waiting"), (2, "1 ticket waiting")):
        page.keyboard.press(str(number))
        expect(page.locator(".count")).to_have_text(left)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    expect(page.locator(".count")).to_have_text("No tickets waiting")


def test_a_review_ends_without_a_category_by_keyboard_alone(page, queue):
    """A key shows what belongs where. Several categories and a skip need a note, which the next person sees."""
    page.goto("/review")
    expect(page.get_by_text("Everything with a plug.")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_text("Everything with a plug.")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator("#note")).to_contain_text("none of the categories fits")
    expect_ticket(page, WAITING[1])
    page.keyboard.press("u")
    expect_ticket(page, WAITING[0])
    page.keyboard.press("k")
    expect(page.locator("#comment-hint")).to_contain_text("Write a note first")
    expect(page.get_by_label("Note", exact=True)).to_be_focused()
    page.keyboard.type("2nd floor, ask Bob")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    expect_ticket(page, WAITING[1])
    page.keyboard.press("t")
    expect_ticket(page, WAITING[2])
    page.keyboard.press("Enter")
    expect_ticket(page, WAITING[0])
    expect(page.locator(".ask .note")).to_have_text("Skipped by somebody: 2nd floor, ask Bob")
    page.keyboard.press("c")
    page.keyboard.type("wifi and laptop")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    said = [(each["outcome"], each["comment"], each["withdrawn"]) for each in queue.outcomes]
    skipped, several = ("skipped", "2nd floor, ask Bob", False), ("several", "wifi and laptop", False)
    assert said == [("none", None, True), skipped, ("not_ticket", None, False), several]


def assert_accessible(page: Page) -> None:
    """Check the contrast, the names of all controls, and that nothing is wider than the window."""
    checked, low = page.evaluate(CONTRAST)
    assert checked > 8 and low == [] and page.evaluate(NAMELESS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_look_alikes_are_found_in_the_list_and_answered_at_once_by_keyboard_alone(make_page, queue):
    """The list has pages and a search; one confirmation answers all that are selected, and U withdraws that."""
    page = make_page(color_scheme="dark", viewport={"width": 360, "height": 740})
    page.goto("/review")
    page.keyboard.press("l")
    expect(page.locator(".waiting label")).to_have_text(list(WAITING[:2]))
    page.keyboard.press("n")
    expect(page.locator(".waiting label")).to_have_text([WAITING[2]])
    assert_accessible(page)
    page.keyboard.press("/")
    page.keyboard.type("WIFI")
    page.keyboard.press("Enter")
    expect(page.locator(".waiting label")).to_have_text(list(WAITING[:2]))
    expect(page.locator(".count")).to_have_text("2 tickets waiting")
    page.locator("h1").click()
    page.keyboard.press("a")
    page.get_by_role("button", name="Continue").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("choose a category")
    page.keyboard.press("a")
    page.get_by_label("Category for the selected").select_option("Network")
    page.get_by_role("button", name="Continue").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Give 2 tickets the category Network?")
    assert_accessible(page)
    assert len(queue.waiting) == 3, "nothing is answered before it is confirmed"
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("Answered: 2 tickets, Network.")
    assert [answer["category"] for answer in queue.answers[-2:]] == ["Network"] * 2 and len(queue.waiting) == 1
    page.keyboard.press("u")
    expect(page.locator(".waiting label")).to_have_text(list(WAITING[:2]))
    page.get_by_role("link", name="Take this one").nth(1).click()
    expect_ticket(page, WAITING[1])
    page.get_by_role("link", name="Same category, same word").click()
    expect(page.locator(".waiting label")).to_have_text([WAITING[1]])


def test_without_javascript_several_tickets_are_answered_at_once(make_page, queue):
    page = make_page(java_script_enabled=False)
    page.goto("/review/waiting?text=printer")
    expect(page.get_by_role("button", name="Select all")).to_be_hidden()
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Category for the selected").select_option("Access")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Answer 1 ticket").click()
    expect(page.locator("#note")).to_contain_text("Answered: 1 ticket, Access.")


def test_two_people_reviewing_get_different_tickets(make_page, queue):
    """Reloading keeps the own ticket; a skipped one is free for the other; the count includes all waiting tickets."""
    ada, bob = make_page(), make_page()
    for page, text in zip((ada, bob), WAITING, strict=False):
        for _ in range(2):
            page.goto("/review")
            expect_ticket(page, text)
            expect(page.locator(".count")).to_have_text("3 tickets waiting")
    for page, key, text in ((ada, "s", WAITING[2]), (bob, "s", WAITING[0]), (ada, "3", WAITING[1])):
        page.keyboard.press(key)
        expect_ticket(page, text)
    bob.keyboard.press("Enter")
    expect(bob.get_by_role("heading", name="No ticket is free")).to_be_visible()
    expect(bob.locator(".count")).to_have_text("1 ticket waiting")
    ada.keyboard.press("Enter")
    expect(ada.get_by_role("heading", name="All caught up")).to_be_visible()
    assert len({answer["ticket_id"] for answer in queue.answers[-3:]}) == 3
    bob.keyboard.press("u")
    expect_ticket(bob, WAITING[0])


@pytest.fixture
def many(queue) -> AgentDouble:
    """Three tickets are waiting, of a model with 77 categories."""
    queue.labels = MANY_LABELS
    return queue


def search_categories(page: Page, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)


def test_one_of_77_categories_is_found_by_its_words_and_chosen_by_keyboard_alone(page, many):
    """Enter answers if one category is left, goes to the first of several, and does nothing if none is left."""
    page.goto("/review")
    expect(page.locator("#every button:visible")).to_have_count(77)
    search_categories(page, "CHÈQUE cash")
    expect(page.locator("#every button:visible")).to_have_text(["balance_not_updated_after_cheque_or_cash_deposit"])
    page.keyboard.press("Enter")
    expect_ticket(page, WAITING[1])
    assert many.answers[-1]["category"] == "balance_not_updated_after_cheque_or_cash_deposit"
    search_categories(page, "take loan")
    expect(page.locator("#every button:visible")).to_have_text(["loan_takes_too_long"])
    page.get_by_label("Search 77 categories").fill("refund_")
    expect(page.locator("#every button:visible")).to_have_count(7)
    answered = len(many.answers)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="refund_is_declined")).to_be_focused()
    page.keyboard.press("Tab")
    assert len(many.answers) == answered
    page.keyboard.press("Enter")
    expect_ticket(page, WAITING[2])
    assert many.answers[-1]["category"] == "refund_takes_too_long"
    search_categories(page, "1 laptop")
    expect(page.locator("#unmatched")).to_have_text("No matching category.")
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("Escape")
    expect(page.locator("#every button:visible")).to_have_count(77)
    expect(page.locator("#unmatched")).to_have_text("")
    assert len(many.answers) == answered + 1
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="All caught up")).to_be_visible()


def test_without_javascript_77_categories_are_buttons_without_a_search_field(make_page, many):
    """The note goes with each of them."""
    page = make_page(java_script_enabled=False)
    page.goto("/review")
    expect(page.get_by_role("searchbox")).to_be_hidden()
    page.get_by_label("Note", exact=True).fill("ask Bob")
    page.get_by_role("button", name="transfer_limits").click()
    expect_ticket(page, WAITING[1])
    assert (many.answers[-1]["category"], many.answers[-1]["comment"]) == ("transfer_limits", "ask Bob")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_77_categories_are_readable_reachable_by_tab_and_fit_a_phone(make_page, many, scheme):
    page = make_page(color_scheme=scheme, viewport={"width": 360, "height": 740})
    page.goto("/review")
    checked, low = page.evaluate(CONTRAST)
    assert checked > 80 and low == [] and page.evaluate(NAMELESS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#every").evaluate("box => box.scrollWidth <= box.clientWidth")
    page.get_by_label("Search 77 categories").focus()
    for label in MANY_LABELS:
        page.keyboard.press("Tab")
        focused = page.evaluate("""() => {
              const a = document.activeElement, own = a.getBoundingClientRect();
              const box = document.getElementById("every").getBoundingClientRect();
              // Scrolling stops at whole pixels.
              const seen = own.top > box.top - 1 && own.bottom < Math.min(box.bottom, innerHeight) + 1;
              return [a.value, getComputedStyle(a).outlineStyle !== "none", seen];
            }""")
        assert focused == [label, True, True]


def test_keyboard_shortcuts_can_be_turned_off(page, queue):
    page.goto("/review")
    page.get_by_label("Keyboard shortcuts").uncheck()
    page.reload()
    expect(page.get_by_label("Keyboard shortcuts")).not_to_be_checked()
    page.get_by_role("heading", level=2).click()
    answered = len(queue.answers)
    for key in ("1", "Enter", "u"):
        page.keyboard.press(key)
    page.reload()
    expect_ticket(page, WAITING[0])
    assert len(queue.answers) == answered


def test_keys_typed_into_a_field_or_with_a_modifier_are_not_shortcuts(page, queue):
    page.goto("/review")
    answered = len(queue.answers)
    page.locator("textarea").press("1")
    page.keyboard.press("Control+1")
    page.reload()
    expect_ticket(page, WAITING[0])
    assert len(queue.answers) == answered


def test_without_javascript_everything_except_shortcuts_works(make_page, queue, tmp_path):
    page = make_page(java_script_enabled=False)
    classify(page, TICKET)
    expect(page.get_by_role("heading", level=2)).to_have_text("Hardware")
    page.goto("/review")
    page.get_by_role("button", name="HR Support").click()
    expect_ticket(page, WAITING[1])
    page.get_by_role("button", name="Undo").click()
    expect_ticket(page, WAITING[0])
    upload(page, write(tmp_path, "text\nwifi\n"))
    # The page reloads itself until the file is done.
    expect(page.get_by_role("link", name="Download the file")).to_be_visible()


def write(folder: Path, content: str | bytes, name: str = "tickets.csv") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def test_a_file_shows_its_progress_and_is_returned_with_predictions(page, agent_double, tmp_path):
    agent_double.pause = 0.15
    rows = [[f"laptop screen {number}", "=shown"] for number in range(200)]
    path = write(tmp_path, "text,note\n" + "".join(",".join(row) + "\n" for row in rows))
    upload(page, path)
    expect(page.locator("#progress-text")).to_have_text(re.compile("^[1-9][0-9]* of 200 rows"))
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    name, (header, *found) = download(page)
    assert name == "tickets-categories.csv"
    # A spreadsheet shows what it would otherwise run.
    assert header[:2] == ["text", "note"] and [row[:2] for row in found] == [[text, f"'{note}"] for text, note in rows]
    assert {row[2] for row in found} == {"Hardware"}


def test_a_dropped_file_that_is_no_table_is_refused_with_the_reason(page):
    page.goto("/batch")
    page.evaluate("""() => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array([37, 80, 68, 70, 45, 49, 10])], "old.csv"));
          const drop = new DragEvent("drop", { dataTransfer: data, cancelable: true });
          document.getElementById("drop").dispatchEvent(drop);
        }""")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert").first).to_contain_text("The file is a PDF")


def test_a_file_that_is_too_large_is_not_sent(page, tmp_path):
    page.goto("/batch")
    page.get_by_label("Drop a file of tickets").set_input_files(write(tmp_path, b"text\n" + b"x" * 10_000_001))
    expect(page.get_by_text("This file is too large")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("/batch$"))
    expect(page.get_by_text("This file is too large")).to_be_visible()


def test_the_text_column_is_chosen_by_keyboard(page, tmp_path):
    page.goto("/batch")
    page.get_by_label("Drop a file of tickets").set_input_files(write(tmp_path, "id,message\n1,wifi\n"))
    page.get_by_role("button", name="Start").press("Enter")
    page.get_by_label("id").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Download the file")).to_be_visible()


def test_when_the_agent_fails_the_text_stays_and_the_page_says_what_to_do(page, agent_double):
    agent_double.trouble = 503
    classify(page, TICKET)
    expect(page.get_by_role("alert")).to_contain_text("Try again in a moment")
    expect(page.get_by_label("Ticket", exact=True)).to_have_value(TICKET)
    agent_double.trouble = None
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Hardware")


def test_when_the_server_of_the_pages_is_gone_the_text_stays(make_page, agent_double, tmp_path):
    with start(tmp_path, agent_double.address) as service:
        page = make_page(service.port)
        page.goto("/")
        page.get_by_label("Ticket").fill(TICKET)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("alert")).to_contain_text("What you typed is still here")
    expect(page.get_by_label("Ticket")).to_have_value(TICKET)


def test_the_health_of_the_models_is_refreshed(page, agent_double):
    page.clock.install()
    page.goto("/models")
    health = page.locator(".services").first
    expect(health.locator(".badge")).to_have_text(["Ready", "Down"])
    expect(health.locator(".facts").first).to_contain_text("Circuit breaker")
    expect(page.locator(".volumes li")).to_have_count(len(LABELS))
    agent_double.trouble = 500
    page.clock.run_for(11_000)
    expect(page.get_by_role("alert")).to_contain_text("no usable answer")


def test_the_pages_speak_french(make_page, queue):
    page = make_page(locale="fr-FR")
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Où va ce ticket ?")
    for path in PAGES:
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == "fr"
    page.goto("/review")
    expect(page.locator(".count")).to_have_text("3 tickets en attente")
    page.get_by_role("link", name="EN English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review")


def test_people_log_in_and_out(make_page, agent_double, tmp_path):
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD) as service:
        page = make_page(service.port)
        page.goto("/batch")
        page.get_by_label("Your name").fill("Ada")
        page.get_by_label("Password").fill("wrong password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Wrong password")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Classify a file")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        assert page.evaluate(CONTRAST)[1] == [] and page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_enough_contrast_and_named_controls(make_page, queue, path, scheme):
    """Contrast as WCAG AA requires, in light and dark mode, and accessible names."""
    page = make_page(color_scheme=scheme)
    page.goto(path)
    if path == "/":
        classify(page, TICKET + " no wifi")
        expect(page.locator("#category")).to_be_visible()
    elif path == "/review":
        page.keyboard.press("2")
        expect(page.locator("#note")).to_be_visible()
    checked, low = page.evaluate(CONTRAST)
    assert checked > 8 and low == []
    assert page.evaluate(NAMELESS) == []


def test_the_check_of_contrast_finds_low_contrast(page):
    """The check of contrast works."""
    page.goto("/")
    page.evaluate("document.querySelector('h1').style.setProperty('color', 'rgb(170, 170, 170)')")
    assert [text for text in page.evaluate(CONTRAST)[1] if text.startswith("H1")]


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(make_page, queue, path):
    page = make_page(viewport={"width": 360, "height": 740})
    page.goto(path)
    if path == "/":
        classify(page, TICKET + " x" + "y" * 200)
        expect(page.locator("#category")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PAGES)
def test_every_control_is_reached_by_tab_and_shows_its_focus(make_page, queue, path):
    page = make_page()
    page.goto(path)
    # What is folded away is no stop.
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        now = page.evaluate(
            """() => { const a = document.activeElement, s = getComputedStyle(a), r = a.getBoundingClientRect();
              return [a === document.body ? "" : a.outerHTML.slice(0, 200), s.outlineStyle, r.top < innerHeight]; }"""
        )
        if not now[0] or now in seen:
            break
        seen.append(now)
    assert "skip" in seen[0][0] and {outline for _, outline, _ in seen} <= {"solid", "auto"}
    controls = page.locator("a, button, input:not([type=hidden]), select, textarea, summary").count()
    assert len(seen) >= controls
    page.goto(path)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_every_page_says_that_the_agent_cannot_be_reached(make_page, tmp_path):
    with start(tmp_path, f"http://127.0.0.1:{free_port()}") as service:
        page = make_page(service.port)
        for path in ("/review", "/models"):
            assert page.goto(path).status == 502
            expect(page.get_by_role("alert").first).to_contain_text("cannot be reached")


@pytest.fixture(scope="module")
def real_pages(folders, tmp_path_factory):
    """The pages in front of the real agent, which asks the real TF-IDF service."""
    folder = tmp_path_factory.mktemp("services")
    with Service(folder, MODEL_DIR=folders["good"]) as tfidf:
        urls = {"TFIDF_URL": f"http://127.0.0.1:{tfidf.ready().port}"}
        database = f"sqlite:///{(folder / 'agent.db').as_posix()}"
        with (
            Service(folder, AGENT, DATABASE_URL=database, POLICY_FILE=folder / "none.json", **urls) as agent,
            start(folder, f"http://127.0.0.1:{agent.ready().port}", MAX_JOBS=100) as web,
        ):
            yield web.ready()


@pytest.mark.runs("python -m services.web.app")
@pytest.mark.slow
def test_a_ticket_goes_all_the_way_through_the_real_services(make_page, real_pages, tmp_path):
    """It is classified with marked words, reviewed, withdrawn, sent in a file, and counted."""
    page = make_page(real_pages.port)
    classify(page, "My Laptop is broken, its screen stays black. Write to anna@example.org")
    expect(page.get_by_role("heading", level=2)).to_have_text("Hardware")
    expect(page.locator("mark.for", has_text="Laptop")).to_be_visible()
    expect(page.locator(".scrubbed")).to_have_text("[EMAIL]")
    page.get_by_label("What is the right category?").select_option("Storage")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#note")).to_contain_text("Noted: Storage.")
    upload(page, write(tmp_path, "text\nhello <b>there</b>\nperhaps\n \n"), send_unsure=True)
    _, (header, *rows) = download(page)
    assert [row[header.index("decision")] for row in rows] == ["review", "review", "empty"]
    page.goto("/review")
    expect(page.locator(".count")).to_contain_text("2 tickets waiting")
    first = page.locator(".ticket").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_contain_text("1 ticket waiting")
    page.keyboard.press("u")
    expect(page.locator(".count")).to_contain_text("2 tickets waiting")
    expect_ticket(page, first)
    other = make_page(real_pages.port)
    other.goto("/review")
    expect(other.locator(".count")).to_contain_text("2 tickets waiting")
    assert other.locator(".ticket").inner_text() != first
    page.keyboard.press("s")
    expect(page.locator(".count")).to_contain_text("2 tickets waiting")
    expect_ticket(page, first)
    page.goto("/models")
    expect(page.locator(".services").first.locator(".badge")).to_have_text(["Ready"])
    expect(page.locator(".volumes")).to_contain_text("Hardware")
    assert page.evaluate(CONTRAST)[1] == []
