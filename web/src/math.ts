/** Makes TeX into MathML with Temml; loaded when the first formula is met. */

import temml from "temml";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const OPTIONS = { trust: false, throwOnError: true, strict: false, maxSize: [40, 40] as [number, number], maxExpand: 500 };

interface Tree {
  attributes?: Record<string, string>;
  style?: Record<string, string>;
  children?: Tree[];
  toNode(): Node;
}

/** Puts the formula in place of the TeX that the element holds; where it is none, the TeX stays. */
export function draw(element: HTMLElement): void {
  const source = element.textContent ?? "";
  const block = element.classList.contains("block");
  try {
    const tree = temml.__renderToMathMLTree(source, { ...OPTIONS, displayMode: block, annotate: false }) as Tree;
    styled(tree);
    const node = tree.toNode();
    if (!(node instanceof Element) || !harmless(node)) return;
    node.setAttribute("aria-label", source);
    element.replaceChildren(node);
  } catch {
    element.classList.add("unread");
  }
}

/** A style attribute would be refused by the page's policy; the same by the object model is not. */
function styled(tree: Tree): void {
  const words = tree.attributes?.["style"];
  if (words !== undefined && tree.attributes && tree.style) {
    delete tree.attributes["style"];
    tree.style["cssText"] = words;
  }
  tree.children?.forEach(styled);
}

function harmless(root: Element): boolean {
  return [root, ...root.querySelectorAll("*")].every(
    (node) =>
      (node.namespaceURI === MATHML || node.localName === "span") &&
      !node.getAttributeNames().some((name) => /^(?:on|href|src|xlink|action)/i.test(name)),
  );
}
