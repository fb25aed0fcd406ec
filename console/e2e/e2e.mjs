// Signs in to a console with a real browser and does what people do there: node e2e.mjs BASE OPERATOR_KEY FOLDER.
// Anything that the browser complains of is a failure: errors in its console, breaches of the policy, requests that fail.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [base, key, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const complaints = [];
let step = "";
const fail = (what) => complaints.push(`${step}: ${what}`);
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });

// open returns a page of a new browser, that nothing is known to.
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, timezoneId: "Europe/Berlin", ...options });
  context.setDefaultTimeout(90_000); // far above what anything takes
  const page = await context.newPage();
  await page.addInitScript(() => { // counts the lines that news bring or take away
    window.linesCame = 0;
    addEventListener("DOMContentLoaded", () => {
      const block = document.getElementById("live");
      if (!block) return;
      new MutationObserver((all) => {
        for (const m of all) for (const node of [...m.addedNodes, ...m.removedNodes]) if (node.nodeName === "TR" || node.nodeName === "LI") window.linesCame++;
      }).observe(block, { childList: true, subtree: true });
    });
  });
  page.on("console", (m) => {
    if (m.text().startsWith("Failed to load resource: the server responded with a status of")) return; // told below, where it is not expected
    if (m.type() === "error" || m.type() === "warning") fail(`the browser says: ${m.text()}`);
  });
  page.on("pageerror", (e) => fail(`a script failed: ${e.message}`));
  page.on("response", (r) => { if (r.status() >= 400 && !page.expects?.(r)) fail(`${r.request().method()} ${r.url()} was answered ${r.status()}`); });
  page.on("requestfailed", (r) => {
    const left = r.failure()?.errorText === "net::ERR_ABORTED"; // the page was left, or the shared worker took it over
    if (!left) fail(`${r.method()} ${r.url()} failed: ${r.failure()?.errorText}`);
  });
  return page;
}

async function does(what, act) {
  step = what;
  try {
    await act();
    console.log(`ok ${what}`);
  } catch (error) {
    fail(error.message.split("\n").slice(0, 4).join(" / "));
    console.log(`not ok ${what}`);
  }
}

function must(holds, what) {
  if (!holds) throw new Error(what);
}

async function signIn(page, secret) {
  await page.goto(`${base}/console/sign-in`);
  await page.getByLabel("Operator key or API key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

// look runs axe on a page and takes a picture of it.
async function look(page, name) {
  await page.evaluate(axe + ";window.axe = axe;0").catch(() => {});
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const v of found.violations) fail(`axe: ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split("\n")[1] ?? ""}`).join("; ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) fail(`${name} is ${over} pixels wider than the window`);
  await page.screenshot({ path: `${folder}/${name}.png` });
}

// measure takes down when a page was painted first, and how far things have moved on it since without anybody touching it. A new
// line in a list that is live moves those below it, whenever it comes.
const paints = {};
async function measure(page, name) {
  const { paint, shift, lines } = await page.evaluate(() => new Promise((done) => {
    let shift = 0;
    new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) shift += e.value; }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done({ paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime, shift, lines: window.linesCame }), 300);
  }));
  (paints[name] ||= []).push(paint);
  if (shift > 0.1 && lines === 0) fail(`${name} moves by itself: a layout shift of ${shift.toFixed(3)}`);
}

const tenant = `${base}/console/tenants/atlas-robotics`;
const main = await open();

await does("refuse a wrong key", async () => {
  main.expects = (r) => r.status() === 401;
  await main.goto(`${base}/console/`);
  await main.getByLabel("Operator key or API key").fill("wrong");
  await main.getByRole("button", { name: "Sign in" }).click();
  await main.getByText("This key lets nobody in").waitFor();
  main.expects = undefined;
});

await does("sign in", () => signIn(main, key));

await does("see the overview move", async () => {
  await main.goto(`${base}/console/`);
  await main.locator("#live-mark[data-state=on]").waitFor();
  await main.getByRole("heading", { name: "Runs by the minute" }).waitFor();
  await main.locator(".chart canvas").waitFor();
});

