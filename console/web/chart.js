// Draws the numbers of a [data-chart]: bars by day and the line of a limit, in the colors of the theme.
"use strict";
(() => {
  const drawn = new Map(); // element → plot
  const short = (n) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);
  const color = (name) => {
    const probe = document.createElement("span");
    probe.className = `color-${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const options = (box, data) => {
    const [ink, edge, fill, line] = ["dim", "edge", "fill", "warn"].map(color);
    const daily = Boolean(data.days);
    const axis = { stroke: ink, grid: { stroke: edge, width: 1 }, ticks: { stroke: edge, width: 1 }, font: "12px system-ui, sans-serif" };
    const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });
    const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const series = [{ label: daily ? "Day" : "Time", value: (_, x) => (x == null ? "–" : daily ? day.format(x * 1000) : clock.format(x * 1000)) }];
    for (const s of data.series || [{ label: data.unit, color: "fill" }]) {
      const c = s.color ? color(s.color) : fill;
      series.push({ label: s.label, stroke: c, fill: c, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.75, 40, 1] }), value: (_, y) => (y == null ? "–" : y.toLocaleString("en")) });
    }
    if (data.line != null) series.push({ label: data.lineName, stroke: line, width: 1.5, dash: [5, 4], points: { show: false }, value: (_, y) => (y == null ? "–" : y.toLocaleString("en")) });
    return {
      width: box.clientWidth, height: box.clientHeight - 30, series, legend: { live: true }, cursor: { drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: true, range: (u, min, max) => (daily ? [u.data[0][0] - 43_200, u.data[0].at(-1) + 43_200] : [min, max]) }, // whole bars, also of a single day
        y: { range: (_, min, max) => [0, Math.max(max * 1.05, 1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, incrs: daily ? [1, 2, 3, 4, 5, 7, 10, 15, 30, 60, 90, 180, 365].map((d) => d * 86_400) : undefined, values: (_, ticks) => ticks.map((x) => (daily ? day : clock).format(x * 1000)), space: daily ? 64 : 50 },
        { ...axis, size: 52, values: (_, ticks) => ticks.map(short) },
      ],
      tzDate: daily ? (x) => uPlot.tzDate(new Date(x * 1000), "UTC") : undefined,
    };
  };

  const rows = (data) => {
    const columns = [data.days || data.times, ...(data.series ? data.series.map((s) => s.values) : [data.totals])];
    if (data.line != null) columns.push(columns[0].map(() => data.line));
    return columns;
  };

  window.drawChart = (box) => {
    const data = JSON.parse(box.dataset.chart);
    const old = drawn.get(box);
    if (old) {
      old.setData(rows(data));
      return;
    }
    box.replaceChildren();
    drawn.set(box, new uPlot(options(box, data), rows(data), box));
  };

  const again = () => {
    for (const [box, plot] of [...drawn]) { // a copy: what is drawn again joins the end of drawn, and would be met there for ever
      plot.destroy();
      drawn.delete(box);
      if (box.isConnected) window.drawChart(box);
    }
  };
  let timer = 0;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const [box, plot] of drawn) plot.setSize({ width: box.clientWidth, height: box.clientHeight - 30 });
    }, 100);
  });
  document.addEventListener("themed", again);
})();
