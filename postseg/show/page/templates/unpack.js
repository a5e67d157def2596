// The packed filter run as facts for decide.js and all that shows it; see postseg/show/page/live.py.
const unpackRun = (() => {
  const TYPES = { u1: Uint8Array, i4: Int32Array, f8: Float64Array, i8: BigInt64Array };
  const FORMULAS = {
    ratio: (a, b) => a / b,
    filled: (area, height, width) => area / (height * width),
    rest: (a) => 1 - a,
    compactness: (area, perimeter) =>
      perimeter > 0 ? (4 * Math.PI * area) / (perimeter * perimeter) : NaN,
    over_root: (a, b) => a / Math.sqrt(b),
  };

  // planes of bytes, lowest first, as the browser's own numbers (all of today's have that order)
  function array(bytes, start, [, type, length, stride]) {
    const values = new TYPES[type](length);
    const size = values.BYTES_PER_ELEMENT;
    const target = new Uint8Array(values.buffer);
    for (let plane = 0; plane < size; plane++) {
      const from = start + plane * length;
      for (let i = 0; i < length; i++) target[i * size + plane] = bytes[from + i];
    }
    if (stride) for (let i = stride; i < length; i++) values[i] += values[i - stride];
    return [values, start + size * length];
  }

  return async (text) => {
    const bytes = await inflate(text);
    const ends = 4 + new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, ends)));
    const columns = {};
    let at = ends;
    for (const entry of head.arrays) [columns[entry[0]], at] = array(bytes, at, entry);
    const n = head.total;
    for (const [name, formula, of] of head.formulas) {
      const compute = FORMULAS[formula];
      const [a, b, c] = of.map((part) => columns[part]);
      const values = (columns[name] = new Float64Array(n));
      for (let i = 0; i < n; i++) values[i] = compute(a[i], b?.[i], c?.[i]);
    }
    return {
      ...head,
      n,
      columns,
      cut: columns.cut,
      transcripts: head.transcripts === null ? null : columns.transcript_counts,
      nTranscripts: head.transcripts,
      pixelArea: head.pixel_area?.map(BigInt),
      sortedAreas: Float64Array.from(columns.area).sort(),
      reasons: head.reasons.map((reason, k) => ({
        ...reason,
        own: columns[`own_${k}`],
        added: columns[`added_${k}`],
        spared: columns[`spared_${k}`],
      })),
      run: Object.fromEntries(Object.entries(head.fields).map(([name, { setting }]) => [name, setting])),
      bins: head.bins && { ...head.bins, numbers: columns.bin, strength: columns.strength },
      maps: head.maps.map((map, k) => ({
        ...map,
        inside: columns[`inside_${k}`],
        numbers: columns[`map_${k}`],
        tones: columns[`tones_${k}`],
      })),
    };
  };
})();
