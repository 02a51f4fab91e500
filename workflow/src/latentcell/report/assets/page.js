"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const MOST_LISTED = 200, MOST_POINTS = 4000;

  // Text has the colour of the surrounding page. Expressions are interpreted, as the policy forbids compilation.
  const options = (width) => ({
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { disableDefaultStyle: true },
    config: {
      // Charts are images with their own text alternative.
      mark: { aria: false }, background: null, font: "system-ui, 'DejaVu Sans', sans-serif",
      view: { stroke: null },
      axis: {
        aria: false,
        labelColor: "currentColor", titleColor: "currentColor", tickColor: "currentColor", domainColor: "currentColor",
        gridColor: dark.matches ? "#333a43" : "#e3e6ea", labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500,
      },
      axisY: { labelLimit: Math.max(165, 0.42 * width) },
      legend: { aria: false, labelColor: "currentColor", labelFontSize: 12, symbolSize: 80 },
    },
  });

  // The nearest point is wrapped in a datum, which Vega-Lite 6 forgets for texts in tooltips.
  const unwrapped = (key, value) =>
    key === "signal" && typeof value === "string" && value.includes("datum.datum[")
      ? value.replaceAll("datum.datum[", "datum[").replaceAll("datum[", "datum.datum[") : value;
  const patch = (spec) => JSON.parse(JSON.stringify(spec, unwrapped));

  // A folded chart has no width. It is drawn for printing all the same, and once more when unfolded.
  const draw = (element, spec) => {
    const width = element.clientWidth || Math.min(800, $("main").clientWidth - 80);
    if (!element.clientWidth) spec.width = width - 220;
    return vegaEmbed(element, spec, { ...options(width), patch });
  };

  // Map ----------------------------------------------------------------------------------------
  const state = {
    map: data.maps.find(({ name }) => name === data.firstMap),
    hidden: new Set(), picked: null, outlined: null, lasso: null, find: "", x: [0, 1], y: [0, 1], shown: [], names: [],
  };
  let canvas = null;

  const fill = (select, items, keep) => {
    select.replaceChildren(...items.map(({ name, title }) => new Option(title, name)));
    if (items.some(({ name }) => name === keep)) select.value = keep;
  };
  const representation = () => state.map.representations.find(({ name }) => name === $("representation").value);
  const points = () => representation()[$("method").value];
  const input = () => state.map.inputs.find(({ name }) => name === $("input").value);
  const gene = () => state.map.genes.find(({ name }) => `gene ${name}` === $("colour").value);
  const continuous = () => $("colour").value === "umi" || Boolean(gene());
  const byType = () => ["type", "predicted"].includes($("colour").value);
  const shade = (look) => (dark.matches ? look.dark : look.light);

  const looks = () => (continuous() ? [] : byType() ? state.map.types : data.looks[$("colour").value]);

  const cellOf = (index) => {
    const { map } = state;
    const made = input();
    const predicted = made.predicted[index];
    return {
      index,
      barcode: map.barcodes[index],
      type: map.types[map.type[index]].name,
      split: made.split[index] === null ? "none" : data.looks.split[made.split[index]].name,
      predicted: predicted === null ? "none" : map.types[predicted].name,
      right: predicted === null ? null : predicted === map.type[index],
      probability: made.probability[index],
      umi: map.umi[index],
    };
  };

  const groupOf = (cell) => {
    switch ($("colour").value) {
      case "type": return cell.type;
      case "predicted": return cell.predicted;
      // Errors on cells that the classifier has learnt from say nothing.
      case "error": return cell.split !== "test" ? "none" : cell.right ? "right" : "wrong";
      case "split": return cell.split;
      default: return "";
    }
  };

  const isPicked = (cell) => {
    if (state.find) return cell.barcode.toLowerCase().includes(state.find);
    if (state.outlined) return state.outlined.has(cell.index);
    return state.picked && cell.split === "test" && cell.type === state.picked.type && cell.predicted === state.picked.predicted;
  };

  const picking = () => Boolean(state.find || state.picked || state.outlined);

  // Step of a colour scale, or null for cells without a value.
  const steps = data.geneSteps;
  const stepOf = (cell) => {
    if (gene()) return gene().values[cell.index];
    const [low, high] = countsOfMap();
    return Math.round(steps * Math.log(Math.max(cell.umi, 1) / low) / Math.log(high / low));
  };
  const countsOfMap = () => {
    const low = Math.max(1, Math.min(...state.map.umi));
    return [low, Math.max(low + 1, Math.max(...state.map.umi))];
  };

  const rows = () => {
    const { x, y } = points();
    const show = $("show").value, only = $("only").value;
    const some = picking(), scaled = continuous();
    const found = [];
    for (let index = 0; index < x.length; index++) {
      if (x[index] === null) continue;
      const cell = cellOf(index);
      if (show !== "all" && cell.split !== show) continue;
      if (only && cell.type !== only) continue;
      const group = groupOf(cell);
      if (group === "none" || state.hidden.has(group)) continue;
      const step = scaled ? stepOf(cell) : 0;
      if (step === null) continue;
      const selected = some && isPicked(cell);
      found.push({ ...cell, x: x[index], y: y[index], group, step, selected, faded: some && !selected });
    }
    // Selected cells are drawn on top, and so are the highest values.
    return some || scaled ? found.sort((a, b) => a.selected - b.selected || a.step - b.step) : found;
  };

  const extent = (values) => {
    let low = Infinity, high = -Infinity;
    for (const value of values) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    const margin = 0.04 * (high - low || 1);
    return [low - margin, high + margin];
  };

  const size = () => {
    const width = Math.max(240, $("map").clientWidth);
    return [width, Math.min(width, 620)];
  };

  const whole = () => { const { x, y } = points(); state.x = extent(x); state.y = extent(y); };

  const tell = () => { $("map").dataset.x = state.x.join(","); $("map").dataset.y = state.y.join(","); };

  // Marks are drawn once each. Their pixels are copied to all their cells, which is several times faster
  // than to draw thousands of small images.
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const DISC = "M-.9,0A.9,.9,0,1,1,.9,0A.9,.9,0,1,1,-.9,0Z";
  const viridis = (step) => {
    const place = Math.min(1, Math.max(0, step / steps)) * (VIRIDIS.length - 1);
    const [from, to] = [Math.floor(place), Math.ceil(place)].map((at) => [1, 3, 5].map((i) => parseInt(VIRIDIS[at].slice(i, i + 2), 16)));
    return `rgb(${from.map((value, i) => Math.round(value + (place - Math.floor(place)) * (to[i] - value))).join(",")})`;
  };
  const sprites = new Map();
  const inMemory = { willReadFrequently: true };
  const radius = () => Math.sqrt(Math.min(70, Math.max(12, 30000 / Math.max(1, state.map.barcodes.length)))) / 2;
  const pixels = () => devicePixelRatio || 1;
  const spriteOf = (cell, known) => {
    const key = `${continuous() ? cell.step : cell.group}|${cell.selected}|${cell.faded}`;
    if (!sprites.has(key)) sprites.set(key, makeSprite(cell, known.get(cell.group)));
    return sprites.get(key);
  };
  const makeSprite = (cell, look) => {
    const ratio = pixels();
    const r = ratio * radius() * (cell.selected ? 1.7 : 1);
    const mark = document.createElement("canvas");
    mark.width = mark.height = 2 * Math.ceil(r + ratio);
    const pen = mark.getContext("2d", inMemory);
    pen.translate(mark.width / 2, mark.height / 2);
    pen.scale(r, r);
    pen.globalAlpha = cell.faded ? 0.2 : 0.85;
    const path = new Path2D(look ? look.path : DISC);
    pen.fillStyle = look ? shade(look) : viridis(cell.step);
    pen.fill(path);
    const outline = cell.selected ? (dark.matches ? "#fff" : "#000") : look?.outlined && !dark.matches ? "#5a5a5a" : null;
    if (outline) { pen.strokeStyle = outline; pen.lineWidth = (cell.selected ? 1.2 : 0.6) * ratio / r; pen.stroke(path); }
    return pixelsOf(pen.getImageData(0, 0, mark.width, mark.height));
  };
  const pixelsOf = ({ data: values, width }) => {
    const drawn = [];
    for (let at = 0; at < values.length; at += 4) {
      if (values[at + 3]) drawn.push([(at / 4) % width, Math.floor(at / 4 / width), values[at], values[at + 1], values[at + 2], values[at + 3] / 255]);
    }
    return { width, drawn: Float32Array.from(drawn.flat()) };
  };

  const stamp = (target, mark, left, top) => {
    const { data: values, width, height } = target;
    const { drawn } = mark;
    for (let at = 0; at < drawn.length; at += 6) {
      const x = left + drawn[at], y = top + drawn[at + 1];
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const place = 4 * (y * width + x), alpha = drawn[at + 5];
      values[place] += alpha * (drawn[at + 2] - values[place]);
      values[place + 1] += alpha * (drawn[at + 3] - values[place + 1]);
      values[place + 2] += alpha * (drawn[at + 4] - values[place + 2]);
    }
  };

  const toPixels = () => {
    const [width, height] = size();
    const across = width / (state.x[1] - state.x[0]), down = height / (state.y[1] - state.y[0]);
    return { width, height, at: ({ x, y }) => [(x - state.x[0]) * across, (state.y[1] - y) * down] };
  };

  const paint = () => {
    const { width, height, at } = toPixels();
    const ratio = pixels();
    const pen = canvas.getContext("2d", inMemory);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    if (state.image?.width !== canvas.width || state.image.height !== canvas.height) {
      state.image = pen.createImageData(canvas.width, canvas.height);
    }
    new Uint32Array(state.image.data.buffer).fill(dark.matches ? 0xff1b1714 : 0xffffffff);
    for (const cell of state.shown) {
      const [x, y] = at(cell);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const { mark } = cell;
      stamp(state.image, mark, Math.round(x * ratio - mark.width / 2), Math.round(y * ratio - mark.width / 2));
    }
    pen.putImageData(state.image, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if ($("labels").checked && byType()) label(pen, at, width);
    if (state.lasso) outline(pen, at);
  };

  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];

  // The name of each type or prediction at the median of its cells.
  const namesOf = (shown) => {
    const groups = new Map();
    for (const cell of shown) {
      if (!groups.has(cell.group)) groups.set(cell.group, []);
      groups.get(cell.group).push(cell);
    }
    return [...groups].map(([name, cells]) =>
      ({ name, x: middle(cells.map((cell) => cell.x)), y: middle(cells.map((cell) => cell.y)) }));
  };

  const label = (pen, at, width) => {
    pen.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeStyle = dark.matches ? "#14171b" : "#fff";
    pen.fillStyle = dark.matches ? "#e8eaed" : "#1a1d21";
    const placed = [];
    for (const named of state.names) {
      const { name } = named;
      const [x, y] = at(named);
      const text = name.length > 28 ? `${name.slice(0, 27)}…` : name;
      const half = pen.measureText(text).width / 2;
      let row = y;
      // Names that would lie over one another move down.
      while (placed.some((other) => Math.abs(other.y - row) < 14 && Math.abs(other.x - x) < other.half + half)) row += 7;
      const centre = Math.min(Math.max(x, half + 2), width - half - 2);
      placed.push({ x: centre, y: row, half });
      pen.strokeText(text, centre, row);
      pen.fillText(text, centre, row);
    }
    $("map").dataset.labels = placed.length;
  };

  const outline = (pen, at) => {
    pen.beginPath();
    for (const point of state.lasso) pen.lineTo(...at(point));
    pen.closePath();
    pen.lineWidth = 1.5;
    pen.setLineDash([5, 3]);
    pen.strokeStyle = dark.matches ? "#fff" : "#000";
    pen.stroke();
    pen.setLineDash([]);
  };

  const inside = ({ x, y }, polygon) => {
    let within = false;
    polygon.forEach((a, index) => {
      const b = polygon[(index || polygon.length) - 1];
      if (a.y > y !== b.y > y && x < (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x) within = !within;
    });
    return within;
  };

  // Draw at most once per frame.
  let waiting = 0;
  const place = () => {
    tell();
    waiting ||= requestAnimationFrame(() => { waiting = 0; paint(); });
  };

  const update = () => {
    sprites.clear();
    const known = new Map(looks().map((look) => [look.name, look]));
    state.shown = rows();
    for (const cell of state.shown) cell.mark = spriteOf(cell, known);
    state.names = namesOf(state.shown);
    paint();
    tell();
    const { shown } = state;
    $("map").dataset.shown = shown.length;
    $("map").dataset.picked = shown.filter(({ selected }) => selected).length;
    $("map").dataset.colour = $("colour").value;
    $("map-title").textContent = `${$("method").selectedOptions[0].text} of ${representation().title}, ${state.map.title}`;
    $("map-status").textContent = `${shown.length.toLocaleString("en")} cells on the map. ${state.map.shown}`;
    legend();
    list();
    matrix();
  };

  const scaleLegend = () => {
    const scale = document.createElement("div");
    scale.className = "scale";
    const bar = document.createElement("i");
    bar.style.background = `linear-gradient(90deg, ${VIRIDIS.join(", ")})`;
    const ends = document.createElement("span");
    const texts = gene() ? ["0", `${gene().top}, log(1 + counts per 10,000)`]
      : countsOfMap().map((end) => `${end.toLocaleString("en")} UMIs`);
    for (const text of texts) {
      const end = document.createElement("span");
      end.textContent = text;
      ends.append(end);
    }
    scale.append(bar, ends);
    return scale;
  };

  const legend = () => {
    if (continuous()) { $("legend").replaceChildren(scaleLegend()); return; }
    const focused = document.activeElement?.dataset?.group;
    $("legend").replaceChildren(...looks().map((look) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.group = look.name;
      button.setAttribute("aria-pressed", String(!state.hidden.has(look.name)));
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "-1.1 -1.1 2.2 2.2");
      svg.setAttribute("aria-hidden", "true");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", look.path);
      path.setAttribute("fill", shade(look));
      if (look.outlined && !dark.matches) { path.setAttribute("stroke", "#5a5a5a"); path.setAttribute("stroke-width", "0.15"); }
      svg.append(path);
      button.append(svg, look.name);
      button.addEventListener("click", () => {
        if (!state.hidden.delete(look.name)) state.hidden.add(look.name);
        update();
      });
      return button;
    }));
    if (focused !== undefined) $("legend").querySelector(`[data-group="${CSS.escape(focused)}"]`)?.focus();
  };

  const list = () => {
    $("list").hidden = $("clear").hidden = !picking();
    if (!picking()) {
      $("list-status").textContent = "None: select a number in the confusion matrix, outline cells on the map, or type part of a barcode.";
      return;
    }
    const cells = state.map.barcodes.map((_, index) => cellOf(index)).filter(isPicked);
    const most = cells.length > MOST_LISTED ? `, of which the first ${MOST_LISTED} are listed` : "";
    const what = state.find ? `with barcodes that contain "${state.find}"`
      : state.outlined ? "inside the outline" : `of type ${state.picked.type}, predicted as ${state.picked.predicted}`;
    $("list-status").textContent = `${cells.length} ${state.picked ? "test " : ""}cells ${what} (${input().title})${most}.`;
    $("list").querySelector("tbody").replaceChildren(...cells.slice(0, MOST_LISTED).map((cell) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = cell.barcode;
      row.append(head);
      for (const [text, kind] of [[cell.type], [cell.predicted], [cell.probability, "number"], [cell.split], [cell.umi, "number"]]) {
        const field = document.createElement("td");
        field.textContent = text === null ? "" : text;
        if (kind) field.className = kind;
        row.append(field);
      }
      return row;
    }));
  };

  const matrix = () => {
    for (const part of document.querySelectorAll(".matrix")) {
      part.hidden = part.dataset.map !== state.map.name || part.dataset.input !== $("input").value;
    }
    for (const button of document.querySelectorAll(".matrix button")) {
      const { picked } = state;
      const chosen = picked && button.dataset.true === picked.type && button.dataset.predicted === picked.predicted;
      button.setAttribute("aria-pressed", String(Boolean(chosen)));
    }
  };

  const chooseSubset = () => {
    state.map = data.maps.find(({ name }) => name === $("subset").value);
    fill($("representation"), state.map.representations, state.map.best);
    fill($("input"), state.map.inputs, state.map.best);
    fill($("only"), [{ name: "", title: "All types" }, ...state.map.types.map(({ name }) => ({ name, title: name }))], $("only").value);
    const chosen = $("colour").value;
    $("genes").replaceChildren(...state.map.genes.map(({ name, title }) => new Option(title, `gene ${name}`)));
    $("genes").hidden = !state.map.genes.length;
    $("colour").value = [...$("colour").options].some(({ value }) => value === chosen) ? chosen : "type";
    whole();
  };

  // Map and matrix are of the same representation, as far as it has both.
  const follow = (leader, follower) => {
    const items = [...$(follower).options].map(({ value }) => value);
    if (items.includes($(leader).value)) $(follower).value = $(leader).value;
  };

  const zoom = (factor, at = [0.5, 0.5]) => {
    const scaled = ([low, high], share) => {
      const centre = low + share * (high - low);
      return [centre + (low - centre) * factor, centre + (high - centre) * factor];
    };
    state.x = scaled(state.x, at[0]);
    state.y = scaled(state.y, 1 - at[1]);
    place();
  };

  const move = (right, up) => {
    const moved = ([low, high], share) => [low + share * (high - low), high + share * (high - low)];
    state.x = moved(state.x, right);
    state.y = moved(state.y, up);
    place();
  };

  const shareOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const pointOf = (event) => {
    const [right, down] = shareOf(event);
    return { x: state.x[0] + right * (state.x[1] - state.x[0]), y: state.y[1] - down * (state.y[1] - state.y[0]) };
  };

  // The uppermost cell within a few pixels of the pointer.
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const { at } = toPixels();
    let best = null, least = (radius() + 3) ** 2;
    for (const cell of state.shown) {
      const [x, y] = at(cell);
      const apart = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
      if (apart <= least) { best = cell; least = apart; }
    }
    return best;
  };

  const tip = (event) => {
    const cell = event && cellAt(event);
    const box = $("cell-tip");
    box.classList.toggle("visible", Boolean(cell));
    if (!cell) return;
    const texts = { Barcode: cell.barcode, Type: cell.type, Split: cell.split, Predicted: cell.predicted, Probability: cell.probability, UMIs: cell.umi };
    const table = document.createElement("table");
    table.append(...Object.entries(texts).map(([key, value]) => {
      const row = document.createElement("tr");
      for (const [text, kind] of [[key, "key"], [value ?? "", "value"]]) {
        const field = document.createElement("td");
        field.className = kind;
        field.textContent = text;
        row.append(field);
      }
      return row;
    }));
    box.replaceChildren(table);
    // To the right of the pointer, or to its left where the window ends.
    const right = event.clientX + 12 + box.offsetWidth < innerWidth;
    box.style.left = `${Math.max(4, right ? event.clientX + 12 : event.clientX - 12 - box.offsetWidth)}px`;
    box.style.top = `${Math.min(event.clientY + 12, innerHeight - box.offsetHeight - 4)}px`;
  };

  const listenToMap = () => {
    const map = $("map");
    const keys = {
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
      "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), 0: () => { whole(); place(); },
    };
    map.addEventListener("keydown", (event) => {
      const act = !event.ctrlKey && !event.metaKey && keys[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    // Only while the map has the focus; otherwise the wheel scrolls the page.
    map.addEventListener("wheel", (event) => {
      if (document.activeElement !== map && !event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, shareOf(event));
    }, { passive: false });
    const pointers = new Map();
    const apart = () => { const [a, b] = [...pointers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    const outlining = (event) => $("lasso").getAttribute("aria-pressed") === "true" || event.shiftKey;
    map.addEventListener("pointerleave", () => tip(null));
    map.addEventListener("pointerdown", (event) => {
      map.focus({ preventScroll: true });
      tip(null);
      if (outlining(event)) {
        map.setPointerCapture(event.pointerId);
        state.lasso = [pointOf(event)];
        return;
      }
      pointers.set(event.pointerId, shareOf(event));
      map.setPointerCapture(event.pointerId);
      map.classList.add("dragging");
    });
    map.addEventListener("pointermove", (event) => {
      if (state.lasso) { state.lasso.push(pointOf(event)); place(); return; }
      const before = pointers.get(event.pointerId);
      if (!before) { tip(event); return; }
      const now = shareOf(event);
      if (pointers.size === 1) {
        pointers.set(event.pointerId, now);
        move(before[0] - now[0], now[1] - before[1]);
      } else if (pointers.size === 2) {
        const was = apart();
        pointers.set(event.pointerId, now);
        const middle = [...pointers.values()].reduce((a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
        zoom(was / Math.max(apart(), 0.01), middle);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      map.addEventListener(name, (event) => {
        pointers.delete(event.pointerId);
        map.classList.remove("dragging");
        if (state.lasso) choose();
      });
    }
    const choose = () => {
      const drawn = state.lasso;
      state.lasso = null;
      clear();
      if (drawn.length > 2) state.outlined = new Set(state.shown.filter((cell) => inside(cell, drawn)).map(({ index }) => index));
      update();
    };
    $("lasso").addEventListener("click", () => {
      const on = $("lasso").getAttribute("aria-pressed") !== "true";
      $("lasso").setAttribute("aria-pressed", String(on));
      map.classList.toggle("outlining", on);
    });
    $("zoom-in").addEventListener("click", () => zoom(0.7));
    $("zoom-out").addEventListener("click", () => zoom(1 / 0.7));
    $("zoom-reset").addEventListener("click", () => { whole(); place(); });
  };

  const clear = () => { state.picked = state.outlined = null; state.find = $("find").value = ""; };

  const listenToControls = () => {
    for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
    $("subset").addEventListener("change", () => { clear(); chooseSubset(); update(); });
    $("representation").addEventListener("change", () => { follow("representation", "input"); whole(); update(); });
    $("method").addEventListener("change", () => { whole(); update(); });
    $("input").addEventListener("change", () => { follow("input", "representation"); whole(); update(); });
    $("colour").addEventListener("change", () => { state.hidden.clear(); update(); });
    for (const name of ["show", "only", "labels"]) $(name).addEventListener("change", update);
    $("find").addEventListener("input", () => {
      state.find = $("find").value.trim().toLowerCase();
      state.picked = state.outlined = null;
      update();
    });
    $("clear").addEventListener("click", () => { clear(); update(); $("find").focus(); });
    for (const button of document.querySelectorAll(".matrix button")) {
      button.addEventListener("click", () => {
        const again = button.getAttribute("aria-pressed") === "true";
        clear();
        if (!again) state.picked = { type: button.dataset.true, predicted: button.dataset.predicted };
        update();
      });
    }
    addEventListener("resize", place);
  };

  const startMap = () => {
    fill($("subset"), data.maps, data.firstMap);
    chooseSubset();
    canvas = $("map").appendChild(document.createElement("canvas"));
    listenToMap();
    listenToControls();
    update();
  };

  // Learning curves ----------------------------------------------------------------------------
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D3F", "#7F7F7F"];
  const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];
  const TITLES = { name: "Model or input", split: "Split", replicate: "Replicate", epoch: "Epoch" };

  // Pointing anywhere reads off the nearest epoch, as far as a page bears so many points.
  const readable = (values) => values.length <= MOST_POINTS;
  const single = (values) => values.every(({ epoch }) => epoch === values[0].epoch);
  const isLine = ({ split }) => !split || split === "validation";
  // Best epoch of each line of validation cells.
  const withBest = (values) => {
    const best = new Map();
    for (const one of values) {
      const line = `${one.name}|${one.replicate}`;
      if (isLine(one) && one.value !== null && !(best.get(line)?.value >= one.value)) best.set(line, one);
    }
    return values.map((one) => ({ ...one, best: best.get(`${one.name}|${one.replicate}`) === one }));
  };

  const curveSpec = (values, measure, limits, look) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container", height: 300,
    data: { values: withBest(values) },
    layer: [
      { mark: { type: "line", clip: true, point: single(values) } },
      {
        transform: [{ filter: "datum.best" }],
        mark: { type: "point", shape: "diamond", filled: true, size: 90, stroke: "currentColor", strokeWidth: 1, opacity: 1 },
        encoding: { tooltip: readout(values, measure) },
      },
      ...(readable(values) ? [{
        params: [{ name: "near", select: { type: "point", nearest: true, on: "pointermove", clear: "pointerout" } }],
        mark: { type: "point", filled: true, size: 60, clip: true },
        encoding: { opacity: { condition: { param: "near", empty: false, value: 1 }, value: 0 }, tooltip: readout(values, measure) },
      }] : []),
    ],
    encoding: {
      x: { field: "epoch", type: "quantitative", title: "Epoch", scale: { nice: false }, axis: { tickMinStep: 1 } },
      y: { field: "value", type: "quantitative", title: measure, scale: limits ? { domain: limits } : { zero: false } },
      ...look,
    },
  });

  const readout = (values, measure) => [
    ...Object.entries(TITLES).filter(([field]) => field in values[0])
      .map(([field, title]) => ({ field, title, type: field === "epoch" ? "quantitative" : "nominal" })),
    { field: "value", title: measure, format: ".4~g" },
  ];

  // One model: a line for each replicate, training cells solid, validation cells dashed.
  const splitLook = {
    color: {
      field: "split", title: null, legend: { orient: "bottom", symbolOpacity: 1 },
      scale: { domain: ["training", "validation"], range: ["#0072B2", "#D55E00"] },
    },
    strokeDash: { field: "split", title: null, legend: { orient: "bottom", symbolOpacity: 1 }, scale: { domain: ["training", "validation"], range: [[1, 0], [5, 3]] } },
    detail: { field: "replicate" },
  };

  // All models: a colour each, and a dash where there are more models than colours.
  const nameLook = (names) => {
    const at = (list, turn) => names.map((_, index) => list[turn(index) % list.length]);
    const domain = { domain: names };
    const legend = { orient: "bottom", columns: innerWidth < 480 ? 1 : 2, labelLimit: 260, symbolOpacity: 1 };
    return {
      color: { field: "name", title: null, legend, scale: { ...domain, range: at(COLOURS, (index) => index) } },
      strokeDash: {
        field: "name", title: null, legend,
        scale: { ...domain, range: at(DASHES, (index) => Math.floor(index / COLOURS.length)) },
      },
    };
  };

  const replicateLines = (curve) => curve.lines.flatMap(({ split, replicate, epochs, values }) =>
    epochs.map((epoch, index) => ({ split, replicate, epoch, value: values[index] })));

  // Mean over the replicates that reached an epoch.
  const meanLine = (curve) => {
    const found = new Map();
    for (const { split, epoch, value } of replicateLines(curve)) {
      if (split !== "validation" || value === null) continue;
      const [sum, number] = found.get(epoch) ?? [0, 0];
      found.set(epoch, [sum + value, number + 1]);
    }
    return [...found].map(([epoch, [sum, number]]) => ({ name: curve.name, epoch, value: sum / number }));
  };

  const curvesHere = () =>
    data.curves.filter((curve) => curve.of === $("stage").value && curve.cells === $("curve-cells").value);

  const together = (limits) =>
    limits.every(Boolean) && limits.length ? [Math.min(...limits.map(([low]) => low)), Math.max(...limits.map(([, high]) => high))] : null;

  const drawCurve = () => {
    const here = curvesHere();
    const one = here.find(({ name }) => name === $("curve").value);
    const { measure } = here[0];
    const limits = one ? one.limits : together(here.map((curve) => curve.limits));
    const values = one ? replicateLines(one) : here.flatMap(meanLine);
    const look = one ? splitLook : nameLook(here.map(({ name }) => name));
    const all = $("stage").value === "models" ? "all models" : "all inputs";
    $("curve-title").textContent = `${measure}: ${one ? one.title : `${all}, ${here[0].cells}`}`;
    $("curve-summary").textContent =
      (one ? "Training cells solid, validation cells dashed, one line per replicate."
        : "Validation cells; each line is the mean over the replicates of a model or input.")
      + " Diamonds mark the best epoch on validation cells."
      + (limits ? " First epochs far below the others are cut off." : "");
    return draw($("curve-chart"), curveSpec(values, measure, limits, look));
  };

  const chooseCurves = (keep) => {
    const names = curvesHere().map(({ name }) => ({ name, title: name }));
    fill($("curve"), [{ name: "", title: "All, overlaid" }, ...names], keep);
    return drawCurve();
  };

  const chooseStage = () => {
    const own = data.curves.filter((curve) => curve.of === $("stage").value);
    const cells = [...new Set(own.map((curve) => curve.cells))];
    fill($("curve-cells"), cells.map((name) => ({ name, title: name })), $("curve-cells").value);
    return chooseCurves("");
  };

  // Summary ------------------------------------------------------------------------------------
  const sortBy = (heading) => {
    const table = heading.closest("table");
    const column = [...heading.parentElement.children].indexOf(heading);
    const text = !heading.classList.contains("number");
    const before = heading.getAttribute("aria-sort");
    // Numbers begin with the largest, names with the first.
    const down = before ? before === "ascending" : !text;
    const valueOf = (row) => row.children[column].dataset.value;
    const compare = (a, b) => text ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b);
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [one, other] = [valueOf(a), valueOf(b)];
      // Empty cells stay last.
      if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
      return (down ? -1 : 1) * compare(one, other);
    });
    for (const each of heading.parentElement.children) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  };

  // The table as a picture, in the colours of the page.
  const picture = (table) => {
    const box = table.getBoundingClientRect(), ratio = 2;
    const image = document.createElement("canvas");
    image.width = Math.ceil(box.width * ratio);
    image.height = Math.ceil(box.height * ratio);
    const pen = image.getContext("2d");
    pen.scale(ratio, ratio);
    const colour = (element, name) => getComputedStyle(element)[name];
    pen.fillStyle = colour(document.body, "backgroundColor");
    pen.fillRect(0, 0, box.width, box.height);
    const at = (element) => { const own = element.getBoundingClientRect(); return [own.left - box.left, own.top - box.top, own.width, own.height]; };
    for (const bar of table.querySelectorAll(".track, .bar")) { pen.fillStyle = colour(bar, "backgroundColor"); pen.fillRect(...at(bar)); }
    pen.textBaseline = "middle";
    const words = document.createTreeWalker(table.tHead, NodeFilter.SHOW_TEXT);
    const body = document.createTreeWalker(table.tBodies[0], NodeFilter.SHOW_TEXT);
    for (const walker of [words, body]) {
      while (walker.nextNode()) {
        const node = walker.currentNode, text = node.textContent.trim();
        if (!text) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const [left, top, , height] = at(range);
        const style = getComputedStyle(node.parentElement);
        pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
        pen.fillStyle = style.color;
        const lines = range.getClientRects().length > 1 ? text.split(" ") : [text];
        lines.forEach((line, index) => pen.fillText(line, left, top + height * (index + 0.5) / lines.length));
      }
    }
    pen.fillStyle = colour(table.rows[1].cells[0], "borderBottomColor");
    for (const row of table.rows) { const [, top, width, height] = at(row); pen.fillRect(0, top + height - 1, width, 1); }
    return image.toDataURL("image/png");
  };
  for (const button of document.querySelectorAll(".picture")) {
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.download = button.dataset.file;
      link.href = picture(document.querySelector("#summary table"));
      link.click();
    });
  }

  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }

  // Parts that are folded ----------------------------------------------------------------------
  const charts = (part = document) => Promise.all([...part.querySelectorAll("[data-chart]")].map((element) =>
    draw(element, structuredClone(data.charts[element.dataset.chart]))));

  // A link to a folded part unfolds it.
  const unfold = () => {
    const target = location.hash && $(decodeURIComponent(location.hash.slice(1)));
    const part = target && target.querySelector(":scope > details");
    if (part) { part.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);

  let printing = false;
  for (const part of document.querySelectorAll("details.topic")) {
    part.addEventListener("toggle", () => { if (part.open && !printing) charts(part); });
  }

  // Printed pages show all details, in light colours.
  const folded = new Set();
  addEventListener("beforeprint", () => {
    printing = true;
    for (const part of document.querySelectorAll("details:not([open], .screen)")) { part.open = true; folded.add(part); }
  });
  addEventListener("afterprint", () => { for (const part of folded) part.open = false; folded.clear(); printing = false; });

  // The page of an annotation has no learning curves.
  const learning = $("stage") !== null;
  if (learning) {
    $("stage").addEventListener("change", chooseStage);
    $("curve-cells").addEventListener("change", () => chooseCurves($("curve").value));
    $("curve").addEventListener("change", drawCurve);
  }
  dark.addEventListener("change", () => { charts(); if (learning) drawCurve(); if (canvas) update(); });
  // A run has no map if its classifier fits no input.
  Promise.all([charts(), learning ? chooseStage() : null, data.maps.length ? startMap() : null]).then(() => {
    unfold();
    document.documentElement.dataset.ready = "yes";
  });
})();
