import { useEffect, useMemo, useRef, useState } from "react";
import { SignIn, TokenForm } from "./Entrance";
import { PlaceContext, useAction, useHash, usePlace } from "./hooks";
import { useConsole } from "./operator";
import { Brand } from "./parts/Brand";
import { Failure, Notice } from "./parts/Notice";
import { buildPlace, endpointsBase, parsePlace } from "./place";
import { signOutUrl } from "./sign-out";
import { AuditView } from "./views/AuditView";
import { FindingsView } from "./views/FindingsView";
import { OverviewView } from "./views/OverviewView";
import { ReviewView } from "./views/ReviewView";
import { RoutesView } from "./views/RoutesView";
import { SessionView } from "./views/SessionView";
import { SessionsView } from "./views/SessionsView";
import { SubjectView } from "./views/SubjectView";
import { SubjectsView } from "./views/SubjectsView";

const VIEWS = [
  ["overview", "Overview"],
  ["sessions", "Sessions"],
  ["subjects", "Subjects and roles"],
  ["routes", "Routes and rules"],
  ["findings", "Findings"],
  ["audit", "Audit log"],
  ["review", "Access review"],
] as const;

interface Props {
  ended: boolean;
  onToken: (token: string) => void;
  onForget: () => void;
}

/** The frame around every view: where one can go, who one is, and what became of the session. */
export function Shell({ ended, onToken, onForget }: Props) {
  const { me } = useConsole();
  const hash = useHash();
  const place = useMemo(() => parsePlace(hash), [hash]);
  const main = useRef<HTMLElement>(null);
  const [wasAt, setWasAt] = useState(`${place.view}/${place.item}`);
  const title = VIEWS.find(([view]) => view === place.view)?.[1] ?? "Not here";
  useSlashForSearch();

  // A new view is where reading goes on: the focus moves to its heading, once it has changed and not before.
  useEffect(() => {
    document.title = `${title} · bff console`;
    // On a narrow page the views stand in one row that is wider than the page.
    document.querySelector(".side-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const isAt = `${place.view}/${place.item}`;
    if (isAt === wasAt) return;
    setWasAt(isAt);
    window.scrollTo(0, 0);
    main.current?.querySelector("h1")?.focus();
  }, [place.view, place.item, title, wasAt]);

  return (
    <div className="shell">
      <a
        className="skip"
        href={hash || "#/overview"}
        onClick={(event) => {
          event.preventDefault();
          main.current?.querySelector("h1")?.focus();
        }}
      >
        Skip to the content
      </a>
      <header className="side">
        <a className="side-brand" href={buildPlace("overview")} aria-label="bff console, overview">
          <Brand />
        </a>
        <nav className="side-nav" aria-label="Views">
          {VIEWS.map(([view, words]) => (
            <a key={view} href={buildPlace(view)} aria-current={place.view === view ? "page" : undefined}>
              {words}
            </a>
          ))}
        </nav>
        <div className="side-foot">
          <p className="side-who" data-testid="operator">
            <strong>{typeof me.claims["name"] === "string" ? me.claims["name"] : me.operator}</strong>
            <span className="faint">{me.kind === "token" ? "operator’s token" : "signed in"}</span>
          </p>
          {me.kind === "token" ? (
            <button type="button" className="button button-small" onClick={onForget}>
              Forget the token
            </button>
          ) : (
            <div className="row">
              <SignOut />
              <a className="button button-small button-quiet side-app" href="/">
                To the app
              </a>
            </div>
          )}
          <p className="side-server faint">
            bff {me.version} · {me.store}
            <br />
            {hostOf(me.public_url)}
          </p>
        </div>
      </header>
      <main className="main" ref={main} id="main">
        {ended && (
          <div className="ended" data-testid="session-ended">
            <Notice tone="warn" title={me.kind === "token" ? "The token is not accepted any more" : "Your session has ended"} role="alert">
              <p>{me.kind === "token" ? "Paste the one that is configured now to go on here." : "What you see is as it was. Sign in again to go on at this very place."}</p>
              {me.kind === "token" ? <TokenForm onToken={onToken} /> : <SignIn words="Sign in again" />}
            </Notice>
          </div>
        )}
        <div inert={ended} className={ended ? "faded" : undefined}>
          <PlaceContext.Provider value={place}>
            <View />
          </PlaceContext.Provider>
        </div>
      </main>
    </div>
  );
}

function SignOut() {
  const { running, error, run } = useAction();
  const base = endpointsBase(location.pathname);
  if (base === null) return null;

  async function leave(from: string) {
    await run(async () => {
      const url = await signOutUrl({ base: from, token: () => "", fetch: (input, init) => fetch(input, init) }, location.pathname);
      if (url === location.pathname) location.reload();
      else location.assign(url);
    });
  }

  return (
    <>
      <button type="button" className="button button-small" disabled={running} onClick={() => void leave(base)} data-testid="sign-out">
        {running ? "Signing out…" : "Sign out"}
      </button>
      <Failure error={error} onRetry={() => void leave(base)} />
    </>
  );
}

function View() {
  const place = usePlace();
  switch (place.view) {
    case "overview":
      return <OverviewView />;
    case "sessions":
      return place.item === null ? <SessionsView /> : <SessionView key={place.item} handle={place.item} />;
    case "subjects":
      return place.item === null ? <SubjectsView /> : <SubjectView key={place.item} id={place.item} />;
    case "routes":
      return <RoutesView />;
    case "findings":
      return <FindingsView />;
    case "audit":
      return <AuditView />;
    case "review":
      return <ReviewView />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>There is no such view</h1>
          <p className="lead">
            The address names none. <a href={buildPlace("overview")}>Go to the overview.</a>
          </p>
        </>
      );
  }
}

/** `/` goes to the search field of the view, unless something is being typed. */
function useSlashForSearch(): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
      const search = document.querySelector<HTMLInputElement>("[data-search]");
      if (!search || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      search.focus();
      if (search instanceof HTMLInputElement) search.select();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
