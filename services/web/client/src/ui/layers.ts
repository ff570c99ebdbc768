/** What lies over the page, the topmost last: Escape closes that and nothing else, wherever the focus is. */

import { useLayoutEffect, useRef } from "preact/hooks";

const layers: (() => void)[] = [];

/** While it is shown, the component is the topmost layer, or below those that came later. */
export function useLayer(close: () => void): void {
  const current = useRef(close);
  current.current = close;
  useLayoutEffect(() => {
    const layer = () => current.current();
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}

/** Whether somebody pressed Escape, once: held down, it would close one thing after the other. */
export function isEscape({ key, isComposing, repeat }: KeyboardEvent): boolean {
  return key === "Escape" && !isComposing && !repeat;
}

// first of all, or what has the focus below would close, too
addEventListener(
  "keydown",
  (event) => {
    const top = layers.at(-1);
    if (event.key !== "Escape" || event.isComposing || top === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) top();
  },
  true,
);
