"use strict";
// What the parts of the page share: each is null until it is there.
let live = null; // thresholds to be moved
let rejectedTable = null; // the table of rejected regions

// Bytes that were compressed and written as text.
async function inflate(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Copies a text, in pages opened from a file too. `shown` is an element that holds the text, to be
// selected where all else fails.
async function copyText(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    // such pages may have no clipboard, but can copy a selection
    if (shown) {
      const range = document.createRange();
      range.selectNodeContents(shown);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    }
    const hand = (event) => {
      event.clipboardData.setData("text/plain", text);
      event.preventDefault();
    };
    document.addEventListener("copy", hand, { once: true });
    if (document.execCommand("copy")) return "Copied.";
    return shown ? "Selected: press Ctrl+C to copy." : "";
  }
}
