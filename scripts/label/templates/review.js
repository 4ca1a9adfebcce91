const points = JSON.parse(document.getElementById("points").textContent);
const corrections = JSON.parse(document.getElementById("corrections").textContent);
const GRID = 2000, PALE = "#dde2e6", NOISE = "#e4e8eb";
const table = document.getElementById("topics");
const clusters = new Map([...table.tBodies].map(body => [Number(body.dataset.cluster), {
  body,
  colour: body.dataset.colour,
  name: body.querySelector(".name b").textContent,
  kept: body.dataset.marks.split(" ").includes("kept"),
  toggle: body.querySelector(".name button"),
  detail: body.querySelector("tr.detail"),
  form: body.querySelector("form"),
  text: body.textContent.toLowerCase(),
}]));

// The map: all clusters in their colours, or one of them lit up.
function place(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const edge = 14;
  return { pen, width: box.width, height: box.height,
    x: k => edge + points.x[k] / GRID * (box.width - 2 * edge),
    y: k => edge + points.y[k] / GRID * (box.height - 2 * edge) };
}

function dots(map, wanted, colour, radius, alpha) {
  map.pen.globalAlpha = alpha;
  for (let k = 0; k < points.x.length; k++) {
    if (!wanted(points.cluster[k])) continue;
    map.pen.fillStyle = colour(points.cluster[k]);
    map.pen.beginPath();
    map.pen.arc(map.x(k), map.y(k), radius, 0, 7);
    map.pen.fill();
  }
  map.pen.globalAlpha = 1;
}

function drawOne(canvas, cluster) {
  const map = place(canvas), small = points.x.length < 1000 ? 2.5 : 1;
  dots(map, other => other !== cluster, other => clusters.has(other) ? PALE : NOISE, small, .8);
  dots(map, other => other === cluster, () => clusters.get(cluster).colour, small + 1, .9);
}

function drawAll(canvas) {
  const map = place(canvas), size = points.x.length < 1000 ? 4 : 1.6;
  dots(map, other => !clusters.has(other), () => NOISE, size * .8, 1);
  dots(map, other => clusters.get(other)?.kept === false, other => clusters.get(other).colour, size, .22);
  dots(map, other => clusters.get(other)?.kept, other => clusters.get(other).colour, size, .75);
  names(map);
}

// Names at the middle of their clusters, largest first; one that would touch another is left out.
function names(map) {
  const { pen } = map, taken = [];
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 3.5;
  pen.strokeStyle = "#fff";
  for (const [id, { name, kept }] of clusters) {
    const own = [...points.cluster.keys()].filter(k => points.cluster[k] === id);
    if (!own.length) continue;
    const middle = values => values.sort((a, b) => a - b)[values.length >> 1];
    const text = name.length > 28 ? name.slice(0, 27).trimEnd() + "…" : name;
    pen.font = `${kept ? "600" : "italic"} 12.5px system-ui, "DejaVu Sans", sans-serif`;
    const half = pen.measureText(text).width / 2 + 3;
    const x = Math.min(Math.max(middle(own.map(map.x)), half), map.width - half), y = middle(own.map(map.y));
    if (taken.some(([left, top, right]) => x - half < right && left < x + half && Math.abs(y - top) < 17)) continue;
    taken.push([x - half, y, x + half]);
    pen.strokeText(text, x, y);
    pen.fillStyle = kept ? "#22303c" : "#66737f";
    pen.fillText(text, x, y);
  }
}

const overview = document.querySelector("#overview canvas");
const tip = document.querySelector(".tip");

function clusterAt(event) {
  const box = overview.getBoundingClientRect(), edge = 14;
  const x = (event.clientX - box.left - edge) / (box.width - 2 * edge) * GRID;
  const y = (event.clientY - box.top - edge) / (box.height - 2 * edge) * GRID;
  const stretch = box.height / box.width;
  let best = -1, nearest = (12 / box.width * GRID) ** 2;
  for (let k = 0; k < points.x.length; k++) {
    const distance = (points.x[k] - x) ** 2 + ((points.y[k] - y) * stretch) ** 2;
    if (distance < nearest && clusters.has(points.cluster[k])) [best, nearest] = [points.cluster[k], distance];
  }
  return best;
}

overview.onmousemove = event => {
  const id = clusterAt(event), box = overview.getBoundingClientRect();
  tip.hidden = id < 0;
  if (id < 0) return;
  tip.textContent = clusters.get(id).name;
  tip.style.left = Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4) + "px";
  tip.style.top = Math.min(event.clientY - box.top + 14, box.height - tip.offsetHeight - 4) + "px";
};
overview.onmouseleave = () => { tip.hidden = true; };
overview.onclick = event => {
  const id = clusterAt(event);
  if (id >= 0) show(id);
};

// Rows unfold; their map is drawn when it is first seen.
function unfold(id, open) {
  const { body, toggle, detail } = clusters.get(id);
  toggle.ariaExpanded = String(open);
  body.classList.toggle("open", open);
  detail.hidden = !open;
  const frame = detail.querySelector(".map");
  frame.replaceChildren();
  if (!open) return;
  const canvas = document.createElement("canvas");
  canvas.role = "img";
  canvas.ariaLabel = "Map with this cluster lit up";
  frame.append(canvas);
  drawOne(canvas, id);
}

