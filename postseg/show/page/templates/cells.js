// Single regions: those next to flip at the threshold that was moved, and one in all its values.
function makeCells(state, pictures, controls, choose) {
  const FLIP = 6; // next to flip, on each side
  const SHARP = 7; // pixels of the picture across a cell, from which it can be cut out
  const { facts } = state;
  const [overview] = pictures;
  const flip = el("div", { id: "flip", hidden: true });
  const cell = el("div", { id: "cell", hidden: true });

  const sharp = (() => {
    if (facts.bins) return false; // it shows no cells
    const { rows } = facts.maps[0];
    if (rows.take === 1) return true; // as sharp as the mask is
    const median = facts.sortedAreas[facts.n >> 1];
    return (Math.sqrt(median) / rows.take) * rows.repeat >= SHARP;
  })();
  const word = (css) => {
    const value = parseInt(css, 16);
    return ((0xff << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
  };
  const title = (i, { first, kept }) => (first[i] === kept ? "kept" : facts.reasons[first[i]].text);

  const inkOf = (i, { first, kept }) =>
    word((first[i] === kept ? facts.kept : facts.reasons[first[i]]).colour);

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
    const spared = state.settings.border === "keep" && !tests[0].measured ? facts.cut : null;
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
      const value = facts.columns[metric][i];
      const { whole: isWhole, measured } = facts.metrics[metric];
      const text = isWhole ? whole(value) : measured ? brief(value) : value.toFixed(4);
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
      cells.length ? [el("h4", { textContent: heading }), el("ul", { className: sharp ? "cut-outs" : "listed" }, ...cells.map(show))] : [];
    const take = sharp ? facts.maps[0].rows.take : 1;
    const note = sharp
      ? take > 1 && `Drawn from one pixel in ${take} along each side, as the picture is.`
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
    const rows = [];
    const spared = state.settings.border === "keep" && facts.cut[i];
    for (const [metric, { title: name, whole: isWhole }] of Object.entries(facts.metrics)) {
      const value = columns[metric][i];
      const shown = value !== value ? "–" : isWhole ? whole(value) : signed(value.toPrecision(6));
      const tests = facts.tests.filter((test) => test.metric === metric && result.bounds.get(test) !== null);
      const line = (heading, bound, margin) =>
        rows.push(el("tr", { className: margin < 0 ? "failed" : "" },
          ...heading,
          el("td", { className: "number", textContent: bound }),
          el("td", { className: "number", textContent: margin === null || margin !== margin ? "–" : short(margin) })));
      const heading = [el("th", { scope: "row", textContent: name, rowSpan: Math.max(1, tests.length) }), el("td", { className: "number", textContent: shown, rowSpan: Math.max(1, tests.length) })];
      if (!tests.length) line(heading, "–", null);
      tests.forEach((test, k) => {
        const bound = result.bounds.get(test);
        const margin = test.bound === "min" ? value - bound : bound - value;
        line(k ? [] : heading, `${test.bound === "min" ? "≥" : "≤"} ${brief(bound)}`, margin);
      });
    }
    const code = result.first[i];
    const others = facts.reasons.filter((_, other) => other !== code && result.outcomes[other]?.[i]);
    const also = others.length ? `, and also ${others.map(({ text }) => text).join(", ")}` : "";
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
  }

  return { cell, showFlip, showCell };
}
