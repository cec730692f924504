/** A small plot over time, with uPlot; loaded with the room of the machine. */

import uPlot from "uplot";

export interface Series {
  label: string;
  colour: string;
}

function clock(time: number): string {
  return new Date(time * 1000).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** Draws into the element until the returned function is called; `set` shows other data. */
export function plot(root: HTMLElement, series: Series[], shown: (value: number) => string) {
  const style = getComputedStyle(root);
  const faint = style.getPropertyValue("--faint");
  const line = style.getPropertyValue("--line");
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: faint, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font };
  const made = new uPlot(
    {
      width: Math.max(200, root.clientWidth),
      height: 150,
      legend: { show: false },
      cursor: { show: false },
      // a single moment still has a width
      scales: { x: { range: (_self, from, to) => (to - from < 60 ? [(from + to) / 2 - 30, (from + to) / 2 + 30] : [from, to]) }, y: { range: (_self, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [{ ...axis, space: 80, values: (_self, ticks) => ticks.map(clock) }, { ...axis, size: 70, values: (_self, ticks) => ticks.map(shown) }],
      series: [
        {},
        ...series.map((one) => ({
          label: one.label, stroke: style.getPropertyValue(one.colour), width: 2, points: { size: 5 }, spanGaps: true,
        })),
      ],
    },
    [[], ...series.map(() => [])] as uPlot.AlignedData,
    root,
  );
  const grown = new ResizeObserver(() => made.setSize({ width: Math.max(200, root.clientWidth), height: 150 }));
  grown.observe(root);
  return {
    set: (data: (number | null)[][]) => made.setData(data as uPlot.AlignedData),
    end: () => {
      grown.disconnect();
      made.destroy();
    },
  };
}
