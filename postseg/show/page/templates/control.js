// One threshold: on or off, one or two numbers, their unit, and sliders. `move` is told what it is set
// to, and `show` of what sets it has the control follow.
const makeControl = (() => {
  const UNITS = { px: "px", "%": "%", um2: "µm²" };
  const WORDS = { median: "median", median_div2: "half the median", deviations: "standard deviations", bounds: "two bounds" };

  const rounded = (value, step) => tidy(Math.round(value / step) * step);

  function niceStep(low, high, isWhole) {
    const rough = (high - low) / 400;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([5, 2].find((factor) => factor * power <= rough) ?? 1);
    return isWhole ? Math.max(1, step) : step;
  }

  return (field, kind, chart, facts, move) => {
    const { limits, words, text, measured } = facts.fields[field];
    const { ge = measured ? -Infinity : 0, le = Infinity } = limits;
    const allowed = (number) => Math.min(Math.max(number, ge), le);
    const isWhole = chart.whole;
    const micron = facts.pixelArea && Number(facts.pixelArea[0]) / Number(facts.pixelArea[1]);
    const range = (low, high, isWholeUnit) => {
      const step = niceStep(low, high, isWholeUnit);
      return { low: Math.max(Math.floor(low / step + 1e-9) * step, ge), high: Math.ceil(high / step - 1e-9) * step, step };
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
      return [allowed(end)];
    };

    let [mode, numbers] = facts.run[field] === null ? [modes[0], loosest(modes[0])] : parse(facts.run[field]);
    const name = field.replaceAll("_", " ");
    const on = el("input", { type: "checkbox" });
    const unit = el("select", { ariaLabel: `${name}: unit or rule`, hidden: modes.length < 2 },
      ...modes.map((value) => el("option", { value, textContent: UNITS[value] ?? WORDS[value] ?? value })));
    const ends = kind === "deviations" ? [" smallest", " largest"] : [""];
    const boxes = ends.map(() => el("input", { type: "number", step: "any", min: ge === -Infinity ? "" : ge }));
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
      input.onblur = () => show(...shown); // what was typed, as it was taken
    });
    sliders.forEach((slider, k) => {
      slider.oninput = () => {
        if (words.includes(mode)) mode = "px";
        enter(k, allowed(rounded(Number(slider.value), MODES[mode].range.step)));
      };
    });

    let resolved = null, shown = [];
    // follow a setting, what it came to, and how many regions it is the first reason of
    function show(to, bounds, first) {
      shown = [to, bounds, first];
      resolved = bounds[0] ?? null;
      on.checked = to !== null;
      box.classList.toggle("off", to === null);
      if (to !== null && to !== setting()) [mode, numbers] = parse(to);
      unit.value = mode;
      const values = words.includes(mode) ? [resolved ?? loosest("px")[0]] : numbers;
      const { low, high, step } = (MODES[mode] ?? MODES.px).range;
      sliders.forEach((slider, k) => {
        slider.hidden = boxes[k].hidden = k >= values.length;
        if (slider.hidden) return;
        const end = values.length > 1 ? ends[k] : "";
        boxes[k].ariaLabel = `${name}${end}`;
        slider.ariaLabel = `${name}${end}, slider`;
        Object.assign(slider, { min: low, max: high, step });
        slider.value = values[k];
        slider.ariaValueText = `${to === null ? "off, " : ""}${brief(values[k])} ${UNITS[mode] ?? ""}`.trim();
        if (document.activeElement !== boxes[k]) boxes[k].value = tidy(values[k]);
      });
      const came = mode in MODES && mode !== "px" && mode !== "value" && mode !== "bounds";
      set(effect,
        to === null ? "Off."
        : `${came || words.includes(mode) ? `${bounds.map(brief).join(" to ")} px. ` : ""}First reason of ${whole(first)}.`);
      if (problem.hidden || document.activeElement?.closest(".threshold") === box) return;
      problem.hidden = true;
      boxes.forEach((input) => input.removeAttribute("aria-invalid"));
    }
    return { box, show };
  };
})();
