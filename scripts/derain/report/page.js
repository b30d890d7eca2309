// Draws the charts (Vega-Lite), passes the values of the switches to them, and controls how pictures are shown.
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const views = [];

function shown(values) {
  for (const item of all("[data-order]")) item.hidden = item.dataset.order !== String(values.order);
  for (const card of all(".card")) fill(card);
}

function turn(select) {
  const value = JSON.parse(select.value);
  for (const view of views) {
    try { view.signal(select.name, value).runAsync(); } catch { /* a chart without this switch */ }
  }
  if (select.name === "order") shown({ order: value });
}

// Lets a chart keep to the width of its place, pixels: fewer panels beside each other, narrower panels, legends below.
function fit(spec, width) {
  if (spec.columns) spec.columns = Math.max(1, Math.min(spec.columns, Math.floor(width / 300)));
  if (width >= 560) return;
  spec.config.legend = { ...spec.config.legend, orient: "bottom", columns: 2 };
  for (const panel of [spec, spec.spec, ...(spec.concat ?? [])]) {
    const labels = panel?.encoding?.y?.type === "nominal" ? 130 : 75; // pixels that the labels of the y axis take
    if (typeof panel?.width === "number") panel.width = Math.max(120, Math.min(panel.width, width - labels));
  }
}

// Says of each box that is wider than the screen that it scrolls, and lets the keyboard scroll it.
function tellWhatScrolls() {
  for (const box of all(".wide, .chart")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    let hint = box.previousElementSibling;
    if (!hint?.classList.contains("hint")) {
      hint = document.createElement("p");
      hint.className = "hint";
      hint.textContent = "↔ wider than the screen: scroll sideways";
      box.before(hint);
    }
    hint.hidden = !scrolls;
    if (box.classList.contains("wide")) box.tabIndex = scrolls ? 0 : -1;
  }
}

async function draw() {
  const { drawings, datasets } = JSON.parse(document.getElementById("specifications").textContent);
  for (const { name, specification } of drawings) {
    const spec = { ...specification, datasets };
    const place = document.getElementById(`chart-${name}`);
    fit(spec, place.clientWidth);
    const { view } = await vegaEmbed(place, spec, { renderer: "svg", actions: false, tooltip: { theme: "custom" } });
    views.push(view);
  }
  for (const select of all(".switches select[name]")) {
    select.addEventListener("change", () => turn(select));
    if (select.selectedIndex > 0) turn(select); // the browser has restored an earlier selection
  }
  tellWhatScrolls();
  addEventListener("resize", tellWhatScrolls);
  for (const details of all("details")) details.addEventListener("toggle", tellWhatScrolls);
  document.documentElement.dataset.drawn = views.length;
}

// --- pictures

function source(figure) {
  return figure.querySelector("img").src;
}

// All pictures of the card's strip, those of other orders too. Lists refer to them by their index, because two pictures
// may have the same caption.
function figures(card) {
  return all(".strips > .strip:first-child figure", card);
}

// Fills the two lists (before, after) of the comparison with the visible pictures of the card.
function fill(card) {
  const strip = figures(card);
  const visible = strip.filter((figure) => !figure.hidden);
  all("select[data-side]", card).forEach((select, n) => {
    const earlier = strip[select.value]; // it may be of another order: then the same network of this order follows it
    const like = ({ dataset }) => dataset.role === earlier?.dataset.role && dataset.run === earlier?.dataset.run;
    const same = visible.includes(earlier) ? earlier : visible.find(like);
    const best = visible.find((figure) => "best" in figure.dataset) ?? visible[Math.min(1, visible.length - 1)];
    const wanted = same ?? [visible[0], best][n];
    select.replaceChildren(
      ...visible.map((figure) => new Option(figure.dataset.name, strip.indexOf(figure), false, figure === wanted)),
    );
    place(card, select);
  });
}

function place(card, select) {
  const figure = figures(card)[select.value];
  const picture = card.querySelector(`.compare .${select.dataset.side}`);
  const image = picture.querySelector("img:not(.clean)");
  image.src = source(figure);
  image.alt = figure.querySelector("img").alt;
  picture.classList.toggle("scored", figure.querySelector(".picture").classList.contains("scored"));
}

// Shows |picture − clean|: lays the clean image over each picture, with blend mode difference.
function errors(on) {
  for (const card of all(".card")) {
    const clean = card.querySelector("[data-role=clean] img");
    card.classList.toggle("errors", on && clean !== null);
    if (!on || clean === null) continue;
    for (const picture of all(".picture", card)) {
      if (picture.querySelector("img.clean")) continue;
      const over = new Image();
      over.className = "clean";
      over.alt = "";
      over.src = clean.src;
      picture.append(over);
    }
  }
}

function zoom(factor) {
  for (const card of all(".card")) {
    card.style.setProperty("--zoom", factor);
    card.classList.toggle("zoomed", factor > 1);
  }
}

function look(card, x, y) {
  for (const [name, value] of [["--x", x], ["--y", y]]) {
    card.style.setProperty(name, `${Math.min(100, Math.max(0, value))}%`);
  }
}

function watch(card) {
  slide(card);
  for (const select of all("select[data-side]", card)) select.addEventListener("change", () => place(card, select));
  // All pictures of the card zoom in at the position of the pointer.
  card.addEventListener("pointermove", (event) => {
    const picture = event.target.closest(".picture");
    if (!picture || event.buttons === 0 && event.pointerType !== "mouse") return;
    const box = picture.getBoundingClientRect();
    look(card, (100 * (event.clientX - box.left)) / box.width, (100 * (event.clientY - box.top)) / box.height);
  });
  card.querySelector(".stack").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [x, y] = ["--x", "--y"].map((name) => parseFloat(card.style.getPropertyValue(name) || "50"));
    look(card, x + step[0], y + step[1]);
  });
  card.querySelector(".compare").hidden = false;
}

for (const image of all("img[data-same]")) image.src = document.getElementById(image.dataset.same).src;
all(".card").forEach(watch);
const order = document.querySelector(".switches select[name=order]");
shown({ order: order ? JSON.parse(order.value) : 0 });
document.getElementById("zoom")?.addEventListener("change", (event) => zoom(Number(event.target.value)));
document.getElementById("errors")?.addEventListener("change", (event) => errors(event.target.checked));
addEventListener("beforeprint", () => all("details").forEach((one) => (one.open = true)));
draw();
