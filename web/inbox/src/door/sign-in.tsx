import { useEffect, useRef, useState } from "preact/hooks";
import { api, Problem } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { me, welcome } from "../state/session";
import { Dialog } from "../ui/dialog";
import { Door } from "./door";
import { Field } from "./field";

/** Email and password. Used on its own page and in the dialog after a session has ended. */
export function SignInForm({ email }: { email?: string }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const values = new FormData(form.current!);
    setBusy(true);
    setError("");
    try {
      const { agent } = await api.signIn(String(values.get("email")).trim(), String(values.get("password")));
      welcome(agent);
    } catch (problem) {
      setBusy(false);
      setError(explain(problem));
      form.current?.querySelector<HTMLInputElement>("[name=password]")?.select();
    }
  };

  return (
    <form ref={form} class="door-form" onSubmit={(event) => void submit(event)}>
      <Field label={t("in.email")} name="email" type="email" autocomplete="username" focus={!email} value={email ?? ""} />
      <Field label={t("in.password")} name="password" type="password" autocomplete="current-password" focus={!!email} />
      <div role="alert" class="door-alert">{error && <p class="door-error">{error}</p>}</div>
      <button type="submit" class="button primary big" aria-disabled={busy}>
        {t(busy ? "in.going" : "in.go")}
      </button>
    </form>
  );
}

function explain(problem: unknown): string {
  if (!(problem instanceof Problem) || problem.status === 0) return t("in.unreachable");
  if (problem.status === 429) return t("in.slow", { n: Math.ceil(problem.body.retry_after ?? 60) });
  return problem.status === 401 || problem.status === 422 ? t("in.wrong") : problem.message;
}

/** The page before anybody is signed in. */
export function SignInPage() {
  const [needed, setNeeded] = useState(false);
  useEffect(() => {
    api.setup().then(
      (answer) => setNeeded(answer.needed),
      () => undefined,
    );
  }, []);
  return (
    <Door title={t("in.title")} lead={t("in.lead")}>
      {needed && <p class="door-note">{t("in.nobody")}</p>}
      <SignInForm />
    </Door>
  );
}

/** Over the page, which stays as it is with everything typed in it. */
export function SessionEnded() {
  return (
    <Dialog title={t("net.session.title")}>
      <p class="dialog-text">{t("net.session")}</p>
      <SignInForm email={me.value?.email ?? ""} />
    </Dialog>
  );
}
