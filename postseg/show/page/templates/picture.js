// The label image on a canvas: a map of region numbers, and a colour for each region. Paints as
// postseg/show/paint.py does, over white or over the microscope image below the canvas.
const makePicture = (() => {
  const PATTERNS = [1, 2, 3]; // a bit each of a pixel, if it is light in it, whatever becomes of its region
  const EDGE = 8; // and one more
  const bitOf = (pattern) => (1 << pattern) >> 1;
  const PALE = 5; // colours of kept regions, after the background

  // in which patterns a pixel is light, and whether it is near a lower number
  function partsOf({ numbers, width, height, inks }) {
    const parts = new Uint8Array(width * height);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        for (const pattern of PATTERNS) if (LIGHT[pattern](x, y, inks.stripe)) parts[i] |= bitOf(pattern);
        const own = numbers[i];
        if (!own) continue;
        for (let step = 1; step <= inks.line; step++) {
          if (
            (x >= step && numbers[i - step] < own) ||
            (x < width - step && numbers[i + step] < own) ||
            (y >= step && numbers[i - step * width] < own) ||
            (y < height - step && numbers[i + step * width] < own)
          ) parts[i] |= EDGE;
        }
      }
    }
    return parts;
  }

  // pixels next to a lower number that is a region: between two rejected ones there is a seam
  function touching({ numbers, width, height }) {
    const found = [];
    const lower = (i, j) => numbers[j] > 0 && numbers[j] < numbers[i];
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (x && lower(i, i - 1)) found.push(i, i - 1);
        if (x < width - 1 && lower(i, i + 1)) found.push(i, i + 1);
        if (y && lower(i, i - width)) found.push(i, i - width);
        if (y < height - 1 && lower(i, i + width)) found.push(i, i + width);
      }
    }
    return Int32Array.from(found);
  }

  // the colour of a pixel by its ink and its part, as ImageData has it
  function colours({ inks }, ground) {
    const table = new Uint32Array(inks.colour.length * 16);
    const bytes = new Uint8ClampedArray(table.buffer);
    inks.colour.forEach((colour, ink) => {
      for (let part = 0; part < 16; part++) {
        const light = part & bitOf(inks.pattern[ink]) ? 0.75 : 0;
        let paint = colour.map((c) => c + light * (1 - c));
        let cover = ink ? inks.opacity[ink] : 0;
        if (ink && part & EDGE) {
          const over = inks.edge_opacity[ink];
          const total = 1 - (1 - cover) * (1 - over);
          paint = paint.map((c, k) =>
            (inks.edge_colour[ink][k] * over + c * cover * (1 - over)) / (total || 1));
          cover = total;
        }
        if (!ground) [paint, cover] = [paint.map((c) => 1 + cover * (c - 1)), 1];
        bytes.set([...paint, cover].map((c) => Math.round(255 * c)), 4 * (16 * ink + part));
      }
    });
    return table;
  }

  // the regions that there are in it
  function distinct(numbers, n) {
    const found = new Uint8Array(n + 1);
    for (let i = 0; i < numbers.length; i++) found[numbers[i]] = 1;
    const shown = [];
    for (let number = 1; number <= n; number++) if (found[number]) shown.push(number);
    return Int32Array.from(shown);
  }

  return (map, facts, frame) => {
    const { numbers, width, height, rows, tones } = map;
    const stage = makeStage(map, frame);
    const { canvas, tissue, toX, toY } = stage;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const parts = partsOf(map);
    const seams = touching(map);
    const table = colours(map, tissue);
    const white = 0xffffffff;
    const look = new Uint8Array(facts.n + 1);
    const shown = distinct(numbers, facts.n);
    // reasons are numbered in the order of the tests, inks in that of the legend
    const inkOf = facts.reasons.map(({ name }) => 1 + PALE + map.reasons.indexOf(name));

    function paint(first, kept) {
      for (const number of shown) {
        const code = first[number - 1];
        look[number] = code === kept ? 1 + tones[number] : inkOf[code];
      }
      for (let i = 0; i < pixels.length; i++) {
        pixels[i] = table[(look[numbers[i]] << 4) | parts[i]];
      }
      for (let k = 0; k < seams.length; k += 2) {
        const at = seams[k];
        if (look[numbers[at]] > PALE && look[numbers[seams[k + 1]]] > PALE) pixels[at] = white;
      }
      context.putImageData(image, 0, 0);
    }

    function pick(event) {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * height);
      return x < 0 || y < 0 || x >= width || y >= height ? 0 : numbers[y * width + x];
    }

    // a region in the middle of a square of so many mask pixels
    function crop(number, middleRow, middleCol, side, colour, other) {
      const size = Math.round((side / rows.take) * rows.repeat);
      const left = Math.round(toX(middleCol) - size / 2), top = Math.round(toY(middleRow) - size / 2);
      const small = document.createElement("canvas");
      small.width = small.height = size;
      const cut = small.getContext("2d");
      const data = cut.createImageData(size, size);
      const words = new Uint32Array(data.data.buffer);
      const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? -1 : numbers[y * width + x]);
      for (let y = 0, i = 0; y < size; y++) {
        for (let x = 0; x < size; x++, i++) {
          const found = at(left + x, top + y);
          const inside = found === number;
          const edge =
            inside !== (at(left + x + 1, top + y) === number) || inside !== (at(left + x, top + y + 1) === number);
          if (edge) words[i] = 0xff31312b;
          else if (found < 0) words[i] = 0xfff7f7f7;
          else if (!tissue) words[i] = inside ? colour : found ? other : white;
        }
      }
      if (!tissue) cut.putImageData(data, 0, 0);
      else {
        const over = document.createElement("canvas");
        over.width = over.height = size;
        over.getContext("2d").putImageData(data, 0, 0);
        cut.drawImage(tissue, left, top, size, size, 0, 0, size, size);
        cut.drawImage(over, 0, 0);
      }
      return small;
    }

    return { ...stage, paint, pick, crop };
  };
})();
