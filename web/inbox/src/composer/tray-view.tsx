import { useEffect, useRef } from "preact/hooks";
import { size } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import type { Item, Tray } from "../state/uploads";

/** The files beside the text, each with how far it is and a way out. */
export function TrayView({ tray, onRemove }: { tray: Tray; onRemove: () => void }) {
  if (!tray.items.value.length) return null;
  return (
    <ul class="tray" aria-label={t("compose.attached")}>
      {tray.items.value.map((item) => (
        <FileTile item={item} tray={tray} onRemove={onRemove} key={item.key} />
      ))}
    </ul>
  );
}

function FileTile({ item, tray, onRemove }: { item: Item; tray: Tray; onRemove: () => void }) {
  const remove = () => {
    onRemove();
    tray.remove(item);
  };
  const { name } = item.file;
  const state = item.state.value;
  const bad = state === "failed" || state === "refused";
  return (
    <li class={bad ? "tray-item bad" : "tray-item"}>
      <span class="tray-face">
        {item.file.type.startsWith("image/") && !bad ? <Thumb file={item.file} /> : <Icon name={bad ? "circle-alert" : "file-text"} size={17} />}
      </span>
      <span class="tray-words">
        <b class="ellipsis" title={name}>{name}</b>
        {bad ? <small class="tone-bad" role="alert">{item.problem}</small> : <small>{size(item.file.size)}</small>}
        {state === "uploading" && <progress max={1} value={item.progress.value} aria-label={t("file.progress", { name })} />}
      </span>
      {state === "failed" && (
        <button type="button" class="icon-button small" aria-label={t("file.retry", { name })} onClick={() => tray.retry(item)}>
          <Icon name="refresh-cw" size={15} />
        </button>
      )}
      <button type="button" class="icon-button small" aria-label={t("file.remove", { name })} onClick={remove}>
        <Icon name="x" size={15} />
      </button>
    </li>
  );
}

const THUMB_PX = 64;

/** A small picture of a file that is not uploaded yet. Drawn: the page's policy allows no `blob:` addresses. */
function Thumb({ file }: { file: File }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    void draw(file, canvas.current!);
  }, [file]);
  return <canvas ref={canvas} width={THUMB_PX} height={THUMB_PX} aria-hidden="true" />;
}

async function draw(file: File, canvas: HTMLCanvasElement): Promise<void> {
  try {
    const picture = await createImageBitmap(file);
    const side = Math.min(picture.width, picture.height);
    const [x, y] = [(picture.width - side) / 2, (picture.height - side) / 2];
    canvas.getContext("2d")?.drawImage(picture, x, y, side, side, 0, 0, THUMB_PX, THUMB_PX);
    picture.close();
  } catch {
    // Not a picture that this browser can draw: the tile has its name.
  }
}
