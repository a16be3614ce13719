/**
 * What JSX becomes in the widget: a description of elements, and a function that makes the page so.
 *
 * The widget is loaded by every visitor of a shop, so it carries only what it needs: keyed children,
 * properties, events, refs, SVG. A component is a plain function without a life of its own. (Preact
 * would be 4 of the 15 kB that the widget may have.) The types of JSX are Preact's.
 */

import type { JSX as PreactJSX } from "preact";

export type Child = Element_ | string | number | boolean | null | undefined | Child[];

/** One element or text as it should be; `node` is what it became. */
interface Element_ {
  tag: string;
  key: string | number | undefined;
  props: Record<string, unknown>;
  children: Child;
  text?: string;
  node?: Node;
}

export declare namespace JSX {
  type Element = Child;
  type ElementType = string | ((props: never) => Child);
  interface ElementChildrenAttribute {
    children: unknown;
  }
  interface IntrinsicAttributes {
    key?: string | number;
  }
  type IntrinsicElements = {
    [Tag in keyof PreactJSX.IntrinsicElements]: Omit<PreactJSX.IntrinsicElements[Tag], "children" | "ref"> & {
      children?: Child;
      /** Called with the node when it is made. */
      ref?: (node: never) => void;
      key?: string | number;
    };
  };
}

type Props = Record<string, unknown> & { children?: Child };

export function jsx(tag: string | ((props: Props) => Child), props: Props, key?: string | number): Child {
  if (typeof tag !== "string") {
    const made = tag(props);
    return key === undefined || !isElement(made) ? made : { ...made, key };
  }
  const { children, ...rest } = props;
  return { tag, key, props: rest, children };
}

export const jsxs = jsx;
export const Fragment = (props: Props): Child => props.children;

const isElement = (child: Child): child is Element_ =>
  typeof child === "object" && child !== null && !Array.isArray(child);

/** Children in one list. Without a key the place counts, also of what is not there now. */
function flatten(child: Child, path = "", list: [string, Element_][] = []): [string, Element_][] {
  if (Array.isArray(child)) child.forEach((one, index) => flatten(one, `${path}.${index}`, list));
  else if (isElement(child)) list.push([`${child.key ?? path} ${child.tag}`, child]);
  else if (child !== null && child !== undefined && typeof child !== "boolean" && child !== "")
    list.push([path + " ", { tag: "", key: undefined, props: {}, children: null, text: `${child}` }]);
  return list;
}

const SVG = "http://www.w3.org/2000/svg";
type Had = Map<string, Element_>;
const drawn = new WeakMap<Node, Had>();

/** Make the children of `parent` what `child` says, touching only what differs. */
export function draw(child: Child, parent: Node, svg = false): void {
  const had: Had = drawn.get(parent) ?? new Map();
  const next: Had = new Map(flatten(child));
  for (const [id, old] of had) if (!next.has(id)) parent.removeChild(old.node!);
  let place = parent.firstChild;
  for (const [id, element] of next) {
    const node = update(element, had.get(id), svg);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  drawn.set(parent, next);
}

function update(element: Element_, old: Element_ | undefined, svg: boolean): Node {
  const { tag, text, props } = element;
  if (text !== undefined) {
    const node = (element.node = old?.node ?? document.createTextNode(text));
    if (old && old.text !== text) node.nodeValue = text;
    return node;
  }
  const inSvg = svg || tag === "svg";
  const node = (old?.node ?? (inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag))) as HTMLElement;
  element.node = node;
  for (const name of new Set([...Object.keys(old?.props ?? {}), ...Object.keys(props)]))
    if (name === "value" || old?.props[name] !== props[name]) set(node, name, props[name]);
  draw(element.children, node, inSvg);
  if (!old) (props.ref as ((node: Node) => void) | undefined)?.(node);
  return node;
}

function set(node: HTMLElement, name: string, value: unknown): void {
  if (name === "ref") return;
  if (name.startsWith("on")) (node as unknown as Record<string, unknown>)[name.toLowerCase()] = value ?? null;
  else if (name === "value") {
    const field = node as HTMLTextAreaElement;
    if (field.value !== value) field.value = value as string; // setting it moves the caret
  } else if (name === "style") for (const [key, part] of Object.entries(value ?? {})) node.style.setProperty(key, `${part}`);
  else if (value === undefined || value === null || (value === false && !name.startsWith("aria-"))) node.removeAttribute(name);
  else node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : `${value}`);
}