await does("find a tenant by a part of its name", async () => {
  await main.goto(`${base}/console/tenants`);
  await main.getByLabel("Search").fill("atlas");
  await main.getByRole("button", { name: "Search" }).click();
  await main.waitForURL(/q=atlas/);
  must(await main.locator("tbody tr").count() === 1, "not one tenant is found");
  await main.getByLabel("Status").selectOption("suspended");
  await main.waitForURL(/status=suspended/);
  await main.getByText("No tenant fits.").waitFor();
  await main.goto(`${base}/console/tenants?q=atlas`);
  await main.getByRole("link", { name: "Atlas Robotics" }).click();
  await main.getByRole("heading", { name: "Atlas Robotics", level: 1 }).waitFor();
});

await does("see that the chain of the audit holds", () => main.getByText("Chain verified").waitFor());

await does("raise a limit until tomorrow", async () => {
  await main.goto(tenant);
  await main.getByRole("button", { name: "Raise a limit" }).click();
  await main.getByRole("combobox", { name: /^Limit of/ }).selectOption("tokens_per_month");
  await main.getByLabel("New limit").fill("12,000,000");
  await main.getByLabel("Reason").locator("visible=true").fill("end-to-end");
  await main.getByLabel("New limit").press("Enter");
  await main.getByText("the new limit holds from now on, 12,000,000").waitFor();
  await main.locator("li", { hasText: "12,000,000 until" }).waitFor();
});

await does("say what is wrong with a limit, where it was typed", async () => {
  main.expects = (r) => r.status() === 422;
  await main.getByRole("button", { name: "Raise a limit" }).click();
  await main.getByLabel("New limit").fill("");
  await main.getByRole("button", { name: "Set the limit" }).click();
  await main.locator("#override-answer").getByText("must be a whole number").waitFor();
  await main.getByRole("button", { name: "Leave it" }).locator("visible=true").click();
  main.expects = undefined;
});

await does("raise a full limit from its gauge", async () => {
  await main.goto(`${base}/console/tenants/corner-bakery`);
  await main.getByRole("button", { name: "Raise the limit: Runs today" }).click();
  must(await main.getByRole("combobox", { name: /^Limit of/ }).inputValue() === "runs_per_day", "another limit is chosen than the one whose button it was");
  await main.getByRole("button", { name: "Leave it" }).locator("visible=true").click();
  await main.goto(tenant);
});

await does("give the plan's limit back", async () => {
  await main.getByRole("button", { name: "Raise a limit" }).click();
  await main.getByRole("combobox", { name: /^Limit of/ }).selectOption("tokens_per_month");
  await main.getByRole("button", { name: "Back to the plan’s" }).click();
  await main.getByText("the plan's limit holds again").waitFor();
});

await does("preview and change a plan, and back", async () => {
  for (const [plan, says] of [["free", "Over the limits of free"], ["pro", "Nothing would be over"]]) {
    await main.goto(tenant);
    await main.getByRole("button", { name: "Change plan" }).click();
    await main.locator("dialog[open] select[name=plan]").selectOption(plan);
    await main.locator("#plan-preview").getByText(says).waitFor();
    await main.getByRole("button", { name: "Change the plan" }).click();
    await main.getByText(`is on the plan ${plan} now`).waitFor();
  }
});

await does("suspend and resume, typed to confirm", async () => {
  for (const [name, says] of [["Suspend", "is suspended"], ["Resume", "is active again"]]) {
    await main.getByRole("button", { name, exact: true }).click();
    const dialog = main.locator("dialog[open]");
    must(await dialog.getByRole("button", { name, exact: true }).isDisabled(), "nothing was typed, and the button is armed");
    await dialog.getByLabel("Reason").fill("end-to-end");
    await dialog.getByLabel("Type atlas-robotics to confirm").fill("atlas-robotics");
    await dialog.getByRole("button", { name, exact: true }).click();
    await main.getByText(says).first().waitFor();
  }
});

let secret = "";
await does("make a key, whose secret is shown once", async () => {
  await main.goto(tenant);
  await main.getByRole("button", { name: "New key" }).click();
  await main.locator("dialog[open]").getByLabel("Name").fill("e2e");
  await main.getByRole("button", { name: "Make the key" }).click();
  secret = (await main.locator("#secret").textContent()).trim();
  must(secret.length > 60, `the secret is ${secret.length} characters long`);
  await main.goto(tenant);
  must(!(await main.content()).includes(secret), "the secret is shown again");
});

