/** What views have in common: the place in the address, what was loaded from the server, the time. */
import { createContext, useCallback, useContext, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { parsePlace, type Place } from "./place";

const onHash = (tell: () => void) => {
  window.addEventListener("hashchange", tell);
  return () => window.removeEventListener("hashchange", tell);
};

/** The hash as it is in the address bar now. */
export const useHash = (): string => useSyncExternalStore(onHash, () => location.hash);

/** The place as the frame around the views has it: all that is drawn at one time is of one address. */
export const PlaceContext = createContext<Place>(parsePlace(""));
export const usePlace = (): Place => useContext(PlaceContext);

/** Goes to another place; `replace` without a step in the history. */
export function go(hash: string, { replace = false } = {}): void {
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, "", hash);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export interface Loaded<T> {
  /** The last good answer for this key, or for the one before while its own is on the way. */
  value: T | null;
  error: unknown;
  loading: boolean;
  /** When `value` came, epoch seconds. */
  at: number;
  reload: () => void;
}

/**
 * Asks again whenever `key` changes, and every `every` seconds while the page is looked at. A late answer to an old
 * question is dropped; trouble keeps what is shown, unless it was the answer to another question.
 */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, every = 0): Loaded<T> {
  const [state, setState] = useState<{ value: T | null; of: string; error: unknown; loading: boolean; at: number }>({ value: null, of: key, error: null, loading: true, at: 0 });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    latest.current(abort.signal).then(
      (value) => !abort.signal.aborted && setState({ value, of: key, error: null, loading: false, at: Date.now() / 1000 }),
      (error: unknown) =>
        !abort.signal.aborted && setState((before) => ({ ...before, value: before.of === key ? before.value : null, of: key, error, loading: false })),
    );
    return () => abort.abort();
  }, [key, round]);

  const reload = useCallback(() => setRound((before) => before + 1), []);
  useEffect(() => {
    if (every === 0) return;
    const timer = setInterval(() => !document.hidden && reload(), every * 1000);
    return () => clearInterval(timer);
  }, [every, reload]);
  return { ...state, reload };
}

/** Epoch seconds, made new every ten seconds while the page is looked at. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(Date.now() / 1000), 10_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** The width of an element in pixels, followed as it changes. */
export function useWidth<E extends Element>(): [(element: E | null) => void, number] {
  const [width, setWidth] = useState(0);
  const observer = useRef<ResizeObserver | null>(null);
  const follow = useCallback((element: E | null) => {
    observer.current?.disconnect();
    if (element === null) return;
    observer.current = new ResizeObserver(([entry]) => entry && setWidth(Math.round(entry.contentRect.width)));
    observer.current.observe(element);
  }, []);
  return [follow, width];
}

/** Something that the user set going: whether it runs, and how it failed. */
export function useAction() {
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = useCallback(async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    setRunning(true);
    setError(null);
    try {
      return await work();
    } catch (failure) {
      setError(failure);
      return undefined;
    } finally {
      setRunning(false);
    }
  }, []);
  return { running, error, run, forget: () => setError(null) };
}
