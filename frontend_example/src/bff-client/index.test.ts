import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createBffClient, NetworkError, ProblemError, type User } from "./index";

const ALICE: User = {
  sub: "alice",
  name: "Alice",
  roles: ["admin"],
  session: { id: "handle-1", expires_in: 3600, idle_expires_in: 600 },
  logout_url: "/bff/logout?sid=handle-1",
};
const PAGE = "https://app.example/tasks?open=7#top";
const BACK_HERE = "/bff/login?return_to=%2Ftasks%3Fopen%3D7%23top";

type Call = { url: string; init: RequestInit };
type Answer = () => Response | Promise<Response>;

/** A server that gives the prepared answers in order, the last one for ever, and keeps what it was asked. */
function serve(...answers: [Answer, ...Answer[]]) {
  const calls: Call[] = [];
  const fetch = (async (url, init = {}) => {
    const answer = answers[Math.min(calls.length, answers.length - 1)]!;
    calls.push({ url: String(url), init });
    return answer();
  }) as typeof globalThis.fetch;
  return { calls, fetch };
}

const json = (value: unknown, status = 200): Answer => {
  return () => new Response(JSON.stringify(value), { status, headers: { "Content-Type": "application/json" } });
};

const problem = (status: number, code: string, members: object = {}, headers: Record<string, string> = {}): Answer => {
  const document = { type: `urn:bff:${code}`, title: `Title of ${code}`, status, detail: `Detail of ${code}`, code, ...members };
  const type = { "Content-Type": "application/problem+json" };
  return () => new Response(JSON.stringify(document), { status, headers: { ...type, ...headers } });
};

const busy = (retryAfter: string) => problem(503, "session_store_unavailable", {}, { "Retry-After": retryAfter });

