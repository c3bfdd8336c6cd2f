// The canvas by pointer: draw a line from one component to another, drag from the palette onto the canvas or onto a
// component. What a drop means is asked of the server; everything here has a form that does the same.
(() => {
  const FAR = 5;    // pixels from where a press is a drag
  let drag = null;

  const svg = () => document.querySelector("[data-canvas] .drawing");
  const nodeAt = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-node]");

  function inside(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg().getScreenCTM().inverse());
    return [Math.round(place.x), Math.round(place.y)];
  }

  document.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const handle = event.target.closest("[data-from]");
    const part = event.target.closest("[data-part]");
    if (!handle && !part) return;
    if (handle) event.preventDefault();
    drag = { handle, part, x: event.clientX, y: event.clientY, moved: false };
  });
  // Links would be dragged by the browser itself.
  document.addEventListener("dragstart", (event) => { if (event.target.closest("[data-canvas], [data-part]")) event.preventDefault(); });

  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.moved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < FAR) return;
    if (!drag.moved) begin();
    drag.moved = true;
    if (drag.line) {
      const [x, y] = inside(event);
      drag.line.setAttribute("d", `M${drag.start[0]},${drag.start[1]} L${x},${y}`);
    }
    if (drag.ghost) drag.ghost.style.translate = `${event.clientX + 8}px ${event.clientY + 8}px`;
    aim(nodeAt(event));
  });

  function begin() {
    if (drag.handle) {
      drag.start = [drag.handle.cx.baseVal.value, drag.handle.cy.baseVal.value];
      drag.line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      drag.line.setAttribute("class", "edge drawing");
      svg().append(drag.line);
    } else {
      drag.ghost = drag.part.cloneNode(true);
      drag.ghost.className = "button ghost";
      document.body.append(drag.ghost);
    }
    document.querySelector("[data-canvas]").classList.add("dropping");
  }

  function aim(node) {
    for (const one of document.querySelectorAll("[data-node].aimed")) one.classList.remove("aimed");
    if (node && node.dataset.node !== drag?.handle?.dataset.from) node.classList.add("aimed");
  }

  function end() {
    drag?.line?.remove();
    drag?.ghost?.remove();
    document.querySelector("[data-canvas]")?.classList.remove("dropping");
    const was = drag;
    drag = null;
    aim(null);
    return was;
  }

  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const onCanvas = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-canvas]");
    const node = nodeAt(event);
    const was = end();
    if (!was.moved) return;
    window.addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => window.removeEventListener("click", stop, true));
    if (was.handle && node && node.dataset.node !== was.handle.dataset.from) {
      show({ component: was.handle.dataset.from, to: node.dataset.node });
    } else if (was.part && onCanvas) {
      if (was.part.dataset.part === "image") show({ add: "image" });
      else window.drover.step({ do: "add", what: was.part.dataset.part, for: node?.dataset.node ?? "" });
    }
  });
  document.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && drag) end(); });

  const stop = (event) => { event.preventDefault(); event.stopPropagation(); };

  function show(question) {
    const page = document.getElementById("compose");
    const address = `${page.dataset.href}?${new URLSearchParams(question)}`;
    window.htmx.ajax("GET", address, { source: page, target: page, swap: "morph", push: address });
  }
})();
