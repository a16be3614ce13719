import type { Entry } from "../logic/group";
import { kindName } from "../logic/preview";
import { write, writing } from "./writing";

/** The next reply answers this message. */
export function quoteInComposer(message: Entry): void {
  const text = message.text || kindName(message.attachments[0]?.kind ?? message.kind);
  writing(message.conversation_id).quote.value = { seq: message.seq, text, author: message.author?.name ?? "" };
  write("reply");
}
