import { useRef, useState } from "preact/hooks";
import { api, Problem } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { go } from "../state/place";
import { welcome } from "../state/session";
import { Door } from "./door";
import { Field } from "./field";

type Errors = Record<string, string>;

/** Makes the first administrator from the one-time link that the first start printed. */
export function SetupPage({ token }: { token: string }) {
  const [errors, setErrors] = useState<Errors>({});
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const values = new FormData(form.current!);
    const text = (name: string) => String(values.get(name));
    setBusy(true);
    setErrors({});
    try {
      const { agent } = await api.firstAgent({
        token,
        name: text("name").trim(),
        email: text("email").trim(),
        password: text("password"),
      });
      go({ conversation: "" }, true);
      welcome(agent);
    } catch (problem) {
      setBusy(false);
      setErrors(explain(problem));
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus());
    }
  };

  return (
    <Door title={t("setup.title")} lead={t("setup.lead")}>
      <form ref={form} class="door-form" onSubmit={(event) => void submit(event)}>
        <Field label={t("setup.name")} name="name" type="text" autocomplete="name" error={errors.name} maxLength={200} focus />
        <Field label={t("in.email")} name="email" type="email" autocomplete="username" error={errors.email} />
        <Field
          label={t("in.password")}
          name="password"
          type="password"
          autocomplete="new-password"
          hint={t("setup.password.hint")}
          error={errors.password}
          minLength={8}
          maxLength={1000}
        />
        <div role="alert" class="door-alert">{errors.form && <p class="door-error">{errors.form}</p>}</div>
        <button type="submit" class="button primary big" aria-disabled={busy}>
          {t(busy ? "setup.going" : "setup.go")}
        </button>
        <a class="door-link" href="#/all/open">{t("setup.signin")}</a>
      </form>
    </Door>
  );
}

function explain(problem: unknown): Errors {
  if (!(problem instanceof Problem) || problem.status === 0) return { form: t("in.unreachable") };
  if (problem.status === 403) return { form: t("setup.expired") };
  const fields = problem.body.fields ?? [];
  const known = fields.filter((one) => ["name", "email", "password"].includes(one.field));
  if (!known.length) return { form: problem.message };
  return Object.fromEntries(known.map(({ field }) => [field, t(`setup.bad.${field as "name" | "email" | "password"}`)]));
}
