import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../../shared/icons";

interface MenuProps {
  /** What opens: the attributes make it a button with a menu. */
  button: (attributes: JSX.ButtonHTMLAttributes<HTMLButtonElement>) => ComponentChildren;
  label: string;
  /** Where the panel hangs: below or above, from the left or the right edge of the button. */
  side?: "down" | "up";
  edge?: "start" | "end";
  children: (close: () => void) => ComponentChildren;
}

const STEPS: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };

/** A menu after the pattern of the ARIA guide: arrows, Home, End, letters, Esc; focus comes back. */
export function Menu({ button, label, side = "down", edge = "start", children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const items = () => Array.from(root.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not([aria-disabled=true])") ?? []);

  const close = () => {
    setOpen(false);
    root.current?.querySelector<HTMLElement>("[aria-haspopup]")?.focus();
  };

  useEffect(() => {
    if (!open) return;
    (items().find((one) => one.ariaChecked === "true") ?? items()[0])?.focus();
    const outside = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const step = STEPS[event.key];
    if (event.key === "Escape") close();
    else if (step) all[(at + step + all.length) % all.length]?.focus();
    else if (event.key === "Home") all[0]?.focus();
    else if (event.key === "End") all[all.length - 1]?.focus();
    else if (event.key === "Tab") return setOpen(false);
    else if (/^\p{L}$/u.test(event.key) && !event.ctrlKey && !event.metaKey) {
      const starts = (one: HTMLElement) => one.innerText.trim().toLowerCase().startsWith(event.key.toLowerCase());
      [...all.slice(at + 1), ...all].find(starts)?.focus();
    } else return event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="menu-root" ref={root} onKeyDown={onKeyDown}>
      {button({ type: "button", "aria-haspopup": "menu", "aria-expanded": open, onClick: () => setOpen(!open) })}
      {open && (
        <div class={`menu menu-${side} menu-${edge}`} role="menu" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

interface ChoiceProps {
  checked: boolean;
  onChoose: () => void;
  children: ComponentChildren;
  disabled?: boolean;
}

/** One of several: the tick says which is chosen. */
export function Choice({ checked, onChoose, children, disabled = false }: ChoiceProps) {
  return (
    <button
      type="button"
      class="menu-item"
      role="menuitemradio"
      aria-checked={checked}
      aria-disabled={disabled}
      tabIndex={-1}
      onClick={() => !disabled && onChoose()}
    >
      <span class="menu-words">{children}</span>
      {checked && <Icon name="check" size={15} />}
    </button>
  );
}

export function MenuAction({ onChoose, children }: { onChoose: () => void; children: ComponentChildren }) {
  return (
    <button type="button" class="menu-item" role="menuitem" tabIndex={-1} onClick={onChoose}>
      {children}
    </button>
  );
}

export function MenuTitle({ children }: { children: ComponentChildren }) {
  return <div class="menu-title" role="presentation">{children}</div>;
}
