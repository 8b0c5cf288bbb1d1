// The graph: places by dagre, left to right (top to bottom where the page is narrow); nodes are buttons, edges an SVG.

import { draw, each, hide, make, say, set, style } from "./dom.js";
import { count, duration, percent, perSecond, size, text } from "./format.js";

const WIDTH = 216;
const HEIGHT = 128;
const NARROW = 640;
const SHARES = ["busy", "blocked", "idle"];
const NAMED = ["busy", "blocked"]; // what is left is idle, as the bar shows

let graph = null;
let direction = "";
let chosen = null;
let latest = null;
const cards = new Map();
const lines = new Map();

const box = document.getElementById("graph");
const nodes = document.getElementById("nodes");
const edges = document.getElementById("edges");
const detail = document.getElementById("detail");

export function setGraph(found) {
  graph = found;
  direction = "";
  place();
}

export function edgeKey(edge) {
  return JSON.stringify([edge.source, edge.port, edge.target]);
}

function place() {
  const wanted = window.innerWidth < NARROW ? "TB" : "LR";
  if (!graph || wanted === direction) return;
  direction = wanted;
  const found = new dagre.graphlib.Graph({ multigraph: true });
  found.setGraph({ rankdir: direction, nodesep: 24, ranksep: direction === "LR" ? 88 : 56, marginx: 16, marginy: 16 });
  found.setDefaultEdgeLabel(() => ({}));
  // Numbers as names: a node may be called anything.
  const numbers = new Map(graph.nodes.map((node, index) => [node.name, String(index)]));
  for (const number of numbers.values()) found.setNode(number, { width: WIDTH, height: HEIGHT });
  for (const edge of graph.edges) {
    found.setEdge(numbers.get(edge.source), numbers.get(edge.target), {}, edgeKey(edge));
  }
  dagre.layout(found);
  const { width, height } = found.graph();
  nodes.style.width = `${width}px`;
  nodes.style.height = `${height}px`;
  set(edges, "width", width);
  set(edges, "height", height);
  nodes.replaceChildren();
  edges.replaceChildren();
  cards.clear();
  lines.clear();
  for (const node of graph.nodes) {
    const at = found.node(numbers.get(node.name));
    const card = makeCard(node);
    card.button.style.left = `${at.x - WIDTH / 2}px`;
    card.button.style.top = `${at.y - HEIGHT / 2}px`;
    cards.set(node.name, card);
  }
  for (const edge of graph.edges) {
    const at = found.edge(numbers.get(edge.source), numbers.get(edge.target), edgeKey(edge));
    const line = draw("path", edges);
    set(line, "d", path(at.points));
    const middle = at.points[Math.floor(at.points.length / 2)];
    const label = draw("text", edges);
    set(label, "x", middle.x);
    set(label, "y", middle.y - 6);
    set(label, "text-anchor", "middle");
    lines.set(edgeKey(edge), { line, label });
  }
  if (latest) showNodes(latest);
}

function path(points) {
  const [first, ...rest] = points;
  let out = `M${first.x} ${first.y}`;
  for (let index = 0; index < rest.length - 1; index += 1) {
    const at = rest[index];
    const next = rest[index + 1];
    out += `Q${at.x} ${at.y} ${(at.x + next.x) / 2} ${(at.y + next.y) / 2}`;
  }
  const last = rest[rest.length - 1];
  return `${out}L${last.x} ${last.y}`;
}

function makeCard(node) {
  const button = make("button", `card ${node.kind}`, nodes);
  button.type = "button";
  button.dataset.node = node.name;
  set(button, "aria-expanded", node.name === chosen);
  set(button, "aria-controls", "detail");
  say(make("span", "name", button), node.name);
  const copies = node.instances > 1 ? ` × ${node.instances}` : "";
  say(make("span", "type soft", button), node.type + copies);
  const rate = make("span", "rate", button);
  const bytes = make("span", "soft", button);
  const bar = make("span", "bar", button);
  set(bar, "aria-hidden", true);
  const parts = SHARES.map((share) => make("span", share, bar));
  const shares = make("span", "soft small", button);
  const queue = make("span", "soft small", button);
  button.addEventListener("click", () => choose(node.name));
  button.addEventListener("keydown", (event) => move(event, node.name));
  return { button, rate, bytes, parts, shares, queue };
}

