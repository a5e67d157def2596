// Thresholds to be moved: controls, and all that follows them.
(() => {
  const source = document.getElementById("run");
  if (!source) return;
  const $ = (id) => document.getElementById(id);
  const LINK = "#choice&";
  const FLIP = 6; // cells next to flip, on each side
  const SHARP = 7; // pixels of the picture across a cell, from which it can be cut out
  const UNITS = { px: "px", "%": "%", um2: "µm²" };
  const WORDS = { median: "median", median_div2: "half the median", deviations: "standard deviations", bounds: "two bounds" };

  // ---- words and numbers

  const whole = (value) => Math.round(value).toLocaleString("en-US");
  const brief = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 }).replace("-", "−");
  const percent = (part, of) => `${of ? ((100 * part) / of).toFixed(1) : "0.0"}%`;

  // what stays as it is need not be laid out again
  function set(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  function el(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // ---- settings as a config and as a link

  function line(facts, field, setting) {
    if (setting === facts.run[field]) return facts.fields[field].line; // as Python wrote it
    return `${field} = ${typeof setting === "number" ? String(setting) : `"${setting ?? "none"}"`}`;
  }

  const changed = ({ facts, settings }) =>
    Object.keys(facts.fields).filter((field) => settings[field] !== facts.run[field]);

  function link(state) {
    const choice = changed(state).map((field) => [field, String(state.settings[field] ?? "none")]);
    return LINK + new URLSearchParams(choice);
  }

  // settings that a link carries, and what is wrong with it
  function read(facts, hash) {
    const settings = { ...facts.run };
    const problems = [];
    for (const [field, text] of new URLSearchParams(hash.slice(LINK.length))) {
      const setting = text === "none" ? null : text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
      const problem = field in facts.fields ? decide.problem(field, setting, facts) : `there is no ${field}`;
      if (problem) problems.push(problem);
      else settings[field] = setting;
    }
    return { settings, problems };
  }

  // ---- a control: on or off, one or two numbers, their unit, and sliders

  const rounded = (value, step) => Number((Math.round(value / step) * step).toPrecision(12));

  function niceStep(low, high, isWhole) {
    const rough = (high - low) / 400;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [5, 2, 1].find((factor) => factor * power <= rough);
    return isWhole ? Math.max(1, step) : step;
  }

  function makeControl(field, kind, chart, facts, move) {
    const { limits, words, text } = facts.fields[field];
    const isWhole = kind !== "value";
    const micron = facts.pixelArea && Number(facts.pixelArea[0]) / Number(facts.pixelArea[1]);
    const range = (low, high, isWholeUnit) => {
      const step = niceStep(low, high, isWholeUnit);
      return { low: Math.floor(low / step + 1e-9) * step, high: Math.ceil(high / step - 1e-9) * step, step };
    };
    const axis = range(chart.low, chart.high, isWhole);
    // how settings are written, by mode
    const MODES = {
      value: { range: axis, write: ([number]) => number },
      px: { range: axis, write: ([number]) => (kind === "rule" && number <= 100 ? `${number} px` : number) },
      "%": { range: { low: 0, high: 100, step: 0.5 }, write: ([number]) => `${number} %` },
      um2: micron && { range: range(chart.low * micron, chart.high * micron, false), write: ([number]) => `${number} um2` },
      deviations: { range: { low: 0.1, high: 6, step: 0.1 }, write: ([number]) => number },
      bounds: { range: axis, write: (ends) => `${ends[0]} to ${ends[1]} px` },
    };
    const modes =
      kind === "value" ? ["value"]
      : kind === "deviations" ? ["deviations", "bounds"]
      : ["px", "%", ...(micron ? ["um2"] : []), ...words];

    // which mode a setting is in, and its numbers
    function parse(setting) {
      if (kind === "value") return ["value", [setting]];
      if (words.includes(setting)) return [setting, []];
      if (kind === "deviations") {
        if (typeof setting === "number") return ["deviations", [setting]];
        return ["bounds", setting.replace(" px", "").split(" to ").map(Number)];
      }
      if (typeof setting === "number") return [kind === "rule" && setting <= 100 ? "%" : "px", [setting]];
      const [number, unit] = setting.split(" ");
      return [unit, [Number(number)]];
    }

    const isMax = field.startsWith("max_");
    const loosest = (mode) => {
      const { low, high } = MODES[mode].range;
      if (mode === "bounds") return [Math.max(0, low), high];
      const end = isMax || mode === "deviations" ? high : low;
      return [Math.min(Math.max(end, limits.ge ?? end), limits.le ?? end)];
    };

    let [mode, numbers] = facts.run[field] === null ? [modes[0], loosest(modes[0])] : parse(facts.run[field]);
    const name = field.replaceAll("_", " ");
    const on = el("input", { type: "checkbox" });
    const unit = el("select", { ariaLabel: `${name}: unit or rule`, hidden: modes.length < 2 },
      ...modes.map((value) => el("option", { value, textContent: UNITS[value] ?? WORDS[value] ?? value })));
    const ends = kind === "deviations" ? [" smallest", " largest"] : [""];
    const boxes = ends.map(() => el("input", { type: "number", step: "any", min: 0 }));
    const sliders = ends.map(() => el("input", { type: "range" }));
    const effect = el("span", { className: "effect" });
    const problem = el("p", { className: "problem", role: "alert", hidden: true });
    const box = el("div", { className: "threshold", role: "group", ariaLabel: name },
      el("div", { className: "settings" },
        el("label", {}, on, el("code", { textContent: field })),
        el("span", { className: "entry" }, ...boxes, unit)),
      ...sliders,
      el("p", { className: "small soft" }, effect, el("span", { textContent: ` ${text}` })),
      problem);

    const setting = () => (words.includes(mode) ? mode : MODES[mode].write(numbers));

    function apply(to) {
      const wrong = decide.problem(field, to, facts);
      problem.textContent = wrong && `${wrong}.`;
      problem.hidden = !wrong;
      boxes.forEach((input) => input.setAttribute("aria-invalid", Boolean(wrong)));
      if (!wrong) move(field, to);
    }

    function enter(k, number) {
      numbers[k] = number;
      if (mode !== "bounds") return apply(setting());
      // two bounds push each other
      if (numbers[0] > numbers[1]) numbers[1 - k] = number;
      apply(setting());
    }

    on.onchange = () => apply(on.checked ? setting() : null);
    unit.onchange = () => {
      const from = resolved;
      mode = unit.value;
      if (!words.includes(mode)) {
        // where it is now, in the new unit
        numbers = loosest(mode);
        if (from !== null && (mode === "px" || mode === "um2")) {
          const scale = mode === "um2" ? micron : 1;
          numbers = [Number((from * scale).toPrecision(6))];
        }
        if (mode === "deviations") numbers = [3];
      }
      apply(setting());
    };
    boxes.forEach((input, k) => {
      input.oninput = () => {
        if (input.value === "") return;
        if (words.includes(mode)) mode = "px";
        enter(k, Number(input.value));
      };
      input.onblur = () => live.refreshControl(field);
    });
    sliders.forEach((slider, k) => {
      slider.oninput = () => {
        if (words.includes(mode)) mode = "px";
        const { le = Infinity, ge = 0 } = limits;
        const number = rounded(Number(slider.value), MODES[mode].range.step);
        enter(k, Math.min(Math.max(number, ge), le));
      };
    });

    let resolved = null;
    // follow a setting, what it came to, and how many regions it is the first reason of
    function show(to, bounds, first) {
      resolved = bounds[0];
      on.checked = to !== null;
      box.classList.toggle("off", to === null);
      if (to !== null && to !== setting()) [mode, numbers] = parse(to);
      unit.value = mode;
      const shown = words.includes(mode) ? [resolved ?? loosest("px")[0]] : numbers;
      const { low, high, step } = (MODES[mode] ?? MODES.px).range;
      sliders.forEach((slider, k) => {
        slider.hidden = boxes[k].hidden = k >= shown.length;
        if (slider.hidden) return;
        const end = shown.length > 1 ? ends[k] : "";
        boxes[k].ariaLabel = `${name}${end}`;
        slider.ariaLabel = `${name}${end}, slider`;
        Object.assign(slider, { min: low, max: high, step });
        slider.value = shown[k];
        slider.ariaValueText = `${to === null ? "off, " : ""}${brief(shown[k])} ${UNITS[mode] ?? ""}`.trim();
        if (document.activeElement !== boxes[k]) boxes[k].value = Number(shown[k].toPrecision(12));
      });
      const came = mode in MODES && mode !== "px" && mode !== "value" && mode !== "bounds";
      set(effect,
        to === null ? "Off."
        : `${came || words.includes(mode) ? `${bounds.map(brief).join(" to ")} px. ` : ""}First reason of ${whole(first)}.`);
      if (problem.hidden === false && document.activeElement?.closest(".threshold") !== box) problem.hidden = true;
    }
    return { box, show };
  }

  // ---- the page around it

  function build(facts) {
    const state = { facts, settings: { ...facts.run }, moved: null, region: 0, problems: [] };
    const pictures = facts.maps.map((map, k) => makePicture(map, facts, $(k ? "detail" : "overview")));
    const [overview] = pictures;
    overview.frame.closest(".overview").classList.add("live");
    if (facts.maps[1]) {
      const { rows, cols } = facts.maps[1]; // the frame of the closer look
      const part = (at, size) => `${(100 * at) / size}%`;
      const closer = el("i", { className: "closer" });
      Object.assign(closer.style, {
        left: part(overview.toX(cols.first - 0.5), overview.width),
        top: part(overview.toY(rows.first - 0.5), overview.height),
        width: part(overview.toX(cols.first + cols.length) - overview.toX(cols.first), overview.width),
        height: part(overview.toY(rows.first + rows.length) - overview.toY(rows.first), overview.height),
      });
      overview.stage.append(closer);
    }

    // counts, the way back, the link: beside the picture
    const count = el("p", { className: "count" });
    const spoken = el("span", { className: "spoken", role: "status" });
    const back = el("button", { type: "button", id: "back", textContent: "Back to the run’s thresholds" });
    const share = el("button", { type: "button", id: "share", textContent: "Copy link" });
    const number = el("input", { type: "number", min: 1, max: facts.n, id: "region", inputMode: "numeric" });
    const warning = el("p", { className: "warning", role: "alert", id: "refused", hidden: true });
    const cell = el("div", { id: "cell", hidden: true });
    const find = el("div", { className: "buttons find" },
      el("label", {}, "Region ", number), el("span", { className: "small soft", textContent: "or click on a cell" }), $("zoom"));
    overview.frame.after(
      el("div", { className: "choice" }, count, el("div", { className: "buttons" }, back, share), spoken, warning),
      find, cell);

    // one card a metric
    const flip = el("div", { id: "flip", hidden: true });
    const charts = new Map();
    const controls = new Map();
    const cards = el("div", { id: "thresholds", role: "region", ariaLabel: "Thresholds" },
      el("p", { className: "lead" }, "Move a threshold, and everything beside it follows, by the same rules as in Python. Lines are the thresholds in force; typical ranges of cells are shaded."));
    const own = facts.reasons.filter(({ own }) => own).map(({ title }) => title.toLowerCase());
    const estimated = facts.changed.map((name) => facts.reasons.find((reason) => reason.name === name).title.toLowerCase());
    const notes = [
      ...(own.length ? [`Tests of a subclass (${own.join(", ")}) stay as they came out in the run.`] : []),
      ...(estimated.length ? [`A subclass changed ${estimated.join(", ")}: what other thresholds would do there is an estimate.`] : []),
    ];
    if (notes.length) cards.append(el("p", { className: "soft small", textContent: notes.join(" ") }));
    for (const [metric, { title, definition }] of Object.entries(facts.metrics)) {
      const chart = makeChart(metric, facts);
      charts.set(metric, chart);
      const fields = new Map(facts.tests.filter((test) => test.metric === metric).map((test) => [test.threshold, test]));
      const card = el("article", { className: "card", ariaLabel: title },
        el("h3", { textContent: title }, el("small", { textContent: definition })),
        el("div", { className: "plot" }, chart.canvas, chart.axis));
      for (const [field, test] of fields) {
        const control = makeControl(field, test.kind, chart, facts, move);
        controls.set(field, control);
        card.append(control.box);
      }
      cards.append(card);
    }
    const border = el("select", { id: "border" },
      ...facts.fields.border.words.map((word) => el("option", { value: word, textContent: word })));
    border.onchange = () => move("border", border.value);
    const nCut = facts.cut.reduce((sum, one) => sum + one, 0);
    cards.append(el("article", { className: "card", ariaLabel: "Border" },
      el("h3", { textContent: "Border" }),
      el("p", {}, el("label", {}, el("code", { textContent: "border" }), " ", border)),
      el("p", { className: "small soft", textContent: `${whole(nCut)} regions are cut. ${facts.fields.border.text}` })));
    $("live").append(cards);
    $("live").hidden = false;
    for (const stale of document.querySelectorAll(".without-live")) stale.hidden = true;
    for (const nav of document.querySelectorAll(".with-live")) nav.hidden = false;

    // ---- what follows a choice

    function showCounts({ counts, sums, kept }) {
      const passed = counts[kept];
      const before = live?.before ?? passed;
      const difference = passed - before;
      const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
      const against = changed(state).length ? `, ${sign}${whole(Math.abs(difference))} against the run` : "";
      let text = `${whole(passed)} of ${whole(facts.n)} kept (${percent(passed, facts.n)})${against}`;
      if (sums) text += `, ${percent(sums[kept], facts.nTranscripts)} of the transcripts in cells`;
      set(count, text);
      $("passed").textContent = whole(passed);
      $("passed-share").textContent = $("passed-bar").style.width = percent(passed, facts.n);
      if (sums) {
        $("in-cells").textContent = $("in-cells-bar").style.width = percent(sums[kept], facts.nTranscripts);
        $("in-cells-count").textContent = `${whole(sums[kept])} of ${whole(facts.nTranscripts)}`;
      }
      overview.canvas.ariaLabel = `The label image: ${whole(passed)} of ${whole(facts.n)} regions kept`;
      if (pictures[1]) pictures[1].canvas.ariaLabel = "A part of the label image, closer";
      return text;
    }

    function ruleOf(reason, bounds) {
      const { settings, run } = { settings: state.settings, run: facts.run };
      const tests = facts.tests.filter((test) => test.reason === reason.name);
      const field = reason.name === "cut_by_border" ? "border" : tests[0]?.threshold;
      if (!field || settings[field] === run[field]) return reason.rule;
      if (field === "border") return settings.border === "drop" ? "not cut by the border" : "";
      if (settings[field] === null) return "";
      const { name, unit } = facts.metrics[tests[0].metric];
      const parts = tests.map((test) => `${test.bound === "min" ? "≥" : "≤"} ${brief(bounds.get(test))}`);
      const [test] = tests;
      const [, rule] = test.kind === "area" || test.kind === "rule" ? decide.area(test.kind, settings[field], facts) : [0, "pixels"];
      const how = rule === "pixels" ? "" : rule === "um2" ? ` (${settings[field].replace("um2", "µm²")})` : `, ${rule}`;
      return `${name} ${parts.join(", ")}${unit ? " px" : ""}${how}`;
    }

    // rows of the table of reasons, made once: new pictures and tables take long to lay out
    function makeRow(title, swatch) {
      const bar = (extra) => el("span", { className: `bar${extra}` }, el("i"));
      const rule = el("small"), n = el("td", { className: "number" });
      const shares = ["", ...(facts.transcripts ? [" counted"] : [])].map((extra) => ({ text: new Text(), bar: bar(extra) }));
      const row = el("tr", {},
        el("th", { scope: "row" },
          el("img", { className: "swatch", src: swatch, width: 34, height: 14, alt: "" }),
          el("span", {}, title, rule)),
        n, ...shares.map((share) => el("td", { className: "number" }, share.text, share.bar)));
      const show = (text, count, parts) => {
        row.className = count ? "" : "none";
        set(rule, text);
        rule.hidden = !text;
        set(n, whole(count));
        shares.forEach((share, k) => {
          set(share.text, parts[k]);
          share.bar.hidden = !count;
          share.bar.firstChild.style.width = parts[k];
        });
      };
      return { row, show };
    }
    const keptRow = makeRow("Kept", facts.kept.swatch);
    const reasonRows = facts.reasons.map((reason) => makeRow(reason.title, reason.swatch));
    $("outcomes").replaceChildren(...[keptRow, ...reasonRows].map(({ row }) => row));

    function showReasons({ counts, sums, bounds, kept }) {
      const parts = (code) => [percent(counts[code], facts.n), ...(sums ? [percent(sums[code], facts.nTranscripts)] : [])];
      const spared = state.settings.border === "keep" ? "or cut by the border, whatever its shape and size" : "";
      keptRow.show(spared, counts[kept], parts(kept));
      reasonRows.forEach(({ row, show }, code) => {
        const rule = ruleOf(facts.reasons[code], bounds);
        show(rule, counts[code], parts(code));
        row.hidden = !counts[code] && !rule;
      });
      const off = Object.keys(facts.fields).filter((field) => state.settings[field] === null);
      if ($("off").dataset.fields === off.join()) return;
      $("off").dataset.fields = off.join();
      $("off").replaceChildren(...(off.length ? ["Off: ", ...off.flatMap((field, k) => [k ? ", " : "", el("code", { textContent: field })]), "."] : []));
    }

    const boundsOf = (field, { bounds }) =>
      [...bounds].filter(([test, bound]) => test.threshold === field && bound !== null).map(([, bound]) => bound);

    function showControls(result) {
      for (const [field, control] of controls) {
        const codes = new Set(facts.tests.filter((test) => test.threshold === field).map((test) => test.reason));
        let first = 0;
        facts.reasons.forEach(({ name }, code) => (first += codes.has(name) ? result.counts[code] : 0));
        control.show(state.settings[field], boundsOf(field, result), first);
      }
      border.value = state.settings.border;
    }

    function showCharts(result) {
      for (const [metric, chart] of charts) {
        chart.count(result.first);
        const fields = new Set(facts.tests.filter((test) => test.metric === metric).map((test) => test.threshold));
        const bounds = [...fields].flatMap((field) => boundsOf(field, result));
        chart.draw(bounds);
        chart.canvas.ariaLabel = `Histogram of the ${facts.metrics[metric].name}, kept and rejected regions stacked; thresholds: ${bounds.map(brief).join(", ") || "none"}`;
      }
    }

    function showConfig() {
      set($("toml"), Object.keys(facts.fields).map((field) => `${line(facts, field, state.settings[field])}\n`).join(""));
      const problems = decide.contradictions(state.settings, facts).map((text) => `${text}: no cell could pass both, and FilterConfig refuses it`);
      const texts = [...state.problems.map((text) => `This link was not understood: ${text}`), ...problems];
      set(warning, texts.map((text) => `${text}.`).join(" "));
      warning.hidden = !texts.length;
      const { min_area: smallest } = state.settings;
      $("came-to").hidden = smallest !== facts.run.min_area;
      const needsSize = Object.values(state.settings).some((setting) => String(setting).endsWith("um2"));
      set($("needs-size"), needsSize ? " --pixel-size …" : "");
      const same = !changed(state).length;
      back.setAttribute("aria-disabled", same);
      for (const note of document.querySelectorAll(".stale")) note.hidden = same;
    }

    // ---- cells

    const sharp = (() => {
      const { rows } = facts.maps[0];
      if (rows.take === 1) return true; // as sharp as the mask is
      const median = facts.sortedAreas[facts.n >> 1];
      return (Math.sqrt(median) / rows.take) * rows.repeat >= SHARP;
    })();
    const word = (css) => {
      const value = parseInt(css, 16);
      return ((0xff << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
    };
    const title = (i, { first, kept }) => (first[i] === kept ? "kept" : facts.reasons[first[i]].title.toLowerCase());

    function inkOf(i, { first, kept }) {
      if (first[i] === kept) return word(facts.kept.colour);
      const { inks, reasons } = facts.maps[0];
      const ink = inks.colour.length - reasons.length + reasons.indexOf(facts.reasons[first[i]].name);
      const [r, g, b] = inks.colour[ink].map((c) => Math.round(255 * c));
      return ((0xff << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }

    // those that a threshold decides about, the nearest to it first
    function nextToFlip(field, result) {
      const tests = facts.tests.filter((test) => test.threshold === field && result.bounds.get(test) !== null);
      const sides = { kept: [], gone: [] };
      if (!tests.length) return sides;
      const [{ metric, reason }] = tests; // one threshold bounds one metric, for one reason
      const code = facts.reasons.findIndex(({ name }) => name === reason);
      const bound = (end) => result.bounds.get(tests.find((test) => test.bound === end));
      const low = bound("min") ?? -Infinity, high = bound("max") ?? Infinity;
      const values = facts.columns[metric];
      const spared = state.settings.border === "keep" ? facts.cut : null;
      const { first, failures, kept } = result;
      for (let i = 0; i < facts.n; i++) {
        const isKept = first[i] === kept;
        // others reject it anyway, or the border policy keeps it
        if (isKept ? spared !== null && spared[i] : failures[i] > 1 || first[i] !== code) continue;
        const key = Math.abs(Math.min(values[i] - low, high - values[i]));
        const side = isKept ? sides.kept : sides.gone;
        if (key !== key || (side.length === FLIP && key >= side[FLIP - 1][0])) continue;
        let at = side.length;
        while (at && side[at - 1][0] > key) at--;
        side.splice(at, 0, [key, i]);
        if (side.length > FLIP) side.pop();
      }
      return sides;
    }

    function showFlip(result) {
      const field = state.moved;
      const control = controls.get(field);
      flip.hidden = !control || state.settings[field] === null;
      if (flip.hidden) return;
      if (flip.parentElement !== control.box) control.box.append(flip);
      const { kept, gone } = nextToFlip(field, result);
      const { metric } = facts.tests.find((test) => test.threshold === field);
      const { top, left, height, width, row_tenths: rows, col_tenths: cols } = facts.columns;
      const extents = [...kept, ...gone].map(([, i]) => Math.max(height[i], width[i])).sort((a, b) => a - b);
      const side = Math.max(12, 1.5 * (extents[extents.length >> 1] ?? 0));
      const show = ([, i]) => {
        const text = facts.metrics[metric].whole ? whole(facts.columns[metric][i]) : facts.columns[metric][i].toFixed(4);
        const button = el("button", { type: "button", ariaLabel: `Region ${i + 1}, ${title(i, result)}, ${text}` });
        button.onclick = () => choose(i + 1);
        if (!sharp) button.append(`${text} · region ${whole(i + 1)} at row ${brief(rows[i] / 10)}, column ${brief(cols[i] / 10)}`);
        else {
          const room = Math.max(side, 1.15 * Math.max(height[i], width[i]));
          button.append(
            overview.crop(i + 1, top[i] + (height[i] - 1) / 2, left[i] + (width[i] - 1) / 2, room, inkOf(i, result), word(facts.other)),
            text);
        }
        return el("li", {}, button);
      };
      const part = (heading, cells) =>
        cells.length ? [el("h4", { textContent: heading }), el("ul", { className: sharp ? "cut-outs" : "places" }, ...cells.map(show))] : [];
      const { take } = facts.maps[0].rows;
      const note = sharp
        ? take > 1 && `Drawn at one of ${take} pixels along each side, as the picture is.`
        : "Cells are too small in the picture to be cut out of it: their values, and rows and columns. A click shows where they lie.";
      flip.replaceChildren(
        ...part("Kept, next to go", kept),
        ...part("Rejected by this alone, next to come back", gone),
        ...(note && (kept.length || gone.length) ? [el("p", { className: "small soft", textContent: note })] : []));
    }

    function showCell(result) {
      const i = state.region - 1;
      cell.hidden = i < 0;
      const { columns } = facts;
      if (cell.hidden) {
        for (const { stage } of pictures) stage.querySelector(".mark").hidden = true;
        return;
      }
      const failed = [];
      const rows = [];
      const spared = state.settings.border === "keep" && facts.cut[i];
      for (const [metric, { title: name, whole: isWhole }] of Object.entries(facts.metrics)) {
        const value = columns[metric][i];
        const shown = value !== value ? "–" : isWhole ? whole(value) : value.toPrecision(6);
        const tests = facts.tests.filter((test) => test.metric === metric && result.bounds.get(test) !== null);
        const line = (heading, bound, margin) =>
          rows.push(el("tr", { className: margin < 0 ? "failed" : "" },
            ...heading,
            el("td", { className: "number", textContent: bound }),
            el("td", { className: "number", textContent: margin === null || margin !== margin ? "–" : `${margin < 0 ? "fails by " : ""}${brief(Math.abs(margin))}` })));
        const heading = [el("th", { scope: "row", textContent: name, rowSpan: Math.max(1, tests.length) }), el("td", { className: "number", textContent: shown, rowSpan: Math.max(1, tests.length) })];
        if (!tests.length) line(heading, "–", null);
        tests.forEach((test, k) => {
          const bound = result.bounds.get(test);
          const margin = test.bound === "min" ? value - bound : bound - value;
          if (margin < 0) failed.push(test.reason);
          line(k ? [] : heading, `${test.bound === "min" ? "≥" : "≤"} ${brief(bound)}`, margin);
        });
      }
      const code = result.first[i];
      const others = [...new Set(failed)].filter((name) => code !== result.kept && name !== facts.reasons[code].name);
      const also = others.length && !spared ? `, and also ${others.map((name) => facts.reasons.find((r) => r.name === name).title.toLowerCase()).join(", ")}` : "";
      const outcome = code === result.kept ? `kept${spared ? ", since the border cuts it" : ""}` : `rejected: ${title(i, result)}${also}`;
      const counted = facts.transcripts ? ` · ${whole(facts.transcripts[i])} transcripts` : "";
      cell.replaceChildren(
        el("p", {}, el("b", { textContent: `Region ${i + 1}` }), ` ${outcome}`),
        el("p", { className: "small soft", textContent: `Input label ${columns.source_label[i]} · row ${brief(columns.row_tenths[i] / 10)}, column ${brief(columns.col_tenths[i] / 10)}${facts.cut[i] ? " · cut by the border" : ""}${counted}` }),
        el("div", { className: "scroll", role: "region", ariaLabel: `Values of region ${i + 1}`, tabIndex: 0 },
          el("table", {},
            el("caption", { className: "spoken", textContent: "Values, thresholds and margins" }),
            el("thead", {}, el("tr", {}, ...["Metric", "Value", "Threshold", "Margin"].map((text, k) => el("th", { scope: "col", textContent: text, className: k ? "number" : "" })))),
            el("tbody", {}, ...rows))));
      if (document.activeElement !== number) number.value = state.region;
    }

    function choose(region) {
      state.region = region;
      showCell(live.result);
      if (region) {
        const { row_tenths: rows, col_tenths: cols } = facts.columns;
        for (const picture of pictures) picture.point(rows[region - 1] / 10, cols[region - 1] / 10);
        spoken.textContent = cell.querySelector("p").textContent;
      }
      if (!region) number.value = "";
    }

    // as data.py has them: whole numbers, or four digits, but none cut before the point
    const short = (value) =>
      value !== value ? null : Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));

    function fillTable() {
      const { first, kept, counts, bounds } = live.result;
      const { columns } = facts;
      const some = Array.from(first.keys()).filter((i) => first[i] !== kept);
      // sorted, as the options of a list are
      const codes = [...counts.keys()].filter((code) => code < kept && counts[code]);
      codes.sort((a, b) => (facts.reasons[a].title < facts.reasons[b].title ? -1 : 1));
      const margin = (i) => {
        const tests = facts.tests.filter((test) => test.reason === facts.reasons[first[i]].name && bounds.get(test) !== null);
        const margins = tests.map((test) => (columns[test.metric][i] - bounds.get(test)) * (test.bound === "min" ? 1 : -1));
        return margins.length ? short(Math.min(...margins)) : null;
      };
      const places = { centroid_row: columns.row_tenths, centroid_col: columns.col_tenths };
      const column = (key) =>
        key === "region" ? some.map((i) => i + 1)
        : key === "reason" ? some.map((i) => codes.indexOf(first[i]))
        : key === "margin" ? some.map(margin)
        : key in places ? some.map((i) => places[key][i] / 10)
        : columns[key] instanceof Float64Array ? some.map((i) => short(columns[key][i]))
        : some.map((i) => columns[key][i]);
      rejectedTable?.fill({
        reasons: codes.map((code) => facts.reasons[code].name),
        names: codes.map((code) => facts.reasons[code].title),
        columns: Object.fromEntries(rejectedTable.keys.map((key) => [key, column(key)])),
      });
    }

    // ---- moving

    let saying = 0;
    function refresh() {
      const result = decide.regions(facts, state.settings);
      live = Object.assign(live ?? { before: result.counts[result.kept] }, { result });
      for (const picture of pictures) picture.paint(result.first, result.kept);
      const text = showCounts(result);
      showReasons(result);
      showCharts(result);
      showControls(result);
      showFlip(result);
      showCell(result);
      showConfig();
      clearTimeout(saying);
      saying = setTimeout(() => {
        if (state.moved === null) return;
        fillTable();
        spoken.textContent = text; // not while it moves
        try {
          history.replaceState(null, "", changed(state).length ? link(state) : location.pathname + location.search);
        } catch {
          // a browser may forbid it to files; the button gives the link anyway
        }
      }, 400);
    }

    let asked = 0;
    function move(field, setting) {
      state.settings[field] = setting;
      state.moved = field;
      state.problems = [];
      cancelAnimationFrame(asked); // many moves between two pictures are one
      asked = requestAnimationFrame(refresh);
    }

    function take(settings, problems = []) {
      Object.assign(state, { settings: { ...settings }, problems });
      refresh();
    }

    function takeLink() {
      if (!location.hash.startsWith(LINK)) return;
      const { settings, problems } = read(facts, location.hash);
      state.moved = "";
      take(settings, problems);
    }

    back.onclick = () => {
      state.moved = ""; // none, but some were
      take(facts.run);
    };
    share.onclick = async () => {
      const url = location.href.split("#")[0] + (changed(state).length ? link(state) : "");
      spoken.textContent = "";
      const said = await copyText(url, null);
      share.textContent = said ? "Copied" : "Could not be copied";
      setTimeout(() => (share.textContent = "Copy link"), 2000);
      spoken.textContent = share.textContent;
    };
    number.oninput = () => {
      const region = Number(number.value);
      choose(Number.isInteger(region) && region >= 1 && region <= facts.n ? region : 0);
    };
    for (const picture of pictures) picture.canvas.onclick = (event) => choose(picture.pick(event));
    addEventListener("hashchange", takeLink);
    addEventListener("resize", () => {
      for (const chart of charts.values()) chart.measure();
      showCharts(live.result);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showCharts(live.result));

    refresh();
    Object.assign(live, {
      ready: performance.now(), facts, state, take, choose, refresh, fillTable, link: () => link(state), pictures,
      refreshControl: () => showControls(live.result),
    });
    takeLink();
    document.documentElement.dataset.live = "ready";
    dispatchEvent(new Event("resize")); // the picture may have another size now
  }

  unpackRun(source.textContent).then(build).catch((error) => {
    $("live").append(el("p", { className: "warning", role: "alert", textContent:
      `Thresholds cannot be moved in this browser (${error.message}). A newer one can.` }));
    $("live").hidden = false;
  });
})();
