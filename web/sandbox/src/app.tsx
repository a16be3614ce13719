import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../../inbox/src/ui/dialog";
import { Icon, Logo } from "../../shared/icons";
import { SmsPhone } from "./phone/sms";
import { TelegramPhone } from "./phone/telegram";
import { WhatsAppPhone } from "./phone/whatsapp";
import { api } from "./state/api";
import { agent, anythingBroken, connected, frames, signIn, tab, type Tab } from "./state/store";
import { s } from "./text";
import { InboxFrame, Shop } from "./ui/frames";
import { ProblemBar, tell } from "./ui/problem";
import { VendorCard } from "./ui/vendor";
import { WireLog } from "./ui/wire";

export function App() {
  const [asking, setAsking] = useState(false);
  return (
    <div class="sandbox" data-tab={tab.value}>
      <Head onClear={() => setAsking(true)} />
      <Tabs />
      <main>
        <div class="stage">
          <div class="device device-telegram"><TelegramPhone /><VendorCard vendor="telegram" /></div>
          <div class="device device-sms"><SmsPhone /><VendorCard vendor="sms" /></div>
          <div class="device device-whatsapp"><WhatsAppPhone /><VendorCard vendor="whatsapp" /></div>
          <div class="device device-shop"><Shop /><VendorCard vendor="webchat" /></div>
          <WireLog />
        </div>
        <InboxFrame />
      </main>
      <ProblemBar />
      {asking && <ClearDialog onClose={() => setAsking(false)} />}
    </div>
  );
}

function Head({ onClear }: { onClear: () => void }) {
  return (
    <header class="head">
      <Logo size={24} />
      <h1>{s("title")}</h1>
      <span class="chip local" title={s("local")}><Icon name="shield-check" size={13} /><span>{s("local")}</span></span>
      <span class="head-state" role="status">{connected.value === "offline" ? s("offline") : ""}</span>
      <label class="agent">
        <span>{s("agent")}</span>
        <select value={agent.value} onChange={(event) => void signIn(event.currentTarget.value).catch(tell)}>
          <option value="anna">Anna Colombo</option>
          <option value="paolo">Paolo Serra</option>
        </select>
      </label>
      <button
        type="button"
        class={anythingBroken.value ? "button small attention" : "button small"}
        title={s("restore.why")}
        onClick={() => void api.restore().catch(tell)}
      >
        <Icon name="refresh-cw" size={15} /><span>{s("restore")}</span>
      </button>
      <button type="button" class="button small ghost" onClick={onClear}>
        <Icon name="x" size={15} /><span>{s("clear")}</span>
      </button>
    </header>
  );
}

function ClearDialog({ onClose }: { onClose: () => void }) {
  const clear = async () => {
    onClose();
    await api.clear();
    frames.value++;
  };
  return (
    <Dialog title={s("clear.title")} onClose={onClose}>
      <p class="dialog-text">{s("clear.text")}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={onClose}>{s("cancel")}</button>
        <button type="button" class="button primary" onClick={() => void clear().catch(tell)}>{s("clear.yes")}</button>
      </div>
    </Dialog>
  );
}

const TABS: Tab[] = ["telegram", "sms", "whatsapp", "shop", "inbox", "wire"];

/** Where there is no room for everything side by side. */
function Tabs() {
  useEffect(() => {
    const wanted = location.hash.slice(1) as Tab;
    if (TABS.includes(wanted)) tab.value = wanted;
  }, []);
  return (
    <nav class="tabs" aria-label={s("tabs")}>
      {TABS.map((name) => (
        <button
          key={name}
          type="button"
          class={`tab tab-${name}`}
          aria-current={tab.value === name ? "true" : undefined}
          onClick={() => {
            tab.value = name;
            history.replaceState(null, "", `#${name}`);
          }}
        >
          {s(`tab.${name}`)}
        </button>
      ))}
    </nav>
  );
}
