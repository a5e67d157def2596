"use strict";
// What the parts of the page share: each is null until it is there.
let live = null; // thresholds to be moved
let rejectedTable = null; // the table of rejected regions

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
