// Draws the figures one after the other, says what is under the pointer, hands out pictures.
"use strict";
(() => {
  const EPOCH_MS = 86400000; // where clips begin on the time axis
  const NOT_SEEN = "not seen";
  const plots = [...document.querySelectorAll(".plot")];
  const coarse = matchMedia("(pointer: coarse)").matches;
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset" };
  const figure = (plot) => JSON.parse(document.getElementById(`${plot.id}-data`).textContent);

  function draw(plot) {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "yes";
    const { data, layout } = figure(plot);
    // A finger scrolls the page; it must not get caught in a figure and zoom it.
    layout.dragmode = coarse || !plot.dataset.group ? false : "zoom";
    Plotly.newPlot(plot, data, layout, config);
    if (plot.dataset.group) plot.on("plotly_relayout", (change) => zoomAlike(plot, change));
    if (plot.getAttribute("role") === "slider") readOut(plot);
  }

  // Time lines of one clip show the same time.
  let busy = false;
  function zoomAlike(plot, change) {
    const keys = Object.keys(change).filter((key) => key.startsWith("xaxis."));
    if (busy || !keys.length) return;
    busy = true;
    const update = Object.fromEntries(keys.map((key) => [key, change[key]]));
    const others = plots.filter((other) =>
      other !== plot && other.dataset.drawn && other.dataset.group === plot.dataset.group);
    Promise.all(others.map((other) => Plotly.relayout(other, update))).finally(() => { busy = false; });
  }

  function clock(x) {
    const tenths = Math.round((x - EPOCH_MS) / 100);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(tenths / 36000), minutes = Math.floor(tenths / 600) % 60;
    const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return hours ? `${hours}:${two(minutes)}:${seconds}` : `${minutes}:${seconds}`;
  }

  function nearest(sorted, value) {
    let low = 0, high = sorted.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1; else high = middle;
    }
    return low && value - sorted[low - 1] < sorted[low] - value ? low - 1 : low;
  }

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  // The strongest expressions at the pointer, or where the arrow keys are.
  function readOut(plot) {
    const traces = plot._fullData, areas = traces.filter((trace) => trace.stackgroup);
    const gone = areas.find((trace) => trace.name === NOT_SEEN), times = gone.x;
    const line = traces.find((trace) => trace.name === "balance");
    let at = 0;

    function say(index) {
      at = index;
      if (gone.y[index]) {
        const first = gone.y[index - 1] === 0;
        const [from, to] = first ? [times[index], times[index + 1]] : [times[index - 1], times[index]];
        return [[NOT_SEEN, from ? `from ${clock(from)}` : "", to ? `to ${clock(to)}` : ""].join(" "), []];
      }
      const rows = areas.map((area) => [area.fillcolor, area.name, area.y[index]])
        .filter(([, , share]) => share >= 1).sort((a, b) => b[2] - a[2]).slice(0, 5)
        .map(([colour, name, share]) => [colour, name, `${share} %`]);
      if (line) {
        const value = line.y[nearest(line.x, times[index])];
        if (Number.isFinite(value)) rows.push(["#1f2933", "balance", (value < 0 ? "" : "+") + value.toFixed(2)]);
      }
      return [clock(times[index]), rows];
    }

    function show(index, clientY) {
      const [head, rows] = say(index);
      const strong = document.createElement("strong");
      strong.textContent = head;
      tip.replaceChildren(strong, ...rows.map(([colour, ...words]) => {
        const row = document.createElement("div"), chip = document.createElement("span");
        chip.className = "chip";
        chip.style.background = colour;
        row.append(chip, ...words.map((word, k) =>
          Object.assign(document.createElement(k ? "b" : "span"), { textContent: word })));
        return row;
      }));
      tip.hidden = false;
      const box = plot.getBoundingClientRect(), axis = plot._fullLayout.xaxis;
      const x = axis._offset + axis.l2p(times[index]);
      const left = box.left + (x > box.width / 2 ? x - tip.offsetWidth - 14 : x + 14);
      const top = (clientY ?? box.top + box.height / 2) - tip.offsetHeight / 2;
      tip.style.left = `${scrollX + Math.max(4, left)}px`;
      tip.style.top = `${scrollY + Math.max(4, top)}px`;
      plot.setAttribute("aria-valuenow", Math.round((times[index] - EPOCH_MS) / 1000));
      plot.setAttribute("aria-valuetext", [head, ...rows.map((row) => row.slice(1).join(" "))].join(", "));
    }

    plot.on("plotly_hover", ({ points, event }) => {
      const point = points.find(({ data }) => data.stackgroup);
      if (point) show(point.pointNumber, event?.clientY);
    });
    plot.on("plotly_unhover", () => { tip.hidden = true; });
    plot.addEventListener("blur", () => { tip.hidden = true; Plotly.Fx.unhover(plot); });
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !times.length) return;
      event.preventDefault();
      const all = times[times.length - 1] - times[0];
      let next = nearest(times, times[at] + step * all / (event.shiftKey ? 10 : 100));
      if (next === at) next = Math.min(times.length - 1, Math.max(0, at + step));
      Plotly.Fx.hover(plot, { xval: times[next] }, ["xy"]);
      show(next);
    });
  }

  // A clip may be called "<b>.mp4", and plotly reads tags.
  const plain = (words) => words.replace(/&/g, "&amp;").replace(/</g, "&lt;");

  // On the page, headings and legends stand around a figure; a picture of it takes them along.
  async function picture(plot, format) {
    const { data, layout } = figure(plot);
    const width = 1100, top = 60;
    const named = data.filter((trace) => trace.name && trace.name !== NOT_SEEN);
    const height = layout.height + top + (named.length ? 50 : 20);
    for (const trace of data) trace.showlegend = named.includes(trace);
    Object.assign(layout, {
      width, height, showlegend: named.length > 0,
      title: { text: plain(plot.dataset.title), x: 0.02, xanchor: "left", y: 1 - 26 / height, font: { size: 17 } },
      margin: { ...layout.margin, t: top, b: layout.margin.b + (named.length ? 40 : 10) },
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", traceorder: "normal" },
    });
    return Plotly.toImage({ data, layout }, { format, width, height, scale: 2 });
  }
  async function download(button) {
    const plot = document.getElementById(button.dataset.plot), format = button.dataset.format;
    const link = document.createElement("a");
    link.href = await picture(plot, format);
    link.download = `${plot.dataset.name}.${format}`;
    document.body.append(link);
    link.click();
    link.remove();
  }
  for (const button of document.querySelectorAll(".tools button"))
    button.addEventListener("click", () => download(button));

  // One after the other, so that the page answers while it fills.
  const waiting = () => plots.filter((plot) => !plot.dataset.drawn && plot.offsetParent !== null);
  function drawNext() {
    const [next] = waiting();
    if (next) { draw(next); setTimeout(drawNext); } else document.body.dataset.ready = "yes";
  }
  for (const details of document.querySelectorAll("details"))
    details.addEventListener("toggle", drawNext);

  // Paper is narrower than most windows: every figure knows its width there.
  addEventListener("beforeprint", () => {
    waiting().forEach(draw);
    for (const plot of plots)
      if (plot.dataset.drawn) Plotly.relayout(plot, { width: Number(plot.dataset.paper) });
  });
  addEventListener("afterprint", () => {
    for (const plot of plots)
      if (plot.dataset.drawn) Plotly.relayout(plot, { width: null, autosize: true });
  });
  drawNext();
})();
