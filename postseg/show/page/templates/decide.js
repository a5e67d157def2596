// Which regions pass, and why the others went: postseg/filtering/criteria.py and quantities.py
// again, to the bit. Settings are as in FilterConfig: null, a number, or text. No page in here.
const decide = (() => {
  const NUMBER = "([+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)";
  const QUANTITY = new RegExp(`^${NUMBER} (um2|px|%)$`);
  const BOUNDS = new RegExp(`^${NUMBER} to ${NUMBER} px$`);
  const LONGEST = 50; // characters of a number

  // ---- exact arithmetic: areas in um^2 become pixels as fractions do

  function fraction(text) {
    const [, sign, whole, part = "", power = "0"] =
      /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?$/.exec(text);
    const digits = BigInt(`${sign === "-" ? "-" : ""}${whole}${part}` || "0");
    const exponent = Number(power) - part.length;
    return exponent < 0 ? [digits, 10n ** BigInt(-exponent)] : [digits * 10n ** BigInt(exponent), 1n];
  }

  // the float nearest to a positive fraction, ties to even
  function nearest([above, below]) {
    if (above === 0n) return 0;
    const bits = (value) => value.toString(2).length;
    const shift = BigInt(Math.max(0, 66 - bits(above) + bits(below)));
    let quotient = (above << shift) / below;
    if (quotient * below !== above << shift) quotient |= 1n; // Number() rounds by what is left, too
    return Number(quotient) / 2 ** Number(shift);
  }

  // whole numbers of pixels where the area is as good as one
  function fromMicrons(text, pixelArea) {
    const [above, below] = fraction(text);
    const exact = [above * pixelArea[1], below * pixelArea[0]];
    let whole = (2n * exact[0] + exact[1]) / (2n * exact[1]);
    if (2n * exact[0] + exact[1] === 2n * exact[1] * whole && whole % 2n) whole -= 1n; // half to even
    const off = exact[0] - whole * exact[1];
    const same = (off < 0n ? -off : off) * 10n ** 9n <= exact[0];
    return whole <= 2n ** 53n && same ? Number(whole) : Math.min(nearest(exact), Number.MAX_VALUE);
  }

  // ---- thresholds

  function percentile(sorted, percent) {
    const last = sorted.length - 1;
    const place = last * (percent / 100);
    if (place >= last) return sorted[last];
    const before = Math.floor(place);
    const part = place - before;
    const low = sorted[before], high = sorted[before + 1];
    // as numpy.percentile, which comes from the nearer end
    return part >= 0.5 ? high - (high - low) * (1 - part) : low + (high - low) * part;
  }

  function median(sorted) {
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  // what an area threshold comes to: pixels, and by which rule
  function area(kind, setting, facts) {
    if (setting === "median") return [median(facts.sortedAreas), "the median area"];
    if (setting === "median_div2") return [median(facts.sortedAreas) / 2, "half the median area"];
    let number = setting, unit = kind === "rule" && setting <= 100 ? "%" : "px";
    if (typeof setting === "string") [, number, unit] = QUANTITY.exec(setting);
    if (unit === "um2") return [fromMicrons(number, facts.pixelArea), "um2"];
    if (unit === "px") return [Number(number), "pixels"];
    const share = Number(number);
    return [percentile(facts.sortedAreas, share), `percentile ${share} of the areas`];
  }

  // the number that the metric is compared with, null where the test is off
  function boundOf(test, settings, facts) {
    const setting = settings[test.threshold];
    if (setting === null) return null;
    if (test.kind === "area" || test.kind === "rule") return area(test.kind, setting, facts)[0];
    if (test.kind === "deviations") {
      if (typeof setting === "string") {
        const [, low, high] = BOUNDS.exec(setting);
        return Number(test.bound === "max" ? high : low);
      }
      const { mean, deviation } = facts.area;
      return mean + setting * (test.bound === "max" ? deviation : -deviation);
    }
    return setting;
  }

  // ---- what a setting may be; returns what is wrong with it, or nothing

  function problem(field, setting, facts) {
    const { limits, words, takes_units: takesUnits, measured } = facts.fields[field];
    if (words.includes(setting)) return "";
    const isNumber = measured || Object.keys(limits).length > 0;
    if (!isNumber) return `${field} is one of ${words.join(", ")}`;
    if (setting === null) return "";
    if (typeof setting === "string") {
      const bounds = field === "area_std_filter" && BOUNDS.exec(setting);
      if (bounds) {
        const [low, high] = bounds.slice(1).map(Number);
        if (!(low >= 0 && high < Infinity)) return `${field}: bounds are finite and from 0`;
        return low <= high ? "" : `${field} has the larger bound first`;
      }
      const found = takesUnits && QUANTITY.exec(setting);
      if (!found || found[1].length > LONGEST) return `${field} cannot be ${JSON.stringify(setting)}`;
      const number = Number(found[1]);
      if (!(number >= 0 && number < Infinity)) return `${field} is a finite area, from 0`;
      if (found[2] === "%" && number > 100) return `${field} is a percentile up to 100 %`;
      if (found[2] === "um2" && !facts.pixelArea) return `${field} is in um², and the size of a pixel is not known`;
      return "";
    }
    if (!Number.isFinite(setting)) return `${field} is no number`;
    if ("gt" in limits && !(setting > limits.gt)) return `${field} is above ${limits.gt}`;
    if ("ge" in limits && !(setting >= limits.ge)) return `${field} is at least ${limits.ge}`;
    if ("le" in limits && !(setting <= limits.le)) return `${field} is at most ${limits.le}`;
    return "";
  }

  // pairs that no cell could pass both of
  function contradictions(settings, facts) {
    const found = [];
    for (const low of Object.keys(facts.fields)) {
      const high = low.replace(/^min_/, "max_");
      if (high === low || !(high in facts.fields)) continue;
      if (settings[low] === null || settings[high] === null) continue;
      let bottom = settings[low], top = settings[high];
      if (high === "max_area") {
        // percentiles and medians are not known to a config
        const of = (kind, field) => area(kind, settings[field], facts);
        const [known, rule] = of("rule", low), [limit, other] = of("area", high);
        const stated = (name) => name === "pixels" || name === "um2";
        if (!stated(rule) || !stated(other)) continue;
        [bottom, top] = [known, limit];
      }
      const whoSaysSo = facts.fields[low].measured ? "" : ", and FilterConfig refuses it";
      if (bottom > top) found.push(`${low} (${settings[low]}) is above ${high} (${settings[high]}): no cell could pass both${whoSaysSo}`);
    }
    return found;
  }

  // ---- regions

  // Of `facts` (see unpack.js) and settings: by region the number of its first reason (that of
  // reasons where it is kept), how many it failed, and by reason whether; how many there are of each.
  function regions(facts, settings) {
    const { n, reasons, columns, cut, transcripts } = facts;
    const kept = reasons.length;
    const first = new Uint8Array(n).fill(kept);
    const failures = new Uint8Array(n);
    const outcomes = reasons.map(() => null); // null: rejects none
    const spared = settings.border === "keep" ? cut : null;
    const bounds = new Map();
    for (const test of facts.tests) bounds.set(test, boundOf(test, settings, facts));
    reasons.forEach(({ name, own, added, spared: keptAgainst }, code) => {
      const tests = facts.tests.filter((test) => test.reason === name && bounds.get(test) !== null);
      const drops = name === "cut_by_border" && settings.border === "drop";
      if (!tests.length && !drops && !own && !added) return; // rejects nothing
      const failed = (outcomes[code] = new Uint8Array(n));
      for (const test of tests) {
        const bound = bounds.get(test);
        const values = columns[test.metric];
        // an undefined value is beyond no bound
        if (test.bound === "min") for (let i = 0; i < n; i++) failed[i] |= values[i] < bound;
        else for (let i = 0; i < n; i++) failed[i] |= values[i] > bound;
      }
      if (spared && tests.some((test) => !test.measured)) for (let i = 0; i < n; i++) failed[i] &= 1 - spared[i];
      if (drops) failed.set(cut);
      if (own) failed.set(own);
      if (keptAgainst) for (let i = 0; i < n; i++) failed[i] &= 1 - keptAgainst[i];
      if (added) for (let i = 0; i < n; i++) failed[i] |= added[i];
      for (let i = 0; i < n; i++) {
        if (!failed[i]) continue;
        if (!failures[i]) first[i] = code;
        failures[i]++;
      }
    });
    const counts = new Array(kept + 1).fill(0);
    const sums = transcripts ? new Array(kept + 1).fill(0) : null;
    for (let i = 0; i < n; i++) counts[first[i]]++;
    if (sums) for (let i = 0; i < n; i++) sums[first[i]] += transcripts[i];
    return { first, failures, outcomes, counts, sums, bounds, kept };
  }

  return { regions, area, boundOf, problem, contradictions };
})();
