// A card for each metric: its histogram, and the thresholds that bound it.
const makeThresholds = (() => {
  const OPEN = 4; // cards of what no config bounds; others are opened by a click

  function notesOf(facts) {
    const own = facts.reasons.filter(({ own }) => own).map(({ text }) => text);
    const estimated = facts.changed.map((name) => facts.reasons.find((reason) => reason.name === name).text);
    return [
      ...(own.length ? [`Tests of a subclass (${own.join(", ")}) stay as they came out in the run.`] : []),
      ...(estimated.length ? [`A subclass changed ${estimated.join(", ")}: what other thresholds would do there is an estimate.`] : []),
    ];
  }

  function makeBorder(facts, move) {
    const select = el("select", { id: "border" },
      ...facts.fields.border.words.map((word) => el("option", { value: word, textContent: word })));
    select.onchange = () => move("border", select.value);
    const nCut = facts.cut.reduce((sum, one) => sum + one, 0);
    const card = el("article", { className: "card", ariaLabel: "Border" },
      el("h3", { textContent: "Border" }),
      el("p", {}, el("label", {}, el("code", { textContent: "border" }), " ", select)),
      el("p", { className: "small soft", textContent: `${whole(nCut)} regions are cut. ${facts.fields.border.text}` }));
    return { select, card };
  }

  function noteOfMeasures({ left_out: names }) {
    const note = el("p", { className: "lead" }, "Signals and nuclei are in no config: what is set here becomes Python code to copy, below the config.");
    if (names.length) note.append(` Left out, since a page has room for some only, or no axis could tell their values apart: ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} others` : ""}.`);
    return note;
  }

  return (state, move) => {
    const { facts } = state;
    const charts = new Map(), controls = new Map(), folded = new Map();
    const sight = makeSight();
    const testsOf = (metric) => facts.tests.filter((test) => test.metric === metric);

    function makeCard([metric, { title, definition, measured }]) {
      const chart = makeChart(metric, facts);
      charts.set(metric, chart);
      sight.watch(chart.canvas);
      const heading = el("h3", {}, title, el("small", { textContent: definition }));
      const open = folded.size < OPEN;
      const card = measured
        ? el("details", { className: "card", open }, el("summary", {}, heading))
        : el("article", { className: "card", ariaLabel: title }, heading);
      card.append(el("div", { className: "plot" }, chart.canvas, chart.axis));
      for (const { threshold, kind } of new Map(testsOf(metric).map((test) => [test.threshold, test])).values()) {
        const control = makeControl(threshold, kind, chart, facts, move);
        controls.set(threshold, control);
        card.append(control.box);
      }
      if (measured) {
        folded.set(metric, card);
        card.ontoggle = () => card.open && measure(live.result);
      }
      return card;
    }

    const border = makeBorder(facts, move);
    const ofShapes = [], ofMeasures = [];
    for (const entry of Object.entries(facts.metrics)) (entry[1].measured ? ofMeasures : ofShapes).push(entry);
    const notes = notesOf(facts);
    const box = el("div", { id: "thresholds", role: "region", ariaLabel: "Thresholds" },
      el("p", { className: "lead" }, "Move a threshold, and everything beside it follows, by the same rules as in Python. Lines are the thresholds in force; typical ranges of cells are shaded."),
      ...(notes.length ? [el("p", { className: "soft small", textContent: notes.join(" ") })] : []),
      ...ofShapes.map(makeCard),
      border.card,
      ...(ofMeasures.length || facts.left_out.length ? [noteOfMeasures(facts)] : []),
      ...ofMeasures.map(makeCard));

    const boundsOf = (field, { bounds }) =>
      [...bounds].filter(([test, bound]) => test.threshold === field && bound !== null).map(([, bound]) => bound);

    function showControls(result) {
      for (const [field, control] of controls) {
        const codes = new Set(facts.tests.filter((test) => test.threshold === field).map((test) => test.reason));
        let first = 0;
        facts.reasons.forEach(({ name }, code) => (first += codes.has(name) ? result.counts[code] : 0));
        control.show(state.settings[field], boundsOf(field, result), first);
      }
      border.select.value = state.settings.border;
    }

    const boundsOn = (metric, result) =>
      [...new Set(testsOf(metric).map((test) => test.threshold))].flatMap((field) => boundsOf(field, result));

    function showCharts(result) {
      for (const [metric, chart] of charts) {
        if (folded.get(metric)?.open === false) continue;
        const bounds = boundsOn(metric, result);
        sight.show(chart.canvas, () => {
          chart.count(result.first);
          chart.draw(bounds);
        });
        chart.canvas.ariaLabel = `Histogram of the ${facts.metrics[metric].name}, kept and rejected regions stacked; thresholds: ${bounds.map(brief).join(", ") || "none"}`;
      }
    }

    function show(result) {
      showCharts(result);
      showControls(result);
    }

    // the cards of what is bounded, which a link may have set
    function open(result) {
      for (const [metric, card] of folded) card.open ||= boundsOn(metric, result).length > 0;
    }

    // after the page was laid out anew
    function measure(result) {
      for (const chart of charts.values()) chart.measure();
      showCharts(result);
    }

    return { box, controls, show, open, measure };
  };
})();
