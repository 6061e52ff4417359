import { randomBytes } from "node:crypto"

/** A challenge's number: 128 bits by chance, as 32 hexadecimal digits, so that no two servers ever give the same. */
export const newChallenge = (): string => randomBytes(16).toString("hex")