await does("rotate the key", async () => {
  await main.getByRole("button", { name: "Rotate e2e" }).first().click();
  await main.locator("dialog[open]").getByRole("button", { name: "Rotate", exact: true }).click();
  await main.getByText("The old secret stays good for 24 hours").waitFor();
  secret = (await main.locator("#secret").textContent()).trim();
});

await does("let the key see its own tenant only", async () => {
  const guest = await open();
  await signIn(guest, secret);
  await guest.getByRole("heading", { name: "Atlas Robotics", level: 1 }).waitFor();
  must(await guest.getByRole("button", { name: "Suspend" }).count() === 0, "a tenant may suspend itself");
  guest.expects = (r) => r.status() === 404 || r.status() === 403;
  await guest.goto(`${base}/console/tenants/corner-bakery`);
  await guest.getByRole("heading", { name: "Not found" }).waitFor();
  await guest.goto(`${base}/console/tenants`);
  await guest.getByRole("heading", { name: "Not allowed" }).waitFor();
  guest.expects = undefined;
  await guest.goto(`${base}/console/`);
  await guest.locator("#live-mark[data-state=on]").waitFor();

  step = "revoke the key, which ends its session";
  guest.expects = (r) => r.status() === 401; // whatever it asks for when its session has ended
  await main.goto(tenant);
  await main.getByRole("button", { name: "Revoke e2e" }).first().click();
  await main.locator("dialog[open]").getByLabel("Type revoke to confirm").fill("revoke");
  await main.getByRole("button", { name: "Revoke the key" }).click();
  await main.getByText("is revoked").first().waitFor();
  await guest.getByText("Your session has ended").waitFor();
  await guest.context().close();
});

await does("cancel a run", async () => {
  const made = await fetch(`${base}/v1/tenants/atlas-robotics/runs`, {
    method: "POST", headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ worker_id: "code-review", task: "A run to cancel", reserve_tokens: 1000 }),
  });
  const answer = await made.text();
  must(made.status === 201, `a run was answered ${made.status}: ${answer}`);
  const run = JSON.parse(answer).id;
  await main.goto(tenant);
  await main.locator(`#run-${run}`).getByRole("button", { name: "Cancel code-review" }).click();
  await main.locator("dialog[open]").getByLabel("Type cancel to confirm").fill("cancel");
  await main.getByRole("button", { name: "Cancel the run" }).click();
  await main.getByText("The run is canceled").waitFor();
});

await does("find a key by how it begins, and by its end", async () => {
  // The key that was made above: keys are listed by how they begin, and which of them are on the first page is chance.
  await main.goto(`${base}/console/keys?q=${secret.slice(0, 12)}`);
  const row = main.locator("tbody tr", { hasText: "Atlas Robotics" });
  const [begins, ends] = (await row.locator("code").allTextContents()).map((t) => t.replace("…", ""));
  must(secret.startsWith(begins) && secret.endsWith(ends) && ends !== "", `the key is shown as ${begins} and ${ends}`);
  for (const part of [begins, ends, `${begins}…${ends}`]) {
    await main.getByLabel("Find a key").fill(part);
    await main.getByRole("button", { name: "Find" }).click();
    await main.getByRole("heading", { name: `Keys like ${part}` }).waitFor();
    await main.waitForLoadState();
    must(await main.locator("tbody tr").count() === 1, `${part} finds not one key`);
  }
});

await does("read a statement, and keep it", async () => {
  await main.goto(tenant);
  await main.getByRole("link", { name: "All statements" }).click();
  await main.locator("tbody th a").last().click();
  await main.getByRole("heading", { name: /Statement of/ }).waitFor();
  const kept = main.waitForEvent("download");
  await main.getByRole("button", { name: "CSV" }).click();
  must((await kept).suggestedFilename().endsWith(".csv"), "the statement is not kept as CSV");
});

