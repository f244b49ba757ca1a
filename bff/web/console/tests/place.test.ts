/** Addresses, formats and scales: what they make of what they are given. */
import { describe, expect, test } from "vitest";
import { formatDistance, formatLength, fromLocalInput, plural, toLocalInput } from "../src/format";
import { apiBase, buildPlace, parsePlace, signInUrl } from "../src/place";
import { isBeyond } from "../src/plot/Bars";
import { countTicks, stack, timeTicks } from "../src/plot/scale";

describe("the place", () => {
  test.each([
    ["/console/", "/admin/"],
    ["/bff/console/", "/bff/admin/"],
    ["/deep/er/console/index.html", "/deep/er/admin/"],
  ])("of the page %j has the API at %j", (page, api) => {
    expect(apiBase(page)).toBe(api);
  });

  test("leads back to the very view after a sign-in, and to none where there are no sessions", () => {
    expect(signInUrl("/bff/console/", "#/sessions?role=a")).toBe("/bff/login?return_to=%2Fbff%2Fconsole%2F%23%2Fsessions%3Frole%3Da");
    expect(signInUrl("/console/", "#/sessions")).toBeNull();
  });

  test.each([
    ["", { view: "overview", item: null, query: {} }],
    ["#/", { view: "overview", item: null, query: {} }],
    ["#/sessions?role=a%20b&client=", { view: "sessions", item: null, query: { role: "a b", client: "" } }],
    ["#/subjects/a%2Fb%20c", { view: "subjects", item: "a/b c", query: {} }],
    ["#/subjects/100%", { view: "subjects", item: "100%", query: {} }],
  ])("%j is understood", (hash, place) => {
    expect(parsePlace(hash)).toEqual(place);
  });

  test.each(["a/b", "ä ?&#%", "https://id.example|alice", ".."])("takes any identifier: %j comes back as it was", (item) => {
    expect(parsePlace(buildPlace("subjects", item, { q: item, none: "", nothing: null }))).toEqual({ view: "subjects", item, query: { q: item } });
  });
});

describe("a format", () => {
  test.each([
    [0, "0 s"],
    [59, "59 s"],
    [3600, "1 h"],
    [5400, "1 h 30 min"],
    [90_061, "1 d 1 h"],
  ])("of %d seconds is %j", (seconds, words) => {
    expect(formatLength(seconds)).toBe(words);
  });

  test.each([
    [1000, "now"],
    [880, "2 min ago"],
    [1000 + 12 * 3600 - 1, "in 12 h"],
    [1000 - 86_400 * 3 - 5, "3 d ago"],
  ])("of the moment %d, seen from 1000, is %j", (at, words) => {
    expect(formatDistance(at, 1000)).toBe(words);
  });

  test("counts one and many", () => {
    expect([plural(1, "session"), plural(0, "session"), plural(2, "entry", "entries")]).toEqual(["1 session", "0 sessions", "2 entries"]);
  });

  test("of an input's time comes back to the minute, and nothing stays nothing", () => {
    const at = 1_795_514_400;

    expect(fromLocalInput(toLocalInput(String(at)))).toBe(at);
    expect([toLocalInput(undefined), toLocalInput("soon"), fromLocalInput("")]).toEqual(["", "", null]);
  });
});

describe("a plot", () => {
  test.each([
    [0, [0, 1]],
    [1, [0, 1]],
    [3, [0, 1, 2, 3]],
    [47, [0, 20, 40, 60]],
    [1_000_000, [0, 500_000, 1_000_000]],
  ])("for at most %d has whole and round ticks", (most, ticks) => {
    expect(countTicks(most)).toEqual(ticks);
  });

  test("has no more moments named than asked for, all inside", () => {
    for (const [length, most] of [[3600, 4], [86_400, 6], [604_800, 7]] as const) {
      const ticks = timeTicks(1_795_514_400, 1_795_514_400 + length, most);

      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.length).toBeLessThanOrEqual(most + 1);
      expect(ticks.every(({ at }) => at >= 1_795_514_400 && at <= 1_795_514_400 + length)).toBe(true);
    }
  });

  test("stacks one series on the other, and takes a missing one as none", () => {
    const stacked = stack([
      [[0, 2], [60, 1]],
      [[0, 3]],
    ]);

    expect(stacked).toEqual([
      { at: 0, parts: [{ from: 0, to: 2 }, { from: 2, to: 5 }], total: 5 },
      { at: 60, parts: [{ from: 0, to: 1 }, { from: 1, to: 1 }], total: 1 },
    ]);
  });

  test("tells what is beyond a rule", () => {
    expect([isBeyond({ le: 3600 }, 3600), isBeyond({ le: 3601 }, 3600), isBeyond({ le: null }, 3600), isBeyond({ le: null }, null)]).toEqual([false, true, true, false]);
  });
});
