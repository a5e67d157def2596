// A canvas in place of a picture of the run, over the microscope image where there is one, and what
// lies on it: from mask pixels to those of the picture.
function makeStage({ width, height, rows, cols, tissue }, frame) {
  const still = frame.querySelector("img"); // the same without JavaScript
  const places = still.closest(".places"); // which lie on it already
  const stage = places ?? el("div");
  stage.classList.add("stage");
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.setProperty("--width", `${width}px`);
  stage.style.setProperty("--ratio", width / height);
  const canvas = el("canvas", { width, height, role: "img" });
  const mark = el("i", { className: "mark", hidden: true });
  const ground = tissue && el("img", { src: tissue, alt: "", className: "tissue" });
  still.replaceWith(...(places ? [] : [stage]));
  stage.prepend(...(ground ? [ground] : []), canvas);
  stage.append(mark);

  const toY = (row) => ((row + 0.5 - rows.first) / rows.take) * rows.repeat;
  const toX = (col) => ((col + 0.5 - cols.first) / cols.take) * cols.repeat;

  // a mark around a place, if it is there
  function point(row, col) {
    const x = toX(col), y = toY(row);
    mark.hidden = !(x >= 0 && y >= 0 && x <= width && y <= height);
    if (mark.hidden) return;
    mark.style.left = `${(100 * x) / width}%`;
    mark.style.top = `${(100 * y) / height}%`;
    const scale = canvas.clientWidth / width; // to its middle, where the frame scrolls
    frame.scrollTo(x * scale - frame.clientWidth / 2, y * scale - frame.clientHeight / 2);
  }

  // the part that another picture shows
  function outline({ rows, cols }) {
    const part = (at, size) => `${(100 * at) / size}%`;
    const box = el("i", { className: "part" });
    Object.assign(box.style, {
      left: part(toX(cols.first - 0.5), width),
      top: part(toY(rows.first - 0.5), height),
      width: part(toX(cols.first + cols.length) - toX(cols.first), width),
      height: part(toY(rows.first + rows.length) - toY(rows.first), height),
    });
    canvas.after(box);
  }

  return { canvas, frame, stage, tissue: ground, toX, toY, point, outline, width, height };
}
