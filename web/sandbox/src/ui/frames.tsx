import { useRef } from "preact/hooks";
import { Icon } from "../../../shared/icons";
import { frames, signedIn } from "../state/store";
import { s } from "../text";

const SHOP = "/sandbox/shop";

/** The shop as its visitors see it, with the real widget. */
export function Shop() {
  const frame = useRef<HTMLIFrameElement>(null);
  const reload = () => frame.current?.contentWindow?.location.reload();
  const newVisitor = () => {
    // The widget keeps who its visitor is under the host it came from.
    const own = `bridge.${location.host}.`;
    for (const key of Object.keys(localStorage)) if (key.startsWith(own)) localStorage.removeItem(key);
    reload();
  };
  return (
    <section class="browser" aria-label={s("shop.title")}>
      <header class="browser-bar">
        <span class="browser-lights" aria-hidden="true"><i /><i /><i /></span>
        <span class="browser-address ellipsis" aria-hidden="true">bottegalume.example</span>
        <button type="button" class="icon-button small" aria-label={s("shop.reload")} title={s("shop.reload")} onClick={reload}>
          <Icon name="rotate-ccw" size={14} />
        </button>
        <button type="button" class="icon-button small" aria-label={s("shop.visitor")} title={s("shop.visitor")} onClick={newVisitor}>
          <Icon name="user-round" size={14} />
        </button>
        <a class="icon-button small" href={SHOP} target="_blank" rel="noopener" aria-label={s("shop.open")} title={s("shop.open")}>
          <Icon name="external-link" size={14} />
        </a>
      </header>
      <iframe key={frames.value} ref={frame} src={SHOP} title={s("shop.title")} />
    </section>
  );
}

/** The agents' real page, in its phone layout because it is narrow here. */
export function InboxFrame() {
  return (
    <section class="inbox-frame" aria-label={s("inbox.title")}>
      {signedIn.value && <iframe key={frames.value} src="/inbox/" title={s("inbox.title")} />}
    </section>
  );
}
