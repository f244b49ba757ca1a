/** The admin API as it is called, and what is made of its refusals. */
import { describe, expect, test } from "vitest";
import { createApi } from "../src/client/api";
import type { Door } from "../src/client/exchange";
import { NetworkError, ProblemError } from "../src/client/problem";
import type { Me } from "../src/client/shapes";
import { explain } from "../src/explain";
import { nextOperator, type OperatorState } from "../src/operator";
import { signOutUrl } from "../src/sign-out";
import { FakeApi, problem } from "./fake-api";

const NOW = 1_795_514_400;

/** A door with the fake behind it, and the calls as they were sent. */
function open(token = "", fake = new FakeApi(NOW)) {
  const sent: { url: string; init: RequestInit }[] = [];
  const fetch = (async (input, init = {}) => {
    const url = new URL(String(input), "http://localhost");
    sent.push({ url: url.pathname + url.search, init });
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : {};
    const answer = fake.answer(init.method ?? "GET", url.pathname.replace("/bff/admin/", ""), url.searchParams, body);
    const kind = answer.status < 400 ? "application/json" : "application/problem+json";
    return new Response(JSON.stringify(answer.body), { status: answer.status, headers: { "Content-Type": kind, "Retry-After": "7" } });
  }) as typeof globalThis.fetch;
  const door: Door = { base: "/bff/admin/", token: () => token, fetch };
  return { api: createApi(door), sent, fake };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

describe("a call", () => {
  test("of a session carries the CSRF header and no Authorization, and follows no redirect", async () => {
    const { api, sent } = open();

    await api.me();

    expect(sent[0]!.url).toBe("/bff/admin/me");
    expect(sent[0]!.init.headers).toEqual({ Accept: "application/json", "X-CSRF": "1" });
    expect(sent[0]!.init).toMatchObject({ method: "GET", credentials: "same-origin", redirect: "error", cache: "no-store" });
  });

  test("of an operator carries the token", async () => {
    const { api, sent } = open("s3cret");

    await api.sessions({});

    expect(sent[0]!.init.headers).toMatchObject({ Authorization: "Bearer s3cret" });
    expect(sent[0]!.url).not.toContain("s3cret");
  });

  test("for a list asks for one page, leaves out what is empty, and finds the next by the server's cursor", async () => {
    const { api, sent } = open();

    const first = await api.audit({ q: "", event: "access.denied", limit: 30 });
    const second = await api.audit({ event: "access.denied", limit: 30, after: first.next });

    expect(sent.map(({ url }) => url)).toEqual(["/bff/admin/audit?limit=30&event=access.denied", "/bff/admin/audit?limit=30&event=access.denied&after=30"]);
    expect([first.items.length, second.items.length, second.next]).toEqual([30, 3, null]);
    expect(second.items[0]!.time).toBeLessThan(first.items[29]!.time);
  });

  test("for a list that is searched through goes on by itself until there is something to show", async () => {
    const answers: Record<string, unknown> = { "": { items: [], next: "a" }, a: { items: [], next: "b" }, b: { items: [{ time: 1 }], next: null } };
    const asked: string[] = [];
    const fetch = (async (input: RequestInfo | URL) => {
      const after = new URL(String(input), "http://localhost").searchParams.get("after") ?? "";
      asked.push(after);
      return Response.json(answers[after]);
    }) as typeof globalThis.fetch;

    const page = await createApi({ base: "/admin/", token: () => "", fetch }).audit({ q: "rare" });

    expect(page).toEqual({ items: [{ time: 1 }], next: null });
    expect(asked).toEqual(["", "a", "b"]);
  });

  test("for a list that never ends gives up in time, and keeps the way on", async () => {
    let asked = 0;
    const fetch = (async () => Response.json({ items: [], next: `c${++asked}` })) as typeof globalThis.fetch;

    const page = await createApi({ base: "/admin/", token: () => "", fetch }).sessions({ role: "rare" });

    expect([page.items, page.next, asked]).toEqual([[], "c20", 20]);
  });

  test("for one thing escapes its name", async () => {
    const { api, sent } = open();

    await rejection(api.session("../me?x#y"));

    expect(sent[0]!.url).toBe("/bff/admin/sessions/..%2Fme%3Fx%23y");
  });

  test("that only counts says so, and ends nothing", async () => {
    const { api, fake } = open();
    const before = fake.sessions.length;

    const counted = await api.countRevocation({ role: "admin" });

    expect(counted.matched).toBeGreaterThan(0);
    expect(fake.sessions.length).toBe(before);
    expect(fake.calls[0]!.body).toEqual({ role: "admin", dry_run: true });
  });

  test("without an answer is a NetworkError; an abort stays an abort", async () => {
    const failing: Door = { base: "/admin/", token: () => "", fetch: async (_, init) => Promise.reject(init?.signal?.reason ?? new TypeError("refused")) };
    const abort = new AbortController();
    abort.abort(new Error("left"));

    expect(await rejection(createApi(failing).me())).toBeInstanceOf(NetworkError);
    expect(await rejection(createApi(failing).me(abort.signal))).toMatchObject({ message: "left" });
  });

  test("that meets a page instead of JSON says that it was not bff", async () => {
    const door: Door = { base: "/admin/", token: () => "", fetch: async () => new Response("<html>", { headers: { "Content-Type": "text/html" } }) };

    expect(await rejection(createApi(door).me())).toMatchObject({ code: "unexpected_answer" });
  });
});

describe("a sign-out", () => {
  const door = (answer: Response): Door => ({ base: "/bff/", token: () => "", fetch: async () => answer });

  test("goes through the session's own link and comes back to the console", async () => {
    const url = await signOutUrl(door(Response.json({ logout_url: "/bff/logout?sid=h" })), "/bff/console/");

    expect(url).toBe("/bff/logout?sid=h&return_to=%2Fbff%2Fconsole%2F");
  });

  test("of a session that is over already goes to the door; trouble is told", async () => {
    expect(await signOutUrl(door(new Response("{}", { status: 401 })), "/bff/console/")).toBe("/bff/console/");
    expect(await rejection(signOutUrl(door(new Response("{}", { status: 503 })), "/bff/console/"))).toBeInstanceOf(ProblemError);
  });
});

describe("a refusal", () => {
  const refusal = (status: number, code: string, detail = "Its detail") => new ProblemError(status, { code, title: "Its title", detail, request_id: "r1" }, 7);

  test("is told with its reason, and with what to look up", () => {
    expect(explain(refusal(403, "access_denied", "It takes one of these roles: admin."))).toEqual({
      title: "You are not allowed to do that",
      advice: "It takes one of these roles: admin.",
      reference: "403 access_denied · request r1",
      retryable: false,
    });
  });

  test.each([
    [501, "audit_not_searchable", "standard output", false],
    [503, "session_store_unavailable", "Try again in 7 seconds", true],
    [422, "invalid_request", "Its detail", false],
    [418, "unheard_of", "Its detail", false],
    [500, "internal_error", "Its detail", true],
  ])("%d %s tells what to do", (status, code, words, retryable) => {
    const told = explain(refusal(status, code));

    expect(told.advice).toContain(words);
    expect(told.retryable).toBe(retryable);
  });

  test("by nobody, or by this page itself, is told as well", () => {
    expect(explain(new NetworkError("GET me", null)).retryable).toBe(true);
    expect(explain(new TypeError("x")).title).toContain("fault");
  });
});

describe("the operator", () => {
  const me = { operator: "alice", kind: "session" } as Me;
  const asking: OperatorState = { kind: "asking" };
  const known: OperatorState = { kind: "known", me };
  const refused = (status: number, code: string, hasToken = false) => ({ error: new ProblemError(status, { code }), hasToken });

  test.each([
    [refused(401, "session_required"), { kind: "sign-in" }],
    [refused(401, "operator_required"), { kind: "token", refused: false }],
    [refused(401, "operator_required", true), { kind: "token", refused: true }],
    [refused(404, "route_not_found"), { kind: "not-configured" }],
  ])("who comes is asked for what is missing", (event, state) => {
    expect(nextOperator(asking, event)).toEqual(state);
  });

  test("who lacks the role is told so, and why", () => {
    expect(nextOperator(asking, refused(403, "access_denied"))).toMatchObject({ kind: "not-allowed", problem: { code: "access_denied" } });
  });

  test("whose session ends keeps the page, and gets it back by signing in", () => {
    const ended = nextOperator(known, refused(401, "session_required"));

    expect(ended).toEqual({ kind: "ended", me });
    expect(nextOperator(ended, { me })).toEqual(known);
  });

  test("is not sent away by trouble on the way", () => {
    expect(nextOperator(known, { error: new NetworkError("GET me", null), hasToken: false })).toBe(known);
    expect(nextOperator(known, refused(503, "session_store_unavailable"))).toBe(known);
    expect(nextOperator(asking, refused(503, "session_store_unavailable"))).toMatchObject({ kind: "trouble" });
  });

  test("is refused by the fake as by the server", async () => {
    const { api, fake } = open();
    fake.refuse = problem(403, "access_denied", "Not allowed", "The console takes one of these roles: admin.");

    expect(await rejection(api.me())).toMatchObject({ status: 403, code: "access_denied", retryAfter: 7 });
  });
});
