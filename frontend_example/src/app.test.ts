/** The page's decisions: what it takes from an answer, and what it says about an error. */
import { describe, expect, test } from "vitest";
import type { Task, Whoami } from "./api";
import { NetworkError, ProblemError, type User } from "./bff-client";
import { explain } from "./explain";
import { formatDuration, formatLength } from "./format";
import { nextSession, type SessionState } from "./session";
import { nextTaskList, type TaskEvent, type TaskList, UNKNOWN_LIST } from "./task-list";
import { nextTokenWatch, NOTHING_SEEN } from "./token-watch";

const user = { sub: "alice", roles: ["admin"] } as unknown as User;
const task = (id: string): Task => ({ id, title: `Task ${id}`, created_by: "alice", created_at: 1 });
const refusal = (status: number, code?: string, retryAfter: number | null = null) =>
  new ProblemError(status, { ...(code && { code }), title: "Its title", detail: "Its detail" }, retryAfter);

describe("the session", () => {
  const signedIn: SessionState = { kind: "signed-in", user, seenAt: 1 };

  test("that was never there is signed out; one that was there has ended", () => {
    expect(nextSession({ kind: "loading" }, { user: null, at: 2 })).toEqual({ kind: "signed-out" });
    expect(nextSession(signedIn, { user: null, at: 2 })).toEqual({ kind: "ended", user, seenAt: 1 });
  });

  test("keeps the reason that the server told for its end", () => {
    expect(nextSession(signedIn, { user: null, at: 2, reason: "revoked" })).toEqual({ kind: "ended", user, seenAt: 1, reason: "revoked" });
  });

  test("comes back when the user signed in elsewhere", () => {
    expect(nextSession({ kind: "ended", user, seenAt: 1 }, { user, at: 5 })).toEqual({ kind: "signed-in", user, seenAt: 5 });
  });

  test("survives trouble, which is only shown when nothing else is known", () => {
    const error = new NetworkError("GET", "/bff/user", null);

    expect(nextSession(signedIn, { error })).toBe(signedIn);
    expect(nextSession({ kind: "loading" }, { error })).toEqual({ kind: "unknown", error });
  });
});

describe("the token watch", () => {
  const whoami = (expires_at: number) => ({ subject: "alice", token: { issued_at: expires_at - 60, expires_at } }) as Whoami;

  test("counts a renewal for each new expiry, not for the first one it sees", () => {
    const seen = [whoami(60), whoami(60), whoami(105), whoami(105), whoami(150)];

    const watch = seen.reduce((before, now, at) => nextTokenWatch(before, { whoami: now, at }), NOTHING_SEEN);

    expect(watch).toEqual({ whoami: whoami(150), seenAt: 4, renewals: 2, lastRenewalAt: 4, error: null });
  });

  test("takes a call with the token from before a renewal for no renewal", () => {
    const seen = [whoami(60), whoami(105), whoami(60), whoami(105)];

    const watch = seen.reduce((before, now, at) => nextTokenWatch(before, { whoami: now, at }), NOTHING_SEEN);

    expect(watch).toEqual({ whoami: whoami(105), seenAt: 3, renewals: 1, lastRenewalAt: 1, error: null });
  });

  test("keeps what it knew through trouble and forgets the trouble afterwards", () => {
    const before = nextTokenWatch(NOTHING_SEEN, { whoami: whoami(60), at: 1 });

    const troubled = nextTokenWatch(before, { error: "no answer" });

    expect(troubled).toEqual({ ...before, error: "no answer" });
    expect(nextTokenWatch(troubled, { whoami: whoami(60), at: 2 })).toMatchObject({ renewals: 0, error: null });
  });
});

