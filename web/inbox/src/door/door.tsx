import type { ComponentChildren } from "preact";
import { Logo } from "../../../shared/icons";

/** The frame of the pages before the inbox. */
export function Door({ title, lead, children }: { title: string; lead: string; children: ComponentChildren }) {
  return (
    <main class="door">
      <div class="door-card">
        <div class="door-brand">
          <Logo size={32} /> <b>Bridge</b>
        </div>
        <h1>{title}</h1>
        <p class="door-lead">{lead}</p>
        {children}
      </div>
    </main>
  );
}
