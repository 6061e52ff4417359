/** A text with one to three pieces of it lost, doubled or changed, the same for the same seed. */
export const damaged = (text: string, seed: number): string => {
  let state = seed * 2_654_435_761 % 2 ** 32
  const below = (bound: number) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return Math.floor(state / 2 ** 32 * bound)
  }
  const pieces = ["null", "-1", "\"\"", "[]", "{}", "1e99", "\"x\"", ",", "}", "]", "\u0000", "true", "\"\ud800\""]
  let result = text
  for (let round = 0; round <= below(3); round++) {
    const start = below(result.length)
    const values = [...result.matchAll(/(?<=:)("[^"]*"|\d+|true|null)/g)]
    const value = values[below(values.length)]
    switch (below(4)) {
      case 0:
        result = result.slice(0, start) + result.slice(start + 1 + below(8))
        break
      case 1:
        result = result.slice(0, start) + result.slice(Math.max(0, start - below(20)))
        break
      case 2:
        result = result.slice(0, start) + (pieces[below(pieces.length)] ?? "") + result.slice(start + 1)
        break
      default:
        if (value !== undefined) {
          const piece = pieces[below(pieces.length)] ?? ""
          result = result.slice(0, value.index) + piece + result.slice(value.index + value[0].length)
        }
    }
  }
  return result
}
