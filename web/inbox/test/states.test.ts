import { describe, expect, test } from "vitest";
import type { Message } from "../../shared/api";
import { thread } from "../src/state/threads";
import { look } from "../src/thread/states";
import { message } from "./make";

const LONG_AGO = "2026-11-22T12:00:00.000Z";
const reply = (change: Partial<Message>) => message({ direction: "outbound", status: "queued", created_at: LONG_AGO, ...change });

describe("a reply that waits for long", () => {
  test("says why: the vendor's reason, else the reply before it", () => {
    const first = reply({ seq: 1, reason: "Telegram asks for a pause" });
    const second = reply({ seq: 2 });
    thread("c").messages.value = [first, second];
    expect(look(first).text).toBe("Queued: Telegram asks for a pause");
    expect(look(second).text).toBe("Queued: the reply before it comes first");
  });

  test("and ends without having been sent says whether it may have arrived", () => {
    const ended = (change: Partial<Message>) => look(reply({ status: "rejected", ...change }));
    expect(ended({ reason: "given_up" }).text).toBe("Given up");
    expect(ended({ reason: "blocked" }).text).toBe("Not sent: blocked the bot");
    const doubtful = ended({ reason: "cancelled", may_be_there: true });
    expect(doubtful.text).toBe("Cancelled. It may have arrived, in part at least.");
    expect(doubtful.tone).toBe("warn");
    expect(ended({ status: "expired", may_be_there: true }).text).toBe("Not sent in time. It may have arrived, in part at least.");
  });

  test("makes no reason up where nothing is known", () => {
    const only = reply({ seq: 2 });
    thread("c").messages.value = [reply({ seq: 1, status: "sent" }), only];
    expect(look(only).text).toBe("Queued");
  });
});
