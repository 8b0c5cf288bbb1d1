// Takes what the server sends and shows it. The token, if there is one, came behind the # of the address: it is kept
// for this tab and taken out of the address, and no server has seen it there.

import { each, hide, make, say, set, style, table } from "./dom.js";
import { count, duration, percent, size, text } from "./format.js";
import { setGraph, showNodes } from "./graph.js";

const at = (id) => document.getElementById(id);
const NUMBER = "number";
const HOUR = 3600;
const STAGES = ["received", "spooled", "flushed", "checkpoint"];
const PHASES = {
  running: "running",
  paused: "paused",
  draining: "draining",
  cancelled: "cancelled",
  ended: "not running",
  foreign: "runs elsewhere",
};

let live = false;
let token = null;

function showHead(look) {
  const figures = look.figures;
  say(at("pipeline"), figures.pipeline);
  document.title = `${figures.pipeline} – Afterbay`;
  say(at("phase"), PHASES[figures.phase] ?? figures.phase);
  at("phase").className = `pill ${figures.phase}`;
  const about = look.live
    ? `for ${duration(figures.seconds)}, process ${figures.pid}`
    : figures.phase === "foreign"
      ? `read from its state; ${text(look.holder)}`
      : "read from its state; figures of the last run";
  say(at("about"), about);
  say(at("told"), figures.failure ? `It failed: ${figures.failure}` : "");
  live = look.live;
  showControls(figures.phase);
}

function showControls(phase) {
  hide(at("controls"), token === null);
  for (const button of at("controls").children) {
    const off = { pause: phase !== "running", resume: phase !== "paused", drain: !["running", "paused"].includes(phase) };
    button.disabled = !live || off[button.dataset.ask];
  }
}

// Ages on a logarithmic line: now at the right, an hour ago at the left.
function along(lag) {
  return 100 * (1 - Math.log1p(Math.min(lag, HOUR)) / Math.log1p(HOUR));
}

function lagOf(partition, stage) {
  if (partition[stage] === null) return null;
  return stage === "received" ? 0 : partition[`${stage}_lag`];
}

function showPositions(partitions) {
  each(at("timelines"), partitions, (parent) => {
    const found = make("div", "timeline", parent);
    make("strong", "", found);
    const line = make("div", "line", found);
    for (const [label, seconds] of [["1 h", HOUR], ["10 min", 600], ["1 min", 60], ["10 s", 10], ["1 s", 1], ["now", 0]]) {
      const tick = make("span", "tick soft small", line);
      tick.style.left = `${along(seconds)}%`;
      tick.textContent = label;
    }
    for (const stage of STAGES) {
      const mark = make("span", `mark ${stage}`, line);
      mark.textContent = stage;
    }
    return found;
  }, (found, partition) => {
    say(found.children[0], partition.name);
    STAGES.forEach((stage, index) => {
      const mark = found.querySelector(`.${stage}`);
      const lag = lagOf(partition, stage);
      hide(mark, lag === null || lag === undefined);
      if (mark.hidden) return;
      const place = along(lag);
      style(mark, "left", `${place.toFixed(2)}%`);
      mark.classList.toggle("left", place > 50);
      style(mark, "top", `${22 + index * 20}px`);
      say(mark, `${stage}, ${duration(lag)} behind`);
    });
  });
  const columns = [["source", (item) => item.name]];
  for (const stage of STAGES) {
    columns.push([stage, (item) => text(item[stage]), (item) => item[stage] ?? "", NUMBER]);
    if (stage !== "received") columns.push(["lag", (item) => duration(item[`${stage}_lag`]), null, NUMBER]);
  }
  columns.push(["checkpoint's time", (item) => text(item.checkpoint_time)]);
  table(at("positions-table"), columns, partitions, "no checkpoint yet");
}

function showSpools(spools) {
  each(at("spools"), spools, (parent) => {
    const found = make("div", "spool", parent);
    make("strong", "", found);
    for (const part of ["memory", "disk"]) {
      make("label", "", found);
      const meter = make("meter", part, found);
      set(meter, "aria-label", part);
    }
    make("p", "soft small", found);
    return found;
  }, (found, spool) => {
    const [name, memory, memoryMeter, disk, diskMeter, held] = found.children;
    say(name, spool.node);
    say(memory, `memory ${size(spool.memory)} of ${size(spool.memory_limit)}`);
    say(disk, `memory and disk ${size(spool.memory + spool.disk)} of ${size(spool.quota)} (disk ${size(spool.disk)})`);
    set(memoryMeter, "value", (spool.memory / Math.max(1, spool.memory_limit)).toFixed(4));
    set(diskMeter, "value", ((spool.memory + spool.disk) / Math.max(1, spool.quota)).toFixed(4));
    set(found, "data-memory", spool.memory);
    set(found, "data-disk", spool.disk);
    const segments = `batches ${count(spool.entries)}, segments ${count(spool.segments)}`;
    say(held, spool.held_back ? `${segments}; the source is held back for ${spool.held_back}` : segments);
  });
}