await does("try limits before they are saved, and see what they would have denied", async () => {
  await main.goto(`${base}/console/plans`);
  await main.getByRole("button", { name: "Edit free" }).click();
  await main.getByRole("group", { name: "Runs per day" }).getByLabel("Limit", { exact: true }).fill("20");
  await main.getByRole("button", { name: "Try these limits" }).click();
  await main.getByText("Nothing is saved by trying them").waitFor();
  await main.getByLabel("Tenant", { exact: true }).fill("atlas-robotics");
  await main.getByRole("button", { name: "Simulate" }).click();
  await main.getByText(/runs that were admitted, .* would have been denied:/).waitFor();
  await main.locator(".chart canvas").waitFor();
  await main.getByRole("link", { name: "Try that" }).click();
  await main.getByText("none would have been denied").waitFor();
  await main.goBack();
  await main.locator("section[aria-labelledby=sample] tbody a").first().click();
  await main.waitForURL(/\/tenants\/atlas-robotics\/runs\/run_/);
});

await does("choose days, which chooses the range", async () => {
  await main.goto(`${base}/console/plans/simulate?name=free&tenant=atlas-robotics`);
  await main.getByLabel("From", { exact: true }).fill("2026-01-01");
  must(await main.locator("select[name=range]").inputValue() === "custom", "the range is not that of the days");
});

await does("say why the suspended tenant is denied", async () => {
  await main.goto(`${base}/console/tenants?status=suspended`);
  await main.locator("tbody th a").first().click();
  await main.locator("#stopped").getByText(/is suspended: ./).waitFor();
});

await does("switch between light and dark, and charts with it", async () => {
  await main.goto(`${base}/console/tenants/corner-bakery`);
  await main.locator(".chart canvas").first().waitFor();
  const before = await main.locator(".chart canvas").count();
  for (const times of [1, 2]) {
    await main.getByRole("button", { name: "Switch between light and dark" }).click();
    await main.waitForFunction((n) => document.querySelectorAll(".chart canvas").length === n, before)
      .catch(() => { throw new Error(`after ${times} times there are other charts than before`); });
  }
});

await does("work by keyboard alone", async () => {
  await main.goto(`${base}/console/`);
  await main.keyboard.press("Tab");
  must(await main.evaluate(() => document.activeElement.textContent) === "Skip to the page", "the first stop is not the way past the menu");
  await main.keyboard.press("Enter");
  await main.waitForFunction(() => document.activeElement.id === "main");
  await main.goto(tenant);
  await main.getByRole("button", { name: "Change plan" }).press("Enter");
  await main.locator("dialog[open]").waitFor();
  await main.keyboard.press("Escape");
  await main.locator("dialog[open]").waitFor({ state: "detached" });
});

const pages = { overview: "/console/", tenants: "/console/tenants", tenant: "/console/tenants/corner-bakery", runs: "/console/tenants/kestrel-logistics/runs", plans: "/console/plans", plan: "/console/plans/edit?name=free", simulation: "/console/plans/simulate?name=free&tenant=atlas-robotics", audit: "/console/tenants/corner-bakery/audit", platform: "/console/audit", statements: "/console/tenants/corner-bakery/statements", keys: "/console/keys", "keys-found": "/console/keys?q=rr_", system: "/console/system", ...JSON.parse(process.env.PAGES || "{}") };
for (const theme of ["light", "dark"]) for (const width of [360, 1280, 2560]) {
  await does(`look at every page, ${theme}, ${width} pixels wide`, async () => {
    const page = await open({ viewport: { width, height: width < 600 ? 760 : Math.round(width * 0.6) }, colorScheme: theme });
    await page.goto(`${base}/console/sign-in`);
    await look(page, `sign-in-${theme}-${width}`);
    await signIn(page, key);
    for (const [name, path] of Object.entries(pages)) {
      const answer = await page.goto(base + path);
      const sizes = await answer.request().sizes();
      if (sizes.responseBodySize > 150_000) fail(`${path} is ${sizes.responseBodySize} bytes`);
      await page.waitForLoadState("load");
      await measure(page, name);
      await look(page, `${name}-${theme}-${width}`);
    }
    await page.context().close();
  });
}

await does("sign out", async () => {
  await main.goto(`${base}/console/`);
  await main.getByRole("button", { name: "Sign out" }).click();
  await main.getByLabel("Operator key or API key").waitFor();
  await main.goto(`${base}/console/tenants`);
  await main.getByLabel("Operator key or API key").waitFor();
});

for (const [name, all] of Object.entries(paints)) console.log(`first paint of ${name}: ${all.map((ms) => Math.round(ms)).join(", ")} ms`);
await browser.close();
for (const c of complaints) console.error(c);
process.exit(complaints.length > 0 ? 1 : 0);
