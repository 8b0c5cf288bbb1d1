// Changes the page as little as it can: what has not changed is not touched, so nothing flickers and no focus is lost.
// Text from outside is only ever text.

const SVG = "http://www.w3.org/2000/svg";

export function make(tag, classes = "", parent = null) {
  const found = document.createElement(tag);
  if (classes) found.className = classes;
  if (parent) parent.append(found);
  return found;
}

export function draw(tag, parent) {
  const found = document.createElementNS(SVG, tag);
  parent.append(found);
  return found;
}

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function set(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function style(element, name, value) {
  if (element.style[name] !== value) element.style[name] = value;
}

export function hide(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

// As many children as there are items: `create` makes one, `update` shows an item in it.
export function each(parent, items, create, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, index) => {
    const child = parent.children[index] ?? create(parent);
    update(child, item, index);
  });
}

// A table of `columns`: [title, (item) => shown, (item) => raw number or text, optional class].
export function table(element, columns, items, empty) {
  if (!element.tHead) {
    const row = make("tr", "", element.createTHead());
    for (const [title, , , kind] of columns) {
      const head = make("th", kind ?? "", row);
      head.scope = "col";
      head.textContent = title;
    }
    element.createTBody();
  }
  const body = element.tBodies[0];
  if (!items.length) {
    each(body, [empty], (parent) => make("td", "soft", make("tr", "none", parent)).parentElement, (row, text) => {
      if (row.className !== "none") {
        row.replaceChildren(make("td", "soft"));
        row.className = "none";
      }
      set(row.firstElementChild, "colspan", columns.length);
      say(row.firstElementChild, text);
    });
    return;
  }
  each(body, items, (parent) => make("tr", "", parent), (row, item) => {
    if (row.className === "none") {
      row.replaceChildren();
      row.className = "";
    }
    each(row, columns, (parent) => make("td", "", parent), (cell, [, shown, raw, kind]) => {
      if (cell.className !== (kind ?? "")) cell.className = kind ?? "";
      say(cell, shown(item));
      if (raw) set(cell, "data-value", raw(item));
    });
  });
}
