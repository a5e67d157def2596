// Whether a pixel lies on a light stripe of a pattern: they are numbered as in postseg/show/palette.py.
const LIGHT = [
  () => 0,
  (x, y, stripe) => Math.floor((x + y) / stripe) % 2,
  (x, y, stripe) => Math.floor(y / stripe) % 2,
  (x, y, stripe) => (Math.floor(y / stripe) + Math.floor(x / stripe)) % 2,
];
