import type { ComponentChild } from "preact";
import { useState } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { readEntities, runs, type Mark } from "../logic/entities";

/** A text with its formatting. Everything is text nodes; links go only to addresses that are safe to open. */
export function RichText({ text, entities }: { text: string; entities?: unknown }) {
  return <>{runs(text, readEntities(entities, text)).map((run) => run.marks.reduceRight(wrap, run.text as ComponentChild))}</>;
}

function wrap(inside: ComponentChild, mark: Mark): ComponentChild {
  if (mark.href) {
    return (
      <a href={mark.href} target="_blank" rel="noopener noreferrer nofollow">
        {inside}
      </a>
    );
  }
  switch (mark.type) {
    case "bold":
      return <strong>{inside}</strong>;
    case "italic":
      return <em>{inside}</em>;
    case "underline":
      return <u>{inside}</u>;
    case "strikethrough":
      return <s>{inside}</s>;
    case "code":
      return <code>{inside}</code>;
    case "pre":
      return <code class="pre">{inside}</code>;
    case "spoiler":
      return <Spoiler>{inside}</Spoiler>;
    case "blockquote":
    case "expandable_blockquote":
      return <span class="blockquote">{inside}</span>;
    default:
      return inside;
  }
}

function Spoiler({ children }: { children: ComponentChild }) {
  const [shown, setShown] = useState(false);
  if (shown) return <span class="spoiler shown">{children}</span>;
  return (
    <button type="button" class="spoiler" aria-label={t("thread.spoiler")} onClick={() => setShown(true)}>
      <span aria-hidden="true">{children}</span>
    </button>
  );
}
