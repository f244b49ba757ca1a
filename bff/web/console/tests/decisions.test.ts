/** What is decided on this page before the server is asked, and how its lines are told. */
import { describe, expect, test } from "vitest";
import { eventInWords, fieldsOf, outcomeOf, subjectOf, whatOf } from "../src/audit";
import { countDraft, decide, type Draft, firstOf, MOST_AT_ONCE, readDraft, without, type Store, writeDraft } from "../src/draft";
import { buildTarget } from "../src/parts/RevokeDialog";
import { findingInWords } from "../src/parts/words";
import { buildQuestion } from "../src/views/Tester";

describe("a question", () => {
  test("is sent with what was filled in, and with nothing else", () => {
    expect(buildQuestion({ method: "POST", path: "/api/x", roles: "reader, admin  audit", subject: "", at: "" })).toEqual({ method: "POST", path: "/api/x", roles: ["reader", "admin", "audit"] });
    expect(buildQuestion({ path: "/a", claims: '{"a": [1]}', at: "5", session: "h", address: "::1", scope: "s" })).toEqual({ method: "GET", path: "/a", claims: { a: [1] }, at: 5, session: "h", address: "::1", scope: "s" });
  });

  test.each([
    [{ path: "api/x" }, "slash"],
    [{}, "slash"],
    [{ path: "/a", claims: "[1]" }, "JSON object"],
    [{ path: "/a", claims: "{" }, "JSON object"],
  ])("%j is not asked, and says why", (asked, words) => {
    expect(buildQuestion(asked)).toContain(words);
  });
});

describe("a revocation", () => {
  test.each([
    [{ kind: "subject", value: " alice " }, { subject: "alice" }],
    [{ kind: "before", value: "1700" }, { before: 1700 }],
    [{ kind: "all", value: "" }, { all: true }],
    [{ kind: "role", value: "  " }, null],
    [{ kind: "before", value: "" }, null],
  ] as const)("of %j asks for %j", (choice, target) => {
    expect(buildTarget(choice)).toEqual(target);
  });
});

describe("the draft of a review", () => {
  const alice = { id: "s-1", subject: "alice", issuer: "https://id", name: "Alice" };
  const made = (): [Store, Map<string, string>] => {
    const kept = new Map<string, string>();
    return [{ getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) }, kept];
  };

  test("takes a decision, a note on it, and both back", () => {
    let draft: Draft = decide({}, alice, { note: "too early" });
    expect(draft).toEqual({});
    draft = decide(draft, alice, { decision: "revoke" });
    draft = decide(draft, alice, { note: "has left" });
    draft = decide(draft, { id: "s-2", subject: "bob", issuer: "https://id", name: null }, { decision: "keep" });
    expect(draft["s-1"]).toEqual({ decision: "revoke", note: "has left", subject: "alice", issuer: "https://id", name: "Alice" });
    expect(countDraft(draft)).toEqual({ kept: 1, revoked: 1, all: 2 });
    expect(countDraft(decide(draft, alice, null))).toEqual({ kept: 1, revoked: 0, all: 1 });
  });

  test("outlives a reload for its operator alone, and leaves nothing once it is empty", () => {
    const [store, kept] = made();
    const draft = decide({}, alice, { decision: "keep" });
    writeDraft(store, "carol", draft);

    expect(readDraft(store, "carol")).toEqual(draft);
    expect(readDraft(store, "dave")).toEqual({});
    writeDraft(store, "carol", {});
    expect(kept.size).toBe(0);
  });

  test("keeps two subjects of one name apart, and is recorded a thousand at a time", () => {
    const twins = decide(decide({}, alice, { decision: "keep" }), { ...alice, id: "s-9", issuer: "https://other" }, { decision: "revoke" });
    expect(Object.values(twins).map(({ issuer, decision }) => `${issuer} ${decision}`)).toEqual(["https://id keep", "https://other revoke"]);

    const many: Draft = Object.fromEntries(Array.from({ length: MOST_AT_ONCE + 5 }, (_, number) => [`s-x${number}`, twins["s-1"]!]));
    expect(countDraft(firstOf(many)).all).toBe(MOST_AT_ONCE);
    expect(countDraft(without(many, firstOf(many))).all).toBe(5);
  });

  test.each(["{", "null", "[1]", '{"a": {"decision": "maybe"}}'])("that cannot be read, %j, begins anew", (text) => {
    const [store] = made();
    store.setItem("bff-review:carol", text);

    expect(readDraft(store, "carol")).toEqual({});
  });

  test("is made all the same in a browser that keeps nothing", () => {
    const refusing: Store = { getItem: () => null, removeItem: () => {}, setItem: () => { throw new Error("full"); } };

    expect(() => writeDraft(refusing, "carol", decide({}, alice, { decision: "keep" }))).not.toThrow();
  });
});

describe("an audit line", () => {
  const denied = { time: 1, seq: 4, event: "access.denied", outcome: "denied", subject: "bob", method: "DELETE", route: "/api", reason: "role_missing", mac: "m", prev: "p" };

  test("is told in words", () => {
    expect([eventInWords(denied.event), outcomeOf(denied), subjectOf(denied), whatOf(denied)]).toEqual(["Call denied", "denied", "bob", "DELETE /api · role missing"]);
    expect(whatOf({ time: 1, event: "admin.act", act: "sessions.show", target: "session:h" })).toBe("sessions.show session:h");
  });

  test("of an event that is new here goes by its own name", () => {
    expect([eventInWords("new.thing"), subjectOf({ time: 1, event: "new.thing" }), outcomeOf({ time: 1, event: "x" })]).toEqual(["new.thing", "–", "ok"]);
  });

  test("opens to every field, the chain's last", () => {
    expect(fieldsOf(denied).map(([name]) => name)).toEqual(["seq", "event", "outcome", "subject", "method", "route", "reason", "mac", "prev"]);
  });
});

test.each([
  ["unused_90_days", "unused for 90 days"],
  ["role_never_needed:admin", "role never needed: admin"],
  ["role_opens_nothing:a:b", "role opens nothing: a:b"],
  ["something_new", "something new"],
])("the finding %j is called %j", (finding, words) => {
  expect(findingInWords(finding)).toBe(words);
});
