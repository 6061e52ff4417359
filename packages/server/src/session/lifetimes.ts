/** How long a challenge may wait for its one use, in milliseconds. */
export const CHALLENGE_LIFE = 60 * 1000

/** How long a token is good for, from its challenge on, in milliseconds. */
export const TOKEN_LIFE = 15 * 60 * 1000
