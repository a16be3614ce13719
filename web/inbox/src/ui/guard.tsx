import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { PaneError } from "./pane-state";

/** Keeps a fault of one pane in that pane: the rest of the page keeps working. */
export function Guard({ children }: { children: ComponentChildren }) {
  const [fault, forget] = useErrorBoundary((error) => console.error(error));
  return fault ? <PaneError onRetry={forget} /> : <>{children}</>;
}
