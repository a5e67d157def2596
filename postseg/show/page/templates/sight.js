// What is drawn anew at each move is drawn when it is in sight, or once it comes there.
function makeSight() {
  const inSight = new Set();
  const waiting = new Map();
  function draw(node) {
    waiting.get(node)?.();
    waiting.delete(node);
  }
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        inSight.add(target);
        draw(target);
      } else inSight.delete(target);
    }
  }, { rootMargin: "50%" });
  addEventListener("beforeprint", () => [...waiting.keys()].forEach(draw));

  function show(node, drawing) {
    waiting.set(node, drawing); // in place of an earlier one
    if (inSight.has(node)) draw(node);
  }

  return { watch: (node) => observer.observe(node), show };
}
