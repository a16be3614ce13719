import { useState } from "preact/hooks";
import type { Attachment } from "../../../shared/api";
import { size } from "../../../shared/format";
import { t, type TextKey } from "../../../shared/i18n";
import { Icon, type IconName } from "../../../shared/icons";
import { Dialog } from "../ui/dialog";
import { Voice } from "./voice";

const WIDEST = 260;
const TALLEST = 280;

/** A file of a message: shown, played, or a tile to download. */
export function AttachmentView({ file }: { file: Attachment }) {
  if (file.state !== "stored") return <Missing file={file} />;
  const still = file.mime.startsWith("image/");
  if (file.kind === "image" || (still && file.kind !== "document")) return <Picture file={file} />;
  if (file.mime.startsWith("video/")) return <Moving file={file} />;
  if (file.kind === "voice" || file.kind === "audio") return <Voice file={file} />;
  return <Tile file={file} />;
}

/** The box that a picture will fill, so that nothing moves when it arrives. */
export function box(file: Pick<Attachment, "width" | "height" | "kind">): { width: string; aspectRatio: string } {
  const widest = file.kind === "sticker" ? 144 : WIDEST;
  const width = file.width || widest;
  const height = file.height || widest * 0.75;
  const scale = Math.min(1, widest / width, TALLEST / height);
  // A sliver is given some width: it must be possible to see and to hit.
  return { width: `${Math.max(72, Math.round(width * scale))}px`, aspectRatio: `${width} / ${height}` };
}

function Picture({ file }: { file: Attachment }) {
  const [open, setOpen] = useState(false);
  const name = file.name || t(`kind.${file.kind}`);
  if (file.kind === "sticker") return <img class="sticker" style={box(file)} src={file.url} alt={t("kind.sticker")} loading="lazy" />;
  return (
    <>
      <button type="button" class="picture" style={box(file)} aria-label={t("thread.open.image", { name })} onClick={() => setOpen(true)}>
        <img src={file.url} alt="" loading="lazy" decoding="async" />
      </button>
      {open && (
        <Dialog title={name} wide onClose={() => setOpen(false)}>
          <img class="picture-full" src={file.url} alt={name} />
          <p class="picture-more">
            <a class="button" href={file.url} download={file.name || true}>
              <Icon name="download" /> {t("thread.download", { name })}
            </a>
          </p>
        </Dialog>
      )}
    </>
  );
}

function Moving({ file }: { file: Attachment }) {
  const loop = file.kind === "animation" || file.kind === "sticker";
  return (
    <video
      class={file.kind === "sticker" ? "sticker" : "picture"}
      style={box(file)}
      src={file.url}
      controls
      loop={loop}
      muted={loop}
      playsInline
      preload="metadata"
      aria-label={file.name || t(`kind.${file.kind}`)}
    />
  );
}

const TILE_ICONS: Partial<Record<Attachment["kind"], IconName>> = {
  image: "image", video: "video", animation: "image", audio: "audio-lines", voice: "mic", sticker: "sticker",
};

function Tile({ file }: { file: Attachment }) {
  const name = file.name || t(`kind.${file.kind}`);
  return (
    <a class="tile" href={file.url} download={file.name || true} title={t("thread.download", { name })}>
      <TileFace file={file} about={file.size === null ? "" : size(file.size)} />
    </a>
  );
}

/** A file that is not here: on its way, lost, or too big. */
function Missing({ file }: { file: Attachment }) {
  const about: Record<string, TextKey> = { pending: "thread.file.pending", failed: "thread.file.failed", too_big: "thread.file.toobig" };
  const key = about[file.state];
  return (
    <div class={`tile missing missing-${file.state}`}>
      <TileFace file={file} about={[key ? t(key) : "", file.size === null ? "" : size(file.size)].filter(Boolean).join(" · ")} />
    </div>
  );
}

function TileFace({ file, about }: { file: Attachment; about: string }) {
  return (
    <>
      <span class="tile-icon">
        <Icon name={TILE_ICONS[file.kind] ?? "file-text"} size={18} />
      </span>
      <span class="tile-words">
        <b class="ellipsis">{file.name || t(`kind.${file.kind}`)}</b>
        <small>{about}</small>
      </span>
    </>
  );
}
