/** @jsxImportSource ../dom */
/** The conversation: groups of bubbles. */

import type { Chat } from "../chat";
import { dayName, entriesOf, firstName, groupsOf, type Entry, type Group } from "../entries";
import { Bubble } from "./bubble";
import { Icon, type Glyph } from "./icons";
import type { Scroll } from "./scroll";

const GLYPHS: Record<string, Glyph> = {
  waiting: "waiting", sending: "waiting", sent: "sent", delivered: "delivered", read: "delivered",
};

function Action({ name, act }: { name: string; act: () => void }) {
  return <button class="link" onClick={act}>{name}</button>;
}

/** Under an own message that is not stored: what holds it, and what can be done. */
function WaitingMeta({ entry, chat }: { entry: Entry; chat: Chat }) {
  const { words } = chat.config;
  const remove = (): void => chat.remove(entry.key);
  if (entry.state === "failed")
    return (
      <>
        <span class="state bad">
          <Icon name="failed" size={15} />
          {words.failed}
        </span>
        <Action name={words.again} act={() => chat.again(entry.key)} />
        <Action name={words.remove} act={remove} />
      </>
    );
  if (entry.upload && entry.state === "sending")
    return (
      <>
        <span class="num">{Math.round(entry.upload.part * 100)} %</span>
        <Action name={words.cancel} act={remove} />
      </>
    );
  return <State state={entry.state} chat={chat} />;
}

function State({ state, chat }: { state: string; chat: Chat }) {
  const glyph = GLYPHS[state];
  return glyph && (
    <span class={`state ${state}`}>
      <Icon name={glyph} size={15} />
      {chat.config.words[state as "sent"]}
    </span>
  );
}

function Meta({ group, chat }: { group: Group; chat: Chat }) {
  const last = group.entries.at(-1)!;
  if (last.waiting) return <div class="meta"><WaitingMeta entry={last} chat={chat} /></div>;
  return (
    <div class="meta">
      {!group.mine && <span>{firstName(group.author) || chat.config.words.team} ·</span>}
      <span class="num">{chat.config.clock.format(last.at)}</span>
      {group.mine && GLYPHS[last.state] && "·"}
      {group.mine && <State state={last.state} chat={chat} />}
    </div>
  );
}

export function Log({ chat, scroll }: { chat: Chat; scroll: Scroll }) {
  const { words, lang, greeting } = chat.config;
  const groups = groupsOf(entriesOf(chat));
  return (
    <div class="middle">
      {/* tabIndex: what scrolls must be reachable by keyboard */}
      <div class="log" role="log" aria-live="polite" aria-label={words.log} tabIndex={0} ref={scroll.watch}>
        {chat.thread.more && <button class="pill early" onClick={() => chat.earlier()}>{words.earlier}</button>}
        {!groups.length && (
          <div class="hello">
            <h3>{greeting || words.greet}</h3>
            <p>{words.stays}</p>
          </div>
        )}
        {groups.map((group) => (
          <div key={group.key} class={group.mine ? "group mine" : "group"}>
            {group.day && <div class="day">{dayName(group.day, lang)}</div>}
            {group.entries.map((entry) => <Bubble key={entry.key} entry={entry} chat={chat} />)}
            <Meta group={group} chat={chat} />
          </div>
        ))}
        {chat.typing !== undefined && (
          <div class="dots" key="dots">
            <i /><i /><i />
            <span>{words.typing(firstName(chat.typing))}</span>
          </div>
        )}
      </div>
      {scroll.below && (
        <button class="pill jump" onClick={scroll.toEnd}><Icon name="down" size={16} />{words.jump}</button>
      )}
    </div>
  );
}
