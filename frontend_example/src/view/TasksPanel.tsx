import { type FormEvent, useLayoutEffect, useReducer, useRef, useState } from "react";
import { createTask, deleteTask, fetchTasks, LONGEST_TITLE, type Task } from "../api";
import type { User } from "../bff-client";
import { formatMoment, plural } from "../format";
import { nextTaskList, type Row, UNKNOWN_LIST } from "../task-list";
import type { Failure } from "./Home";

interface Props {
  user: User;
  onFailure: (failure: Failure | null) => void;
}

/** A list from the API. What the user does shows at once and is taken back when the server says no. */
export function TasksPanel({ user, onFailure }: Props) {
  const [list, tell] = useReducer(nextTaskList, UNKNOWN_LIST);
  const [title, setTitle] = useState("");
  const [said, setSaid] = useState("");
  const drafts = useRef(0);
  const questions = useRef(0);
  const heading = useRef<HTMLHeadingElement>(null);
  const mayWrite = user.roles.includes("admin");
  const loading = list.questions.length > 0;
  const rows = list.rows?.filter((row) => row.state !== "deleting");

  async function load() {
    const question = ++questions.current;
    tell({ kind: "asked", question });
    try {
      const { items } = await fetchTasks();
      tell({ kind: "loaded", question, items });
    } catch (error) {
      tell({ kind: "load-failed", question });
      onFailure({ error, retry: load });
    }
  }

  async function add(wanted: string) {
    const draftId = `draft-${++drafts.current}`;
    onFailure(null);
    tell({ kind: "creating", draft: { id: draftId, title: wanted, created_by: user.sub, created_at: Date.now() / 1000 } });
    try {
      const task = await createTask(wanted);
      tell({ kind: "created", draftId, task });
      setSaid(`Added ${task.title}.`);
    } catch (error) {
      tell({ kind: "create-failed", draftId });
      if (mayWrite) setTitle((now) => now || wanted); // What was typed is not lost, nor what was typed since.
      onFailure({ error, retry: () => (setTitle((now) => (now === wanted ? "" : now)), void add(wanted)) });
    }
  }

  async function remove(task: Pick<Task, "id" | "title">) {
    const { id } = task;
    onFailure(null);
    tell({ kind: "deleting", id });
    heading.current?.focus(); // The button that had the focus has just gone.
    try {
      await deleteTask(id);
      tell({ kind: "deleted", id });
      setSaid(`Deleted ${task.title}.`);
    } catch (error) {
      tell({ kind: "delete-failed", id });
      onFailure({ error, retry: () => void remove(task) });
    }
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    const wanted = title.trim();
    if (wanted === "") return;
    setTitle("");
    void add(wanted);
  }

  // Before the first painting, which would else say that there is no list.
  useLayoutEffect(() => void load(), []);

  return (
    <section className="panel" aria-labelledby="tasks-title">
      <header className="panel-head">
        <h2 id="tasks-title" ref={heading} tabIndex={-1}>
          Tasks
        </h2>
        {rows && <p className="count">{plural(rows.length, "task")}</p>}
        <button type="button" className="button button-quiet push" onClick={() => void load()} disabled={loading}>
          {loading ? "Loading…" : "Refresh"}
        </button>
      </header>

      {mayWrite && (
        <form className="new-task" onSubmit={submit}>
          <label htmlFor="new-task">New task</label>
          <input
            id="new-task"
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            maxLength={LONGEST_TITLE}
            placeholder="What is to be done?"
            autoComplete="off"
            data-testid="task-title-input"
          />
          <button type="submit" className="button button-primary" disabled={title.trim() === ""} data-testid="task-create">
            Add
          </button>
        </form>
      )}

      {rows === undefined && !loading && <p className="empty">The list could not be loaded.</p>}
      {rows?.length === 0 && <p className="empty">No tasks yet.{mayWrite && " Add the first one above."}</p>}
      <ul className="tasks" data-testid="task-list" aria-busy={loading}>
        {rows?.map((row) => (
          <TaskItem key={row.id} row={row} onDelete={mayWrite ? () => void remove(row) : undefined} />
        ))}
      </ul>

      {!mayWrite && (
        <ReaderNote
          onCreate={() => void add("Added without permission")}
          onDelete={rows?.[0] && (() => void remove(rows[0]!))}
        />
      )}
      <p className="unseen" role="status">
        {said}
      </p>
    </section>
  );
}

function TaskItem({ row, onDelete }: { row: Row; onDelete: (() => void) | undefined }) {
  const saving = row.state === "saving";
  return (
    <li className={saving ? "task task-saving" : "task"} data-testid="task-item">
      <div className="task-words">
        <span className="task-title">{row.title}</span>
        <span className="task-note">{saving ? "saving…" : `${row.created_by}, ${formatMoment(row.created_at * 1000)}`}</span>
      </div>
      {onDelete && !saving && (
        <button type="button" className="button button-quiet button-danger" onClick={onDelete} aria-label={`Delete ${row.title}`} data-testid="task-delete">
          Delete
        </button>
      )}
    </li>
  );
}

/** For those who may only read: lets them see the server refuse. */
function ReaderNote({ onCreate, onDelete }: { onCreate: () => void; onDelete: (() => void) | undefined }) {
  return (
    <div className="reader-note">
      <p>
        Creating and deleting take the role <strong>admin</strong>, so this page does not offer them to you. Hiding
        buttons protects nothing, though: the server keeps the rule. Try it anyway:
      </p>
      <div className="reader-actions">
        <button type="button" className="button button-small" onClick={onCreate} data-testid="try-create">
          Add a task
        </button>
        {onDelete && (
          <button type="button" className="button button-small" onClick={onDelete} data-testid="try-delete">
            Delete the first
          </button>
        )}
      </div>
    </div>
  );
}
