// How long records lie unused before they are garbage, for what no component comes past any more.

/** Days for every record: longer than the longest lifetime that the settings allow (a refresh token's, 365 days). */
export const FORGET_AFTER = 400;

/** Days by shape of the key (SQLite's GLOB). A session that was not used for a day is over (components/session), and with it
 * its conversations with upstreams, which are begun anew where they are missing. A day counts when it is full. */
export const FORGET_EARLIER: [shape: string, days: number][] = [
  ["user:*:session:*", 2],
  ["user:*:upstream:*", 2],
];
