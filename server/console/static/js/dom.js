// Elements from text: whatever comes from a server or a model is a text node, never HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "value" || name === "checked" || name === "selected") {
      node[name] = value;
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An HTML element with attributes (`on` holds listeners) and children, of which texts stay texts. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same of SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** A section with its title. */
export function section(id, title, ...children) {
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

/** Change a node's text only where it differs: what is selected or read aloud stays in peace. */
export function say(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Show or hide. */
export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/**
 * Keep one child of `parent` per item, by key and in order. `make(item)` gives `{node, update}`;
 * children that stay are not touched, so that focus and selection survive.
 */
export function keep(parent, parts, items, key, make) {
  const wanted = new Set(items.map(key));
  for (const [name, part] of parts) {
    if (!wanted.has(name)) {
      part.node.remove();
      parts.delete(name);
    }
  }
  items.forEach((item, place) => {
    let part = parts.get(key(item));
    if (!part) {
      part = make(item);
      parts.set(key(item), part);
    }
    if (parent.children[place] !== part.node) parent.insertBefore(part.node, parent.children[place] ?? null);
    part.update?.(item);
  });
}
