import { beforeEach, describe, expect, test } from "vitest";
import { matches, newestFirst, queryOf } from "../src/logic/query";
import { channels, contact, glance, recount, takeChannels, takeContact, takeConversation } from "../src/state/conversations";
import { now } from "../src/state/freshness";
import { changeConversation, held, hold, rows, settle } from "../src/state/list";
import { address, go, parse, place } from "../src/state/place";
import { merge } from "../src/state/threads";
import { refusal } from "../src/state/uploads";
import { channel, conversation, message, person } from "./make";

const at = (minute: number) => new Date(Date.UTC(2026, 10, 22, 12, minute)).toISOString();
const anna = { id: "anna", name: "Anna" };

describe("the address", () => {
  test.each(["#/all/open", "#/mine/resolved", "#/all/open/c/42?channel=sms&assignee=anna", "#/unassigned/open/c/42/contact?q=giulia+42"])(
    "%s is where it says",
    (hash) => {
      expect(address(parse(hash))).toBe(hash);
    },
  );

  test("that makes no sense is the start", () => {
    expect(address(parse("#/%E0%A4%A/x//"))).toBe("#/all/open");
    expect(address(parse(""))).toBe("#/all/open");
  });

  test("of a one-time link has its token", () => {
    expect(parse("#/setup/a.b-c").setup).toBe("a.b-c");
  });

  test("changes in part and keeps the rest", () => {
    go({ view: "mine", channel: "sms", conversation: "1" });
    go({ conversation: "2" });
    expect(location.hash).toBe("#/mine/open/c/2?channel=sms");
  });
});

describe("a link", () => {
  const click = (href: string, how: MouseEventInit = {}) => {
    const link = document.body.appendChild(document.createElement("a"));
    link.href = href;
    const event = new MouseEvent("click", { bubbles: true, cancelable: true, ...how });
    link.appendChild(document.createElement("b")).dispatchEvent(event);
    return event.defaultPrevented;
  };

  beforeEach(() => go({ view: "all", channel: "", conversation: "1" }));

  test("leads to its place before the click is over", () => {
    expect(click("#/all/open/c/2")).toBe(true);
    expect(place.value.conversation).toBe("2");
    expect(location.hash).toBe("#/all/open/c/2");
  });

  test.each([
    ["for a new tab", "#/all/open/c/2", { ctrlKey: true }],
    ["to a part of the page", "#thread", {}],
    ["to a site", "https://example.com/#/all/open/c/2", {}],
  ])("%s is the browser's", (_, href, how) => {
    addEventListener("click", (event) => event.preventDefault(), { once: true }); // happy-dom would go there
    click(href, how);
    expect(place.value.conversation).toBe("1");
  });
});

describe("what belongs in a list", () => {
  const here = parse("#/all/open");
  test("is what the server would answer", () => {
    expect(matches(conversation(), here, "anna")).toBe(true);
    expect(matches(conversation({ status: "resolved" }), here, "anna")).toBe(false);
    expect(matches(conversation({ channel: "sms" }), parse("#/all/open?channel=telegram"), "anna")).toBe(false);
    expect(matches(conversation({ assignee: anna }), parse("#/mine/open"), "anna")).toBe(true);
    expect(matches(conversation({ assignee: anna }), parse("#/unassigned/open"), "anna")).toBe(false);
    expect(queryOf(parse("#/unassigned/open"))).toMatchObject({ assignee: "none", status: "open" });
  });

  test("is ordered as on the server, the id between equals", () => {
    const list = [conversation({ id: "a" }), conversation({ id: "b" }), conversation({ id: "c", last_message_at: at(9) })];
    expect(list.sort(newestFirst).map((one) => one.id)).toEqual(["c", "b", "a"]);
  });

  test("is counted when it changes hands or state", () => {
    const before = { mine: 1, unassigned: 2, all: 5, resolved: 0 };
    expect(recount(before, conversation(), conversation({ assignee: anna }), "anna")).toEqual({ ...before, mine: 2, unassigned: 1 });
    expect(recount(before, conversation(), conversation({ status: "resolved" }), "anna")).toEqual({ mine: 1, unassigned: 1, all: 4, resolved: 1 });
  });
});

describe("the list", () => {
  beforeEach(() => {
    go({ ...parse("#/all/open") });
    hold(false);
    for (const [id, minute] of [["x", 1], ["y", 2], ["z", 3]] as const) {
      takeConversation(conversation({ id, last_message_at: at(minute), status: "open" }), now());
    }
    settle();
  });

  const shown = () => rows.value.filter((id) => "xyz".includes(id));

  test("puts the newest on top", () => {
    changeConversation(conversation({ id: "x", last_message_at: at(10) }));
    expect(shown()).toEqual(["x", "z", "y"]);
  });

  test("does not move under the pointer, and says how many would", () => {
    const before = shown();
    hold(true);
    changeConversation(conversation({ id: before[2]!, last_message_at: at(20) }));
    expect(shown()).toEqual(before);
    expect(held.value.size).toBe(1);
    hold(false);
    expect(shown()[0]).toBe(before[2]);
    expect(held.value.size).toBe(0);
  });

  test("follows at once what I do myself", () => {
    hold(true);
    changeConversation(conversation({ id: "y", status: "resolved" }), true);
    expect(shown()).not.toContain("y");
  });
});

describe("two copies of one thing", () => {
  test("an answer that was overtaken by the feed is not taken", () => {
    const since = now();
    takeConversation(conversation({ id: "r", unread: 3 }));
    takeConversation(conversation({ id: "r", unread: 0 }), since);
    expect(glance("r")!.unread).toBe(3);
    takeConversation(conversation({ id: "r", unread: 0 }), now());
    expect(glance("r")!.unread).toBe(0);
  });

  test("so it is with channels and contacts", () => {
    const since = now();
    takeChannels([channel({ state: "down" })]);
    takeChannels([channel({ state: "up" })], since);
    expect(channels.value!.map((one) => one.state)).toEqual(["down"]);
    takeChannels([channel({ state: "up" })], now());
    expect(channels.value!.map((one) => one.state)).toEqual(["up"]);

    takeContact(person({ id: "u", name: "Nobody looks" }));
    expect(contact("u").value).toBeNull();
    takeContact(person({ id: "u", name: "Giulia" }));
    takeContact(person({ id: "u", name: "Before" }), since);
    expect(contact("u").value!.name).toBe("Giulia");
    takeContact(person({ id: "u", name: "Giulia Renzi" }), now());
    expect(contact("u").value!.name).toBe("Giulia Renzi");
  });

  test("a message that comes twice is there once, in its place, in its newer state", () => {
    const older = [message({ seq: 1 }), message({ seq: 2 }), message({ seq: 3 })];
    const merged = merge(older, [message({ seq: 2, status: "delivered" }), message({ seq: 4 })]);
    expect(merged.map((one) => [one.seq, one.status])).toEqual([[1, "received"], [2, "delivered"], [3, "received"], [4, "received"]]);
  });
});

test("a file is refused before it is uploaded, with the limit", () => {
  const limits = { text: 1, caption: 0, files: 2, file_size: 50_000_000, highest: "sent", segments: false } as const;
  expect(refusal({ size: 60_000_000 }, 0, limits, "Telegram")).toBe("Telegram takes files up to 50 MB.");
  expect(refusal({ size: 10 }, 2, limits, "Telegram")).toBe("Telegram takes 2 files at a time.");
  expect(refusal({ size: 0 }, 0, limits, "Telegram")).toBe("This file is empty.");
  expect(refusal({ size: 10 }, 1, limits, "Telegram")).toBe("");
});
