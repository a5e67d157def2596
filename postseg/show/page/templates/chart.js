// The histogram of a metric: kept and rejected regions stacked, thresholds as lines.
const makeChart = (() => {
  const HEIGHT = 130, TOP = 6;

  function pattern(context, kind, colour) {
    if (!kind) return colour;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const inks = tile.getContext("2d");
    inks.fillStyle = colour;
    inks.fillRect(0, 0, 8, 8);
    inks.fillStyle = "rgb(255 255 255 / 0.7)";
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        if (LIGHT[kind](x, y, 4)) inks.fillRect(x, y, 1, 1);
      }
    }
    return context.createPattern(tile, "repeat");
  }

  function ticks(low, high, isWhole) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const nice = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
    const step = isWhole ? Math.max(1, nice) : nice;
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(tidy(k * step));
    return found;
  }

  return (metric, facts) => {
    const { edges, typical, whole } = facts.metrics[metric];
    const values = facts.columns[metric];
    const low = edges[0], high = edges[edges.length - 1], nBins = edges.length - 1;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    const axis = document.createElement("div");
    axis.className = "ticks";
    axis.ariaHidden = "true";
    for (const value of ticks(low, high, whole)) {
      const tick = document.createElement("span");
      tick.textContent = brief(value);
      tick.style.left = `${(100 * (value - low)) / (high - low)}%`;
      axis.append(tick);
    }

    // values beyond either end are counted in the bin there, undefined ones in none
    const bin = new Uint8Array(facts.n).fill(255);
    for (let i = 0; i < facts.n; i++) {
      const place = Math.floor(((values[i] - low) / (high - low)) * nBins);
      if (place === place) bin[i] = Math.min(Math.max(place, 0), nBins - 1);
    }
    const kinds = facts.reasons.length + 1;
    const counts = new Int32Array(256 * kinds);
    const context = canvas.getContext("2d");
    const looks = [...facts.reasons, { pattern: 0, colour: facts.kept.colour }];
    const fills = looks.map((look) => pattern(context, look.pattern, `#${look.colour}`));
    // kept ones at the bottom, then reasons in the order of the tests
    const order = [kinds - 1, ...facts.reasons.keys()];

    function count(first) {
      counts.fill(0);
      for (let i = 0; i < first.length; i++) counts[bin[i] * kinds + first[i]]++;
    }

    // asked for once a size of the window, since it lays the page out
    let width = 0, ratio = 1;
    function measure() {
      ratio = devicePixelRatio || 1;
      width = canvas.clientWidth || 300;
      canvas.width = Math.round(width * ratio);
      canvas.height = HEIGHT * ratio;
    }

    function draw(bounds) {
      if (!width) measure();
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, HEIGHT);
      const style = getComputedStyle(canvas);
      const x = (value) => ((value - low) / (high - low)) * width;
      if (typical) {
        context.fillStyle = style.getPropertyValue("--shade");
        context.fillRect(x(typical[0]), 0, x(typical[1]) - x(typical[0]), HEIGHT);
      }
      let most = 1;
      for (let b = 0; b < nBins; b++) {
        let sum = 0;
        for (let k = 0; k < kinds; k++) sum += counts[b * kinds + k];
        most = Math.max(most, sum);
      }
      const unit = (HEIGHT - TOP) / most;
      for (const k of order) {
        context.fillStyle = fills[k];
        for (let b = 0; b < nBins; b++) {
          if (!counts[b * kinds + k]) continue;
          let below = 0;
          for (const under of order) {
            if (under === k) break;
            below += counts[b * kinds + under];
          }
          const tall = counts[b * kinds + k] * unit;
          const left = x(edges[b]);
          context.fillRect(left, HEIGHT - below * unit - tall, x(edges[b + 1]) - left, tall);
        }
      }
      context.strokeStyle = style.color;
      context.setLineDash([5, 3]);
      context.lineWidth = 1.5;
      for (const bound of bounds) {
        if (!(bound >= low && bound <= high)) continue;
        context.beginPath();
        context.moveTo(x(bound), 0);
        context.lineTo(x(bound), HEIGHT);
        context.stroke();
      }
    }

    return { canvas, axis, count, draw, measure, low, high, whole };
  };
})();
