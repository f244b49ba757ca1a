/** The stream of `GET /bff/events`, which tells at once what a look every few seconds would find later. */

export interface NewsHandlers {
  /** The session is over; the stream has nothing more to tell. */
  onEnded: (reason: string) => void;
  /** Something about the session is another than it was: it is worth a look. */
  onChanged: () => void;
}

/** null where the browser has no such streams. It connects again by itself until it is closed or refused. */
export function openNews(url: string, { onEnded, onChanged }: NewsHandlers): EventSource | null {
  if (typeof EventSource === "undefined") return null;
  const stream = new EventSource(url);
  stream.addEventListener("session-ended", (event) => {
    stream.close();
    onEnded(reasonIn(event.data));
  });
  stream.addEventListener("session-extended", onChanged);
  stream.addEventListener("claims-changed", onChanged);
  return stream;
}

function reasonIn(data: unknown): string {
  try {
    const { reason } = JSON.parse(String(data));
    return typeof reason === "string" ? reason : "ended";
  } catch {
    return "ended";
  }
}
