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

  // A folded chart has no width. It is drawn for printing all the same, and once more when unfolded.
  const draw = (element, spec) => {
    const width = element.clientWidth || Math.min(800, $("main").clientWidth - 80);
    if (!element.clientWidth) spec.width = width - 220;
    return vegaEmbed(element, spec, options(width));
  };

  // Map ----------------------------------------------------------------------------------------
  const state = { map: data.maps.find(({ name }) => name === data.firstMap), hidden: new Set(), picked: null, find: "", x: [0, 1], y: [0, 1] };
  let view = null;

  const fill = (select, items, keep) => {
    select.replaceChildren(...items.map(({ name, title }) => new Option(title, name)));
    if (items.some(({ name }) => name === keep)) select.value = keep;
  };
  const representation = () => state.map.representations.find(({ name }) => name === $("representation").value);
  const input = () => state.map.inputs.find(({ name }) => name === $("input").value);
  const shade = (look) => (dark.matches ? look.dark : look.light);

  const looks = () => {
    const by = $("colour").value;
    if (by === "umi") return [];
    return by === "type" || by === "predicted" ? state.map.types : data.looks[by];
  };

  const cellOf = (index) => {
    const { map } = state;
    const made = input();
    const predicted = made.predicted[index];
    return {
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

  const isPicked = (cell) =>
    state.find ? cell.barcode.toLowerCase().includes(state.find)
      : state.picked && cell.split === "test" && cell.type === state.picked.type && cell.predicted === state.picked.predicted;

  const picking = () => Boolean(state.find || state.picked);

  const rows = () => {
    const { x, y } = representation();
    const show = $("show").value;
    const some = picking();
    const found = [];
    for (let index = 0; index < x.length; index++) {
      if (x[index] === null) continue;
      const cell = cellOf(index);
      if (show !== "all" && cell.split !== show) continue;
      const group = groupOf(cell);
      if (group === "none" || state.hidden.has(group)) continue;
      const selected = some && isPicked(cell);
      found.push({ ...cell, x: x[index], y: y[index], group, selected, faded: some && !selected });
    }
    // Selected cells are drawn on top.
    return some ? found.sort((a, b) => a.selected - b.selected) : found;
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

  const whole = () => { const { x, y } = representation(); state.x = extent(x); state.y = extent(y); };

  const tell = () => { $("map").dataset.x = state.x.join(","); $("map").dataset.y = state.y.join(","); };

  // Draw at most once per frame.
  let waiting = 0;
  const place = () => {
    tell();
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      view.signal("xdomain", state.x).signal("ydomain", state.y).runAsync();
    });
  };

  const update = () => {
    const shown = rows();
    const known = looks();
    view.signal("names", known.map(({ name }) => name))
      .signal("colours", known.map(shade))
      .signal("paths", known.map(({ path }) => path))
      .signal("continuous", $("colour").value === "umi")
      .signal("counts", [Math.max(1, Math.min(...state.map.umi)), Math.max(2, ...state.map.umi)])
      .signal("area", Math.min(70, Math.max(12, 30000 / Math.max(1, state.map.barcodes.length))))
      .signal("ring", dark.matches ? "#ffffff" : "#000000")
      .signal("xdomain", state.x).signal("ydomain", state.y)
      .data("cells", shown).runAsync();
    tell();
    $("map").dataset.shown = shown.length;
    $("map").dataset.picked = shown.filter(({ selected }) => selected).length;
    $("map").dataset.colour = $("colour").value;
    $("map-title").textContent = `Map: ${representation().title}, ${state.map.title}`;
    $("map-status").textContent = `${shown.length.toLocaleString("en")} cells on the map. ${state.map.shown}`;
    legend();
    list();
    matrix();
  };

  const legend = () => {
    if ($("colour").value === "umi") {
      const scale = document.createElement("div");
      scale.className = "scale";
      const bar = document.createElement("i");
      bar.style.background = "linear-gradient(90deg, #440154, #3b528b, #21918c, #5ec962, #fde725)"; // viridis
      const ends = document.createElement("span");
      for (const end of [Math.min(...state.map.umi), Math.max(...state.map.umi)]) {
        const label = document.createElement("span");
        label.textContent = `${end.toLocaleString("en")} UMIs`;
        ends.append(label);
      }
      scale.append(bar, ends);
      $("legend").replaceChildren(scale);
      return;
    }
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
      $("list-status").textContent = "None: select a number in the confusion matrix, or type part of a barcode.";
      return;
    }
    const cells = state.map.barcodes.map((_, index) => cellOf(index)).filter(isPicked);
    const most = cells.length > MOST_LISTED ? `, of which the first ${MOST_LISTED} are listed` : "";
    const what = state.find ? `with barcodes that contain "${state.find}"`
      : `of type ${state.picked.type}, predicted as ${state.picked.predicted}`;
    $("list-status").textContent = `${cells.length} ${state.find ? "" : "test "}cells ${what} (${input().title})${most}.`;
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
    const box = $("map").getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
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
    map.addEventListener("pointerdown", (event) => {
      map.focus({ preventScroll: true });
      pointers.set(event.pointerId, shareOf(event));
      map.setPointerCapture(event.pointerId);
      map.classList.add("dragging");
    });
    map.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
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
      });
    }
    $("zoom-in").addEventListener("click", () => zoom(0.7));
    $("zoom-out").addEventListener("click", () => zoom(1 / 0.7));
    $("zoom-reset").addEventListener("click", () => { whole(); place(); });
  };

  const clear = () => { state.picked = null; state.find = $("find").value = ""; };

  const listenToControls = () => {
    for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
    $("subset").addEventListener("change", () => { clear(); chooseSubset(); update(); });
    $("representation").addEventListener("change", () => { follow("representation", "input"); whole(); update(); });
    $("input").addEventListener("change", () => { follow("input", "representation"); whole(); update(); });
    $("colour").addEventListener("change", () => { state.hidden.clear(); update(); });
    $("show").addEventListener("change", update);
    $("find").addEventListener("input", () => {
      state.find = $("find").value.trim().toLowerCase();
      state.picked = null;
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
    addEventListener("resize", () => {
      const [width, height] = size();
      view.width(width).height(height).runAsync();
    });
  };

  const startMap = async () => {
    fill($("subset"), data.maps, data.firstMap);
    chooseSubset();
    const [width, height] = size();
    const spec = { ...data.map, width, height };
    ({ view } = await vegaEmbed($("map"), spec, { ...options(width), mode: "vega", renderer: "canvas" }));
    listenToMap();
    listenToControls();
    update();
  };

  // Learning curves ----------------------------------------------------------------------------
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D3F", "#7F7F7F"];
  const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];
  const TITLES = { name: "Model or input", split: "Split", replicate: "Replicate", epoch: "Epoch" };

  // A line has one tooltip, and so invisible points have those of its epochs, as far as a page bears them.
  const pointsOf = (values) => {
    if (values.every(({ epoch }) => epoch === values[0].epoch)) return true;
    return values.length <= MOST_POINTS && { size: 60, opacity: 0 };
  };

  const curveSpec = (values, measure, limits, look) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container", height: 300,
    data: { values },
    mark: { type: "line", clip: true, point: pointsOf(values) },
    encoding: {
      x: { field: "epoch", type: "quantitative", title: "Epoch", scale: { nice: false }, axis: { tickMinStep: 1 } },
      y: { field: "value", type: "quantitative", title: measure, scale: limits ? { domain: limits } : { zero: false } },
      ...look,
      tooltip: [
        ...Object.entries(TITLES).filter(([field]) => field in values[0] && (field !== "epoch" || pointsOf(values)))
          .map(([field, title]) => ({ field, title })),
        ...(pointsOf(values) ? [{ field: "value", title: measure, format: ".4~g" }] : []),
      ],
    },
  });

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
    const legend = { orient: "bottom", columns: 2, labelLimit: 260, symbolOpacity: 1 };
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
        : "Validation cells, a line for each model or input: the mean over its replicates.")
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
  dark.addEventListener("change", () => { charts(); if (learning) drawCurve(); if (view) update(); });
  // A run has no map if its classifier fits no input.
  Promise.all([charts(), learning ? chooseStage() : null, data.maps.length ? startMap() : null]).then(() => {
    unfold();
    document.documentElement.dataset.ready = "yes";
  });
})();
