import { useEffect } from "preact/hooks";
import { t } from "../../shared/i18n";
import { ContactPane } from "./contact/contact-pane";
import { Door } from "./door/door";
import { SetupPage } from "./door/setup";
import { SessionEnded, SignInPage } from "./door/sign-in";
import { KeysHelp } from "./keys-help";
import { ListPane } from "./list/list-pane";
import { SideBar } from "./side/side-bar";
import { place } from "./state/place";
import { phase, whoAmI } from "./state/session";
import { ThreadPane } from "./thread/thread-pane";
import { Guard } from "./ui/guard";
import { phone } from "./ui/media";
import { NetBar } from "./ui/net-bar";
import { OutageBar } from "./ui/outage-bar";
import { ToastView } from "./ui/toast";

/** What the page is: the door, or the inbox. */
export function App() {
  if (place.value.setup && phase.value !== "in") return <SetupPage token={place.value.setup} />;
  if (phase.value === "loading") return null;
  if (phase.value === "out") return <SignInPage />;
  if (phase.value === "unreachable") return <Unreachable />;
  return <Inbox />;
}

function Inbox() {
  const { conversation, contact } = place.value;
  const pane = !conversation ? "list" : contact ? "contact" : "thread";
  return (
    <div class="app" data-pane={pane}>
      {!phone.value && (
        <>
          <a class="skip" href="#conversations" onClick={skip}>
            {t("skip.list")}
          </a>
          <SideBar />
        </>
      )}
      <div class="main">
        <NetBar />
        <OutageBar />
        <div class="sheet" data-open={conversation ? "" : undefined}>
          <ListPane />
          <ThreadPane id={conversation} />
          {conversation && (
            <Guard key={conversation}>
              <ContactPane id={conversation} />
            </Guard>
          )}
        </div>
      </div>
      <ToastView />
      <KeysHelp />
      {phase.value === "ended" && <SessionEnded />}
    </div>
  );
}

/** The address is the place in the inbox, so the link moves the focus itself. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#conversations a, #conversations")?.focus();
}

/** The server does not answer at the first load: asked again until it does. */
function Unreachable() {
  useEffect(() => {
    const timer = setInterval(() => void whoAmI(), 3000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Door title={t("err.unreachable")} lead={t("net.offline.start")}>
      <button type="button" class="button primary big" onClick={() => void whoAmI()}>
        {t("err.retry")}
      </button>
    </Door>
  );
}
