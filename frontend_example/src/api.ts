/** The demo API as this page uses it, and the one client that all calls go through. */
import { createBffClient } from "./bff-client";

/** A lost session is shown by the watch in `session.ts`, with the page left as it is: so no navigation here. */
export const bff = createBffClient({ onSignedOut: () => {} });

/** What the API knows of the caller, read from the access token that bff put on the call. Times: epoch seconds. */
export interface Whoami {
  subject: string;
  name: string | null;
  roles: string[];
  scope: string;
  token: { issued_at: number; expires_at: number; expires_in: number };
  server_time: number;
}

export interface Task {
  id: string;
  title: string;
  created_by: string;
  /** Epoch seconds. */
  created_at: number;
}

export const LONGEST_TITLE = 200;

export const fetchWhoami = (signal: AbortSignal) => bff.get<Whoami>("/api/whoami", { signal });
export const fetchTasks = () => bff.get<{ items: Task[] }>("/api/tasks");
export const createTask = (title: string) => bff.post<Task>("/api/tasks", { title });
export const deleteTask = (id: string) => bff.delete(`/api/tasks/${encodeURIComponent(id)}`);
