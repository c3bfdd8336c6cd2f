// morph(old, next): make an element like another while keeping the nodes that stay, so that focus,
// selection, scroll positions and open folds survive. Children are matched by data-key or id, else by place.
(() => {
  const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key || node.id || "" : "");
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
  // What the person or a script set on the node, not the server.
  const ours = (node, name) =>
    (name === "open" && node.nodeName === "DETAILS") || name === "data-client" || name === "aria-busy";

  function attributes(node, next) {
    for (const { name, value } of next.attributes) {
      if (!ours(node, name) && node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    for (const { name } of [...node.attributes]) {
      if (!ours(node, name) && !next.hasAttribute(name)) node.removeAttribute(name);
    }
  }

  function morph(node, next) {
    if (node.nodeType !== 1) {
      if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
      return;
    }
    if (node.dataset.keep !== undefined && next.dataset.keep !== undefined) return;
    if (node === document.activeElement && /^(INPUT|TEXTAREA|SELECT)$/.test(node.nodeName)) return;
    if (node.isEqualNode(next)) return;
    attributes(node, next);
    children(node, next);
  }

  function children(node, next) {
    const keyed = new Map();
    for (const child of node.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    const wanted = new Set([...next.childNodes].map(keyOf).filter(Boolean));
    let at = node.firstChild;
    const gone = (node) => keyOf(node) && !wanted.has(keyOf(node));
    const blank = (node) => node.nodeType === 3 && !node.nodeValue.trim();
    for (const template of [...next.childNodes]) {
      const key = keyOf(template);
      let found = null;
      // What has gone, and the space around it, must not push what follows out of its place: a field that moves loses focus.
      while (at && (gone(at) || (template.nodeType === 1 && blank(at)))) at = drop(at);
      if (key) {
        const kept = keyed.get(key);
        if (kept && kept.nodeName === template.nodeName) found = kept;
      } else if (at && alike(at, template)) {
        found = at;
      }
      if (found) {
        if (found === at) at = at.nextSibling;
        else node.insertBefore(found, at);
        morph(found, template);
      } else {
        if (key && template.nodeType === 1) template.classList.add("fresh");
        node.insertBefore(template, at);
      }
    }
    while (at) at = drop(at);
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  window.drover = { ...window.drover, morph };
})();
