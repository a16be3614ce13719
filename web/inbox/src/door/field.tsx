import { useId, useState } from "preact/hooks";
import { t } from "../../../shared/i18n";

interface FieldProps {
  label: string;
  name: string;
  type: "text" | "email" | "password";
  autocomplete: string;
  error?: string | undefined;
  hint?: string;
  focus?: boolean;
  value?: string;
  minLength?: number;
  maxLength?: number;
}

/** A labelled field with its error below; a password can be looked at. */
export function Field({ label, name, type, autocomplete, error, hint, focus = false, value, minLength, maxLength }: FieldProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const about = error ? `${id}-error` : hint ? `${id}-hint` : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-input">
        <input
          id={id}
          name={name}
          type={shown ? "text" : type}
          autocomplete={autocomplete}
          autofocus={focus}
          defaultValue={value ?? ""}
          minLength={minLength}
          maxLength={maxLength}
          required
          aria-invalid={error ? true : undefined}
          aria-describedby={about}
        />
        {type === "password" && (
          <button type="button" class="field-show" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {t(shown ? "in.hide" : "in.show")}
          </button>
        )}
      </div>
      {error ? <p class="field-error" id={`${id}-error`}>{error}</p> : hint && <p class="field-hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}
