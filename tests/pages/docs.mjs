// Opens the documentation page in a browser without a window and uses it as a person would.
//
//   node tests/pages/docs.mjs http://127.0.0.1:8080 ff_key [folder for pictures]
//
// Speaks the DevTools protocol over a pipe, so that neither a port nor a package is needed.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";

const [base, key, pictures] = process.argv.slice(2);
const WITHIN_MS = 20_000;

function findChromium() {
  const given = process.env.FLOWFORGE_CHROMIUM;
  return given ? [given] : ["chromium", "chromium-browser", "google-chrome"];
}

async function launch(profile) {
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    `--user-data-dir=${profile}`, "about:blank"];
  for (const program of findChromium()) {
    const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const started = await new Promise((resolve) => {
      child.once("spawn", () => resolve(true));
      child.once("error", () => resolve(false));
    });
    if (started) return child;
  }
  throw new Error("no chromium: install it, or name it in FLOWFORGE_CHROMIUM");
}

/** The commands of the protocol, and its events. */
class Browser {
  constructor(child) {
    this.child = child;
    this.waiting = new Map();
    this.listeners = [];
    this.next = 1;
    let buffered = "";
    child.stdio[4].setEncoding("utf8").on("data", (chunk) => {
      const messages = (buffered + chunk).split("\0");
      buffered = messages.pop();
      for (const text of messages) this.receive(JSON.parse(text));
    });
  }

  receive(message) {
    const waiting = this.waiting.get(message.id);
    if (waiting) {
      this.waiting.delete(message.id);
      if (message.error) waiting.reject(new Error(message.error.message)); else waiting.resolve(message.result);
    } else for (const listen of this.listeners) listen(message);
  }

  send(method, params = {}, sessionId = this.session) {
    const id = this.next++;
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /** The value of an expression in the page; promises are waited for. */
  async value(expression) {
    const answer = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description ?? expression);
    return answer.result.value;
  }

  /** Waits until an expression is true. */
  async until(expression) {
    const end = Date.now() + WITHIN_MS;
    while (!(await this.value(expression))) {
      if (Date.now() > end) throw new Error(`never true: ${expression}\n${await this.value("document.body.innerText")}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async picture(name) {
    if (!pictures) return;
    const shot = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(pictures, `${name}.png`), Buffer.from(shot.data, "base64"));
  }

  window(width, height, dark = false) {
    return Promise.all([
      this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false }),
      this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] }),
    ]);
  }
}

async function open(browser) {
  browser.session = undefined;
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  browser.session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
  const complaints = [];
  const requested = [];
  browser.listeners.push(({ method, params }) => {
    if (method === "Log.entryAdded" && params.entry.level === "error" && params.entry.source !== "network") complaints.push(params.entry.text);
    if (method === "Runtime.exceptionThrown") complaints.push(params.exceptionDetails.exception?.description);
    if (method === "Network.requestWillBeSent") requested.push(params.request.url);
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.send(`${domain}.enable`);
  return { complaints, requested };
}

const type = (selector, text) => `(() => {
  const element = document.querySelector(${JSON.stringify(selector)});
  element.value = ${JSON.stringify(text)};
  element.dispatchEvent(new Event("input", { bubbles: true }));
  element.dispatchEvent(new Event("change", { bubbles: true }));
})()`;

async function use(browser) {
  const { complaints, requested } = await open(browser);
  await browser.window(1360, 900);
  await browser.send("Page.navigate", { url: `${base}/docs` });
  await browser.until("document.querySelectorAll('.card').length > 3");
  const functions = await browser.value("document.querySelectorAll('#list a').length");
  await browser.picture("overview");

  // Searching leaves what was asked for.
  await browser.value(type("#search", "api key"));
  const found = await browser.value("document.querySelectorAll('#list a').length");
  assert.ok(found > 0 && found < functions, `${found} of ${functions}`);
  await browser.value(type("#search", ""));

  // A function without a key is refused, and the page says how to mend it.
  await browser.value("location.hash = '#/get_workspace'");
  await browser.until("document.querySelector('h1').textContent.includes('workspace')");
  assert.match(await browser.value("document.getElementById('note').textContent"), /API key/);
  const submit = "document.querySelector('form.call').requestSubmit()";
  await browser.value(submit);
  await browser.until("document.querySelector('.result .status')?.textContent.startsWith('401')");
  assert.equal(await browser.value("document.querySelector('.result .said a').getAttribute('href')"), "/errors/auth.required");
  await browser.picture("refused");

  // With one it is answered.
  await browser.value(type("#key", key));
  await browser.value(submit);
  await browser.until("document.querySelector('.result .status')?.textContent.startsWith('200')");
  assert.match(await browser.value("document.querySelector('.result pre').textContent"), /"slug": "default"/);
  const curl = await browser.value("document.querySelector('.curl pre').textContent");
  assert.ok(curl.includes("/v1/workspace") && !curl.includes(key), curl);
  await browser.picture("called");

  // A body is sent as it was typed; what does not fit is named by its place.
  await browser.value("location.hash = '#/create_api_key'");
  await browser.until("document.querySelector('textarea[name=body]')");
  assert.match(await browser.value("document.querySelector('textarea[name=body]').value"), /"scopes"/);
  await browser.picture("function");
  await browser.value(type("textarea[name=body]", '{"name": "", "scopes": ["*"]}'));
  await browser.value(submit);
  await browser.until("document.querySelector('.result .status')?.textContent.startsWith('422')");
  assert.match(await browser.value("document.querySelector('.result .said').textContent"), /\/name/);
  await browser.picture("invalid");
  await browser.value(type("textarea[name=body]", '{"name": "made by a page", "scopes": ["workflow.read"]}'));
  await browser.value(submit);
  await browser.until("document.querySelector('.result .status')?.textContent.startsWith('201')");

  // The key is nowhere but in the page's memory, and nothing came from elsewhere.
  assert.equal(await browser.value("localStorage.length + sessionStorage.length + document.cookie.length"), 0);
  await browser.window(1360, 900, true);
  await browser.picture("dark");
  await browser.window(390, 800);
  assert.ok(await browser.value("document.documentElement.scrollWidth <= 390"), "no sideways scrolling");
  await browser.picture("narrow");
  await browser.value("document.getElementById('menu').click()");
  await browser.picture("narrow-list");
  await browser.send("Page.navigate", { url: `${base}/errors/workflow.cycle` });
  await browser.until("document.querySelector('h1')?.textContent.includes('cycle')");
  await browser.window(1100, 700);
  await browser.picture("error-page");
  const foreign = requested.filter((url) => !url.startsWith(base) && !url.startsWith("about:"));
  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
}

const profile = mkdtempSync(join(tmpdir(), "flowforge-browser-"));
const child = await launch(profile);
const timer = setTimeout(() => {
  console.error("the browser did not get through in time");
  child.kill("SIGKILL");
  process.exit(1);
}, 90_000);
try {
  const browser = new Browser(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  try {
    await use(browser);
  } finally {
    // Asked to close, it takes its own processes with it.
    browser.session = undefined;
    browser.send("Browser.close").catch(() => child.kill("SIGKILL"));
    await ended;
  }
  console.log("the documentation page works");
} finally {
  clearTimeout(timer);
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