function choose(name) {
  chosen = chosen === name ? null : name;
  for (const [other, card] of cards) set(card.button, "aria-expanded", other === chosen);
  showDetail();
}

function move(event, name) {
  const names = graph.nodes.map((node) => node.name);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape" && chosen !== null) choose(chosen);
  if (!step) return;
  event.preventDefault();
  const next = names[names.indexOf(name) + step];
  if (next !== undefined) cards.get(next).button.focus();
}

export function showNodes(figures) {
  latest = figures;
  const waiting = new Map();
  for (const edge of figures.edges) {
    const before = waiting.get(edge.target) ?? { items: 0, bytes: 0, fill: null };
    if (edge.items === null) continue;
    waiting.set(edge.target, {
      items: before.items + edge.items,
      bytes: before.bytes + edge.bytes,
      fill: edge.fill === null ? before.fill : Math.max(before.fill ?? 0, edge.fill),
    });
  }
  for (const node of figures.nodes) {
    const card = cards.get(node.name);
    if (card) showCard(card, node, waiting.get(node.name));
  }
  for (const edge of figures.edges) {
    const found = lines.get(edgeKey(edge));
    if (!found) continue;
    const level = edge.fill === null ? "none" : Math.min(4, Math.ceil(edge.fill * 4));
    set(found.line, "class", `edge fill-${level}`);
    say(found.label, edge.fill === null ? "" : percent(edge.fill));
  }
  showDetail();
}

function showCard(card, node, waiting) {
  set(card.button, "data-rows", node.rows);
  say(card.rate, node.rows_per_second === null ? `${count(node.rows)} rows` : `${perSecond(node.rows_per_second, count)} rows`);
  say(card.bytes, node.bytes_per_second === null ? size(node.bytes) : perSecond(node.bytes_per_second, size));
  SHARES.forEach((share, index) => {
    style(card.parts[index], "width", `${Math.round((node[share] ?? 0) * 100)}%`);
  });
  const shares = NAMED.filter((share) => node[share] !== null);
  say(card.shares, shares.map((share) => `${share} ${percent(node[share])}`).join(", ") || "–");
  say(card.queue, waiting ? `waiting ${count(waiting.items)}, ${size(waiting.bytes)}` : "");
}

function showDetail() {
  const node = latest?.nodes.find((item) => item.name === chosen);
  const declared = graph?.nodes.find((item) => item.name === chosen);
  hide(detail, !node || !declared);
  if (detail.hidden) return;
  if (detail.children.length === 0) {
    make("h3", "", detail);
    make("dl", "", detail);
    make("div", "shards", detail);
  }
  const [title, list, shards] = detail.children;
  say(title, chosen);
  const facts = [
    ["type", declared.type],
    ["rows", count(node.rows)],
    ["bytes", size(node.bytes)],
    ["files", node.stored_files === undefined ? count(node.files) : `${count(node.stored_files)} in all`],
    ["DDLs", count(node.ddls)],
    ["filtered", count(node.filtered)],
    ["repeated", count(node.repeated)],
    ["rejected", count(node.rejected)],
    ["retries", count(node.retries)],
    ["threads", count(node.threads)],
    ["blocked so far", duration(node.blocked_seconds)],
    ...Object.entries(declared.facts),
  ];
  each(list, facts, (parent) => {
    const pair = make("div", "", parent);
    make("dt", "soft", pair);
    make("dd", "", pair);
    return pair;
  }, (pair, [key, value]) => {
    say(pair.children[0], key);
    say(pair.children[1], text(value));
  });
  each(shards, node.shards ?? [], (parent) => {
    const cell = make("div", "shard", parent);
    make("strong", "", cell);
    make("span", "", cell);
    make("span", "soft small", cell);
    return cell;
  }, (cell, shard, index) => {
    set(cell, "data-shard", index);
    set(cell, "data-rows", shard.rows);
    say(cell.children[0], `shard ${index}`);
    say(cell.children[1], `${count(shard.rows)} rows, ${count(shard.files)} files`);
    say(cell.children[2], `${count(shard.tables)} tables, waiting ${count(shard.items)}, ${size(shard.bytes)}`);
  });
}

window.addEventListener("resize", place);
