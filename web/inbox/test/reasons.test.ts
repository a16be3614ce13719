import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { language } from "../../shared/i18n";
import { because, explain } from "../src/ui/reasons";

afterEach(() => (language.value = "en"));

/** What Bridge itself says of Twilio's codes. */
const ofTwilio = Array.from(
  readFileSync("../bridge/channels/sms_codes.py", "utf8").matchAll(/^ {4}(\d{5}): "(.+)",$/gm),
  ([, code, words]) => `${words} (${code})`,
);

describe("why a reply cannot go", () => {
  test("is said in the agent's language", () => {
    language.value = "it";
    expect(because("Telegram asks for a pause", "telegram")).toBe("Telegram chiede una pausa");
    expect(because("Forbidden: bot was blocked by the user", "telegram")).toBe("ha bloccato il bot");
    expect(because("The phone is off or out of reach (30003)", "sms")).toBe("il telefono è spento o non raggiungibile");
    expect(because("ended", "telegram")).toBe("c'è una conversazione più recente con questo cliente");
  });

  test("stays in English only where an administrator has to look something up", () => {
    language.value = "it";
    expect(ofTwilio.length).toBeGreaterThan(20);
    const untold = ofTwilio.filter((reason) => explain(reason, "sms") === reason);
    for (const reason of untold) expect(reason).toMatch(/account|TWILIO_|file|sender|US numbers/);
  });

  test("begins small where it ends another sentence, but for names", () => {
    expect(explain("blocked", "telegram")).toBe("Blocked the bot");
    expect(because("blocked", "telegram")).toBe("blocked the bot");
    expect(because("Twilio is not available (20503)", "sms")).toBe("Twilio is not working");
    expect(because("Bad Request: message is too long", "telegram")).toBe("Bad Request: message is too long");
  });
});
