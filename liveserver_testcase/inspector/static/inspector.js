"use strict";

// All that has come stands in `items`, by number; only so many rows are in the page as somebody looks at.
const PAGE = 200;
const items = new Map();
const byId = (id) => document.getElementById(id);
const rows = byId("rows"), detail = byId("detail"), filter = byId("filter"), state = byId("state");
const buttons = new Map();
let shown = PAGE, chosen = 0, isDrawing = false, request = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function describe(item) {
  if (item.kind === "mail") {
    const files = item.attachments ? `, ${item.attachments} attached` : "";
    return { what: item.subject, status: "mail", more: `${item.from} → ${item.to}${files}`, problem: false };
  }
  const time = item.seconds === null ? "" : ` in ${(item.seconds * 1000).toFixed(1)} ms`;
  const result = item.status ?? (item.is_over ? "no response" : "…");
  return {
    what: `${item.method} ${item.target}`, status: String(result), more: item.problem || `${item.server}${time}`,
    problem: item.problem !== "",
  };
}

function makeFilter() {
  const hidden = new Set([...document.querySelectorAll(".servers input:not(:checked)")].map((box) => box.value));
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  return (item) => !hidden.has(item.server) && (!words.length || contains(item, words));
}

function contains(item, words) {
  const { what, status, more } = describe(item);
  const text = `${what} ${status} ${more} ${item.server} #${item.number}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function fill(button, item) {
  const { what, status, more, problem } = describe(item);
  const family = /^\d/.test(status) ? `s${status[0]}` : "";
  button.replaceChildren(
    element("span", "when", new Date(item.at * 1000).toLocaleTimeString()),
    element("span", "what", what),
    element("span", `status ${family}`, status),
    element("span", problem ? "more problem" : "more", more),
  );
  button.title = what;
  button.dataset.version = item.version;
}

function draw() {
  isDrawing = false;
  const wanted = [], matches = makeFilter();
  let rest = false;
  for (const item of [...items.values()].sort((one, other) => other.number - one.number)) {
    if (!matches(item)) continue;
    if (wanted.length === shown) { rest = true; break; }
    wanted.push(item);
  }
  const kept = new Set(wanted.map((item) => item.number));
  for (const [number, button] of buttons) {
    if (!kept.has(number)) { button.parentNode.remove(); buttons.delete(number); }
  }
  wanted.forEach((item, position) => {
    let button = buttons.get(item.number);
    if (!button) {
      button = document.createElement("button");
      button.addEventListener("click", () => choose(item.number));
      buttons.set(item.number, button);
      const row = document.createElement("li");
      row.append(button);
    }
    if (button.dataset.version !== String(item.version)) fill(button, item);
    button.setAttribute("aria-current", String(item.number === chosen));
    if (rows.children[position] !== button.parentNode) rows.insertBefore(button.parentNode, rows.children[position] ?? null);
  });
  byId("empty").hidden = wanted.length > 0;
  byId("empty").textContent = items.size ? "Nothing matches the filter." : "Nothing has come yet.";
  byId("more").hidden = !rest;
}

function redraw() {
  if (!isDrawing) { isDrawing = true; requestAnimationFrame(draw); }
}

async function choose(number) {
  chosen = number;
  const mine = ++request;
  redraw();
  document.body.classList.add("open");
  const answer = await fetch(`/items/${number}`);
  const text = await answer.text();
  if (mine !== request) return;
  // what the server sends is escaped, and the page's policy runs no script but this one
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const back = element("button", "", "Back to the list");
  back.id = "back";
  back.addEventListener("click", leave);
  detail.replaceChildren(back, ...(answer.ok ? parsed.body.childNodes : [element("p", "problem", parsed.body.textContent)]));
  detail.scrollTop = 0;
}

function leave() {
  document.body.classList.remove("open");
  buttons.get(chosen)?.focus();
}

detail.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.closest("details").querySelector(".curl").textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.closest("details").querySelector(".curl"));
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { filter.blur(); leave(); return; }
  if (event.target === filter) return;
  if (event.key === "/") { event.preventDefault(); filter.focus(); return; }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const numbers = [...rows.children].map((row) => row.firstChild);
  const at = numbers.findIndex((button) => button.getAttribute("aria-current") === "true");
  const next = numbers[Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))];
  if (next && (event.target.closest("#rows") || event.target === document.body || at < 0)) {
    event.preventDefault();
    next.focus();
    next.click();
  }
});

filter.addEventListener("input", () => { shown = PAGE; redraw(); });
document.querySelector(".servers").addEventListener("change", redraw);
byId("more").addEventListener("click", () => { shown += PAGE; redraw(); });

const source = new EventSource("/events");
source.addEventListener("open", () => { state.textContent = ""; state.className = ""; });
source.addEventListener("error", () => { state.textContent = "the server is gone"; state.className = "lost"; });
source.addEventListener("message", (event) => {
  for (const item of JSON.parse(event.data)) {
    const before = items.get(item.number);
    items.set(item.number, item);
    if (item.number === chosen && before && !before.is_over && item.kind === "request") choose(chosen);
  }
  redraw();
});