function show(id) {
  const { body, toggle } = clusters.get(id);
  if (body.hidden) select("all", "");
  unfold(id, true);
  body.scrollIntoView({ block: "start" });
  window.scrollBy(0, -document.querySelector(".tools").offsetHeight - 8);
  toggle.focus({ preventScroll: true });
}

for (const [id, { toggle, body }] of clusters) {
  toggle.onclick = event => { event.stopPropagation(); unfold(id, toggle.ariaExpanded !== "true"); };
  body.rows[0].onclick = () => { if (!getSelection().toString()) unfold(id, toggle.ariaExpanded !== "true"); };
}

// Search and filter.
const search = document.getElementById("search");
const buttons = [...document.querySelectorAll("[data-filter]")];
let filter = "all";

function select(mark, query) {
  filter = mark;
  search.value = query;
  for (const button of buttons) button.ariaPressed = String(button.dataset.filter === mark);
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { body, text } of clusters.values()) {
    body.hidden = !body.dataset.marks.split(" ").includes(mark) || !words.every(word => text.includes(word));
    found += !body.hidden;
  }
  document.getElementById("found").textContent = `${found} of ${clusters.size} clusters`;
  document.getElementById("nothing").hidden = found > 0;
}
search.oninput = () => select(filter, search.value);
for (const button of buttons) button.onclick = () => select(button.dataset.filter, search.value);

// A click on a column head sorts by it, a second click turns the order round.
const heads = [...table.tHead.rows[0].cells];
heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.onclick = () => {
    const numeric = head.classList.contains("n");
    const down = head.ariaSort === (numeric ? "descending" : "ascending") ? !numeric : numeric;
    heads.forEach(other => { other.ariaSort = null; });
    head.ariaSort = down ? "descending" : "ascending";
    const key = body => body.rows[0].cells[column].dataset.key ?? body.rows[0].cells[column].textContent.trim();
    const number = body => parseFloat(key(body).replaceAll(",", ""));
    const sign = down ? -1 : 1, last = value => Number.isNaN(value) ? 1 : 0;
    const order = numeric
      ? (a, b) => last(number(a)) - last(number(b)) || sign * (number(a) - number(b)) || 0
      : (a, b) => sign * key(a).localeCompare(key(b), "en");
    table.append(...[...table.tBodies].sort(order));
  };
});

// Corrections as rows of config/topics.tsv: those that were there, then the new ones, which win.
const cell = text => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.includes('"') ? `"${line.replaceAll('"', '""')}"` : line;
};
const bar = document.getElementById("changes");
const output = document.getElementById("tsv");
let saved = true;

function collect() {
  const rows = corrections.rows.map(row => corrections.columns.map(column => cell(row[column])));
  let changed = 0;
  for (const [id, { body, form }] of clusters) {
    const values = Object.fromEntries(new FormData(form));
    const own = form.checkValidity() && Object.values(values).some(value => value.trim());
    body.querySelector(".changed").hidden = !own;
    const marks = body.dataset.marks.split(" ").filter(mark => mark !== "changed");
    body.dataset.marks = [...marks, ...(own ? ["changed"] : [])].join(" ");
    if (!own) continue;
    changed++;
    rows.push(corrections.columns.map(column => column === "cluster_id" ? String(id) : cell(values[column])));
  }
  output.value = [corrections.columns, ...rows].map(row => row.join("\t") + "\n").join("");
  document.getElementById("changed-count").textContent = `${changed} ${changed === 1 ? "cluster" : "clusters"} changed.`;
  document.querySelector("[data-filter=changed] .count").textContent = changed;
  bar.hidden = !changed;
  saved = !changed;
}
for (const { form } of clusters.values()) {
  form.oninput = collect;
  form.onsubmit = event => event.preventDefault();
}
document.getElementById("download").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([output.value], { type: "text/tab-separated-values" }));
  link.download = "topics.tsv";
  link.click();
  URL.revokeObjectURL(link.href);
  saved = true;
};
document.getElementById("copy").onclick = async event => {
  try {
    await navigator.clipboard.writeText(output.value);
  } catch {
    output.closest("details").open = true;
    output.select();
    document.execCommand("copy");
  }
  event.target.textContent = "Copied";
  saved = true;
};
window.onbeforeunload = event => { if (!saved) event.preventDefault(); };

function redraw() {
  drawAll(overview);
  for (const [id, { detail }] of clusters) {
    const canvas = detail.querySelector("canvas");
    if (canvas) drawOne(canvas, id);
  }
}
let waiting;
window.onresize = () => { clearTimeout(waiting); waiting = setTimeout(redraw, 150); };
select("all", "");
redraw();
const asked = Number(location.hash.replace("#cluster-", ""));
if (location.hash && clusters.has(asked)) show(asked);
