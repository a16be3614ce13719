import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Menu, MenuAction, MenuTitle } from "../../../inbox/src/ui/menu";
import { Icon, type IconName } from "../../../shared/icons";
import { readFile, type FileIn } from "../state/api";
import { s, type SandboxKey } from "../text";

export interface Kind {
  key: string;
  icon: IconName;
  label: SandboxKey;
  do: () => Promise<unknown>;
}

interface ComposerProps {
  vendor: string;
  name: string;
  groups: { title: SandboxKey; kinds: Kind[] }[];
  onText: (text: string) => Promise<unknown>;
  onPicture: (file: FileIn) => Promise<unknown>;
  onProblem: (error: unknown) => void;
}

/** What a customer writes with: a field, and a menu of all that is no text. */
export function Composer({ vendor, name, groups, onText, onPicture, onProblem }: ComposerProps) {
  const [text, setText] = useState("");
  const picker = useRef<HTMLInputElement>(null);
  const run = (job: Promise<unknown>) => void job.catch(onProblem);
  const send = (event: Event) => {
    event.preventDefault();
    const words = text.trim();
    if (!words) return;
    setText("");
    onText(words).catch((error: unknown) => {
      setText((now) => now || words); // nothing typed is lost
      onProblem(error);
    });
  };
  return (
    <form class="phone-composer" onSubmit={send}>
      <Menu
        label={s("attach", { vendor })}
        side="up"
        button={(attributes) => (
          <button {...attributes} class="phone-plus" aria-label={s("attach", { vendor })}>
            <Icon name="plus" size={18} />
          </button>
        )}
      >
        {(close) => (
          <>
            <MenuAction onChoose={() => { close(); picker.current?.click(); }}>
              <Icon name="image" />{s("kind.device")}
            </MenuAction>
            {groups.map(({ title, kinds }) => (
              <Group key={title} title={title}>
                {kinds.map((kind) => (
                  <MenuAction key={kind.key} onChoose={() => { close(); run(kind.do()); }}>
                    <Icon name={kind.icon} />{s(kind.label)}
                  </MenuAction>
                ))}
              </Group>
            ))}
          </>
        )}
      </Menu>
      <input
        class="phone-field"
        value={text}
        placeholder={s("as", { name: name.split(" ")[0] ?? name })}
        aria-label={s("write", { vendor })}
        autocomplete="off"
        enterkeyhint="send"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button class="phone-send" aria-label={s("send", { vendor })}>
        <Icon name="arrow-up" size={17} />
      </button>
      <input
        ref={picker}
        type="file"
        accept="image/*"
        hidden
        aria-label={`${s("kind.device")}: ${vendor}`}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) run(readFile(file).then(onPicture));
        }}
      />
    </form>
  );
}

function Group({ title, children }: { title: SandboxKey; children: ComponentChildren }) {
  return (
    <div role="group" aria-label={s(title)}>
      <MenuTitle>{s(title)}</MenuTitle>
      {children}
    </div>
  );
}
