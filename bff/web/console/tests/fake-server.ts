/** `npm run dev` and `npm run preview` have the fake API beside the page, under the policy that bff sends. */
import type { Plugin } from "vite";
import { FakeApi } from "./fake-api.ts";

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const [PAGE, BASE] = ["/bff/console", "/bff/admin/"];

/** What of Node's request and response is used here. */
interface Incoming extends AsyncIterable<Uint8Array> {
  url?: string;
  method?: string;
}
interface Outgoing {
  statusCode: number;
  setHeader(name: string, value: string): void;
  end(body: string): void;
}
interface Server {
  middlewares: { use(handler: (request: Incoming, response: Outgoing, next: () => void) => void): unknown };
}

export function fakeAdminApi(): Plugin {
  const api = new FakeApi(Math.floor(Date.now() / 1000));

  async function serve(request: Incoming, response: Outgoing, next: () => void): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname.startsWith(PAGE)) request.url = (request.url ?? "").slice(PAGE.length);
    if (!url.pathname.startsWith(BASE)) return next();
    const body = await read(request);
    const answer = api.answer(request.method ?? "GET", url.pathname.slice(BASE.length), url.searchParams, body === "" ? {} : JSON.parse(body));
    response.statusCode = answer.status;
    response.setHeader("Content-Type", answer.status < 400 ? "application/json" : "application/problem+json");
    response.end(JSON.stringify(answer.body));
  }

  const install = (server: unknown) => {
    (server as Server).middlewares.use((request, response, next) => void serve(request, response, next));
  };
  return { name: "fake-admin-api", configureServer: install, configurePreviewServer: install };
}

async function read(request: Incoming): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of request) text += decoder.decode(part, { stream: true });
  return text + decoder.decode();
}
