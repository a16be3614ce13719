/** @jsxImportSource . */
import { beforeEach, expect, test } from "vitest";
import { draw, type Child } from "./jsx-runtime";

let root: HTMLElement;
beforeEach(() => (root = document.createElement("div")));
const show = (child: Child): string => {
  draw(child, root);
  return root.innerHTML;
};

/** The reader's place, focus and animations hang on elements that stay the same. */
test("elements with a key keep their identity when others come and go", () => {
  const list = (...keys: string[]): Child => keys.map((key) => <p key={key}>{key}</p>);
  show(list("a", "b", "c"));
  const b = root.children[1];
  show(list("x", "b"));
  expect([...root.children].map((node) => node.textContent)).toEqual(["x", "b"]);
  expect(root.children[1]).toBe(b);
});

/** What appears before the writing field must not make it anew: the caret would be lost. */
test("a part that comes and goes leaves its neighbours alone", () => {
  const page = (notice: string): Child => (
    <div>
      {notice && <p>{notice}</p>}
      <textarea value="typed" />
    </div>
  );
  show(page(""));
  const field = root.querySelector("textarea");
  show(page("Slow down"));
  expect(root.querySelector("textarea")).toBe(field);
  expect(root.querySelector("p")?.textContent).toBe("Slow down");
  show(page(""));
  expect(root.querySelector("p")).toBeNull();
});

/** Customers and agents write what they like; none of it may become markup. */
test("text is text", () => {
  expect(show(<p>{"<img src=x onerror=alert(1)>"}</p>)).not.toContain("<img");
});

/** Attributes follow what is drawn, also back to nothing. */
test("attributes come, change and go", () => {
  expect(show(<button disabled aria-expanded={false} class="a" />)).toBe('<button disabled="" aria-expanded="false" class="a"></button>');
  expect(show(<button disabled={false} aria-expanded={true} />)).toBe('<button aria-expanded="true"></button>');
});

/** A handler is replaced, not added to: an old one would act twice. */
test("only the last handler is called", () => {
  const called: number[] = [];
  show(<button onClick={() => called.push(1)} />);
  show(<button onClick={() => called.push(2)} />);
  root.querySelector("button")!.click();
  expect(called).toEqual([2]);
});

/** Icons are SVG, which is another namespace. */
test("SVG is made as SVG", () => {
  show(<svg viewBox="0 0 24 24"><path d="M0 0" /></svg>);
  expect(root.querySelector("path")!.namespaceURI).toBe("http://www.w3.org/2000/svg");
});