function showLists(figures) {
  table(at("barriers"), [
    ["of", (item) => item.partition],
    ["at", (item) => item.commit_ts, null, NUMBER],
    ["reason", (item) => item.reason],
    ["age", (item) => duration(item.age), null, NUMBER],
    ["waits for", waitsFor],
  ], figures.barriers, "none");
  hide(at("errors-section"), figures.errors.length === 0);
  table(at("errors"), [
    ["node", (item) => item.node],
    ["what", (item) => `${item.operation} of ${item.key}`, null, "wide"],
    ["attempt", (item) => count(item.tries), null, NUMBER],
    ["for", (item) => (item.seconds === null ? `since ${text(item.since)}` : duration(item.seconds)), null, NUMBER],
    ["next try", (item) => (item.next_try === null ? text(null) : item.next_try > 0 ? `in ${duration(item.next_try)}` : "now"), null, NUMBER],
    ["why", (item) => item.reason, null, "wide"],
  ], figures.errors, "nothing fails");
  table(at("flushes"), [
    ["at", (item) => item.at.slice(11, 23)],
    ["table", (item) => item.table, null, "wide"],
    ["reason", (item) => item.reason],
    ["rows", (item) => count(item.rows), (item) => item.rows, NUMBER],
    ["size", (item) => size(item.size), (item) => item.size, NUMBER],
    ["took", (item) => duration(item.seconds), null, NUMBER],
  ], figures.flushes, "none yet");
  table(at("tables"), [
    ["table", (item) => item.table, null, "wide"],
    ["sink", (item) => item.node],
    ["rows", (item) => count(item.rows), (item) => item.rows, NUMBER],
    ["files", (item) => count(item.files), (item) => item.files, NUMBER],
    ["bytes", (item) => size(item.bytes), (item) => item.bytes, NUMBER],
    ["schema version", (item) => text(item.schema_version), null, NUMBER],
    ["position", (item) => text(item.position), (item) => item.position, NUMBER],
  ], figures.tables, "none yet");
  const more = figures.tables_left_out;
  say(at("tables-more"), more ? `The last written to; ${count(more)} more are not shown.` : "");
  table(at("edges-table"), [
    ["from", (item) => (item.port === "out" ? item.source : `${item.source}.${item.port}`)],
    ["to", (item) => item.target],
    ["waiting", (item) => count(item.items), (item) => item.items, NUMBER],
    ["bytes", (item) => size(item.bytes), null, NUMBER],
    ["full", (item) => percent(item.fill), null, NUMBER],
  ], figures.edges, "none");
}

function waitsFor(barrier) {
  const named = barrier.waits_for.map((shard) => `${shard.node} ${shard.shard}`).join(", ");
  const more = barrier.waits_for_count - barrier.waits_for.length;
  return (named || "the ledger") + (more > 0 ? ` and ${count(more)} more` : "");
}

function show(look) {
  if (look.trouble) {
    say(at("phase"), "nothing to see");
    at("phase").className = "pill ended";
    say(at("told"), look.trouble);
    live = false;
    showControls("ended");
    return;
  }
  showHead(look);
  showNodes(look.figures);
  showPositions(look.figures.partitions);
  showSpools(look.figures.spools);
  showLists(look.figures);
  document.body.dataset.looks = String(Number(document.body.dataset.looks ?? 0) + 1);
}

async function command(ask) {
  const asked = { drain: "Drain and stop this run?" }[ask];
  if (asked && !window.confirm(asked)) return;
  const answer = await fetch("/command", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ ask }),
  });
  const told = await answer.json().catch(() => ({ error: `the server said ${answer.status}` }));
  say(at("told"), told.error ?? "");
}

function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem("afterbay-token", found);
    history.replaceState(null, "", location.pathname);
  }
  return found ?? sessionStorage.getItem("afterbay-token");
}

async function start() {
  const kept = takeToken();
  const settings = await (await fetch("/settings")).json();
  token = settings.control ? kept : null;
  for (const button of at("controls").children) button.addEventListener("click", () => command(button.dataset.ask));
  const events = new EventSource("/events");
  events.addEventListener("graph", (event) => setGraph(JSON.parse(event.data)));
  events.addEventListener("look", (event) => show(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    say(at("phase"), "the page's server is gone");
    at("phase").className = "pill cancelled";
    live = false;
    showControls("ended");
  });
}

start();
