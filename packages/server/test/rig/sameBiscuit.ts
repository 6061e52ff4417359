/** The tag and value of `algorithm` in the first block's next key (Ed25519, which is 0), and the tag and size of the key. */
const NEXT_KEY = Buffer.from("08001220", "hex")

/**
 * Whether a token is the same message in other bytes, and so no forgery. Its envelope is protobuf, in which a field that
 * has its default value may as well be missing: where the tag of the next key's algorithm becomes that of a field that
 * nobody knows, everything that was signed is still there. Padding of base64 says nothing either.
 */
export const sameBiscuit = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one, "base64url"), Buffer.from(other, "base64url")]
  if (a.length !== b.length) return false
  const tag = a.indexOf(NEXT_KEY)
  return a.every((byte, at) => byte === b[at] || at === tag)
}
