// Copies what the console serves of other people's work out of node_modules into assets/, with their licenses: make assets.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const from = (path) => new URL(`node_modules/${path}`, import.meta.url);
const to = (path) => new URL(`assets/${path}`, import.meta.url);

const files = {
  "pico.css": "@picocss/pico/css/pico.min.css",
  "htmx.js": "htmx.org/dist/htmx.min.js",
  "idiomorph.js": "idiomorph/dist/idiomorph.min.js",
  "uplot.js": "uplot/dist/uPlot.iife.min.js",
  "uplot.css": "uplot/dist/uPlot.min.css",
};

const icons = [
  "activity", "arrow-down", "arrow-up", "ban", "building-2", "chart-column", "check", "circle-alert", "circle-check", "circle-dashed",
  "circle-pause", "circle-play", "circle-x", "clock", "copy", "database", "file-text", "gauge", "hourglass", "info", "key-round", "layers",
  "layout-dashboard", "log-in", "log-out", "menu", "monitor", "moon", "play", "plus", "rotate-cw", "scroll-text", "search", "server",
  "settings", "shield-check", "shield-alert", "sliders-horizontal", "sun", "triangle-alert", "users", "wrench", "x",
];

rmSync(to(""), { recursive: true, force: true });
mkdirSync(to("icons/"), { recursive: true });
for (const [name, path] of Object.entries(files)) copyFileSync(from(path), to(name));
for (const name of icons) {
  const svg = readFileSync(from(`lucide-static/icons/${name}.svg`), "utf8");
  writeFileSync(to(`icons/${name}.svg`), svg.replace(/<!--.*?-->\s*/s, ""));
}

const packages = ["@picocss/pico", "htmx.org", "idiomorph", "lucide-static", "uplot"];
const licenses = packages.map((name) => {
  const { version, license } = JSON.parse(readFileSync(from(`${name}/package.json`), "utf8"));
  const text = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((file) => {
    try { return readFileSync(from(`${name}/${file}`), "utf8"); } catch { return ""; }
  }).join("").trim();
  return `${name} ${version} (${license})\n\n${text || "The package holds no text of its license."}\n`;
});
writeFileSync(to("LICENSES.txt"), licenses.join("\n" + "-".repeat(80) + "\n\n"));
