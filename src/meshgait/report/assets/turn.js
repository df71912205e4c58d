"use strict";
// Draws the meshes, turns them by a slider as well as by dragging, and follows the page's colour theme.
(async () => {
  const read = (node) => node.textContent;
  const options = JSON.parse(read(document.getElementById("options")));
  const night = matchMedia("(prefers-color-scheme: dark)");
  if (!window.DecompressionStream || !document.createElement("canvas").getContext("webgl")) return; // still pictures

  const packed = Uint8Array.from(atob(read(document.getElementById("plotly"))), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(unpacked).text();
  document.head.append(library);

  for (const box of document.querySelectorAll(".turn")) {
    const find = (name) => document.querySelector(`[data-${name}="${box.id}"]`);
    const figures = JSON.parse(read(find("figures")));
    const [frame, angle] = [find("frame"), find("angle")];
    const draw = () => {
      let text = JSON.stringify(figures[frame.selectedIndex]);
      if (night.matches) text = text.replaceAll(options.light, options.dark);
      const figure = JSON.parse(text);
      if (box.layout) figure.layout.scene.camera = box.layout.scene.camera; // another frame does not turn them back
      return Plotly.react(box, figure.data, figure.layout, options.config);
    };
    box.replaceChildren();
    await draw();
    const from = box.layout.scene.camera.eye;
    const start = Math.atan2(from.y, from.x);
    angle.addEventListener("input", () => {
      const { x, y, z } = box.layout.scene.camera.eye;
      const [reach, way] = [Math.hypot(x, y), start + (angle.value * Math.PI) / 180];
      Plotly.relayout(box, { "scene.camera.eye": { x: reach * Math.cos(way), y: reach * Math.sin(way), z } });
    });
    frame.addEventListener("change", draw);
    night.addEventListener("change", draw);
  }
})();