describe("the task list", () => {
  const after = (...events: TaskEvent[]) => events.reduce<TaskList>(nextTaskList, UNKNOWN_LIST);
  const asked = (question: number): TaskEvent => ({ kind: "asked", question });
  const answered = (question: number, ...ids: string[]): TaskEvent => ({ kind: "loaded", question, items: ids.map(task) });
  const loaded = [asked(1), answered(1, "1", "2")];
  const creating: TaskEvent = { kind: "creating", draft: task("draft") };
  const created: TaskEvent = { kind: "created", draftId: "draft", task: task("3") };
  const deleting: TaskEvent = { kind: "deleting", id: "1" };
  const deleted: TaskEvent = { kind: "deleted", id: "1" };
  const shown = ({ rows }: TaskList) => rows?.map(({ id, state }) => `${id} ${state}`);

  test("is unknown until it has been read, and being read while a question is open", () => {
    expect(UNKNOWN_LIST).toEqual({ rows: null, questions: [] });
    expect(after(asked(1)).questions).toHaveLength(1);
    expect(after(asked(1), { kind: "load-failed", question: 1 })).toEqual(UNKNOWN_LIST);
    expect(after(...loaded).questions).toEqual([]);
  });

  test("shows a new task at once, and keeps it under the server's id", () => {
    expect(shown(after(...loaded, creating))).toEqual(["1 kept", "2 kept", "draft saving"]);
    expect(shown(after(...loaded, creating, created))).toEqual(["1 kept", "2 kept", "3 kept"]);
  });

  test("takes a refused creation and a refused deletion back", () => {
    expect(shown(after(...loaded, creating, { kind: "create-failed", draftId: "draft" }))).toEqual(["1 kept", "2 kept"]);
    expect(shown(after(...loaded, deleting))).toEqual(["1 deleting", "2 kept"]);
    expect(shown(after(...loaded, deleting, { kind: "delete-failed", id: "1" }))).toEqual(["1 kept", "2 kept"]);
    expect(shown(after(...loaded, deleting, deleted))).toEqual(["2 kept"]);
  });

  test("stays right when it is read again in the middle of a change", () => {
    const middle = after(...loaded, creating, deleting, asked(2), answered(2, "1", "2", "3"));

    expect(shown(middle)).toEqual(["1 deleting", "2 kept", "3 kept", "draft saving"]);
    expect(shown(nextTaskList(middle, created))).toEqual(["1 deleting", "2 kept", "3 kept"]);
  });

  test("keeps what was created and deleted while its answer was on the way, whether the answer knows of it or not", () => {
    const changed = after(...loaded, asked(2), creating, deleting, created, deleted);

    expect(shown(nextTaskList(changed, answered(2, "1", "2")))).toEqual(["2 kept", "3 kept"]);
    expect(shown(nextTaskList(changed, answered(2, "2", "3")))).toEqual(["2 kept", "3 kept"]);
  });

  test("shows a task created before it was read for the first time", () => {
    expect(shown(after(asked(1), creating, created, answered(1, "1")))).toEqual(["1 kept", "3 kept"]);
    expect(shown(after(creating, created))).toEqual(["3 kept"]);
  });

  test("believes an answer that was asked for after a change", () => {
    const changed = after(...loaded, creating, created, deleting, deleted);

    expect(shown([asked(2), answered(2, "1", "2")].reduce(nextTaskList, changed))).toEqual(["1 kept", "2 kept"]);
  });

  test("leaves an answer aside that a newer one has overtaken", () => {
    const overtaken = after(asked(1), asked(2), answered(2, "2"), answered(1, "1"));

    expect(overtaken).toEqual(after(asked(2), answered(2, "2")));
  });
});

describe("an explanation", () => {
  test.each([
    [new NetworkError("GET", "/api/tasks", null), "The server cannot be reached", true],
    [refusal(403, "access_denied"), "You are not allowed to do that", false],
    [refusal(502, "upstream_unreachable"), "The service behind this page is not answering", true],
    [refusal(503, "issuer_unavailable"), "Sign-in is briefly unavailable", true],
    [refusal(401, "token_rejected"), "The service did not accept your sign-in", false],
    [refusal(403, "csrf_header_required"), "The request was refused for safety", false],
    [refusal(413, "body_too_large"), "That is too much at once", false],
    [refusal(404, "task_not_found"), "It is not there any more", false],
    [refusal(500), "The service is in trouble", true],
    [refusal(400, "title_empty"), "Its title", false],
    [new TypeError("a bug"), "Something went wrong on this page", false],
  ])("of %s says %j and offers to try again where that can help: %s", (error, title, retryable) => {
    expect(explain(error, ["reader"])).toMatchObject({ title, retryable });
  });

  test("names the roles that were not enough, the time to wait, and what to quote when asking for help", () => {
    expect(explain(refusal(403, "access_denied"), ["reader", "guest"])?.advice).toContain("(reader, guest)");
    expect(explain(refusal(503, "session_store_unavailable", 30), [])).toMatchObject({
      advice: "You have not been signed out. Try again in 30 seconds.",
      reference: "503 session_store_unavailable",
    });
  });

  test.each(["session_required", "session_expired", "step_up_required"])("of %s is left to the page", (code) => {
    expect(explain(refusal(401, code), [])).toBeNull();
  });
});

test.each([
  [-3, "0 s", "0 s"],
  [59.9, "59 s", "59 s"],
  [60, "1 min 00 s", "1 min"],
  [247, "4 min 07 s", "4 min 07 s"],
  [43_140, "11 h 59 min", "11 h 59 min"],
  [43_200, "12 h 00 min", "12 h"],
  [86_400 * 2 + 3_600, "2 d 1 h", "2 d 1 h"],
  [86_400, "1 d 0 h", "1 d"],
])("%d seconds read %j when counting down and %j as a length", (seconds, counting, length) => {
  expect([formatDuration(seconds), formatLength(seconds)]).toEqual([counting, length]);
});
