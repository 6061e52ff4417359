import type { CommandResult } from "./HostCommand.ts"

/**
 * Which lines of an `ip -force -batch -` failed, by line number from 1, with what ip said.
 *
 * A line that the kernel refuses fails alone: ip writes the reason and `Command failed -:LINE`. A line that ip cannot
 * parse ends ip at once with no such mark (iproute2 6.1, `invarg`), so what came after it never ran; since nothing
 * tells which line that was, every line without a mark of its own counts as failed then.
 */
export const batchFailures = (
  { exitCode, stderr }: CommandResult,
  lines: number
): ReadonlyMap<number, string> => {
  const failures = new Map<number, string>()
  let said: Array<string> = []
  for (const line of stderr.split("\n")) {
    const mark = /^Command failed -:(\d+)$/.exec(line)
    if (mark === null) {
      if (line.trim() !== "") said.push(line.trim())
      continue
    }
    failures.set(Number(mark[1]), said.join(" ") || "ip gave no reason")
    said = []
  }
  if (exitCode !== 0 && (said.length > 0 || failures.size === 0)) {
    const reason = said.join(" ") || `ip ended with code ${exitCode}`
    for (let line = 1; line <= lines; line++) if (!failures.has(line)) failures.set(line, reason)
  }
  return failures
}
