// @ts-check

/** @typedef {'connecting' | 'live' | 'away'} ConnectionState */

/** @type {{ state: ConnectionState, sinceMs: number }} */
const connection = { state: 'connecting', sinceMs: Date.now() };

/** Whether the coordinator answers, as requests and streams last found it. */
export function connectionState() {
  return connection;
}

/** The coordinator answered. */
export function reportReached() {
  change('live');
}

/** The coordinator did not answer; whoever asked tries again by itself. */
export function reportUnreachable() {
  change('away');
}

/** @param {ConnectionState} state */
function change(state) {
  if (connection.state === state) return;
  Object.assign(connection, { state, sinceMs: Date.now() });
  dispatchEvent(new Event('connectionchange'));
}
