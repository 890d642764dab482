(() => {
  // Figures are drawn all at once and not as they come into view: a page that is printed must not have blanks.
  const plots = [];
  for (const figure of document.querySelectorAll("figure.chart")) {
    const place = figure.querySelector(".plot");
    const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
    Plotly.newPlot(place, data, layout, { displayModeBar: false, responsive: true });
    plots.push(place);
  }
  // Paper has another width than the window, and a figure is drawn for one width.
  const widths = { whole: 680, half: 332 };
  const details = [...document.querySelectorAll("details")];
  let opened = [];
  addEventListener("beforeprint", () => {
    for (const plot of plots) {
      Plotly.relayout(plot, { autosize: false, width: plot.closest(".pair") ? widths.half : widths.whole });
    }
    opened = details.filter((each) => !each.open);
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => {
    for (const plot of plots) Plotly.relayout(plot, { autosize: true, width: null });
    opened.forEach((each) => { each.open = false; });
  });
})();