/** What a promise is rejected with; fails when it is not. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

let page: EventTarget & { hidden: boolean };
let view: EventTarget;
let visited: string[];
let stops: (() => void)[];

beforeEach(() => {
  page = Object.assign(new EventTarget(), { hidden: false });
  view = new EventTarget();
  visited = [];
  stops = [];
  vi.stubGlobal("document", page);
  vi.stubGlobal("window", view);
  vi.stubGlobal("location", Object.assign(new URL(PAGE), { assign: (url: string) => visited.push(url) }));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});

afterEach(() => {
  for (const stop of stops) stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a call", () => {
  test("carries the CSRF header and the cookie of this origin only, and follows no redirect", async () => {
    const server = serve(json({ items: [] }));

    await createBffClient({ fetch: server.fetch }).get("/api/tasks");

    const { url, init } = server.calls[0]!;
    expect(url).toBe("/api/tasks");
    expect(init).toMatchObject({ method: "GET", credentials: "same-origin", redirect: "manual", body: null });
    expect(init.headers).toEqual({ Accept: "application/json", "X-CSRF": "1" });
  });

  test("sends JSON and gives the parsed answer", async () => {
    const server = serve(json({ id: "1", title: "Tea" }, 201));

    const created = await createBffClient({ fetch: server.fetch }).post("/api/tasks", { title: "Tea" });

    const { init } = server.calls[0]!;
    expect(created).toEqual({ id: "1", title: "Tea" });
    expect(init.method).toBe("POST");
    expect(init.body).toBe('{"title":"Tea"}');
    expect(init.headers).toMatchObject({ "Content-Type": "application/json", "X-CSRF": "1" });
  });

  test("cannot be talked out of the CSRF header by a caller's own headers", async () => {
    const server = serve(json({}));

    await createBffClient({ fetch: server.fetch }).request("/api/x", { headers: { "X-CSRF": "0", "X-Mine": "a" } });

    expect(server.calls[0]!.init.headers).toMatchObject({ "X-CSRF": "1", "X-Mine": "a" });
  });

  test("gives undefined for an answer without a body", async () => {
    const server = serve(() => new Response(null, { status: 204 }));

    expect(await createBffClient({ fetch: server.fetch }).delete("/api/tasks/1")).toBeUndefined();
    expect(server.calls[0]!.init.method).toBe("DELETE");
  });

  test.each(["https://evil.example/api", "//evil.example/api", "/\\evil.example", "/\t/evil.example", "api/tasks"])(
    "never leaves the origin: %j is refused before anything is sent",
    async (path) => {
      const server = serve(json({}));

      expect(await rejection(createBffClient({ fetch: server.fetch }).get(path))).toBeInstanceOf(TypeError);
      expect(server.calls).toEqual([]);
    },
  );
});

describe("a refusal", () => {
  test("becomes a ProblemError with the document's members", async () => {
    const server = serve(problem(403, "access_denied", { rule: "admins" }));

    const error = await rejection(createBffClient({ fetch: server.fetch }).post("/api/tasks", {}));

    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({
      status: 403,
      code: "access_denied",
      type: "urn:bff:access_denied",
      title: "Title of access_denied",
      detail: "Detail of access_denied",
      retryAfter: null,
      problem: { rule: "admins" },
    });
  });

  test("keeps its status when a gateway explained it in HTML", async () => {
    const server = serve(() => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } }));

    const error = await rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"));

    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ status: 502, code: "http_502", title: "The server answered 502" });
  });

  test.each(["not json", "[1]", "null", '"text"', '{"code": 7, "title": {}}'])(
    "keeps its status when its document is broken: %s",
    async (body) => {
      const headers = { "Content-Type": "application/problem+json" };
      const server = serve(() => new Response(body, { status: 400, headers }));

      const error = await rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"));

      expect(error).toMatchObject({ name: "ProblemError", status: 400, code: "http_400" });
    },
  );

  test("names a redirect and an answer that is not JSON for what they are", async () => {
    const away = serve(() => new Response(null, { status: 302, headers: { Location: "https://id.example/" } }));
    const html = serve(() => new Response("<!doctype html>", { headers: { "Content-Type": "text/html" } }));

    const redirected = await rejection(createBffClient({ fetch: away.fetch }).get("/api/tasks"));
    const page = await rejection(createBffClient({ fetch: html.fetch }).get("/api/tasks"));

    expect(redirected).toMatchObject({ name: "ProblemError", code: "unexpected_redirect" });
    expect(page).toMatchObject({ name: "ProblemError", code: "unexpected_answer" });
  });

  test("is a NetworkError with its cause when nobody answered", async () => {
    const cause = new TypeError("Failed to fetch");
    const server = serve(() => Promise.reject(cause));

    const error = await rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"));

    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ method: "GET", path: "/api/tasks", cause });
  });

  test("is the caller's own reason when the caller aborted", async () => {
    const leaving = new AbortController();
    const server = serve(() => {
      leaving.abort("left the view");
      return Promise.reject(leaving.signal.reason);
    });

    const error = await rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks", { signal: leaving.signal }));

    expect(error).toBe("left the view");
  });
});

describe("a busy server", () => {
  test("is asked once more by a GET, after the time it asked for", async () => {
    const server = serve(busy("3"), json({ items: [1] }));

    const answer = createBffClient({ fetch: server.fetch }).get("/api/tasks");
    await vi.advanceTimersByTimeAsync(2_999);
    expect(server.calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);

    expect(await answer).toEqual({ items: [1] });
    expect(server.calls).toHaveLength(2);
  });

  test("is not asked a third time", async () => {
    const server = serve(busy("1"));

    const error = rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"));
    await vi.advanceTimersByTimeAsync(60_000);

    expect(await error).toMatchObject({ status: 503, code: "session_store_unavailable", retryAfter: 1 });
    expect(server.calls).toHaveLength(2);
  });

  test.each(["POST", "DELETE", "PUT", "PATCH"])("is never asked again by a %s", async (method) => {
    const server = serve(busy("1"), json({}));

    const error = rejection(createBffClient({ fetch: server.fetch }).request("/api/tasks", { method }));
    await vi.advanceTimersByTimeAsync(60_000);

    expect(await error).toMatchObject({ status: 503 });
    expect(server.calls).toHaveLength(1);
  });

  test.each([
    ["names no time", problem(503, "issuer_unavailable"), null],
    ["wants more patience than a page has", busy("120"), 120],
    ["is broken instead of busy", problem(502, "upstream_unreachable", {}, { "Retry-After": "1" }), 1],
  ])("is not asked again when it %s", async (_, answer, retryAfter) => {
    const server = serve(answer, json({}));

    const error = rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"));
    await vi.advanceTimersByTimeAsync(300_000);

    expect(await error).toMatchObject({ name: "ProblemError", retryAfter });
    expect(server.calls).toHaveLength(1);
  });

  test("may give the time as a date (RFC 9110 §10.2.3)", async () => {
    vi.setSystemTime("2026-11-24T10:00:00Z");
    const server = serve(busy("Tue, 24 Nov 2026 10:01:30 GMT"));

    expect(await rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks"))).toMatchObject({ retryAfter: 90 });
  });

  test("is left alone when the caller gives up while waiting", async () => {
    const leaving = new AbortController();
    const server = serve(busy("5"), json({}));

    const error = rejection(createBffClient({ fetch: server.fetch }).get("/api/tasks", { signal: leaving.signal }));
    await vi.advanceTimersByTimeAsync(1_000);
    leaving.abort("left the view");
    await vi.advanceTimersByTimeAsync(60_000);

    expect(await error).toBe("left the view");
    expect(server.calls).toHaveLength(1);
  });
});

describe("a lost session", () => {
  test.each(["session_required", "session_expired", "session_elsewhere"])("(%s) is announced once however many calls fail", async (code) => {
    const server = serve(problem(401, code));
    const onSignedOut = vi.fn();
    const bff = createBffClient({ fetch: server.fetch, onSignedOut });

    const errors = await Promise.all(Array.from({ length: 10 }, () => rejection(bff.get("/api/tasks"))));

    expect(errors.map((error) => (error as ProblemError).code)).toEqual(Array(10).fill(code));
    expect(onSignedOut).toHaveBeenCalledTimes(1);
    expect(onSignedOut.mock.calls[0]![0]).toMatchObject({ status: 401, code });
  });

  test("leads, unless told otherwise, to the login and back to this very place", async () => {
    const server = serve(problem(401, "session_required"));
    const bff = createBffClient({ fetch: server.fetch });

    await Promise.all([rejection(bff.get("/api/a")), rejection(bff.post("/api/b"))]);

    expect(visited).toEqual([BACK_HERE]);
  });

  test("is not seen in other 401s, which are the API's own affair", async () => {
    const server = serve(problem(401, "token_rejected"));
    const onSignedOut = vi.fn();

    await rejection(createBffClient({ fetch: server.fetch, onSignedOut }).get("/api/tasks"));

    expect(onSignedOut).not.toHaveBeenCalled();
  });

  test("is announced again when it is lost again after a new login", async () => {
    const lost = problem(401, "session_required");
    const server = serve(lost, json(ALICE), lost);
    const onSignedOut = vi.fn();
    const bff = createBffClient({ fetch: server.fetch, onSignedOut });

    await rejection(bff.get("/api/tasks"));
    await bff.user();
    await rejection(bff.get("/api/tasks"));

    expect(onSignedOut).toHaveBeenCalledTimes(2);
  });

  test("is not announced again because an answer from before it comes late", async () => {
    let answerLate!: (response: Response) => void;
    const late = new Promise<Response>((resolve) => (answerLate = resolve));
    const server = serve(() => late, problem(401, "session_expired"));
    const onSignedOut = vi.fn();
    const bff = createBffClient({ fetch: server.fetch, onSignedOut });

    const slow = bff.user();
    await rejection(bff.get("/api/a"));
    answerLate(await json(ALICE)());
    await slow;
    await rejection(bff.get("/api/b"));

    expect(onSignedOut).toHaveBeenCalledTimes(1);
  });
});

describe("a step-up", () => {
  test("asks the provider for what the API wants, once (RFC 9470 §4)", async () => {
    const server = serve(problem(401, "step_up_required", { acr_values: "urn:acr:mfa", max_age: 0 }));
    const onSignedOut = vi.fn();
    const bff = createBffClient({ fetch: server.fetch, onSignedOut });

    await Promise.all([rejection(bff.post("/api/pay")), rejection(bff.post("/api/pay"))]);

    expect(visited).toEqual([`${BACK_HERE}&acr_values=urn%3Aacr%3Amfa&max_age=0`]);
    expect(onSignedOut).not.toHaveBeenCalled();
  });
});

describe("the user", () => {
  test("is who the server says, and looking can be told not to count as activity", async () => {
    const server = serve(json(ALICE));
    const bff = createBffClient({ fetch: server.fetch, prefix: "/auth" });

    expect(await bff.user()).toEqual(ALICE);
    expect(await bff.user({ slide: false })).toEqual(ALICE);
    expect(server.calls.map((call) => call.url)).toEqual(["/auth/user", "/auth/user?slide=false"]);
    expect(server.calls[0]!.init.headers).toMatchObject({ "X-CSRF": "1" });
  });

  test("is null when signed out, and asking starts no login", async () => {
    const server = serve(problem(401, "session_required"));

    expect(await createBffClient({ fetch: server.fetch }).user()).toBeNull();
    expect(visited).toEqual([]);
  });

  test("is unknown, not signed out, when the server has trouble", async () => {
    const server = serve(problem(503, "session_store_unavailable"));

    expect(await rejection(createBffClient({ fetch: server.fetch }).user())).toMatchObject({ status: 503 });
  });
});

describe("login and logout", () => {
  test("login comes back to where it is told, with the wishes it is given", () => {
    const bff = createBffClient({ fetch: serve(json({})).fetch });

    bff.login();
    bff.login("/welcome", { login_hint: "alice", max_age: 60, remember: true });

    expect(visited).toEqual([BACK_HERE, "/bff/login?return_to=%2Fwelcome&login_hint=alice&max_age=60&remember=true"]);
  });

  test("logout goes to the logout address of the session as it is now", async () => {
    const now = { ...ALICE, logout_url: "/bff/logout?sid=handle-2" };
    const bff = createBffClient({ fetch: serve(json(ALICE), json(now)).fetch });

    await bff.user();
    await bff.logout("/bye?x=1");

    expect(visited).toEqual(["/bff/logout?sid=handle-2&return_to=%2Fbye%3Fx%3D1"]);
  });

  test("logout never leads to another origin", async () => {
    const bff = createBffClient({ fetch: serve(json({ ...ALICE, logout_url: "//evil.example/" })).fetch });

    expect(await rejection(bff.logout())).toBeInstanceOf(TypeError);
    expect(visited).toEqual([]);
  });
});

describe("watching the session", () => {
  /** Opens a tab that watches; `seen` grows with each callback. */
  function openTab(...answers: [Answer, ...Answer[]]) {
    const server = serve(...answers);
    const bff = createBffClient({ fetch: server.fetch, onSignedOut: () => {} });
    const seen: (string | null)[] = [];
    const errors: unknown[] = [];
    const stop = bff.watchSession((user) => seen.push(user && user.sub), {
      interval: 1_000,
      onError: (error) => errors.push(error),
    });
    stops.push(stop);
    return { ...server, bff, seen, errors, stop };
  }

  function show(hidden: boolean) {
    page.hidden = hidden;
    page.dispatchEvent(new Event("visibilitychange"));
  }

  test("looks at once and at every interval, without sliding the session", async () => {
    const tab = openTab(json(ALICE));

    await vi.advanceTimersByTimeAsync(2_000);

    expect(tab.seen).toEqual(["alice", "alice", "alice"]);
    expect(new Set(tab.calls.map((call) => call.url))).toEqual(new Set(["/bff/user?slide=false"]));
  });

  test("tells of the end once and then keeps quiet", async () => {
    const tab = openTab(json(ALICE), problem(401, "session_expired"));

    await vi.advanceTimersByTimeAsync(10_000);

    expect(tab.seen).toEqual(["alice", null]);
    expect(tab.calls).toHaveLength(2);
  });

  test("takes trouble for what it is and goes on", async () => {
    const tab = openTab(json(ALICE), problem(502, "upstream_unreachable"), json(ALICE));

    await vi.advanceTimersByTimeAsync(2_000);

    expect(tab.seen).toEqual(["alice", "alice"]);
    expect(tab.errors).toMatchObject([{ status: 502 }]);
  });

  test("rests while the tab is hidden and looks as soon as it is shown", async () => {
    const tab = openTab(json(ALICE));
    await vi.advanceTimersByTimeAsync(0);

    show(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tab.calls).toHaveLength(1);
    show(false);
    await vi.advanceTimersByTimeAsync(0);

    expect(tab.calls).toHaveLength(2);
  });

  test("finds a login made in another tab when this one is shown again", async () => {
    const tab = openTab(problem(401, "session_required"), json(ALICE));
    await vi.advanceTimersByTimeAsync(0);

    show(true);
    show(false);
    await vi.advanceTimersByTimeAsync(0);

    expect(tab.seen).toEqual([null, "alice"]);
  });

  test("looks again when the browser brings the page back from its history", async () => {
    const tab = openTab(json(ALICE), problem(401, "session_required"));
    await vi.advanceTimersByTimeAsync(0);

    view.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await vi.advanceTimersByTimeAsync(0);

    expect(tab.seen).toEqual(["alice", null]);
  });

  test("hears at once when a call of this tab found the session gone", async () => {
    const tab = openTab(json(ALICE), problem(401, "session_required"));
    await vi.advanceTimersByTimeAsync(0);

    await rejection(tab.bff.post("/api/tasks"));

    expect(tab.seen).toEqual(["alice", null]);
  });

  test("hears at once when another tab logs out", async () => {
    const tab = openTab(json(ALICE));
    await vi.advanceTimersByTimeAsync(0);

    await createBffClient({ fetch: serve(json(ALICE)).fetch }).logout();

    await vi.waitFor(() => expect(tab.seen).toEqual(["alice", null]), 30_000);
    expect(tab.calls).toHaveLength(1);
  });

  test("hears at once when another tab finds the session gone", async () => {
    const tab = openTab(json(ALICE));
    await vi.advanceTimersByTimeAsync(0);
    const other = createBffClient({ fetch: serve(problem(401, "session_expired")).fetch });

    await rejection(other.get("/api/tasks"));

    await vi.waitFor(() => expect(tab.seen).toEqual(["alice", null]), 30_000);
    expect(tab.calls).toHaveLength(1);
  });

  /** The browser's streams, as far as the watch uses them; `streams` are those that were opened. */
  class Stream extends EventTarget {
    static readonly CLOSED = 2;
    readyState = 1;
    constructor(readonly url: string) {
      super();
      streams.push(this);
    }
    close() {
      this.readyState = Stream.CLOSED;
    }
    tell(name: string, data: object = {}) {
      this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
    }
  }
  let streams: Stream[];
  const open = () => streams.filter(({ readyState }) => readyState !== Stream.CLOSED);

  describe("with the server's events", () => {
    beforeEach(() => {
      streams = [];
      vi.stubGlobal("EventSource", Stream);
    });

    test("opens one stream while somebody is signed in, and none for a visitor", async () => {
      const visitor = openTab(problem(401, "session_required"));
      await vi.advanceTimersByTimeAsync(5_000);
      expect([visitor.seen, streams]).toEqual([[null], []]);

      openTab(json(ALICE));
      await vi.advanceTimersByTimeAsync(5_000);
      expect(streams.map(({ url }) => url)).toEqual(["/bff/events"]);
    });

    test("hears at once that the session has ended, and why", async () => {
      const told: unknown[] = [];
      const bff = createBffClient({ fetch: serve(json(ALICE)).fetch });
      stops.push(bff.watchSession((user, reason) => told.push([user?.sub, reason])));
      await vi.advanceTimersByTimeAsync(0);

      streams[0]!.tell("session-ended", { reason: "revoked" });

      expect(told).toEqual([["alice", undefined], [undefined, "revoked"]]);
      expect(open()).toEqual([]);
    });

    test("looks again when something has changed", async () => {
      const tab = openTab(json(ALICE), json({ ...ALICE, sub: "alice-with-other-roles" }));
      await vi.advanceTimersByTimeAsync(0);

      streams[0]!.tell("claims-changed");
      await vi.advanceTimersByTimeAsync(0);

      expect(tab.seen).toEqual(["alice", "alice-with-other-roles"]);
    });

    test("waits for the cookie of the login that has replaced the session", async () => {
      const tab = openTab(json(ALICE), json({ ...ALICE, sub: "bob" }));
      await vi.advanceTimersByTimeAsync(0);

      streams[0]!.tell("session-ended", { reason: "replaced" });
      expect(tab.seen).toEqual(["alice"]);
      await vi.advanceTimersByTimeAsync(1_000);

      expect(tab.seen).toEqual(["alice", "bob"]);
      expect(open()).toHaveLength(1);
    });

    test("takes its own sign-out for no news, while the page is being left", async () => {
      const tab = openTab(json(ALICE), json(ALICE), problem(401, "session_expired"));
      await vi.advanceTimersByTimeAsync(0);

      await tab.bff.logout();
      streams[0]!.tell("session-ended", { reason: "logout" });
      await rejection(tab.bff.get("/api/tasks"));
      await vi.advanceTimersByTimeAsync(9_000);
      expect([tab.seen, visited]).toEqual([["alice"], [ALICE.logout_url]]);

      await vi.advanceTimersByTimeAsync(3_000);
      expect(tab.seen).toEqual(["alice", null]); // The page has been kept, after all.
    });

    test("keeps no stream for a tab that nobody sees, nor after the watch", async () => {
      const tab = openTab(json(ALICE));
      await vi.advanceTimersByTimeAsync(0);

      show(true);
      expect(open()).toEqual([]);
      show(false);
      await vi.advanceTimersByTimeAsync(0);
      expect(open()).toHaveLength(1);
      tab.stop();
      expect(open()).toEqual([]);
    });

    test("opens none when the tab was hidden before the first answer came", async () => {
      openTab(json(ALICE));

      show(true);
      await vi.advanceTimersByTimeAsync(0);

      expect(open()).toEqual([]);
    });

    test("opens another stream when one was refused for good", async () => {
      openTab(json(ALICE));
      await vi.advanceTimersByTimeAsync(0);

      streams[0]!.close(); // As the browser does after any answer but 200.
      await vi.advanceTimersByTimeAsync(1_000);

      expect([streams.length, open().length]).toEqual([2, 1]);
    });
  });

  test("does not believe an answer that was under way when the session ended", async () => {
    let answerLate!: (response: Response) => void;
    const late = new Promise<Response>((resolve) => (answerLate = resolve));
    const tab = openTab(json(ALICE), () => late, problem(401, "session_expired"));
    await vi.advanceTimersByTimeAsync(1_000);

    await rejection(tab.bff.get("/api/tasks"));
    answerLate(await json(ALICE)());
    await vi.advanceTimersByTimeAsync(10_000);

    expect(tab.seen).toEqual(["alice", null]);
  });

  test("does nothing more once stopped", async () => {
    const tab = openTab(json(ALICE));
    await vi.advanceTimersByTimeAsync(0);

    tab.stop();
    show(false);
    await vi.advanceTimersByTimeAsync(60_000);

    expect(tab.seen).toEqual(["alice"]);
    expect(tab.calls).toHaveLength(1);
  });
});
