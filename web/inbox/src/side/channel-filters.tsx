import type { Channel } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { ChannelBadge } from "../../../shared/icons";
import { channelName, channels } from "../state/conversations";
import { hrefTo, place } from "../state/place";

const RANK: Record<Channel["state"], number> = {
  up: 0, setup: 1, recovering: 2, degraded: 3, down: 4,
};

/** One entry for each type of channel, with the health of the worst of its accounts. */
export function byType(all: Channel[]): Channel[] {
  const worst = new Map<string, Channel>();
  for (const one of all) {
    const before = worst.get(one.type);
    if (!before || RANK[one.state] > RANK[before.state]) worst.set(one.type, one);
  }
  return Array.from(worst.values());
}

/** The channels with their health; each filters the list, and once more shows all again. */
export function ChannelFilters() {
  const all = channels.value;
  if (!all) return <div class="side-space" />;
  return (
    <div class="side-space">
      <h2 class="side-title">{t("nav.channels")}</h2>
      {all.length === 0 && <p class="side-empty">{t("channels.none")}</p>}
      <ul class="side-list" aria-label={t("nav.channels")}>
        {byType(all).map((one) => (
          <ChannelLink channel={one} key={one.type} />
        ))}
      </ul>
    </div>
  );
}

function ChannelLink({ channel }: { channel: Channel }) {
  const on = place.value.channel === channel.type;
  const name = channelName(channel.type);
  const state = t(`health.${channel.state}`);
  return (
    <li>
      <a
        class="side-link"
        href={hrefTo({ channel: on ? "" : channel.type, q: "", conversation: "", contact: false })}
        aria-current={on ? "true" : undefined}
        title={channel.detail || undefined}
        data-tip={name}
      >
        <ChannelBadge type={channel.type} label={name} size={17} />
        <span class="side-name">{name}</span>
        <span class={`side-health health-${channel.state}`}>
          <span class={channel.state === "up" ? "sr" : "side-word"}>{state}</span>
          <i class="dot" />
        </span>
      </a>
    </li>
  );
}
