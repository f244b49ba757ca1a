import { bff } from "../api";
import { Brand } from "./Brand";

/** What a visitor sees before signing in. */
export function Welcome() {
  return (
    <div className="welcome">
      <header className="welcome-top">
        <Brand />
      </header>
      <main className="welcome-main">
        <section className="pitch">
          <h1>Signed in, with no token in the browser.</h1>
          <p className="lead">
            This single-page app calls a protected API, yet holds no access token, no refresh token and no secret. A
            backend for the frontend keeps them, renews them in time, and puts them on each call.
          </p>
          <button type="button" className="button button-primary button-large" onClick={() => bff.login()} data-testid="sign-in">
            Sign in
          </button>
          <section className="demo-users" aria-labelledby="demo-users">
            <h2 id="demo-users">Demo users</h2>
            <table>
              <thead>
                <tr>
                  <th scope="col">User</th>
                  <th scope="col">Password</th>
                  <th scope="col">May</th>
                </tr>
              </thead>
              <tbody>
                <tr>
                  <td>
                    <code>alice</code>
                  </td>
                  <td>
                    <code>alice</code>
                  </td>
                  <td>
                    <span className="chip">admin</span> read, create, delete
                  </td>
                </tr>
                <tr>
                  <td>
                    <code>bob</code>
                  </td>
                  <td>
                    <code>bob</code>
                  </td>
                  <td>
                    <span className="chip">reader</span> read
                  </td>
                </tr>
              </tbody>
            </table>
          </section>
        </section>
        <Path />
      </main>
    </div>
  );
}

/** The way of one call, as a picture. */
function Path() {
  return (
    <figure className="path" aria-labelledby="path-caption">
      <ol>
        <li className="stop">
          <strong>This page</strong>
          <span>static files and a same-origin fetch</span>
        </li>
        <li className="hop">
          a cookie that scripts cannot read
          <br />
          <code>X-CSRF: 1</code>
        </li>
        <li className="stop stop-main">
          <strong>bff</strong>
          <span>keeps the session and its tokens, renews them before they expire</span>
        </li>
        <li className="hop">
          <code>Authorization: Bearer …</code>
        </li>
        <li className="stop">
          <strong>API</strong>
          <span>sees a fresh access token, never the browser’s cookie</span>
        </li>
      </ol>
      <figcaption id="path-caption">The way of one call</figcaption>
    </figure>
  );
}
