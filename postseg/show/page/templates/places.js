// Parts of the label image that are shown closer: one of a picture of regions, or the numbered places
// of a map of bins, with the counts in their captions.
function makePlaces(facts, overview) {
  const frameOf = (k) => (facts.bins ? byId(`place-${k + 1}`).querySelector(".frame") : byId("detail"));
  const maps = facts.bins ? facts.maps : facts.maps.slice(1);
  const pictures = maps.map((map, k) => makePicture(map, facts, frameOf(k)));
  for (const map of maps) overview.outline(map);
  if (!facts.bins) {
    for (const { canvas } of pictures) canvas.ariaLabel = "A part of the label image, closer";
    return { pictures, show: () => {} };
  }

  const title = byId("places-title");
  const heading = title?.textContent;
  if (title) byId("live").before(byId("looks")); // beside the map
  const links = overview.stage.querySelectorAll("a.place");
  const captions = pictures.map(({ frame }) => frame.parentElement.querySelector("figcaption"));

  function show({ first, kept }, isOfRun) {
    maps.forEach(({ inside, where }, k) => {
      let gone = 0;
      for (const i of inside) gone += first[i] !== kept;
      const share = inside.length ? ` (${percent(gone, inside.length)})` : "";
      const text = `${k + 1}: ${whole(gone)} of ${whole(inside.length)} regions rejected${share}: ${where}`;
      set(captions[k], `${text}.`);
      pictures[k].canvas.ariaLabel = links[k].ariaLabel = `Place ${text}`;
    });
    if (title) set(title, isOfRun ? heading : "The worst places of the run");
  }

  return { pictures, show };
}
