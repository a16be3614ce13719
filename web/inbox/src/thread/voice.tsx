import { useRef, useState } from "preact/hooks";
import type { Attachment } from "../../../shared/api";
import { duration } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";

/** A voice message or a sound: play, pause, and where it is. */
export function Voice({ file }: { file: Attachment }) {
  const player = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [length, setLength] = useState(file.duration ?? 0);
  const name = file.name || t(`kind.${file.kind}`);

  const toggle = () => {
    const audio = player.current!;
    if (playing) audio.pause();
    else audio.play().catch(() => setPlaying(false));
  };
  const measured = () => {
    const seconds = player.current!.duration;
    if (Number.isFinite(seconds)) setLength(seconds);
  };

  return (
    <div class="voice" role="group" aria-label={name}>
      <audio
        ref={player}
        src={file.url}
        preload={file.duration ? "none" : "metadata"}
        onLoadedMetadata={measured}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setAt(0)}
        onTimeUpdate={() => setAt(player.current!.currentTime)}
      />
      <button type="button" class="voice-play" aria-label={t(playing ? "voice.pause" : "voice.play", { name })} onClick={toggle}>
        <Icon name={playing ? "pause" : "play"} size={17} />
      </button>
      <span class="voice-words">
        {file.kind === "audio" && file.name && <b class="ellipsis">{file.name}</b>}
        <input
          type="range"
          min="0"
          max={Math.max(length, 0.1)}
          step="0.1"
          value={at}
          aria-label={t("voice.position", { name })}
          onInput={(event) => (player.current!.currentTime = Number(event.currentTarget.value))}
        />
      </span>
      <span class="voice-time">{duration(at > 0 ? at : length)}</span>
    </div>
  );
}
