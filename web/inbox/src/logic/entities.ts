/** Formatting as Telegram sends it: ranges over UTF-16 units, which may lie inside one another. */
export interface Entity {
  type: string;
  offset: number;
  length: number;
  url?: string;
}

/** A run of text with everything that applies to it, outermost first. */
export interface Run {
  text: string;
  marks: Mark[];
}

export interface Mark {
  type: string;
  /** Only for links: an address that is safe to open. */
  href?: string;
}

const SAFE = /^(https?|mailto|tel):/i;
const URL_IN_TEXT = /\bhttps?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]}»”’]/gi;

/** The address if it may be opened: never `javascript:`, `data:` or anything else that could act. */
export function safeHref(address: string): string {
  const trimmed = address.trim();
  if (!SAFE.test(trimmed)) return "";
  try {
    return new URL(trimmed).href;
  } catch {
    return "";
  }
}

/** What is in `data.entities`, as far as it makes sense for this text. */
export function readEntities(value: unknown, text: string): Entity[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (e: Partial<Entity> | null): e is Entity =>
      typeof e?.type === "string" &&
      Number.isInteger(e.offset) &&
      Number.isInteger(e.length) &&
      e.offset! >= 0 &&
      e.length! > 0 &&
      e.offset! < text.length,
  );
}

/** Plain web addresses in a text that nobody marked. */
export function findLinks(text: string): Entity[] {
  return Array.from(text.matchAll(URL_IN_TEXT), (found) => ({ type: "url", offset: found.index, length: found[0].length }));
}

/** The text cut at every start and end of an entity; joined again the runs are the text. */
export function runs(text: string, entities: Entity[]): Run[] {
  const marked = entities.length ? entities : findLinks(text);
  const cuts = new Set([0, text.length]);
  for (const e of marked) cuts.add(e.offset).add(Math.min(text.length, e.offset + e.length));
  const edges = Array.from(cuts).sort((a, b) => a - b);
  const nested = [...marked].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return edges.slice(0, -1).map((start, index) => {
    const end = edges[index + 1] ?? text.length;
    const over = nested.filter((e) => e.offset <= start && e.offset + e.length >= end);
    return { text: text.slice(start, end), marks: over.map((e) => mark(e, text)) };
  });
}

function mark(entity: Entity, text: string): Mark {
  const href = safeHref(address(entity, text.slice(entity.offset, entity.offset + entity.length)));
  return href ? { type: entity.type, href } : { type: entity.type };
}

function address(entity: Entity, words: string): string {
  if (entity.type === "text_link") return typeof entity.url === "string" ? entity.url : "";
  if (entity.type === "email") return `mailto:${words}`;
  if (entity.type === "phone_number") return `tel:${words.replace(/[^\d+]/g, "")}`;
  if (entity.type === "url") return /^[a-z][a-z0-9+.-]*:/i.test(words) ? words : `https://${words}`;
  return "";
}
