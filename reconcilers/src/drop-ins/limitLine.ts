const LINE = /^MemoryMax=.*$/m

/** The limit of memory in a drop-in, in bytes; undefined where it has none that is understood. */
const limitIn = (content: string): number | undefined => {
  const value = /^MemoryMax=(infinity|\d+)$/m.exec(content)?.[1]
  return value === "infinity" ? Number.POSITIVE_INFINITY : value === undefined ? undefined : Number(value)
}

/** Whether a drop-in leaves its relay more memory than another. Pure. */
export const leavesMore = (content: string, than: string): boolean => {
  const [one, other] = [limitIn(content), limitIn(than)]
  return one !== undefined && other !== undefined && one > other
}

/** A drop-in with the limit of memory of another. Pure. */
export const withLimitOf = (content: string, other: string): string => {
  const line = LINE.exec(other)?.[0]
  return line === undefined ? content : content.replace(LINE, () => line)
}
