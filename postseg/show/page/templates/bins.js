// A map of bins on a canvas, where regions are too small to be seen one by one: of each bin the share
// that was rejected, or the commonest reason. Paints as paint_bins of postseg/show/paint.py does, over
// white or over the microscope image below the canvas.
const makeBins = (() => {
  const SCALE_WIDTH = 300, SCALE_HEIGHT = 24;
  const parse = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  const mix = (from, to, amount) => from.map((one, k) => one + amount * (to[k] - one));

  // the colour of a share, from 0 to 1
  function ramp(shares) {
    const stops = shares.map(parse);
    return (share) => {
      const at = share * (stops.length - 1);
      const stop = Math.min(Math.floor(at), stops.length - 2);
      return mix(stops[stop], stops[stop + 1], at - stop);
    };
  }

  // a colour so opaque, as ImageData has it: over the image below, or over white
  function word([red, green, blue], opacity, ground) {
    const over = (one) => Math.round(255 * (ground ? one : 1 + opacity * (one - 1)));
    const cover = ground ? Math.round(255 * opacity) : 255;
    return ((cover << 24) | (over(blue) << 16) | (over(green) << 8) | over(red)) >>> 0;
  }

  return (bins, facts, frame) => {
    const { width, height, side, numbers, strength, stripe } = bins;
    const [down, across] = bins.shape;
    const stage = makeStage(bins, frame);
    const { canvas, tissue } = stage;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);

    const n = down * across;
    const regions = new Int32Array(n);
    for (let i = 0; i < numbers.length; i++) regions[numbers[i]]++;
    const rejected = new Int32Array(n);
    const kinds = facts.reasons.length + 1;
    const counts = new Int32Array(n * kinds);
    const colourOf = ramp(bins.shares);
    const other = parse(facts.other);
    const bold = facts.reasons.map(({ colour }) => parse(colour));
    const codes = bins.reasons.map((name) => facts.reasons.findIndex((reason) => reason.name === name));
    let shown = "share";
    let last = null;

    const opacity = (bin) => strength[regions[bin]];

    function paintShares() {
      for (let row = 0; row < down; row++) {
        const top = row * side;
        const start = top * width;
        for (let col = 0; col < across; col++) {
          const bin = row * across + col;
          const colour = regions[bin] ? colourOf(rejected[bin] / regions[bin]) : other;
          const paint = word(colour, opacity(bin), tissue);
          pixels.fill(paint, start + col * side, start + Math.min((col + 1) * side, width));
        }
        const ends = Math.min(top + side, height);
        for (let y = top + 1; y < ends; y++) pixels.copyWithin(y * width, start, start + width);
      }
    }

    // the reason for which most of a bin went, of several the first; -1 where none went
    function commonest(bin) {
      let most = 0, found = -1;
      for (const code of codes) {
        if (counts[bin * kinds + code] > most) [most, found] = [counts[bin * kinds + code], code];
      }
      return found;
    }

    function paintReasons() {
      for (let bin = 0; bin < n; bin++) {
        const code = commonest(bin);
        const amount = code < 0 ? 0 : bins.least + (1 - bins.least) * (rejected[bin] / regions[bin]);
        const paints = [0, 0.75].map((light) => {
          const ink = code < 0 ? other : mix(bold[code], [1, 1, 1], light);
          return word(mix(other, ink, amount), opacity(bin), tissue);
        });
        const light = LIGHT[code < 0 ? 0 : facts.reasons[code].pattern];
        const top = Math.floor(bin / across) * side, left = (bin % across) * side;
        const bottom = Math.min(top + side, height), right = Math.min(left + side, width);
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) pixels[y * width + x] = paints[light(x, y, stripe)];
        }
      }
    }

    function paint(first, kept) {
      last = [first, kept];
      rejected.fill(0);
      for (let i = 0; i < first.length; i++) rejected[numbers[i]] += first[i] !== kept;
      if (shown === "share") paintShares();
      else {
        counts.fill(0);
        for (let i = 0; i < first.length; i++) counts[numbers[i] * kinds + first[i]]++;
        paintReasons();
      }
      context.putImageData(image, 0, 0);
      showKey();
    }

    // ---- what the colours say

    const text = el("p", { className: "small soft", id: "key" });
    canvas.setAttribute("aria-describedby", text.id);
    const line = el("i", { className: "line" });
    const most = strength.length - 1;
    const scale = el("div", { className: "ramp" },
      el("span", { textContent: whole(most) }), el("span", { textContent: most > 1 ? "1" : "" }),
      el("div", { className: "shares" }, drawScale(), line),
      el("div", { className: "ends" }, ...["0%", "50%", "100%"].map((end) => el("span", { textContent: end }))),
      el("span", { textContent: "regions per bin" }));
    const select = el("select", { id: "colour" },
      el("option", { value: "share", textContent: "Share rejected" }),
      el("option", { value: "reason", textContent: "Commonest reason" }));
    select.onchange = () => {
      shown = select.value;
      paint(...last);
    };
    const chooser = el("div", { className: "buttons find" }, el("label", {}, "Colour ", select), byId("zoom"));
    const key = el("div", { className: "scale" }, chooser, text, scale);
    byId("overview").parentElement.querySelector(".scale")?.remove();

    function drawScale() {
      const drawn = el("canvas", { width: SCALE_WIDTH, height: SCALE_HEIGHT, role: "img",
        ariaLabel: "Which colour is which share: the darker, the more was rejected; the paler, the fewer regions" });
      const inks = drawn.getContext("2d");
      const data = inks.createImageData(SCALE_WIDTH, SCALE_HEIGHT);
      const words = new Uint32Array(data.data.buffer);
      for (let y = 0, i = 0; y < SCALE_HEIGHT; y++) {
        const n = Math.round(most + (y / (SCALE_HEIGHT - 1)) * (1 - most));
        for (let x = 0; x < SCALE_WIDTH; x++, i++) words[i] = word(colourOf(x / (SCALE_WIDTH - 1)), strength[n], null);
      }
      inks.putImageData(data, 0, 0);
      return drawn;
    }

    function showKey() {
      let gone = 0;
      for (let bin = 0; bin < n; bin++) gone += rejected[bin];
      const share = percent(gone, numbers.length);
      set(text, shown === "share"
        ? `Share rejected ${bins.each}; of all ${share}`
        : `The reason for which most went ${bins.each}: the bolder, the larger the share rejected; the paler, the fewer regions`);
      line.style.left = share;
      scale.hidden = shown !== "share";
    }

    return { ...stage, paint, key };
  };
})();
