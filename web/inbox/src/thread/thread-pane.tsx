import { useState } from "preact/hooks";
import { rich, t } from "../../../shared/i18n";
import { Composer } from "../composer/composer";
import { conversation } from "../state/conversations";
import { thread as threadOf, type Thread } from "../state/threads";
import { Guard } from "../ui/guard";
import { phone } from "../ui/media";
import { nameOf } from "../ui/name";
import { PaneEmpty, PaneError, Skeletons } from "../ui/pane-state";
import { BareHeader, Header } from "./header";
import { Log } from "./log";
import { useReading } from "./reading";

/** The conversation that is open, or an invitation to open one. */
export function ThreadPane({ id }: { id: string }) {
  const one = id ? conversation(id) : undefined;
  const label = one ? t("thread.label", { name: nameOf(one.contact, one.channel) }) : t("thread.none");
  return (
    <main class="pane thread" id="thread" aria-label={label} tabIndex={-1}>
      <Guard key={id}>{id ? <Open id={id} /> : <Nothing />}</Guard>
    </main>
  );
}

function Open({ id }: { id: string }) {
  const thread = threadOf(id);
  const one = conversation(id);
  // Before the first drawing: the page opens where the unread part begins.
  useState(() => thread.visit());
  useReading(id);
  return (
    <>
      {one ? <Header of={one} /> : phone.value && <BareHeader />}
      {one && thread.state.value === "ready" ? <Log of={one} thread={thread} /> : <Pending thread={thread} />}
      {one && <Composer of={one} />}
    </>
  );
}

function Pending({ thread }: { thread: Thread }) {
  const retry = () => {
    thread.state.value = "loading";
    void thread.load();
  };
  if (thread.state.value === "error") return <PaneError onRetry={retry} />;
  if (thread.state.value === "gone") return <PaneEmpty icon="message-square" text={t("err.gone")} />;
  return <Skeletons kind="bubble" count={6} />;
}

function Nothing() {
  const key = (name: string) => <kbd>{name}</kbd>;
  return (
    <PaneEmpty icon="message-square" text={t("thread.none")}>
      <p class="pane-hint">{rich("thread.none.hint", { j: key("J"), k: key("K"), help: key("?") })}</p>
    </PaneEmpty>
  );
}
