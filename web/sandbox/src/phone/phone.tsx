import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock } from "../../../shared/format";
import { Logo } from "../../../shared/icons";
import { s } from "../text";
import { Battery, NoSignal, Signal } from "../ui/glyphs";

interface Person {
  id: string | number;
  name: string;
}

interface PhoneProps {
  tone: "telegram" | "sms" | "whatsapp";
  title: string;
  subtitle: ComponentChildren;
  served: boolean;
  people: Person[];
  current: Person;
  unseen: Record<string, number>;
  onPerson: (id: string) => void;
  /** Changes when there is something new to see: the list then shows its end. */
  newest: string;
  children: ComponentChildren;
  composer: ComponentChildren;
}

/** A customer's phone: who holds it is chosen in its head. */
export function Phone(props: PhoneProps) {
  const { tone, title, people, current, unseen } = props;
  const vendor = s(`vendor.${tone}`);
  const others = people.reduce((sum, one) => sum + (one.id === current.id ? 0 : (unseen[one.id] ?? 0)), 0);
  const list = useRef<HTMLDivElement>(null);
  const toEnd = () => list.current?.scrollTo(0, list.current.scrollHeight);
  useLayoutEffect(toEnd, [props.newest, current.id]);
  return (
    <section class={`phone phone-${tone}`} aria-label={s(`phone.${tone}`)}>
      <div class="screen">
        <div class="status-bar" aria-hidden="true">
          <Time />
          <span>{props.served ? <Signal /> : <NoSignal />}<Battery /></span>
        </div>
        <header class="phone-head">
          <Logo size={24} />
          <div class="phone-title">
            <b class="ellipsis">{title}</b>
            <small class="ellipsis">{props.subtitle}</small>
          </div>
          <label class="person">
            <span class="sr">{s("who", { vendor })}</span>
            <select value={String(current.id)} onChange={(event) => props.onPerson(event.currentTarget.value)}>
              {people.map((one) => (
                <option key={one.id} value={String(one.id)}>
                  {unseen[one.id] ? `${one.name} (${unseen[one.id]})` : one.name}
                </option>
              ))}
            </select>
            <span class="person-name" aria-hidden="true">{current.name.split(" ")[0]}</span>
            {others > 0 && <span class="person-new" title={s("new", { n: others })}>{others}</span>}
          </label>
        </header>
        <div class="bubbles" ref={list} onLoadCapture={toEnd} onLoadedMetadataCapture={toEnd} role="log" tabIndex={0} aria-label={s("log", { vendor })}>
          {props.children}
        </div>
        {props.composer}
      </div>
    </section>
  );
}

function Time() {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 10_000);
    return () => clearInterval(timer);
  }, []);
  return <span class="number">{clock(now.toISOString())}</span>;
}

/** `+39 0546 010 200`, as people read it. */
export function spaced(number: string): string {
  const match = /^\+39(\d{4})(\d{3})(\d{3})$/.exec(number);
  return match ? `+39 ${match[1]} ${match[2]} ${match[3]}` : number;
}
